#: make try-ready   what `qemu/rig try` needs beside the image: the agent, Backstop's package, scripts
#: make proof-try   `qemu/rig try` on other people's packages and images, good and deliberately broken
RIG_TRY := $(RIG)/try
PROOF_PARTS += proof-try:1
# The libraries that Backstop's package needs, for machines of the host's own Debian that lack them.
RIG_TRY_LIBS := libarchive13 libefiboot1 libefivar1 libinih1 libjson-c5

.PHONY: try-ready proof-try
try-ready: $(B)/qemu/rig rig-image $(RIG_TRY)/stamp

# Runs in any distribution: it brings its own libc.
$(RIG)/rig-agent-static: qemu/image/rig-agent.c
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(WARN) $(WERROR) $(OPT) $(HARD) -static-pie -D_GNU_SOURCE -o $@ $<

$(RIG_TRY)/stamp: $(RIG)/rig-agent-static $(DEB) qemu/image/mkpayload.sh $(sort $(wildcard qemu/try/*.sh qemu/try/*.conf)) \
                  $(shell find qemu/image/root/etc/systemd qemu/image/root/etc/udev -type f)
	$(call say,TRY,$(RIG_TRY))
	$(Q)rm -rf $(RIG_TRY) && mkdir -p $(RIG_TRY)/agent/etc $(RIG_TRY)/libraries
	$(Q)cp -R qemu/image/root/etc/systemd qemu/image/root/etc/udev $(RIG_TRY)/agent/etc/
	$(Q)install -D -m 755 $(RIG)/rig-agent-static $(RIG_TRY)/agent/usr/local/bin/rig-agent
	$(Q)cp qemu/try/*.sh qemu/try/*.conf qemu/image/mkpayload.sh $(RIG_TRY)/
	$(Q)cp $(DEB) $(RIG_TRY)/backstop.deb
	$(Q)qemu/try/mklibraries.sh $(RIG_TRY)/libraries $(RIG_TRY_LIBS)
	$(Q)touch $@

# Made once: the archive's newest packages in machines and updates that are not ours.
$(RIG)/foreign/stamp: qemu/try/mkforeign.sh
	$(call say,DEBIAN,$(@D))
	$(Q)qemu/try/mkforeign.sh $(@D) && touch $@

$(RIG)/third/stamp: qemu/try/mkthird.sh
	$(call say,KBUILD,$(@D))
	$(Q)qemu/try/mkthird.sh $(KVER) $(@D) && touch $@

proof-try: rig-ready try-ready $(RIG)/foreign/stamp $(RIG)/third/stamp
	$(Q)qemu/try/proof.sh $(RIG) $(PROOF_BUDGET:%=--budget %)
