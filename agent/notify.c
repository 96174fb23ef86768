#include "notify.h"

#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <syslog.h>
#include <systemd/sd-journal.h>

const char *notice_message_id(enum notice notice)
{
    switch (notice) {
    case NOTICE_GOOD:
        return "ab6e55cc1b2c4b26bc61245ef51fe6f9";
    case NOTICE_SAFE_MODE:
        return "a5643b63bd6141a6b3ebbc8d705e7962";
    case NOTICE_RETURNING:
        return "da49cf05dbbc4e748d80356e21960a52";
    case NOTICE_DEADLINE:
        return "638747469790414289c556df63d8d343";
    case NOTICE_HEALTH_FAILED:
        return "100324ceebb74d0db79e3c9d8bde6ec5";
    case NOTICE_UNCOUNTED:
        return "f91db6d1826a454881669dd1fa88086c";
    case NOTICE_GENERATION:
        return "44f049eaa95f4ee9880a4b4a9580ec63";
    case NOTICE_CASE_END:
        return "6d48ac369dc247aeb3e02c31e8dcdf54";
    }
    return "";
}

int notice_priority(enum notice notice)
{
    switch (notice) {
    case NOTICE_GOOD:
    case NOTICE_GENERATION:
        return LOG_INFO;
    case NOTICE_RETURNING:
    case NOTICE_CASE_END:
        return LOG_NOTICE;
    case NOTICE_SAFE_MODE:
    case NOTICE_UNCOUNTED:
        return LOG_WARNING;
    case NOTICE_DEADLINE:
    case NOTICE_HEALTH_FAILED:
        return LOG_ERR;
    }
    return LOG_ERR;
}

static const char *usual_message(enum notice notice)
{
    switch (notice) {
    case NOTICE_GOOD:
        return "This boot is good.";
    case NOTICE_SAFE_MODE:
        return "This machine is in safe mode. `backstop status` says why.";
    case NOTICE_RETURNING:
        return "Safe mode is good. Restarting into normal mode.";
    case NOTICE_DEADLINE:
        return "This boot did not prove good by its deadline. Restarting.";
    case NOTICE_HEALTH_FAILED:
        return "A required health check failed: this boot will not be confirmed.";
    case NOTICE_UNCOUNTED:
        return "This boot is not counted. `backstop doctor` says why.";
    case NOTICE_GENERATION:
        return "A good generation was taken.";
    case NOTICE_CASE_END:
        return "The case is over: a normal boot proved good. `backstop status` says what was done.";
    }
    return "";
}

size_t notice_fields(enum notice notice, const struct this_boot *boot, const char *message,
                     char fields[NOTICE_FIELDS][NOTICE_FIELD_SIZE])
{
    const struct ticket *ticket = &boot->ticket;
    char code[SHORT_CODE_SIZE];
    size_t n = 0;

    snprintf(fields[n++], NOTICE_FIELD_SIZE, "MESSAGE=%s",
             message ? message : usual_message(notice));
    snprintf(fields[n++], NOTICE_FIELD_SIZE, "MESSAGE_ID=%s", notice_message_id(notice));
    snprintf(fields[n++], NOTICE_FIELD_SIZE, "PRIORITY=%d", notice_priority(notice));
    snprintf(fields[n++], NOTICE_FIELD_SIZE, "SYSLOG_IDENTIFIER=backstop");
    snprintf(fields[n++], NOTICE_FIELD_SIZE, "BACKSTOP_MODE=%s", mode_string(boot->mode));
    if (boot->ticket_state != RECORD_VALID)
        return n;
    ticket_short_code(ticket, code);
    snprintf(fields[n++], NOTICE_FIELD_SIZE, "BACKSTOP_BOOT=%u", ticket->number);
    snprintf(fields[n++], NOTICE_FIELD_SIZE, "BACKSTOP_CASE=%u", ticket->case_number);
    snprintf(fields[n++], NOTICE_FIELD_SIZE, "BACKSTOP_REASON=%s",
             reason_string((enum reason)ticket->last_reason));
    snprintf(fields[n++], NOTICE_FIELD_SIZE, "BACKSTOP_CODE=%s", code);
    return n;
}

void notify(enum notice notice, const struct this_boot *boot, const char *message)
{
    char fields[NOTICE_FIELDS][NOTICE_FIELD_SIZE];
    struct iovec parts[NOTICE_FIELDS];
    size_t count = notice_fields(notice, boot, message, fields);

    for (size_t i = 0; i < count; i++)
        parts[i] = (struct iovec){fields[i], strlen(fields[i])};
    sd_journal_sendv(parts, (int)count);
}
