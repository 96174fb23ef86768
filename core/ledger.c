#include "ledger.h"

/* FORMAT.md, "Ledger". Reasons have no range: codes are appended without a new version. */
#define FIELD(member, at, max) RECORD_FIELD(ledger, member, at, max)
static const struct record_field fields[] = {
    FIELD(number, 16, RECORD_ANY),
    FIELD(case_number, 20, RECORD_ANY),
    FIELD(failures, 24, RECORD_ANY),
    FIELD(rung, 25, RUNG_COUNT - 1),
    FIELD(rung_failures, 26, RECORD_ANY),
    FIELD(stance, 27, STANCE_COUNT - 1),
    FIELD(quiet, 28, RECORD_ANY),
    FIELD(unreached, 29, RECORD_ANY),
    FIELD(case_open, 30, 1),
    FIELD(last_outcome, 31, OUTCOME_COUNT - 1),
    FIELD(last_phase, 32, PHASE_COUNT - 1),
    FIELD(first_reason, 33, RECORD_ANY),
    FIELD(last_reason, 34, RECORD_ANY),
    FIELD(mark, 35, 1),
    FIELD(dumps, 36, RECORD_ANY),
    FIELD(dumps_seen, 38, RECORD_ANY),
};
static const struct record_layout layout = {LEDGER_MAGIC, LEDGER_SIZE,
                                            sizeof fields / sizeof fields[0], fields};

void ledger_encode(const struct ledger *ledger, uint8_t out[LEDGER_SIZE])
{
    record_encode(&layout, ledger, out);
}

enum record_state ledger_decode(struct ledger *ledger, const uint8_t *bytes, size_t size,
                                int padded)
{
    return record_decode(&layout, ledger, bytes, size, padded);
}

const char *rung_string(enum rung rung)
{
    switch (rung) {
    case RUNG_NORMAL:
        return "normal";
    case RUNG_TARGETED:
        return "targeted";
    case RUNG_ALL:
        return "all changes";
    case RUNG_DRIVERS_OFF:
        return "drivers off";
    case RUNG_BOOT_FILES:
        return "last good boot files";
    case RUNG_HOLD:
        return "hold";
    }
    return "unknown";
}

const char *stance_string(enum stance stance)
{
    switch (stance) {
    case STANCE_NORMAL:
        return "normal";
    case STANCE_RECOVERY:
        return "recovery";
    case STANCE_PROBATION:
        return "probation";
    }
    return "unknown";
}

const char *outcome_string(enum outcome outcome)
{
    switch (outcome) {
    case OUTCOME_NONE:
        return "none";
    case OUTCOME_GOOD:
        return "good";
    case OUTCOME_CLEAN:
        return "clean";
    case OUTCOME_CRASH:
        return "crash";
    case OUTCOME_HANG:
        return "hang";
    case OUTCOME_UNKNOWN:
        return "unknown";
    case OUTCOME_FAILED:
        return "failed";
    }
    return "unknown";
}

const char *phase_string(enum phase phase)
{
    switch (phase) {
    case PHASE_FIRMWARE:
        return "firmware";
    case PHASE_INITRAMFS:
        return "initramfs";
    case PHASE_EARLY:
        return "early userspace";
    case PHASE_BOOTED:
        return "booted";
    }
    return "unknown";
}

int outcome_is_failure(enum outcome outcome)
{
    switch (outcome) {
    case OUTCOME_NONE:
    case OUTCOME_GOOD:
    case OUTCOME_CLEAN:
        return 0;
    case OUTCOME_CRASH:
    case OUTCOME_HANG:
    case OUTCOME_UNKNOWN:
    case OUTCOME_FAILED:
        return 1;
    }
    return 1;
}
