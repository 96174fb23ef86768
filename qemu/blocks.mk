# Power cuts at the block layer: the lab, a kernel with a file system and nothing else.
#: make proof-blocks  crash states of a recovery on ext4, xfs, btrfs, and of the ESP; BLOCKS="ext4 vfat" for some
LAB          := $(B)/lab
LAB_SRC      := $(sort $(wildcard qemu/lab/*.c))
LAB_OBJS     := $(LAB_SRC:%.c=$(LAB)/%.o) $(patsubst %,$(LAB)/qemu/%.o,text command breakoff writelog writes crash record nvram)
LAB_TOOLS    := e2fsck fsck.fat
LAB_KERNEL    = $(LAB)/kernel-$(notdir $(basename $(realpath $(RIG)/base.raw)))
BLOCKS       ?= ext4 ext4-kept xfs btrfs vfat vfat-uninstall
PROOF_PARTS  += proof-blocks:1

.PHONY: proof-blocks lab
all: $(LAB)/init

# Runs in the guest: no sanitizer, whatever the rest is built with.
$(LAB)/qemu/%.o: qemu/%.c
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(WARN) $(WERROR) $(OPT) $(HARD) -D_GNU_SOURCE -Iqemu -MMD -MP -c -o $@ $<

$(LAB)/init: $(LAB_OBJS)
	$(call say,LD,$@)
	$(Q)$(CC) -pie -o $@ $^ -ljson-c -lcrypto

lab: rig-base $(LAB)/init $(B)/qemu/rig $(B)/agent/backstop $(B)/agent/backstop-early $(B)/efi/backstopx64.efi
	$(Q)test -s $(LAB_KERNEL)/vmlinuz || qemu/lab/mklab.sh kernel $(RIG)/base.raw $(KVER) $(LAB_KERNEL)
	$(Q)ln -sfn $(notdir $(LAB_KERNEL)) $(LAB)/kernel
	$(call say,CPIO,$(LAB)/initrd)
	$(Q)qemu/lab/mklab.sh initrd $(LAB_KERNEL) $(LAB)/initrd $(LAB)/init $(B)/agent/backstop \
	    $(B)/agent/backstop-early $(B)/efi/backstopx64.efi $(LAB_TOOLS)

proof-blocks: lab
	$(Q)$(RIG_PROGRAM) blocks -j $(RIG_JOBS) --lab $(LAB) --out $(B)/proof/blocks $(PROOF_BUDGET:%=--budget %) $(BLOCKS)

#: make lab         what crash states are made and judged in
#: make proof-mutants-blocks  known-bad builds, each of which crash states must find
PROOF_MUTANTS += proof-mutants-blocks
.PHONY: proof-mutants-blocks
proof-mutants-blocks: lab
	$(Q)RIG_PROGRAM=$(RIG_PROGRAM) LAB=$(LAB) LAB_TOOLS="$(LAB_TOOLS)" $(call EACH_MUTANT,blocks)
