# Chaos: random sequences from seeds.
#: make proof-chaos          sequences until CHAOS_BOOTS=500 boots are kept; goes on where it was left
#: make proof-mutants-chaos  known-bad builds, each of which chaos must find
CHAOS_BOOTS ?= 500
PROOF_PARTS += proof-chaos:1
PROOF_MUTANTS += proof-mutants-chaos

.PHONY: proof-chaos proof-mutants-chaos
proof-chaos: rig-ready
	$(Q)$(RIG_RUN) -j $(RIG_JOBS) chaos --boots $(CHAOS_BOOTS) $(PROOF_BUDGET:%=--budget %)

proof-mutants-chaos: rig-ready
	$(Q)RIG_PROGRAM=$(RIG_PROGRAM) $(call EACH_MUTANT,chaos)
