#: make bench-putback  500 files put back durably, against 500 renames and two directory syncs
.PHONY: bench-putback
bench: bench-putback

$(B)/tests/bench_putback.o: TEST_CFLAGS = $(AGENT_CFLAGS) -Iagent
$(B)/tests/bench_putback: $(B)/tests/bench_putback.o $(AGENT_LIB) $(AGENT_CORE)
	$(call say,LD,$@)
	$(Q)$(CC) $^ -o $@ $(LDFLAGS_ALL) $(AGENT_LIBS)

bench-putback: $(B)/tests/bench_putback
	$(Q)$< $(B)
