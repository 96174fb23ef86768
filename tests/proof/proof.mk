#: make proof-calls    power cuts and errors at every system call of the real programs
#: make proof-mutants  each known-bad build in tests/mutants/ must be found by its layer of the proof
#
# PROOF_BUDGET=SECONDS ends a layer after so long; run again, it goes on where it ended.
#
# A layer's own part of the Makefile adds its target: PROOF_MUTANTS += proof-mutants-LAYER, whose
# recipe is EACH_MUTANT: each mutant of the layer is made and built, and must be found.
# $(1): layer; tests/mutants/LAYER.sh says what it needs in the environment
EACH_MUTANT = B=$(B) MUTANTS_JOBS=$(RIG_JOBS) tests/mutants/each.sh $(1) $(B)/mutants
PROOF_CALLS  := $(B)/tests/proof-calls
PROOF_CALLS_OBJS := $(patsubst tests/proof/%.c,$(B)/tests/proof/%.o,$(sort $(wildcard tests/proof/*.c)))
PROOF_CALLS_PARTS := $(filter-out %/main.o,$(PROOF_CALLS_OBJS))
PROOF_BLKID := $(B)/tests/proof-blkid.so
# $(1): directory of the programs, $(2): directory of the results
PROOF_CALLS_RUN = $(PROOF_CALLS) --programs $(1) --results $(2)

.PHONY: proof-calls proof-calls-short proof-mutants

all: $(PROOF_CALLS)

$(B)/tests/proof/%.o: tests/proof/%.c
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(CFLAGS_ALL) -Itests/proof -Itests -c -o $@ $<

$(PROOF_CALLS): $(PROOF_CALLS_OBJS) $(B)/core/libcore.a
	$(call say,LD,$@)
	$(Q)$(CC) -o $@ $^ $(LDFLAGS_ALL) -ljson-c -lcrypto

$(B)/tests/test_proof_%: TEST_LIBS = $(PROOF_CALLS_PARTS) $(B)/core/libcore.a -ljson-c -lcrypto
$(B)/tests/test_proof_%.o: TEST_CFLAGS = -Itests/proof
$(filter $(B)/tests/test_proof_%,$(TEST_PROGRAMS)): $(PROOF_CALLS_PARTS)

# Loaded into the programs under proof: with nothing that the compiler would add to them.
$(PROOF_BLKID): tests/proof/preload/blkid.c
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(WARN) $(WERROR) -O2 -fPIC -shared -o $@ $<

$(PROOF_CALLS): | $(PROOF_BLKID)

proof-calls: $(PROOF_CALLS) $(B)/agent/backstop $(B)/agent/backstop-early
	$(Q)mkdir -p $(B)/proof/calls
	$(Q)$(call PROOF_CALLS_RUN,$(abspath $(B))/agent,$(B)/proof/calls) \
	    $(PROOF_BUDGET:%=--budget %)

# For `make check`: half a minute, from the start each time.
proof-calls-short: $(PROOF_CALLS) $(B)/agent/backstop $(B)/agent/backstop-early
	$(Q)mkdir -p $(B)/proof/check
	$(Q)$(call PROOF_CALLS_RUN,$(abspath $(B))/agent,$(B)/proof/check) --fresh --case recover-small \
	    --kind cut --kind fault --kind memory

PROOF_MUTANTS += proof-mutants-calls
.PHONY: proof-mutants-calls
proof-mutants-calls: $(PROOF_CALLS) $(B)/agent/backstop $(B)/agent/backstop-early
	$(Q)$(call EACH_MUTANT,calls)

proof-mutants:
	$(Q)+tests/mutants/all.sh "$(PROOF_BUDGET)" $(sort $(PROOF_MUTANTS))
