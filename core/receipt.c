#include "receipt.h"

#include "bytes.h"

/* FORMAT.md, "Receipt". */
#define AT_NUMBER 16
#define AT_GENERATION 20
#define AT_OUTCOME 24
#define AT_PHASE 25
#define AT_APPLIED 26
#define AT_NAMED 27
#define AT_GO_NORMAL 28
#define AT_RESERVED 29
_Static_assert(AT_NUMBER == RECORD_HEADER_SIZE, "fields follow the header");
_Static_assert(AT_RESERVED + 3 == RECEIPT_SIZE, "three bytes are reserved");

void receipt_encode(const struct receipt *receipt, uint8_t out[RECEIPT_SIZE])
{
    put_le32(out + AT_NUMBER, receipt->number);
    put_le32(out + AT_GENERATION, receipt->generation);
    out[AT_OUTCOME] = receipt->outcome;
    out[AT_PHASE] = receipt->phase;
    out[AT_APPLIED] = receipt->applied;
    out[AT_NAMED] = receipt->named;
    out[AT_GO_NORMAL] = receipt->go_normal;
    for (size_t i = AT_RESERVED; i < RECEIPT_SIZE; i++)
        out[i] = 0;
    record_seal(out, RECEIPT_SIZE, RECEIPT_MAGIC);
}

static void read_fields(struct receipt *receipt, const uint8_t *bytes)
{
    receipt->number = get_le32(bytes + AT_NUMBER);
    receipt->generation = get_le32(bytes + AT_GENERATION);
    receipt->outcome = bytes[AT_OUTCOME];
    receipt->phase = bytes[AT_PHASE];
    receipt->applied = bytes[AT_APPLIED];
    receipt->named = bytes[AT_NAMED];
    receipt->go_normal = bytes[AT_GO_NORMAL];
}

/* A system cannot report its own crash, nor an end that left no trace. */
static int outcome_can_be_reported(uint8_t outcome)
{
    return outcome == OUTCOME_NONE || outcome == OUTCOME_GOOD || outcome == OUTCOME_CLEAN ||
           outcome == OUTCOME_HANG || outcome == OUTCOME_FAILED;
}

static int fields_in_range(const struct receipt *receipt)
{
    return outcome_can_be_reported(receipt->outcome) && receipt->phase < PHASE_COUNT &&
           receipt->applied < APPLIED_COUNT && receipt->named <= 1 && receipt->go_normal <= 1;
}

enum record_state receipt_decode(struct receipt *receipt, const uint8_t *bytes, size_t size,
                                 int padded)
{
    struct receipt read;
    enum record_state state = record_check(bytes, size, RECEIPT_MAGIC, RECEIPT_SIZE, padded);

    if (state != RECORD_VALID)
        return state;
    read_fields(&read, bytes);
    if (!fields_in_range(&read))
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
