# The initramfs-tools side: thin shell that carries backstop-early and calls it.
HOOK_DIR     := $(PREFIX)/share/initramfs-tools
HOOK_SCRIPTS := hooks/backstop scripts/init-top/backstop scripts/init-bottom/backstop

.PHONY: install-hook
install: install-hook
install-hook:
	$(Q)for script in $(HOOK_SCRIPTS); do \
	    install -D -m 0755 initramfs-hook/initramfs-tools/$$script $(DESTDIR)$(HOOK_DIR)/$$script || exit 1; \
	done
