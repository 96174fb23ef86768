#: make bench       every measurement, each beside its floor; never fails on time
#: make bench-boot  what the initramfs grew by, and what that adds to a healthy boot in guest time
.PHONY: bench-boot
bench: bench-boot
bench-boot: rig-ready
	$(Q)$(RIG_RUN) bench qemu/bench.sh
