#: make test       every unit test
#: make check      lint, tests, sanitizers, clang's warnings, fuzz targets and cuts briefly, a few machines; installs what it needs
#: make fuzz       fuzz targets, FUZZ_SECONDS=600 each
#: make valgrind   unit tests under valgrind
#: make lint       arrows between parts, core's symbols, layout, shell, units, man pages
#: make check-report  a report of the rig, looked at in a browser
#: make format     layout of all C files
#
# tests/test_NAME.c is one cmocka program: test_agent_* with libagent, test_efi_* with the stage's
# host objects, test_rig_* with the rig's alone, test_proof_* with those of tests/proof, all others
# with libcore. tests/fuzz_NAME.c is one libFuzzer target: of core where FUZZ_CORE names it,
# fuzz_efi_* with the stage's host objects, else of the agent; its seeds are in tests/corpus/NAME/.
#
# Each result is a line in $(RESULTS), so that a check goes on after a failure and sums up at its end.
RESULTS ?= $(abspath $(B))/results
LABEL   ?=
TALLY    = $(TALLY_BIN) $(RESULTS)
TALLY_BIN ?= $(abspath $(B))/tests/tally

TEST_PROGRAMS := $(patsubst tests/%.c,$(B)/tests/%,$(sort $(wildcard tests/test_*.c)))
FUZZ_PROGRAMS := $(patsubst tests/%.c,$(B)/tests/%,$(sort $(wildcard tests/fuzz_*.c)))
FUZZ_CORE     := ledger receipt ticket slots stageconf
FUZZ_RUNS     ?= 20000
FUZZ_SECONDS  ?= 600
TEST_SECONDS  ?= 900
# How much is made and run side by side, unless make was told itself.
JOBS          ?= $(shell nproc)
SIDE_BY_SIDE   = $(if $(filter -j% --jobserver%,$(MAKEFLAGS)),,-j$(JOBS) --output-sync)

SANITIZERS      := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
FUZZ_SANITIZERS := -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
ASAN_MAKE   = $(MAKE) B=$(B)/asan SAN="$(SANITIZERS)"
FUZZ_MAKE   = $(MAKE) B=$(B)/fuzz CC=$(CLANG) OPT="-O1 -g" SAN="$(FUZZ_SANITIZERS)"
# Scenarios on the rig that are short enough for `make check`.
CHECK_RIG  ?= rig-smoke

.PHONY: check-report report-run check-run test-programs test-run fuzz-programs fuzz-run lint-run valgrind valgrind-run
.SECONDARY: $(TEST_PROGRAMS:=.o) $(FUZZ_PROGRAMS:=.o)

# ---- programs -----------------------------------------------------------------------------------

TEST_LIBS = $(B)/core/libcore.a
$(B)/tests/test_agent_%: TEST_LIBS = $(AGENT_TEST_OBJS) $(B)/agent/libagent.a $(B)/core/libcore.a $(AGENT_LIBS)
$(B)/tests/test_efi_%:   TEST_LIBS = $(EFI_HOST_OBJS) $(B)/core/libcore.a
$(B)/tests/test_rig_%:   TEST_LIBS = $(RIG_HOST_OBJS) $(RIG_LIBS)
$(B)/tests/test_rig_flash: TEST_LIBS += -Wl,--wrap=small_boot
$(filter $(B)/tests/test_agent_%,$(TEST_PROGRAMS)): $(AGENT_TEST_OBJS) $(B)/agent/libagent.a
$(filter $(B)/tests/test_efi_%,$(TEST_PROGRAMS)): $(EFI_HOST_OBJS)
$(filter $(B)/tests/test_rig_%,$(TEST_PROGRAMS)): $(RIG_HOST_OBJS)
$(B)/tests/test_agent_%.o: TEST_CFLAGS = $(AGENT_CFLAGS) -Iagent
$(B)/tests/test_efi_%.o:   TEST_CFLAGS = $(EFI_HOST_CFLAGS) -Iefi

