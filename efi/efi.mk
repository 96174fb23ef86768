# efi/: the stage, native PE/COFF for both architectures, and as host objects for its tests.
EFI_MODULES := console dumps file main probe retire start store variable
EFI_INCLUDE ?= /usr/include/efi
EFI_CFLAGS = $(WARN) $(WERROR) -Oz -ffreestanding -fno-builtin -fshort-wchar -fno-ms-extensions \
             -fno-ms-compatibility -mno-stack-arg-probe -fno-stack-protector -fno-unwind-tables \
             -fno-asynchronous-unwind-tables -ffunction-sections -fdata-sections -Iefi -Icore -isystem $(EFI_INCLUDE) -MMD -MP
EFI_LDFLAGS := /nologo /subsystem:efi_application /entry:efi_main /nodefaultlib /dynamicbase /nxcompat \
               /Brepro /opt:ref /opt:icf

EFI_TARGET_x64 := x86_64-unknown-windows
EFI_TARGET_aa64 := aarch64-unknown-windows
EFI_CFLAGS_x64 := -mno-red-zone
EFI_IMAGES := $(B)/efi/backstopx64.efi $(B)/efi/backstopaa64.efi

# $(1): architecture as in file names
define EFI_ARCH
$(B)/efi/$(1)/%.o: %.c
	@mkdir -p $$(@D)
	$$(call say,EFI-CC,$$@)
	$$(Q)$$(CLANG) -target $$(EFI_TARGET_$(1)) $$(EFI_CFLAGS_$(1)) $$(EFI_CFLAGS) -c -o $$@ $$<

$(B)/efi/$(1)/sbat.o: $(B)/efi/sbat.csv
	@mkdir -p $$(@D)
	$$(Q)printf '.section .sbat,"dr"\n.incbin "%s"\n' $$< | $$(CLANG) -target $$(EFI_TARGET_$(1)) -c -x assembler -o $$@ -

$(B)/efi/backstop$(1).efi: $(patsubst %,$(B)/efi/$(1)/efi/%.o,$(EFI_MODULES) mem) \
                           $$(CORE_SRCS:%.c=$(B)/efi/$(1)/%.o) $(B)/efi/$(1)/sbat.o
	$$(call say,LINK,$$@)
	$$(Q)lld-link $$(EFI_LDFLAGS) /out:$$@ $$^
endef
$(eval $(call EFI_ARCH,x64))
$(eval $(call EFI_ARCH,aa64))

$(B)/efi/sbat.csv: efi/sbat.csv.in $(wildcard debian/changelog)
	@mkdir -p $(@D)
	$(Q)sed 's/@VERSION@/$(or $(VERSION),0)/' $< >$@

all: $(EFI_IMAGES)

# ---- on the host, against tests/fake_efi.c ----------------------------------------------------
EFI_HOST_CFLAGS := -fshort-wchar -DGNU_EFI_USE_MS_ABI -DEFI_BUILD='"$(abspath $(B))/efi"' -Iefi -isystem $(EFI_INCLUDE)
EFI_HOST_OBJS := $(EFI_MODULES:%=$(B)/efi/host/%.o) $(B)/efi/host/mem_renamed.o $(B)/tests/fake_efi.o

$(B)/efi/host/%.o: efi/%.c
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(CFLAGS_ALL) $(EFI_HOST_CFLAGS) -c -o $@ $<

# libc has functions of these names already.
$(B)/efi/host/mem_renamed.o: efi/mem.c
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(CFLAGS_ALL) $(EFI_HOST_CFLAGS) -fno-builtin -U_FORTIFY_SOURCE -Dmemcpy=efi_memcpy \
	    -Dmemmove=efi_memmove -Dmemset=efi_memset -Dmemcmp=efi_memcmp -c -o $@ $<

$(B)/tests/fake_efi.o: TEST_CFLAGS = $(EFI_HOST_CFLAGS)
$(B)/tests/test_efi_image.o: | $(EFI_IMAGES)

# ---- in OVMF ------------------------------------------------------------------------------------
#: make check-ovmf the stage in real firmware (QEMU), boots in a row
#: make bench-efi  size of the stage, and guest time that it costs beside straight chaining
OVMF_NEXT_MODULES := file start variable mem

$(B)/efi/ovmf_next.efi: $(B)/efi/x64/tests/ovmf_next.o $(OVMF_NEXT_MODULES:%=$(B)/efi/x64/efi/%.o) \
                        $(CORE_SRCS:%.c=$(B)/efi/x64/%.o)
	$(call say,LINK,$@)
	$(Q)lld-link $(EFI_LDFLAGS) /out:$@ $^

.PHONY: check-ovmf bench-efi
check-ovmf: $(B)/efi/backstopx64.efi $(B)/efi/ovmf_next.efi
	$(Q)sh tests/ovmf_stage.sh test $(B)/efi

bench: bench-efi
bench-efi: $(B)/efi/backstopx64.efi $(B)/efi/ovmf_next.efi
	$(Q)sh tests/ovmf_stage.sh bench $(B)/efi
