#: make proof-mutants  each known-bad build in tests/mutants/ must be found by its layer of the proof
#
# A layer's own part of the Makefile adds its target: PROOF_MUTANTS += proof-mutants-LAYER. Each
# copies and patches the sources with tests/mutants/mutant.sh, builds, and must see its layer fail.
.PHONY: proof-mutants

# $(1): a layer's target
define run_mutants
	$(Q)+$(TALLY) '$(1)' $(MAKE) --no-print-directory $(1)

endef

proof-mutants: $(TALLY_BIN)
	$(begin_results)
	$(foreach t,$(sort $(PROOF_MUTANTS)),$(call run_mutants,$(t)))
	@$(TALLY)