FUZZ_AGENT := $(filter-out $(FUZZ_CORE:%=$(B)/tests/fuzz_%) $(B)/tests/fuzz_efi_%,$(FUZZ_PROGRAMS))
$(B)/tests/fuzz_%: TEST_LIBS = $(B)/core/libcore.a
$(FUZZ_AGENT): TEST_LIBS = $(B)/agent/libagent.a $(B)/core/libcore.a $(AGENT_LIBS)
$(FUZZ_AGENT): $(B)/agent/libagent.a
$(B)/tests/fuzz_efi_%: TEST_LIBS = $(EFI_HOST_OBJS) $(B)/core/libcore.a
$(filter $(B)/tests/fuzz_efi_%,$(FUZZ_PROGRAMS)): $(EFI_HOST_OBJS)
$(FUZZ_AGENT:=.o): TEST_CFLAGS = $(AGENT_CFLAGS) -Iagent
$(B)/tests/fuzz_efi_%.o: TEST_CFLAGS = $(EFI_HOST_CFLAGS) -Iefi

$(B)/tests/%.o: tests/%.c
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(CFLAGS_ALL) $(TEST_CFLAGS) -Itests -DSOURCE_DIR='"$(CURDIR)"' -c -o $@ $<

$(TEST_PROGRAMS): $(B)/tests/%: $(B)/tests/%.o $(B)/core/libcore.a
	$(call say,LD,$@)
	$(Q)$(CC) -o $@ $< $(TEST_LIBS) $(LDFLAGS_ALL) -lcmocka

$(FUZZ_PROGRAMS): $(B)/tests/%: $(B)/tests/%.o $(B)/core/libcore.a
	$(call say,LD,$@)
	$(Q)$(CC) -fsanitize=fuzzer -o $@ $< $(TEST_LIBS) $(LDFLAGS_ALL)

$(abspath $(B))/tests/tally: $(B)/tests/tally.o
	$(call say,LD,$@)
	$(Q)$(CC) -o $@ $< $(LDFLAGS_ALL)

test-programs: $(TEST_PROGRAMS)
fuzz-programs: $(FUZZ_PROGRAMS)

# ---- runs: each adds to $(RESULTS) and goes on after a failure ------------------------------------

TEST_RUNS := $(TEST_PROGRAMS:%=%.run)
FUZZER_RUNS := $(FUZZ_PROGRAMS:%=%.run)
.PHONY: $(TEST_RUNS) $(FUZZER_RUNS)

test-run: $(TEST_RUNS)
$(TEST_RUNS): %.run: % $(TALLY_BIN)
	$(Q)TALLY_SECONDS=$(TEST_SECONDS) $(TALLY) '$(LABEL)$(notdir $*)' $(RUN_UNDER) $*

valgrind-run: RUN_UNDER = env MODEL_QUICK=1 valgrind -q --error-exitcode=99 --leak-check=full \
                          --errors-for-leak-kinds=definite
# The model of decide() takes minutes of processor time there, and more where others run beside it.
valgrind-run: TEST_SECONDS = 3600
valgrind-run: test-run

# New inputs go to the build directory: the seeds in tests/ stay as they are, and runs repeat.
FUZZ_LIMIT ?= -runs=$(FUZZ_RUNS) -seed=1
fuzz-run: $(FUZZER_RUNS)
$(FUZZER_RUNS): $(B)/tests/fuzz_%.run: $(B)/tests/fuzz_% $(TALLY_BIN)
	$(Q)rm -rf $(B)/found/$* && mkdir -p $(B)/found/$* $(B)/artifacts
	$(Q)$(TALLY) 'fuzz: $*' $< $(FUZZ_LIMIT) -timeout=20 -rss_limit_mb=1024 \
	    -artifact_prefix=$(B)/artifacts/$*- $(B)/found/$* $(wildcard tests/corpus/$*)

LINT_CHECKS := arrows-core arrows-efi arrows-agent arrows-qemu format shell
# $(1): check of lint.sh
define run_lint
	$(Q)$(TALLY) 'lint: $(1)' sh tests/lint.sh $(1)

endef
# $(1): compiler, $(2): optimisation
define run_lint_nm
	$(Q)+$(TALLY) 'lint: core needs nothing ($(1) -$(2))' sh tests/lint.sh nm '$(MAKE)' \
	    $(B)/lint/$(1)-$(2) $(1) $(2)

