#include "ledger.h"

#include "bytes.h"

/* FORMAT.md, "Ledger". */
#define AT_NUMBER 16
#define AT_CASE_NUMBER 20
#define AT_FAILURES 24
#define AT_RUNG 25
#define AT_RUNG_FAILURES 26
#define AT_STANCE 27
#define AT_QUIET 28
#define AT_UNREACHED 29
#define AT_CASE_OPEN 30
#define AT_LAST_OUTCOME 31
#define AT_LAST_PHASE 32
#define AT_FIRST_REASON 33
#define AT_LAST_REASON 34
#define AT_MARK 35
#define AT_DUMPS 36
#define AT_DUMPS_SEEN 38
#define AT_RESERVED 42
_Static_assert(AT_NUMBER == RECORD_HEADER_SIZE, "fields follow the header");
_Static_assert(AT_RESERVED + 6 == LEDGER_SIZE, "six bytes are reserved");

void ledger_encode(const struct ledger *ledger, uint8_t out[LEDGER_SIZE])
{
    put_le32(out + AT_NUMBER, ledger->number);
    put_le32(out + AT_CASE_NUMBER, ledger->case_number);
    out[AT_FAILURES] = ledger->failures;
    out[AT_RUNG] = ledger->rung;
    out[AT_RUNG_FAILURES] = ledger->rung_failures;
    out[AT_STANCE] = ledger->stance;
    out[AT_QUIET] = ledger->quiet;
    out[AT_UNREACHED] = ledger->unreached;
    out[AT_CASE_OPEN] = ledger->case_open;
    out[AT_LAST_OUTCOME] = ledger->last_outcome;
    out[AT_LAST_PHASE] = ledger->last_phase;
    out[AT_FIRST_REASON] = ledger->first_reason;
    out[AT_LAST_REASON] = ledger->last_reason;
    out[AT_MARK] = ledger->mark;
    put_le16(out + AT_DUMPS, ledger->dumps);
    put_le32(out + AT_DUMPS_SEEN, ledger->dumps_seen);
    for (size_t i = AT_RESERVED; i < LEDGER_SIZE; i++)
        out[i] = 0;
    record_seal(out, LEDGER_SIZE, LEDGER_MAGIC);
}

static void read_fields(struct ledger *ledger, const uint8_t *bytes)
{
    ledger->number = get_le32(bytes + AT_NUMBER);
    ledger->case_number = get_le32(bytes + AT_CASE_NUMBER);
    ledger->failures = bytes[AT_FAILURES];
    ledger->rung = bytes[AT_RUNG];
    ledger->rung_failures = bytes[AT_RUNG_FAILURES];
    ledger->stance = bytes[AT_STANCE];
    ledger->quiet = bytes[AT_QUIET];
    ledger->unreached = bytes[AT_UNREACHED];
    ledger->case_open = bytes[AT_CASE_OPEN];
    ledger->last_outcome = bytes[AT_LAST_OUTCOME];
    ledger->last_phase = bytes[AT_LAST_PHASE];
    ledger->first_reason = bytes[AT_FIRST_REASON];
    ledger->last_reason = bytes[AT_LAST_REASON];
    ledger->mark = bytes[AT_MARK];
    ledger->dumps = get_le16(bytes + AT_DUMPS);
    ledger->dumps_seen = get_le32(bytes + AT_DUMPS_SEEN);
}

/* Reasons are not checked: codes are appended without a new version. */
static int fields_in_range(const struct ledger *ledger)
{
    return ledger->rung < RUNG_COUNT && ledger->stance < STANCE_COUNT && ledger->case_open <= 1 &&
           ledger->last_outcome < OUTCOME_COUNT && ledger->last_phase < PHASE_COUNT &&
           ledger->mark <= 1;
}

enum record_state ledger_decode(struct ledger *ledger, const uint8_t *bytes, size_t size,
                                int padded)
{
    struct ledger read;
    enum record_state state = record_check(bytes, size, LEDGER_MAGIC, LEDGER_SIZE, padded);

    if (state != RECORD_VALID)
        return state;
    read_fields(&read, bytes);
    if (!fields_in_range(&read))
        return RECORD_DAMAGED;
    *ledger = read;
    return RECORD_VALID;
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
