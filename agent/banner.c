#include "banner.h"

#include <stdio.h>

static const char *ended(enum outcome outcome)
{
    switch (outcome) {
    case OUTCOME_CRASH:
        return ", the last one in a kernel panic";
    case OUTCOME_HANG:
        return ", the last one hung until a watchdog ended it";
    case OUTCOME_FAILED:
        return ", the last one did not prove good by its deadline";
    case OUTCOME_UNKNOWN:
        return ", the last one without a trace (a hang, a reset or a power cut)";
    case OUTCOME_NONE:
    case OUTCOME_GOOD:
    case OUTCOME_CLEAN:
        return "";
    }
    return "";
}

void banner_cause(const struct this_boot *boot, char *out, size_t size)
{
    const struct ticket *ticket = &boot->ticket;

    if (ticket->failures == 0)
        snprintf(out, size, "%s", reason_string((enum reason)ticket->first_reason));
    else if (ticket->failures == 1)
        snprintf(out, size, "1 boot failed%s",
                 ticket->last_outcome == OUTCOME_CRASH ? ", in a kernel panic" : "");
    else
        snprintf(out, size, "%u boots in a row failed%s", ticket->failures,
                 ended((enum outcome)ticket->last_outcome));
}

void banner_deed(const struct this_boot *boot, char *out, size_t size)
{
    const struct plan_summary *summary = &boot->early.summary;

    if (!boot->early.present) {
        snprintf(out, size, "Nothing was put back: the initramfs did not report");
        return;
    }
    switch (boot->early.applied) {
    case APPLIED_NONE:
    case APPLIED_NOTHING:
        snprintf(out, size,
                 "Nothing had changed since the last good boot, so nothing was put back");
        return;
    case APPLIED_PUT_BACK:
        snprintf(out, size,
                 "%zu changed %s put back as last known good, %zu taken out; what was there is in "
                 "quarantine%s",
                 summary->put_back, summary->put_back == 1 ? "file was" : "files were",
                 summary->taken_out,
                 summary->unprotected || summary->beyond_help
                     ? "; for some no good version is left: NO PROTECTION there"
                     : "");
        return;
    case APPLIED_MASKED:
        snprintf(out, size, "No file was put back; the drivers of the sets are kept from loading");
        return;
    case APPLIED_FAILED:
        snprintf(out, size, "Recovery was due and could not run");
        return;
    }
}

void banner_next(const struct this_boot *boot, const struct policy *policy, char *out, size_t size)
{
    switch (boot->mode) {
    case MODE_NORMAL:
        snprintf(out, size, "Nothing needs doing.");
        return;
    case MODE_SAFE:
    case MODE_MINIMAL:
        if (boot->ticket.stored == STORED_NOWHERE && boot->ticket_state == RECORD_VALID) {
            snprintf(out, size,
                     "This boot could not be counted, so the machine stays in safe mode. Mend what "
                     "backstop doctor names, then: systemctl reboot.");
            return;
        }
        snprintf(out, size, "%s",
                 policy->return_how == RETURN_AUTO
                     ? "When this boot has proved good, the machine restarts into normal mode by "
                       "itself."
                     : "When you are satisfied: backstop confirm --return, then systemctl reboot.");
        return;
    case MODE_HOLD:
        snprintf(out, size,
                 "The machine stays up like this and tries nothing more by itself. Mend "
                 "the cause, then: systemctl reboot.");
        return;
    }
}

static const char *mode_words(enum mode mode)
{
    switch (mode) {
    case MODE_NORMAL:
        return "normal mode";
    case MODE_SAFE:
        return "safe mode";
    case MODE_MINIMAL:
        return "minimal safe mode";
    case MODE_HOLD:
        return "safe mode, on hold";
    }
    return "safe mode";
}

void banner_text(const struct this_boot *boot, const struct policy *policy, char out[BANNER_SIZE])
{
    char cause[160], deed[256], next[200], code[SHORT_CODE_SIZE];

    out[0] = '\0';
    if (boot->mode == MODE_NORMAL)
        return;
    banner_cause(boot, cause, sizeof cause);
    banner_deed(boot, deed, sizeof deed);
    banner_next(boot, policy, next, sizeof next);
    ticket_short_code(&boot->ticket, code);
    snprintf(out, BANNER_SIZE,
             "\n*** Backstop: this machine is in %s. Case %u, code %s.\n"
             "*** Why: %s.\n*** Done: %s.\n*** Next: %s\n*** More: backstop status\n\n",
             mode_words(boot->mode), this_boot_case(boot), code, cause, deed, next);
}