endef
# $(1): a target that another directory's part has named in LINT_TARGETS
define run_lint_target
	$(Q)+$(TALLY) 'lint: $(1)' $(MAKE) --no-print-directory $(1)

endef

lint-run: $(TALLY_BIN)
	$(foreach c,$(LINT_CHECKS),$(call run_lint,$(c)))
	$(foreach c,$(sort $(CC) $(CLANG)),$(foreach o,O2 Os,$(call run_lint_nm,$(c),$(o))))
	$(foreach t,$(LINT_TARGETS),$(call run_lint_target,$(t)))

# $(1): a target of the rig
define run_rig
	$(Q)+$(TALLY) 'rig: $(1)' $(MAKE) $(INTO) $(1)

endef

# ---- what people type -----------------------------------------------------------------------------

define begin_results
	@mkdir -p $(dir $(RESULTS))
	@rm -f $(RESULTS)
endef

test: $(TALLY_BIN)
	$(begin_results)
	$(Q)$(MAKE) $(SIDE_BY_SIDE) --no-print-directory test-run
	@$(TALLY)

lint: $(TALLY_BIN)
	$(begin_results)
	$(Q)$(MAKE) --no-print-directory lint-run
	@$(TALLY)

valgrind: $(TALLY_BIN)
	$(begin_results)
	$(Q)$(MAKE) $(SIDE_BY_SIDE) --no-print-directory valgrind-run LABEL='valgrind: '
	@$(TALLY)

fuzz: $(TALLY_BIN)
	$(begin_results)
	$(Q)+$(FUZZ_MAKE) $(SIDE_BY_SIDE) --no-print-directory fuzz-run RESULTS=$(RESULTS) TALLY_BIN=$(TALLY_BIN) \
	    FUZZ_LIMIT=-max_total_time=$(FUZZ_SECONDS)
	@$(TALLY)

# A part that does not build counts as one failure, and the others still run.
INTO = RESULTS=$(RESULTS) TALLY_BIN=$(TALLY_BIN) --no-print-directory
# In two steps, since the first may have to install the compiler for the second.
check: deps
	$(Q)$(MAKE) --no-print-directory check-run

check-run: $(TALLY_BIN)
	$(begin_results)
	$(Q)$(MAKE) $(INTO) lint-run || $(TALLY) 'lint' false
	$(Q)$(MAKE) $(SIDE_BY_SIDE) $(INTO) all test-run || $(TALLY) 'build' false
	$(Q)+$(ASAN_MAKE) $(SIDE_BY_SIDE) $(INTO) test-run LABEL='sanitizers: ' || $(TALLY) 'build with sanitizers' false
	$(Q)+$(TALLY) 'clang has no warnings' $(MAKE) $(SIDE_BY_SIDE) $(INTO) B=$(B)/clang CC=$(CLANG) all test-programs
	$(Q)+$(FUZZ_MAKE) $(SIDE_BY_SIDE) $(INTO) fuzz-run || $(TALLY) 'build of fuzz targets' false
	$(Q)+$(TALLY) 'proof: every call of a small recovery' $(MAKE) $(INTO) proof-calls-short
	$(Q)$(TALLY) 'sums of a CI run' tests/check_targets.sh
	$(Q)+$(MAKE) $(INTO) report-run || $(TALLY) 'build of the rig' false
	$(foreach s,$(CHECK_RIG),$(call run_rig,$(s)))
	@$(TALLY)

report-run: $(RIG_PROGRAM) $(TALLY_BIN)
	$(Q)$(TALLY) '$(LABEL)report in a browser' tests/check_report.sh $(RIG_PROGRAM) $(B)/report

check-report: RESULTS := $(abspath $(B))/results-report
check-report: $(TALLY_BIN)
	$(begin_results)
	$(Q)$(MAKE) $(INTO) report-run
	@$(TALLY)

format:
	$(Q)clang-format -i $$(git ls-files '*.c' '*.h')

include tests/proof/proof.mk
