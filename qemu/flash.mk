#: make proof-flash  power cuts at every program of a variable's update, and in garbage collections; hours
FLASH_NEEDS := $(B)/qemu/rig $(B)/efi/backstopx64.efi $(B)/efi/ovmf_next.efi
FLASH_RUN    = $(RIG_RUN) flash --dir $(B)/proof/flash --stage $(B)/efi/backstopx64.efi --next $(B)/efi/ovmf_next.efi

PROOF_PARTS += proof-flash:1

.PHONY: proof-flash
proof-flash: $(FLASH_NEEDS)
	$(Q)$(FLASH_RUN) -j $(RIG_JOBS) $(PROOF_BUDGET:%=--budget %) $(FLASH_CASES)

FLASH_LINUX = $(addprefix linux-,receipt receipt-update entry order leave-order leave-next leave-receipt)
#: make proof-flash-linux  the same at what the agent writes under Linux, on the rig's image
PROOF_PARTS += proof-flash-linux:1

.PHONY: proof-flash-linux
proof-flash-linux: $(FLASH_NEEDS) rig-ready
	$(Q)$(FLASH_RUN) -j $(RIG_JOBS) $(PROOF_BUDGET:%=--budget %) $(FLASH_LINUX)

#: make proof-mutants-flash  known-bad stages, each of which flash must find
PROOF_MUTANTS += proof-mutants-flash

.PHONY: proof-mutants-flash
proof-mutants-flash: $(FLASH_NEEDS)
	$(Q)RIG_PROGRAM=$(RIG_PROGRAM) NEXT=$(B)/efi/ovmf_next.efi $(call EACH_MUTANT,flash)
