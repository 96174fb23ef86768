include qemu/image.mk
include qemu/proof.mk
include qemu/bench.mk
include qemu/try.mk
include qemu/flash.mk
include qemu/chaos.mk
include qemu/blocks.mk
# The rig: a runner that drives QEMU, and scenarios. README.md here says how to read and write them.
#: make demo        a faulty update crash-loops a machine, and it heals itself
#: make rig         every scenario; two machines at a time where there are two cores
#: make rig-smoke   the few that show the most in the least time
RIG_PROGRAM := $(B)/qemu/rig
RIG_SRC     := $(filter-out qemu/main.c,$(sort $(wildcard qemu/*.c)))
RIG_OBJS    := $(RIG_SRC:%.c=$(B)/%.o) $(B)/qemu/report_style.o $(B)/qemu/chaos_judge.o $(B)/qemu/rig_judge.o
RIG_LIBS    := -ljson-c -larchive -lcrypto -lext2fs -lcom_err -lblkid -lm
# For tests/test_rig_*: the runner without its main().
RIG_HOST_OBJS := $(RIG_OBJS)
RIG_JOBS    ?= $(shell n=$$(nproc); [ "$$n" -gt 1 ] && echo 2 || echo 1)
RIG_RUN      = $(RIG_PROGRAM) --rig $(RIG) --scenarios qemu/scenarios
RIG_PAYLOAD := $(RIG)/payload.img

.PHONY: rig rig-smoke rig-payload rig-ready
$(B)/qemu/%.o: qemu/%.c
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(filter-out -Icore,$(CFLAGS_ALL)) -c -o $@ $<

# Results are kept under a hash of what makes and judges them; what only shows them is not of it.
RIG_SHOWS := $(wildcard $(addprefix qemu/,report*.[ch] view*.[ch] markup.[ch] trial*.[ch] update*.[ch] bench.[ch] main.c))
RIG_JUDGE := $(filter-out $(RIG_SHOWS),$(sort $(wildcard qemu/*.[ch])))

$(B)/qemu/rig_judge.c: $(RIG_JUDGE)
	@mkdir -p $(@D)
	$(Q)printf 'extern const char rig_judge[]; const char rig_judge[] = "%.16s";\n' "$$(cat $^ | sha256sum)" >$@

# The report's style sheet as a C string.
$(B)/qemu/report_style.c: qemu/report/style.css
	@mkdir -p $(@D)
	$(Q){ echo 'extern const char report_style[]; const char report_style[] ='; \
	sed -e 's/[\\"]/\\&/g' -e 's/.*/"&\\n"/' $<; echo ';'; } >$@

$(B)/qemu/report_style.o $(B)/qemu/chaos_judge.o $(B)/qemu/rig_judge.o: $(B)/qemu/%.o: $(B)/qemu/%.c
	$(call say,CC,$@)
	$(Q)$(CC) $(CFLAGS_ALL) -c -o $@ $<

$(RIG_PROGRAM): $(RIG_OBJS) $(B)/qemu/main.o
	$(call say,LD,$@)
	$(Q)$(CC) -o $@ $^ $(LDFLAGS_ALL) $(RIG_LIBS)

all: $(RIG_PROGRAM)

# What the machines get to see of the host: the package, the vendor's deliveries, settings.
$(RIG_PAYLOAD): $(DEB) $(RIG)/outbox.stamp $(RIG)/rig.conf qemu/image/mkpayload.sh
	$(call say,PAYLOAD,$@)
	$(Q)qemu/image/mkpayload.sh $@ $(DEB) $(RIG)/rig.conf $(RIG)/outbox/*

rig-payload: $(RIG_PAYLOAD)

rig-ready: $(RIG_PROGRAM) rig-image rig-payload

demo: deps
	$(Q)$(MAKE) --no-print-directory rig-ready
	$(Q)$(RIG_RUN) demo

rig: rig-ready
	$(Q)$(RIG_RUN) -j $(RIG_JOBS) --all run

rig-smoke: rig-ready
	$(Q)$(RIG_RUN) -j $(RIG_JOBS) --tag smoke run
