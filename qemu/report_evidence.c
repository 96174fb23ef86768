/* What stands behind a verdict: each step with its judgement, and what lay on the disk at the end.
 */
#include <string.h>
#include "markup.h"
#include "report.h"
#include "text.h"

static void steps(FILE *file, const struct result *result)
{
    size_t count = member_count(result->json, "steps"), failed = 0;
    double all = member_number(result->json, "steps-in-all");

    for (size_t i = 0; i < count; i++)
        failed += !member_true(member_item(result->json, "steps", i), "passed");
    if (count == 0)
        return;
    markup(file,
           "<details class=\"steps\"%s><summary>Steps and checks <span class=\"meta\">"
           "%zu performed, %zu failed",
           failed > 0 ? " open" : "", count, failed);
    if (all > (double)count)
        markup(file, ", %.0f not reached", all - (double)count);
    fputs("</span></summary>\n<ol class=\"step-list\">\n", file);
    for (size_t i = 0; i < count; i++) {
        struct json_object *step = member_item(result->json, "steps", i);
        bool passed = member_true(step, "passed");

        markup(file, "<li class=\"%s\"><span class=\"sign\">%s</span> <code>%s</code>",
               passed ? "" : "failed", passed ? "ok" : "FAILED", member_text(step, "step"));
        if (!passed)
            markup(file, "<p class=\"reason\">%s</p>", member_text(step, "reason"));
        fputs("</li>\n", file);
    }
    fputs("</ol></details>\n", file);
}

static void changes(FILE *file, const struct json_object *record)
{
    size_t count = member_count(record, "changes");

    if (count > 0)
        fputs("<ul>", file);
    for (size_t i = 0; i < count; i++) {
        struct json_object *change = member_item(record, "changes", i);

        markup(file, "<li><b>%s</b> <code>%s</code> (%s; set %s, class %s)</li>",
               member_text(change, "action"), member_text(change, "path"),
               member_text(change, "kind"), member_text(change, "set"),
               member_text(change, "class"));
    }
    if (count > 0)
        fputs("</ul>", file);
}

/* A case: every record of one number. */
static void journal_row(FILE *file, const struct json_object *record)
{
    const char *applied = member_text(record, "applied"), *note = member_text(record, "note");

    markup(file,
           "<tr><td class=\"number\">%.0f</td><td class=\"number\">%.0f</td>"
           "<td class=\"number\">%.0f</td><td>%s</td><td>%s",
           member_number(record, "seq"), member_number(record, "boot"),
           member_number(record, "case"), member_text(record, "event"),
           member_text(record, "reason"));
    if (*applied != '\0' || *note != '\0')
        markup(file, " <i>%s %s</i>", applied, note);
    if (*member_text(record, "path") != '\0')
        markup(file, " <code>%s</code>", member_text(record, "path"));
    changes(file, record);
    fputs("</td></tr>\n", file);
}

static void journal(FILE *file, const struct result *result, const struct json_object *evidence)
{
    size_t count = member_count(evidence, "journal");
    double left_out = member_number(evidence, "journal-left-out");

    if (count == 0)
        return;
    fputs("<h4>Journal: cases, suspects and what was done</h4>\n", file);
    if (left_out > 0)
        markup(file, "<p class=\"left-out\">%.0f earlier lines are left out here.</p>", left_out);
    fputs(
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"journal\">"
        "<table class=\"events\"><thead><tr><th scope=\"col\">Line</th><th scope=\"col\">Boot</th>"
        "<th scope=\"col\">Case</th><th scope=\"col\">Event</th><th scope=\"col\">Reason and "
        "changes</th></tr></thead><tbody>\n",
        file);
    for (size_t i = 0; i < count; i++) {
        struct json_object *parsed = journal_line(result, i);

        if (parsed != NULL)
            journal_row(file, parsed);
        else
            markup(file, "<tr><td colspan=\"5\">no record: <code>%s</code></td></tr>\n",
                   json_object_get_string(member_item(evidence, "journal", i)));
        json_object_put(parsed);
    }
    fputs("</tbody></table></div>\n", file);
}

static void quarantine(FILE *file, const struct json_object *evidence)
{
    size_t count = member_count(evidence, "quarantine");
    double left_out = member_number(evidence, "quarantine-left-out");

    if (count == 0)
        return;
    fputs("<h4>In quarantine</h4>\n<pre tabindex=\"0\">", file);
    for (size_t i = 0; i < count; i++)
        markup(file, "%s\n", json_object_get_string(member_item(evidence, "quarantine", i)));
    fputs("</pre>\n", file);
    if (left_out > 0)
        markup(file, "<p class=\"left-out\">%.0f more are left out here.</p>", left_out);
}

void report_evidence(FILE *file, const struct result *result)
{
    struct json_object *evidence = member(result->json, "evidence");
    const char *unreadable = member_text(evidence, "unreadable");

    steps(file, result);
    if (member_count(evidence, "journal") + member_count(evidence, "quarantine") == 0 &&
        *unreadable == '\0')
        return;
    fputs(
        "<details class=\"evidence\"><summary>Evidence on the disk at the end <span class=\"meta\">"
        "read from outside</span></summary>\n",
        file);
    if (*unreadable != '\0')
        markup(file, "<p class=\"reason\">The disk could not be read: %s</p>\n", unreadable);
    journal(file, result, evidence);
    quarantine(file, evidence);
    fputs("</details>\n", file);
}
