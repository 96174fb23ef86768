#include "ticket.h"

#include "bytes.h"
#include "chars.h"

/* FORMAT.md, "Ticket". */
#define AT_NUMBER 16
#define AT_CASE_NUMBER 20
#define AT_FAILURES 24
#define AT_RUNG 25
#define AT_STANCE 26
#define AT_CASE_OPEN 27
#define AT_FIRST_REASON 28
#define AT_LAST_REASON 29
#define AT_LAST_OUTCOME 30
#define AT_LAST_PHASE 31
#define AT_STORED 32
#define AT_LEDGER_FOUND 33
#define AT_CONF_BAD_LINES 34
#define AT_CONF_FOUND 35
#define AT_DUMPS 36
#define AT_DUMPS_CLEARED 38
#define AT_STORE_ERROR 40
#define AT_UNREACHED 44
#define AT_RESERVED 45
_Static_assert(AT_NUMBER == RECORD_HEADER_SIZE, "fields follow the header");
_Static_assert(AT_RESERVED + 3 == TICKET_SIZE, "three bytes are reserved");

void ticket_encode(const struct ticket *ticket, uint8_t out[TICKET_SIZE])
{
    put_le32(out + AT_NUMBER, ticket->number);
    put_le32(out + AT_CASE_NUMBER, ticket->case_number);
    out[AT_FAILURES] = ticket->failures;
    out[AT_RUNG] = ticket->rung;
    out[AT_STANCE] = ticket->stance;
    out[AT_CASE_OPEN] = ticket->case_open;
    out[AT_FIRST_REASON] = ticket->first_reason;
    out[AT_LAST_REASON] = ticket->last_reason;
    out[AT_LAST_OUTCOME] = ticket->last_outcome;
    out[AT_LAST_PHASE] = ticket->last_phase;
    out[AT_STORED] = ticket->stored;
    out[AT_LEDGER_FOUND] = ticket->ledger_found;
    out[AT_CONF_BAD_LINES] = ticket->conf_bad_lines;
    out[AT_CONF_FOUND] = ticket->conf_found;
    put_le16(out + AT_DUMPS, ticket->dumps);
    put_le16(out + AT_DUMPS_CLEARED, ticket->dumps_cleared);
    put_le32(out + AT_STORE_ERROR, ticket->store_error);
    out[AT_UNREACHED] = ticket->unreached;
    out[AT_RESERVED] = 0;
    put_le16(out + AT_RESERVED + 1, 0);
    record_seal(out, TICKET_SIZE, TICKET_MAGIC);
}

static void read_fields(struct ticket *ticket, const uint8_t *bytes)
{
    ticket->number = get_le32(bytes + AT_NUMBER);
    ticket->case_number = get_le32(bytes + AT_CASE_NUMBER);
    ticket->failures = bytes[AT_FAILURES];
    ticket->rung = bytes[AT_RUNG];
    ticket->stance = bytes[AT_STANCE];
    ticket->case_open = bytes[AT_CASE_OPEN];
    ticket->first_reason = bytes[AT_FIRST_REASON];
    ticket->last_reason = bytes[AT_LAST_REASON];
    ticket->last_outcome = bytes[AT_LAST_OUTCOME];
    ticket->last_phase = bytes[AT_LAST_PHASE];
    ticket->stored = bytes[AT_STORED];
    ticket->ledger_found = bytes[AT_LEDGER_FOUND];
    ticket->conf_bad_lines = bytes[AT_CONF_BAD_LINES];
    ticket->conf_found = bytes[AT_CONF_FOUND];
    ticket->dumps = get_le16(bytes + AT_DUMPS);
    ticket->dumps_cleared = get_le16(bytes + AT_DUMPS_CLEARED);
    ticket->store_error = get_le32(bytes + AT_STORE_ERROR);
    ticket->unreached = bytes[AT_UNREACHED];
}

