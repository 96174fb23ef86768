#include "ticket.h"

#include "chars.h"

/* FORMAT.md, "Ticket". Reasons have no range: codes are appended without a new version. */
#define FIELD(member, at, max) RECORD_FIELD(ticket, member, at, max)
static const struct record_field fields[] = {
    FIELD(number, 16, RECORD_ANY),
    FIELD(case_number, 20, RECORD_ANY),
    FIELD(failures, 24, RECORD_ANY),
    FIELD(rung, 25, RUNG_COUNT - 1),
    FIELD(stance, 26, STANCE_COUNT - 1),
    FIELD(case_open, 27, 1),
    FIELD(first_reason, 28, RECORD_ANY),
    FIELD(last_reason, 29, RECORD_ANY),
    FIELD(last_outcome, 30, OUTCOME_COUNT - 1),
    FIELD(last_phase, 31, PHASE_COUNT - 1),
    FIELD(stored, 32, STORED_COUNT - 1),
    FIELD(ledger_found, 33, RECORD_NEWER),
    FIELD(conf_bad_lines, 34, RECORD_ANY),
    FIELD(conf_found, 35, 1),
    FIELD(dumps, 36, RECORD_ANY),
    FIELD(dumps_cleared, 38, RECORD_ANY),
    FIELD(store_error, 40, RECORD_ANY),
    FIELD(unreached, 44, RECORD_ANY),
};
static const struct record_layout layout = {TICKET_MAGIC, TICKET_SIZE,
                                            sizeof fields / sizeof fields[0], fields};

void ticket_encode(const struct ticket *ticket, uint8_t out[TICKET_SIZE])
{
    record_encode(&layout, ticket, out);
}

enum record_state ticket_decode(struct ticket *ticket, const uint8_t *bytes, size_t size)
{
    return record_decode(&layout, ticket, bytes, size, 0);
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
