# The proofs: everything that is enumerated. Each part goes on where it was left, as long as what it
# proves is the same, and says what it left out.
#: make proof       every scenario, cut and fault that the rig knows; hours, and goes on where it was left
#: make proof-rig   every scenario that has not passed yet
#: ... PROOF_BUDGET=SECONDS ends any of them early; the next run goes on

PROOF_BUDGET ?=
PROOF_PARTS  := proof-rig:3 proof-calls:1 proof-mutants:2

.PHONY: proof proof-rig
proof: deps
	$(Q)tests/run_targets.sh $(or $(PROOF_BUDGET),1000000) $(PROOF_PARTS)

proof-rig: rig-ready
	$(Q)$(RIG_RUN) -j $(RIG_JOBS) $(PROOF_BUDGET:%=--budget %) run --all --resume
