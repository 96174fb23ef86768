# core/: freestanding; the same sources are built for the host here and for firmware by efi.mk.
CORE_SRCS := $(sort $(wildcard core/*.c))
CORE_OBJS := $(CORE_SRCS:%.c=$(B)/%.o)
# gcc turns loops into memset and memcpy calls even with -fno-builtin, unless told; clang does not know the flag.
CORE_NO_LIBC = -ffreestanding -fno-builtin -fno-stack-protector -fno-asynchronous-unwind-tables \
               $(if $(findstring clang,$(1)),,-fno-tree-loop-distribute-patterns)
CORE_CFLAGS = $(WARN) $(WERROR) $(OPT) $(SAN) -fPIE $(call CORE_NO_LIBC,$(CC)) -Icore -MMD -MP

$(B)/core/%.o: core/%.c
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(CORE_CFLAGS) -c -o $@ $<

$(B)/core/libcore.a: $(CORE_OBJS)
	$(call say,AR,$@)
	$(Q)rm -f $@
	$(Q)$(AR) rcs $@ $^

all: $(B)/core/libcore.a
