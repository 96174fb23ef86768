# Chaos: random sequences from seeds.
#: make proof-chaos          sequences until CHAOS_BOOTS=500 boots are kept; goes on where it was left
#: make proof-mutants-chaos  known-bad builds, each of which chaos must find
CHAOS_BOOTS ?= 500
PROOF_PARTS += proof-chaos:1

# What draws and judges: results are kept under a hash of it, and none outlives its judge.
CHAOS_JUDGE := $(addprefix qemu/,chaos_draw.c random.c chaos_steps.c rules.c items.c sight.c due.c chain.c record.c)

$(B)/qemu/chaos_judge.c: $(CHAOS_JUDGE)
	@mkdir -p $(@D)
	$(Q)printf 'extern const char chaos_judge[]; const char chaos_judge[] = "%.16s";\n' "$$(cat $^ | sha256sum)" >$@

.PHONY: proof-chaos proof-mutants-chaos
proof-chaos: rig-ready
	$(Q)$(RIG_RUN) -j $(RIG_JOBS) chaos --boots $(CHAOS_BOOTS) $(PROOF_BUDGET:%=--budget %)

proof-mutants-chaos: rig-ready
	$(Q)RIG_PROGRAM=$(RIG_PROGRAM) $(call EACH_MUTANT,chaos)
