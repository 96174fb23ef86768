#include "receipt.h"

/* FORMAT.md, "Receipt". */
#define FIELD(member, at, max) RECORD_FIELD(receipt, member, at, max)
static const struct record_field fields[] = {
    FIELD(number, 16, RECORD_ANY),
    FIELD(generation, 20, RECORD_ANY),
    FIELD(outcome, 24, OUTCOME_COUNT - 1),
    FIELD(phase, 25, PHASE_COUNT - 1),
    FIELD(applied, 26, APPLIED_COUNT - 1),
    FIELD(named, 27, 1),
    FIELD(go_normal, 28, 1),
};
static const struct record_layout layout = {RECEIPT_MAGIC, RECEIPT_SIZE,
                                            sizeof fields / sizeof fields[0], fields};

void receipt_encode(const struct receipt *receipt, uint8_t out[RECEIPT_SIZE])
{
    record_encode(&layout, receipt, out);
}

/* A system cannot report its own crash, nor an end that left no trace. */
static int outcome_can_be_reported(uint8_t outcome)
{
    return outcome == OUTCOME_NONE || outcome == OUTCOME_GOOD || outcome == OUTCOME_CLEAN ||
           outcome == OUTCOME_HANG || outcome == OUTCOME_FAILED;
}

enum record_state receipt_decode(struct receipt *receipt, const uint8_t *bytes, size_t size,
                                 int padded)
{
    struct receipt read;
    enum record_state state = record_decode(&layout, &read, bytes, size, padded);

    if (state != RECORD_VALID)
        return state;
    if (!outcome_can_be_reported(read.outcome))
        return RECORD_DAMAGED;
    *receipt = read;
    return RECORD_VALID;
}

const char *applied_string(enum applied applied)
{
    switch (applied) {
    case APPLIED_NONE:
        return "none";
    case APPLIED_NOTHING:
        return "nothing to do";
    case APPLIED_PUT_BACK:
        return "put back";
    case APPLIED_MASKED:
        return "masked";
    case APPLIED_FAILED:
        return "failed";
    }
    return "unknown";
}
