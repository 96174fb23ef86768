#include "console.h"
#include "chars.h"

#define LINE_MAX 160u
#define SECOND 1000000u        /* us */
#define FIRMWARE_WATCHDOG 300u /* s, what a boot manager sets (UEFI 2.10, 3.1.2) */

static void print(struct stage *stage, const char *line)
{
    SIMPLE_TEXT_OUTPUT_INTERFACE *out = stage->table->ConOut;
    CHAR16 wide[LINE_MAX];
    size_t i = 0;

    if (out == NULL)
        return;
    for (; line[i] != '\0' && i + 1 < LINE_MAX; i++)
        wide[i] = (CHAR16)line[i];
    wide[i] = 0;
    out->OutputString(out, wide);
}

static void report_action(struct stage *stage, const struct ticket *ticket)
{
    struct text text;
    char line[LINE_MAX];

    text_begin(&text, line, sizeof line);
    text_string(&text, "Backstop: ");
    text_number(&text, ticket->failures, 1);
    text_string(&text, " failed boots in a row; this boot recovers: ");
    text_string(&text, rung_string((enum rung)ticket->rung));
    text_string(&text, "\r\n");
    print(stage, line);
}

static void report_case(struct stage *stage, const struct ticket *ticket)
{
    struct text text;
    char line[LINE_MAX];
    char code[SHORT_CODE_SIZE];

    ticket_short_code(ticket, code);
    text_begin(&text, line, sizeof line);
    text_string(&text, "Backstop: case ");
    text_number(&text, ticket->case_number, 1);
    text_string(&text, ", code ");
    text_string(&text, code);
    if (ticket->stored == STORED_NOWHERE)
        text_string(&text, "; this boot could not be counted");
    text_string(&text, "\r\n");
    print(stage, line);
}

void console_report(struct stage *stage)
{
    const struct ticket *ticket = &stage->decision.ticket;

    if (!ticket_wants_recovery(ticket))
        return;
    report_action(stage, ticket);
    report_case(stage, ticket);
}

static int hold_is_due(const struct ticket *ticket)
{
    return ticket_wants_recovery(ticket) && ticket->rung == RUNG_HOLD &&
           outcome_is_failure((enum outcome)ticket->last_outcome);
}

static void report_pause(struct stage *stage, uint32_t seconds)
{
    struct text text;
    char line[LINE_MAX];

    text_begin(&text, line, sizeof line);
    text_string(&text, "Backstop: nothing milder is left to try; starting in ");
    text_number(&text, seconds, 1);
    text_string(&text, " s\r\n");
    print(stage, line);
}

void console_hold(struct stage *stage)
{
    const struct policy *policy = &stage->conf.policy;
    UINTN watchdog = policy->stage_watchdog > 0 ? policy->stage_watchdog : FIRMWARE_WATCHDOG;

    if (!hold_is_due(&stage->decision.ticket) || policy->hold_pause == 0)
        return;
    report_pause(stage, policy->hold_pause);
    for (unsigned i = 0; i < policy->hold_pause; i++) {
        stage->bs->SetWatchdogTimer(watchdog, 0, 0, NULL);
        stage->bs->Stall(SECOND);
    }
}
