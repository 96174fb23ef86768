# What is installed where, the package, and what building and testing need.
#: make install [DESTDIR=D] [PREFIX=/usr]  put everything in its place
#: make deb            the Debian package, build/backstop_VERSION_ARCH.deb
#: make deps           install what building, packaging and the rig need (Debian)
#: make check-package  install, upgrade, remove and purge the package in a Debian of its own
SYSCONFDIR    ?= /etc
LIBDIR        := $(PREFIX)/lib/backstop
UNITDIR       ?= $(PREFIX)/lib/systemd/system
GENERATORDIR  ?= $(PREFIX)/lib/systemd/system-generators
MANDIR        := $(PREFIX)/share/man
COMPLETIONDIR := $(PREFIX)/share/bash-completion/completions

STAGE_NAMES := backstopx64.efi backstopaa64.efi
MACHINE     := $(or $(DEB_HOST_GNU_CPU),$(shell uname -m))
STAGE       := $(if $(filter aarch64 arm64,$(MACHINE)),backstopaa64.efi,backstopx64.efi)
UNITS       := $(sort $(wildcard agent/units/*))
SETS        := $(sort $(wildcard agent/sets.d/*.conf))
EMPTY_DIRS  := $(SYSCONFDIR)/backstop/sets.d $(SYSCONFDIR)/backstop/backstop.conf.d \
               $(foreach base,$(SYSCONFDIR)/backstop $(LIBDIR),$(base)/check/required.d $(base)/check/wanted.d)

# agetty looks into /run/issue.d only where there is no /etc/issue: a link in /etc/issue.d leads there.
.PHONY: install-programs deb deps lint-units lint-man check-package
install: install-programs
install-programs: $(AGENT_PROGRAMS) $(B)/efi/$(STAGE)
	$(call say,INSTALL,$(or $(DESTDIR),/))
	$(Q)install -D -m 0755 $(B)/agent/backstop $(DESTDIR)$(PREFIX)/bin/backstop
	$(Q)install -D -m 0755 $(B)/agent/backstop-early $(DESTDIR)$(LIBDIR)/backstop-early
	$(Q)install -D -m 0755 $(B)/agent/backstop-generator $(DESTDIR)$(GENERATORDIR)/backstop-generator
	$(Q)install -D -m 0644 $(B)/efi/$(STAGE) $(DESTDIR)$(LIBDIR)/$(STAGE)
	$(Q)install -d $(DESTDIR)$(UNITDIR) $(DESTDIR)$(LIBDIR)/sets.d $(EMPTY_DIRS:%=$(DESTDIR)%)
	$(Q)install -m 0644 $(UNITS) $(DESTDIR)$(UNITDIR)
	$(if $(SETS),$(Q)install -m 0644 $(SETS) $(DESTDIR)$(LIBDIR)/sets.d)
	$(Q)install -m 0644 agent/backstop.conf $(DESTDIR)$(SYSCONFDIR)/backstop/backstop.conf
	$(Q)install -d $(DESTDIR)$(SYSCONFDIR)/issue.d
	$(Q)ln -sfn /run/issue.d/backstop.issue $(DESTDIR)$(SYSCONFDIR)/issue.d/backstop.issue
	$(Q)install -D -m 0644 agent/backstop.8 $(DESTDIR)$(MANDIR)/man8/backstop.8
	$(Q)install -d $(DESTDIR)$(MANDIR)/man5
	$(Q)install -m 0644 agent/backstop.conf.5 agent/backstop-sets.5 $(DESTDIR)$(MANDIR)/man5
	$(Q)install -D -m 0644 agent/completion/backstop $(DESTDIR)$(COMPLETIONDIR)/backstop

# The package is built in a copy of the sources, so that dpkg-buildpackage's own files and flags stay
# out of the tree. The copy keeps its objects: only what changed is built again.
DEB_ARCH    := $(shell dpkg --print-architecture 2>/dev/null)
DEB         := $(B)/backstop_$(VERSION)_$(DEB_ARCH).deb
DEB_TREE    := $(B)/deb/backstop-$(VERSION)
DEB_PARTS   := Makefile LICENSE README.md HACKING.md core efi agent initramfs-hook debian
DEB_SOURCES := $(shell find $(DEB_PARTS) -type f ! -path 'debian/.debhelper/*' ! -path 'debian/backstop/*' 2>/dev/null)

deb: $(DEB)
$(DEB): $(DEB_SOURCES)
	$(call say,DEB,$@)
	$(Q)mkdir -p $(DEB_TREE)
	$(Q)find $(DEB_TREE) -mindepth 1 -maxdepth 1 ! -name build -exec rm -rf {} +
	$(Q)tar -cf - $(DEB_PARTS) | tar -xf - -C $(DEB_TREE)
	$(Q)rm -f $(B)/deb/*.deb
	$(Q)cd $(DEB_TREE) && env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL -u MAKEOVERRIDES -u B -u SAN -u DESTDIR \
	    -u PREFIX DEB_BUILD_OPTIONS="noautodbgsym parallel=2" \
	    dpkg-buildpackage --build=binary --no-sign --no-pre-clean >../build.log 2>&1 || \
	    { tail -n 40 ../build.log; echo "the whole log: $(B)/deb/build.log" >&2; exit 1; }
	$(Q)mv $(B)/deb/$(notdir $@) $@

# Every package that building, packaging and the rig need, on a bare Debian.
DEPS := gcc make libc6-dev clang lld llvm clang-format libclang-rt-dev gnu-efi pkg-config \
        libefivar-dev libefiboot-dev libblkid-dev libarchive-dev libinih-dev libjson-c-dev \
        libsystemd-dev libssl-dev libcmocka-dev libext2fs-dev comerr-dev \
        debhelper dpkg-dev fakeroot \
        qemu-system-x86 qemu-utils ovmf dkms mmdebstrap uidmap mtools dosfstools e2fsprogs xfsprogs btrfs-progs fdisk \
        linux-headers-amd64 zstd cpio kmod acl attr \
        chromium libxml2-utils \
        shellcheck valgrind man-db bash-completion systemd openssl

deps:
	$(Q)missing=; for package in $(DEPS); do \
	    dpkg-query -W -f '$${db:Status-Status}' $$package 2>/dev/null | grep -qx installed || \
	        missing="$$missing $$package"; \
	done; \
	[ -n "$$missing" ] || exit 0; \
	as_root=; [ "$$(id -u)" = 0 ] || as_root=sudo; \
	echo "installing:$$missing"; \
	$$as_root apt-get update -q && \
	DEBIAN_FRONTEND=noninteractive $$as_root apt-get install -q -y --no-install-recommends $$missing

# Units refer to programs where they will be, not where they are built: those two complaints are
# filtered, every other one fails.
LINT_TARGETS += lint-units lint-man
lint-units:
	$(call say,LINT,agent/units)
	$(Q)if command -v systemd-analyze >/dev/null; then \
	    complaints=$$(SYSTEMD_UNIT_PATH=$(CURDIR)/agent/units: systemd-analyze verify --man=no \
	        $(UNITS:%=./%) 2>&1 | grep -v -e 'is not executable: No such file' -e 'Proceeding WITHOUT firewalling'); \
	    [ -z "$$complaints" ] || { echo "$$complaints" >&2; exit 1; }; \
	fi

MAN_PAGES := agent/backstop.8 agent/backstop.conf.5 agent/backstop-sets.5
lint-man:
	$(call say,LINT,$(MAN_PAGES))
	$(Q)if command -v man >/dev/null; then for page in $(MAN_PAGES); do \
	    complaints=$$(LC_ALL=C.UTF-8 MANROFFSEQ= MANWIDTH=100 man --warnings -E UTF-8 -l -Tutf8 -Z ./$$page 2>&1 >/dev/null); \
	    [ -z "$$complaints" ] || { echo "$$page: $$complaints" >&2; exit 1; }; \
	done; fi

check-package: RESULTS := $(abspath $(B))/results-package
check-package: $(DEB) $(abspath $(B))/tests/tally
	$(begin_results)
	$(Q)$(TALLY) 'package' tests/test_package.sh $(DEB)
	@$(TALLY)
