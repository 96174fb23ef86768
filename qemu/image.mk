# The rig's images and the vendor's product.
#: make rig-image   Debian with the vendor's sensor, as a disk that UEFI boots
#
# Made for the runner:
#   $(RIG)/base.raw        the disk; a link to base-HASH.raw, HASH over all that goes into it
#   $(RIG)/outbox/NAME/    what the vendor delivers: content-291, content-292, driver-1.1,
#                          driver-2.0, driver-2.1, loading; for `acme-update /payload/NAME`
#   $(RIG)/rig.conf        Backstop's settings in the rig
#   qemu/image/mkpayload.sh OUT.img FILES...
RIG := $(B)/rig
# The kernel of the rig: the newest whose headers are here.
KVER = $(shell ls /usr/src | sed -n 's/^linux-headers-\(.*-amd64\)$$/\1/p' | sort -V | tail -1)

RIG_VENDOR_SRC := $(sort $(filter-out %.md,$(wildcard qemu/vendor/* qemu/vendor/*/*)))
RIG_IMAGE_SRC := $(sort $(filter-out %/mkpayload.sh %/rig.conf,$(wildcard qemu/image/*)) qemu/image.mk \
                        $(shell find qemu/image/root -type f))
RIG_FILES = $(shell find $(RIG_VENDOR_SRC) $(RIG_IMAGE_SRC) -maxdepth 0 -type f | sort)
RIG_BASE_HASH = $(shell { echo $(KVER); sha256sum $(RIG_FILES); } | sha256sum | cut -c1-16)

.PHONY: rig-image rig-base
rig-image: rig-base $(RIG)/outbox.stamp $(RIG)/rig.conf

$(RIG)/modules.stamp: $(sort $(wildcard qemu/vendor/module/*))
	$(call say,KBUILD,acme_sentry)
	$(Q)test -n "$(KVER)" || { echo "no kernel headers in /usr/src; run: make deps" >&2; exit 1; }
	$(Q)mkdir -p $(@D)
	$(Q)qemu/vendor/module/mkmodule.sh $(KVER) $(RIG)/modules
	$(Q)touch $@

$(RIG)/acme-sentry_1.0_amd64.deb: $(RIG)/modules.stamp $(RIG_VENDOR_SRC)
	$(call say,DEB,$@)
	$(Q)qemu/vendor/mkdeb.sh $(KVER) $(RIG)/modules $@

$(RIG)/outbox.stamp: $(RIG)/modules.stamp qemu/vendor/mkoutbox.sh qemu/vendor/mkcontent.sh
	$(Q)qemu/vendor/mkoutbox.sh $(RIG)/modules $(RIG)/outbox
	$(Q)touch $@

$(RIG)/rig.conf: qemu/image/rig.conf
	$(Q)install -D -m 644 $< $@

# Runs in the guest: no sanitizer, whatever the rest is built with.
$(RIG)/rig-agent: qemu/image/rig-agent.c
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(WARN) $(WERROR) $(OPT) $(HARD) -pie -D_GNU_SOURCE -o $@ $<

$(RIG)/overlay.tar: $(RIG)/rig-agent $(RIG_IMAGE_SRC)
	$(Q)mkdir -p $(@D) && rm -rf $(RIG)/overlay && cp -R qemu/image/root $(RIG)/overlay
	$(Q)install -D -m 755 $(RIG)/rig-agent $(RIG)/overlay/usr/local/bin/rig-agent
	$(Q)tar -C $(RIG)/overlay --sort=name --owner=0 --group=0 --numeric-owner \
	        --mode=u+rwX,go+rX,go-w --mtime=@1700000000 -cf $@ .

# The base is named by what goes into it, so that going back and forth makes nothing twice; under a
# lock, since two runs of make may want it at once.
rig-base: $(RIG)/outbox.stamp
	$(Q)mkdir -p $(RIG)
	$(Q)base=base-$(RIG_BASE_HASH).raw; \
	{ test -e $(RIG)/$$base || flock $(RIG)/base.lock \
	    $(MAKE) --no-print-directory RIG_BASE=$(RIG)/$$base $(RIG)/$$base; } && \
	ln -sfn $$base $(RIG)/base.raw

ifdef RIG_BASE
$(RIG_BASE): | $(RIG)/overlay.tar $(RIG)/acme-sentry_1.0_amd64.deb
	$(call say,DEBIAN,$@)
	$(Q)qemu/image/mkroot.sh $(KVER) $(RIG)/root.tar $| >$(RIG)/mkroot.log 2>&1 || \
	    { cat $(RIG)/mkroot.log >&2; exit 1; }
	$(call say,DISK,$@)
	$(Q)qemu/image/mkdisk.sh $(RIG)/root.tar $@
	$(Q)rm -f $(RIG)/root.tar
	$(Q)ls -t $(RIG)/base-*.raw | tail -n +4 | xargs -r rm -f
endif
