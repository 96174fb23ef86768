# Backstop. `make` builds, `make demo` shows it at work, `make check` tests it.
# Each directory brings its own part: <dir>/<dir>.mk. Outputs go to build/ alone.
V ?= 0
ifeq ($(V),0)
  Q := @
  say = @printf '  %-7s %s\n' $(1) $(2)
else
  Q :=
  say = @:
endif

B       ?= build
CC      ?= gcc
CLANG   ?= clang
PREFIX  ?= /usr
DESTDIR ?=
VERSION := $(shell awk -F'[()]' 'NR==1{print $$2}' debian/changelog 2>/dev/null || echo 0)

WARN := -std=c17 -Wall -Wextra -Wshadow -Wconversion -Wsign-conversion -Wstrict-prototypes \
        -Wmissing-prototypes -Wpointer-arith -Wcast-qual -Wundef -Wvla -Wformat=2
WERROR ?= -Werror
OPT  ?= -O2 -g
HARD := -fstack-protector-strong -D_FORTIFY_SOURCE=2 -fPIE
SAN  ?=
CFLAGS_ALL = $(WARN) $(WERROR) $(OPT) $(if $(SAN),,$(HARD)) $(SAN) -D_GNU_SOURCE -DBACKSTOP_VERSION='"$(VERSION)"' \
             -Icore -MMD -MP $(CPPFLAGS) $(CFLAGS)
LDFLAGS_ALL = $(if $(SAN),$(SAN),-pie -Wl,-z,relro,-z,now) $(LDFLAGS)

.DELETE_ON_ERROR:
.PHONY: all check demo bench fuzz lint deps install clean help test format
all:

include $(sort $(wildcard core/core.mk efi/efi.mk initramfs-hook/initramfs-hook.mk agent/agent.mk tests/tests.mk qemu/qemu.mk debian/debian.mk))

#: make clean       everything that was built, results too
help:
	@sed -n 's/^#: //p' $(MAKEFILE_LIST)

clean:
	$(Q)rm -rf $(B)

# Trees of machines under test, and the copy that the package is built in, have .d files of their own.
-include $(shell find $(B) \( -name rig -o -name deb \) -prune -o -type f -name '*.d' -print 2>/dev/null)
