# The initramfs-tools side: thin shell that carries backstop-early and calls it.
HOOK_DIR     := $(PREFIX)/share/initramfs-tools
HOOK_SCRIPTS := hooks/backstop scripts/init-top/backstop scripts/init-bottom/backstop

.PHONY: install-hook lint-hook
install: install-hook
install-hook:
	$(Q)for script in $(HOOK_SCRIPTS); do \
	    install -D -m 0755 initramfs-hook/initramfs-tools/$$script $(DESTDIR)$(HOOK_DIR)/$$script || exit 1; \
	done

# SC2034: initramfs-tools reads PREREQ; SC3043: its own functions use `local` as well.
LINT_TARGETS += lint-hook
lint-hook:
	$(call say,LINT,initramfs-hook)
	$(Q)if command -v shellcheck >/dev/null; then \
	    shellcheck -s sh -e SC1091,SC3043 $(HOOK_SCRIPTS:%=initramfs-hook/initramfs-tools/%); \
	else for script in $(HOOK_SCRIPTS); do sh -n initramfs-hook/initramfs-tools/$$script || exit 1; done; fi
