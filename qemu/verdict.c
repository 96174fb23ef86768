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

/* The first boot that did not go well: failed, or came up in safe mode. */
static size_t first_trouble(const struct trial_boot *boots, size_t count)
{
    size_t i = 0;

    while (i < count && boots[i].ending == ENDING_WELL)
        i++;
    return i;
}

static size_t well_at_end(const struct trial_boot *boots, size_t count)
{
    size_t row = 0;

    while (row < count && boots[count - 1 - row].ending == ENDING_WELL)
        row++;
    return row;
}

/* Failed boots in a row at the end with which Backstop had nothing to do. */
static size_t helpless_at_end(const struct trial_boot *boots, size_t count,
                              const struct trial_rules *rules)
{
    size_t row = 0;

    while (row < count && is_failed(boots[count - 1 - row].ending) &&
           (!rules->backstop || boots[count - 1 - row].uncounted))
        row++;
    return row;
}

/* Counts what there is from the first trouble on. */
static void survey(const struct trial_boot *boots, size_t count, size_t first,
                   struct finding_of_trial *finding)
{
    for (size_t i = first; i < count; i++) {
        finding->failed += is_failed(boots[i].ending);
        finding->safe += boots[i].ending == ENDING_SAFE;
        finding->well += boots[i].ending == ENDING_WELL;
        finding->put_back = finding->put_back || boots[i].recovery;
        if (finding->put_back && boots[i].ending == ENDING_WELL && finding->recovered == 0)
            finding->recovered = i - first + 1;
    }
}

static size_t count_uncounted(const struct trial_boot *boots, size_t count,
                              const struct trial_rules *rules)
{
    size_t uncounted = 0;

    for (size_t i = 0; i < count && rules->backstop; i++)
        uncounted += boots[i].uncounted;
    return uncounted;
}

/* What a machine whose first trouble was so is called, once it is seen how it went on. */
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

static bool is_over(const struct trial_boot *boots, size_t count, size_t first,
                    const struct trial_rules *rules)
{
    return helpless_at_end(boots, count, rules) >= TRIAL_LOST_AFTER || count - first >= TRIAL_BOUND;
}

/* Of a machine that was in trouble: an answer once it is clear, or when its boots are used up. */
static enum trial_verdict judge_trouble(const struct trial_boot *boots, size_t count, size_t first,
                                        const struct trial_rules *rules,
                                        struct finding_of_trial *finding)
{
    size_t well = well_at_end(boots, count);

    survey(boots, count, first, finding);
    finding->stays_safe = stays_safe(boots, count);
    finding->comes_up = well > 0;
    if (finding->put_back && well > 0)
        return verdict_of(finding->first, TRIAL_RECOVERED);
    if (finding->stays_safe)
        return verdict_of(finding->first, TRIAL_LOOPS);
    if (!finding->put_back && well >= rules->wanted)
        return verdict_of(finding->first, TRIAL_UNSTEADY);
    if (!is_over(boots, count, first, rules))
        return TRIAL_UNDECIDED;
    return verdict_of(finding->first,
                      finding->well > 0 && !finding->put_back ? TRIAL_UNSTEADY : TRIAL_LOOPS);
}

struct finding_of_trial trial_judge(const struct trial_boot *boots, size_t count,
                                    const struct trial_rules *rules)
{
    struct finding_of_trial finding = {.verdict = TRIAL_UNDECIDED, .first = ENDING_WELL};
    size_t first = first_trouble(boots, count);

    finding.uncounted = count_uncounted(boots, count, rules);
    if (first < count) {
        finding.first = boots[first].ending;
        finding.verdict = judge_trouble(boots, count, first, rules, &finding);
    } else if (count > 0 && count >= rules->wanted) {
        finding.verdict = TRIAL_WELL;
    }
    return finding;
}

static const char *opening(const struct finding_of_trial *finding)
{
    bool safe = finding->first == ENDING_SAFE;

    switch (finding->verdict) {
    case TRIAL_WELL:
        return "boots well";
    case TRIAL_RECOVERED:
    case TRIAL_LOOPS:
        return safe ? "goes into safe mode" : "crash-loops";
    case TRIAL_HANGS:
        return "hangs";
    case TRIAL_LATE:
        return "late crash";
    case TRIAL_UNSTEADY:
        return safe ? "goes into safe mode now and then" : "crashes now and then";
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
    if (finding->stays_safe && finding->first == ENDING_SAFE)
        return text_copy(" and stays in it");
    if (finding->stays_safe)
        return text_copy(", and Backstop brings it up in safe mode, where it stays");
    if (finding->comes_up)
        return text_format(" (%zu failed), and comes up again with nothing put back",
                           finding->failed);
    if (finding->well > 0 && !finding->put_back)
        return text_format(" (%zu failed, %zu good), and nothing is put back", finding->failed,
                           finding->well);
    return text_format(" and does not recover (%zu failed%s)", finding->failed,
                       rules->backstop ? "" : "; Backstop is not installed");
}

/* Boots that Backstop had no part in, though it was installed. */
static char *uncounted_words(const struct finding_of_trial *finding, size_t boots)
{
    TEXT_AUTO number = counted(boots, "boot");

    if (finding->uncounted == 0)
        return text_copy("");
    return text_format("; Backstop did not start %zu of %s (the update took it out of the boot "
                       "order, or removed it)",
                       finding->uncounted, number);
}

char *trial_words(const struct finding_of_trial *finding, const struct trial_rules *rules,
                  size_t boots)
{
    TEXT_AUTO number = counted(boots, "boot");
    TEXT_AUTO uncounted = uncounted_words(finding, boots);
    TEXT_AUTO more = NULL;

    if (finding->verdict == TRIAL_WELL)
        more = text_format(" (%s%s)", number, rules->backstop ? "" : "; Backstop is not installed");
    else
        more = recovery_words(finding, rules);
    return text_format("%s%s%s", opening(finding), more, uncounted);
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
