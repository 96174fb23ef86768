#include "verdict.h"
#include "text.h"

static bool is_failed(enum ending ending)
{
    switch (ending) {
    case ENDING_WELL:
    case ENDING_SAFE:
        return false;
    case ENDING_CRASHED:
    case ENDING_UNHEALTHY:
    case ENDING_HUNG:
    case ENDING_LATE:
        return true;
    }
    return true;
}

static size_t first_failed(const struct trial_boot *boots, size_t count)
{
    size_t i = 0;

    while (i < count && !is_failed(boots[i].ending))
        i++;
    return i;
}

/* Good boots, or failed ones, in a row at the end. */
static size_t row_at_end(const struct trial_boot *boots, size_t count, bool failed)
{
    size_t row = 0;

    while (row < count && is_failed(boots[count - 1 - row].ending) == failed &&
           (failed || boots[count - 1 - row].ending == ENDING_WELL))
        row++;
    return row;
}

/* Counts what came from the first failed boot on; true if Backstop recovered in one of them. */
static bool survey(const struct trial_boot *boots, size_t count, size_t first,
                   struct finding_of_trial *finding)
{
    bool recovery = false;

    for (size_t i = first; i < count; i++) {
        finding->failed += is_failed(boots[i].ending);
        finding->safe += boots[i].ending == ENDING_SAFE;
        recovery = recovery || boots[i].recovery;
        if (recovery && boots[i].ending == ENDING_WELL && finding->recovered == 0)
            finding->recovered = i - first + 1;
    }
    return recovery;
}

/* What a machine whose first failed boot ended so is called, once it is seen how it went on. */
static enum trial_verdict verdict_of(enum ending first, enum trial_verdict of_crash)
{
    switch (first) {
    case ENDING_HUNG:
        return TRIAL_HANGS;
    case ENDING_LATE:
        return TRIAL_LATE;
    case ENDING_WELL:
    case ENDING_SAFE:
    case ENDING_CRASHED:
    case ENDING_UNHEALTHY:
        return of_crash;
    }
    return of_crash;
}

/* Safe mode was not left by the reboot out of it: by hand, says its policy, or it holds. */
static bool stays_safe(const struct trial_boot *boots, size_t count)
{
    return count >= 2 && boots[count - 1].ending == ENDING_SAFE &&
           boots[count - 2].ending == ENDING_SAFE;
}

static bool is_lost(const struct trial_boot *boots, size_t count, size_t first,
                    const struct trial_rules *rules)
{
    if (!rules->backstop && row_at_end(boots, count, true) >= TRIAL_LOST_AFTER)
        return true;
    return count - first >= TRIAL_BOUND;
}

struct finding_of_trial trial_judge(const struct trial_boot *boots, size_t count,
                                    const struct trial_rules *rules)
{
    struct finding_of_trial finding = {.verdict = TRIAL_UNDECIDED, .first = ENDING_WELL};
    size_t first = first_failed(boots, count), well = row_at_end(boots, count, false);
    bool recovery;

    if (first == count) {
        if (count > 0 && well >= rules->wanted)
            finding.verdict = TRIAL_WELL;
        return finding;
    }
    finding.first = boots[first].ending;
    recovery = survey(boots, count, first, &finding);
    finding.stays_safe = stays_safe(boots, count);
    finding.comes_up = well > 0;
    if (recovery && (well > 0 || stays_safe(boots, count)))
        finding.verdict = verdict_of(finding.first, TRIAL_RECOVERED);
    else if (!recovery && well >= rules->wanted)
        finding.verdict = verdict_of(finding.first, TRIAL_UNSTEADY);
    else if (is_lost(boots, count, first, rules))
        finding.verdict = verdict_of(finding.first, TRIAL_LOOPS);
    return finding;
}

static const char *opening(enum trial_verdict verdict)
{
    switch (verdict) {
    case TRIAL_WELL:
        return "boots well";
    case TRIAL_RECOVERED:
    case TRIAL_LOOPS:
        return "crash-loops";
    case TRIAL_HANGS:
        return "hangs";
    case TRIAL_LATE:
        return "late crash";
    case TRIAL_UNSTEADY:
        return "crashes now and then";
    case TRIAL_UNDECIDED:
        return "undecided";
    }
    return "undecided";
}

/* Counts in words that fit one and many. */
static char *counted(size_t number, const char *what)
{
    return text_format("%zu %s%s", number, what, number == 1 ? "" : "s");
}

static char *recovery_words(const struct finding_of_trial *finding, const struct trial_rules *rules)
{
    TEXT_AUTO boots = counted(finding->recovered, "boot");

    if (finding->recovered > 0)
        return text_format(", and Backstop recovers in %s (%zu failed, %zu in safe mode)%s", boots,
                           finding->failed, finding->safe,
                           finding->first == ENDING_HUNG ? ", each hung one being switched off"
                                                         : "");
    if (finding->stays_safe)
        return text_copy(", and Backstop brings it up in safe mode, where it stays");
    if (finding->comes_up)
        return text_format(" (%zu failed), and comes up again with nothing put back",
                           finding->failed);
    return text_format(" and does not recover (%zu failed%s)", finding->failed,
                       rules->backstop ? "" : "; Backstop is not installed");
}

char *trial_words(const struct finding_of_trial *finding, const struct trial_rules *rules,
                  size_t boots)
{
    TEXT_AUTO number = counted(boots, "boot");
    TEXT_AUTO more = NULL;

    if (finding->verdict == TRIAL_WELL)
        return text_format("boots well (%s%s)", number,
                           rules->backstop ? "" : "; Backstop is not installed");
    more = recovery_words(finding, rules);
    return text_format("%s%s", opening(finding->verdict), more);
}

const char *trial_verdict_string(enum trial_verdict verdict)
{
    switch (verdict) {
    case TRIAL_WELL:
        return "well";
    case TRIAL_UNDECIDED:
        return "undecided";
    case TRIAL_RECOVERED:
        return "recovered";
    case TRIAL_LOOPS:
        return "crash-loops";
    case TRIAL_HANGS:
        return "hangs";
    case TRIAL_LATE:
        return "late-crash";
    case TRIAL_UNSTEADY:
        return "unsteady";
    }
    return "undecided";
}

const char *ending_string(enum ending ending)
{
    switch (ending) {
    case ENDING_WELL:
        return "well";
    case ENDING_SAFE:
        return "safe mode";
    case ENDING_CRASHED:
        return "crashed";
    case ENDING_UNHEALTHY:
        return "unhealthy";
    case ENDING_HUNG:
        return "hung";
    case ENDING_LATE:
        return "late crash";
    }
    return "crashed";
}
