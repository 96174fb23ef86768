# The agent: libagent.a is every module, backstop the verbs, backstop-early what the initramfs
# carries, backstop-generator what systemd runs before units are loaded. A program is built where
# its main file is there. backstop-early links no libarchive and no libsystemd: a module that it
# needs and that uses them does not link, which is the check.
AGENT_MAINS   := main early_main generator_main
AGENT_MODULES := $(filter-out $(AGENT_MAINS),$(basename $(notdir $(wildcard agent/*.c))))
AGENT_LIB     := $(B)/agent/libagent.a
AGENT_CFLAGS  := -Iagent -isystem /usr/include/efivar -pthread
AGENT_EARLY_LIBS := -Wl,--as-needed -linih -ljson-c -lcrypto -lblkid -lefivar -lefiboot
AGENT_LIBS    := $(AGENT_EARLY_LIBS) -larchive -lsystemd -pthread
AGENT_PROGRAMS := $(if $(wildcard agent/main.c),$(B)/agent/backstop) \
                  $(if $(wildcard agent/early_main.c),$(B)/agent/backstop-early) \
                  $(if $(wildcard agent/generator_main.c),$(B)/agent/backstop-generator)
AGENT_CORE    := $(B)/core/libcore.a

all: $(AGENT_LIB) $(AGENT_PROGRAMS)

$(B)/agent/%.o: agent/%.c
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) $(AGENT_CFLAGS) -c $< -o $@

$(AGENT_LIB): $(AGENT_MODULES:%=$(B)/agent/%.o)
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(B)/agent/backstop: $(B)/agent/main.o $(AGENT_LIB) $(AGENT_CORE)
	$(call say,LD,$@)
	$(Q)$(CC) $^ -o $@ $(LDFLAGS_ALL) $(AGENT_LIBS)

$(B)/agent/backstop-early: $(B)/agent/early_main.o $(AGENT_LIB) $(AGENT_CORE)
	$(call say,LD,$@)
	$(Q)$(CC) $^ -o $@ $(LDFLAGS_ALL) $(AGENT_EARLY_LIBS) -pthread

$(B)/agent/backstop-generator: $(B)/agent/generator_main.o $(AGENT_LIB) $(AGENT_CORE)
	$(call say,LD,$@)
	$(Q)$(CC) $^ -o $@ $(LDFLAGS_ALL) $(AGENT_EARLY_LIBS)

include $(wildcard agent/recovery.mk)

#: make bench-files  changes, hashing and good generations, each beside its floor in the same run
.PHONY: bench-files
bench: bench-files
$(B)/tests/bench_files.o: TEST_CFLAGS = $(AGENT_CFLAGS)
$(B)/tests/bench_files: $(B)/tests/bench_files.o $(AGENT_LIB) $(AGENT_CORE)
	$(call say,LD,$@)
	$(Q)$(CC) $^ -o $@ $(LDFLAGS_ALL) $(AGENT_LIBS)

bench-files: $(B)/tests/bench_files $(B)/agent/backstop
	$(Q)$(B)/tests/bench_files $(abspath $(B))/agent/backstop $(abspath $(B))/bench-files
	$(Q)rm -rf $(B)/bench-files