/* Reasons are not checked: codes are appended without a new version. */
static int fields_in_range(const struct ticket *ticket)
{
    return ticket->rung < RUNG_COUNT && ticket->stance < STANCE_COUNT && ticket->case_open <= 1 &&
           ticket->last_outcome < OUTCOME_COUNT && ticket->last_phase < PHASE_COUNT &&
           ticket->stored < STORED_COUNT && ticket->ledger_found <= RECORD_NEWER &&
           ticket->conf_found <= 1;
}

enum record_state ticket_decode(struct ticket *ticket, const uint8_t *bytes, size_t size)
{
    struct ticket read;
    enum record_state state = record_check(bytes, size, TICKET_MAGIC, TICKET_SIZE, 0);

    if (state != RECORD_VALID)
        return state;
    read_fields(&read, bytes);
    if (!fields_in_range(&read))
        return RECORD_DAMAGED;
    *ticket = read;
    return RECORD_VALID;
}

int ticket_wants_recovery(const struct ticket *ticket)
{
    return ticket->stance == STANCE_RECOVERY;
}

int ticket_masks_drivers(const struct ticket *ticket)
{
    return ticket_wants_recovery(ticket) && ticket->rung >= RUNG_DRIVERS_OFF;
}

int ticket_asks_for_report(const struct ticket *ticket)
{
    return boot_asks_for_report(ticket->failures, (enum stance)ticket->stance);
}

int boot_asks_for_report(unsigned failures, enum stance stance)
{
    return failures > 0 || stance != STANCE_NORMAL;
}

/* Where NVRAM refused the ledger it refused the report too: silence says nothing there. */
int ticket_clears_sets(const struct ticket *ticket)
{
    return ticket_wants_recovery(ticket) && ticket->rung != RUNG_BOOT_FILES &&
           ticket->last_outcome == OUTCOME_UNKNOWN && ticket->stored == STORED_NVRAM &&
           ticket->unreached > 0 && ticket->unreached + 1 >= ticket->failures;
}

enum mode ticket_mode(const struct ticket *ticket)
{
    if (!ticket_wants_recovery(ticket))
        return MODE_NORMAL;
    switch ((enum rung)ticket->rung) {
    case RUNG_NORMAL:
        return MODE_NORMAL;
    case RUNG_TARGETED:
    case RUNG_ALL:
        return MODE_SAFE;
    case RUNG_DRIVERS_OFF:
    case RUNG_BOOT_FILES:
        return MODE_MINIMAL;
    case RUNG_HOLD:
        return MODE_HOLD;
    }
    return MODE_HOLD;
}

const char *mode_string(enum mode mode)
{
    switch (mode) {
    case MODE_NORMAL:
        return "normal";
    case MODE_SAFE:
        return "safe";
    case MODE_MINIMAL:
        return "minimal";
    case MODE_HOLD:
        return "hold";
    }
    return "unknown";
}

const char *stored_string(enum stored stored)
{
    switch (stored) {
    case STORED_NOWHERE:
        return "nowhere";
    case STORED_NVRAM:
        return "NVRAM";
    case STORED_ESP:
        return "ESP";
    }
    return "unknown";
}

static char rung_letter(enum rung rung)
{
    switch (rung) {
    case RUNG_NORMAL:
        return 'N';
    case RUNG_TARGETED:
        return 'T';
    case RUNG_ALL:
        return 'A';
    case RUNG_DRIVERS_OFF:
        return 'D';
    case RUNG_BOOT_FILES:
        return 'B';
    case RUNG_HOLD:
        return 'H';
    }
    return '?';
}

void ticket_short_code(const struct ticket *ticket, char out[SHORT_CODE_SIZE])
{
    struct text text;

    text_begin(&text, out, SHORT_CODE_SIZE);
    text_string(&text, "BS-");
    text_number(&text, ticket->case_number, 1);
    text_char(&text, '-');
    text_char(&text, rung_letter((enum rung)ticket->rung));
    text_char(&text, '-');
    text_number(&text, ticket->first_reason, 2);
}
