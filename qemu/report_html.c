/* The page: what came of it all, the matrix, then each scenario. */
#include <string.h>
#include "markup.h"
#include "report.h"
#include "session.h"

static void page_head(FILE *file)
{
    fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
          "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
          "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
          "style-src 'unsafe-inline'; img-src data:\">\n"
          "<meta name=\"color-scheme\" content=\"light dark\">\n"
          "<link rel=\"icon\" href=\"data:,\">\n"
          "<title>Backstop: report of the rig</title>\n<style>\n",
          file);
    fputs(report_style, file);
    fputs("</style>\n</head>\n<body>\n", file);
}

static const char *verdict_mark(enum verdict verdict)
{
    return verdict == VERDICT_PASSED ? "\u2713" : verdict == VERDICT_FAILED ? "\u2717" : "\u2026";
}

static void verdict_badge(FILE *file, enum verdict verdict)
{
    markup(file, "<span class=\"badge %s\"><span aria-hidden=\"true\">%s</span> %s</span>",
           verdict_string(verdict), verdict_mark(verdict), verdict_string(verdict));
}

static size_t boots_in_all(const struct report *report)
{
    size_t count = 0;

    for (size_t i = 0; i < report->count; i++)
        if (!report->results[i].is_state)
            count += member_count(report->results[i].json, "boots");
    return count;
}

static size_t failed_points(const struct report *report)
{
    size_t count = 0;

    for (size_t i = 0; i < report->layer_count; i++)
        count += report->layers[i].failed;
    return count;
}

static void tile(FILE *file, const char *what, size_t count, const char *kind)
{
    markup(file, "<div class=\"tile %s\"><dt>%s</dt><dd>%zu</dd></div>", count > 0 ? kind : "",
           what, count);
}

static void summary(FILE *file, const struct report *report)
{
    size_t passed = report_verdicts(report, VERDICT_PASSED, false);
    size_t failed = report_verdicts(report, VERDICT_FAILED, false);
    size_t unfinished = report_verdicts(report, VERDICT_UNFINISHED, false);
    size_t points = failed_points(report);
    bool fine = failed == 0 && unfinished == 0 && points == 0 &&
                report_verdicts(report, VERDICT_FAILED, true) == 0;

    fputs("<header>\n<p class=\"product\">Backstop <span>report of the rig</span></p>\n", file);
    if (passed + failed + unfinished == 0)
        fputs("<h1>No scenario has a result here</h1>\n", file);
    else if (fine)
        markup(file, "<h1 class=\"passed\">All %zu scenarios passed</h1>\n", passed);
    else if (failed + unfinished > 0)
        markup(file, "<h1 class=\"failed\">%zu of %zu scenarios passed</h1>\n", passed,
               passed + failed + unfinished);
    else
        markup(
            file,
            "<h1 class=\"failed\">%zu scenarios passed; states or points of proofs failed</h1>\n",
            passed);
    markup(file,
           "<p class=\"meta\">Virtual machines with UEFI firmware were booted, harmed and "
           "judged from outside. Made %s with version %s.</p>\n<dl class=\"tiles\">",
           report->made, BACKSTOP_VERSION);
    tile(file, "passed", passed, "passed");
    tile(file, "failed", failed, "failed");
    tile(file, "unfinished", unfinished, "unfinished");
    tile(file, "boots", boots_in_all(report), "");
    if (report->layer_count > 0)
        tile(file, "failed points of proofs", points, "failed");
    fputs("</dl>\n</header>\n<main>\n", file);
}

static void failures(FILE *file, const struct report *report)
{
    bool any = false;

    for (size_t i = 0; i < report->count; i++) {
        const struct result *result = &report->results[i];

        if (result->verdict == VERDICT_PASSED)
            continue;
        if (!any)
            fputs("<section aria-labelledby=\"failures\">\n<h2 id=\"failures\">What went "
                  "wrong</h2>\n",
                  file);
        any = true;
        markup(file,
               "<div class=\"failure\"><h3><a href=\"#%s\">%s</a></h3><p "
               "class=\"reason\">%s</p></div>\n",
               result->id, result->name, result_reason(result));
    }
    if (any)
        fputs("</section>\n", file);
}

static const char *letter(enum how how)
{
    static char text[2];

    text[0] = how_letter(how);
    return text;
}

static void legend(FILE *file)
{
    fputs("<details class=\"legend\" open><summary>Legend</summary>\n<p>One letter a boot: ", file);
    for (enum how how = HOW_GOOD; how < HOWS; how++)
        markup(file, "<span class=\"key\"><span class=\"cell %s\">%s</span> %s</span> ",
               how_string(how), letter(how), how_words(how));
    fputs("</p>\n<p>How far a boot got: ", file);
    for (enum stage stage = STAGE_FIRMWARE; stage < STAGES; stage++)
        markup(file, "<span class=\"key\"><span class=\"swatch %s\"></span> %s</span> ",
               stage_string(stage), stage_string(stage));
    fputs("</p>\n<p>Triangles on a bar: the EFI stage stored its attempt, the agent its receipt, "
          "the kernel panicked. Times are seconds of the host, which emulates the machine; where "
          "the guest's own clock is meant, it is said.</p>\n</details>\n",
          file);
}

static void cells(FILE *file, const struct result *result)
{
    fputs("<span class=\"cells\">", file);
    for (size_t i = 0; i < member_count(result->json, "boots"); i++) {
        enum how how = HOW_RUNNING;

        (void)how_from_string(member_text(member_item(result->json, "boots", i), "how"), &how);
        markup(file, "<span class=\"cell %s\" title=\"boot %zu: %s\">%s</span>", how_string(how),
               i + 1, how_words(how), letter(how));
    }
    fputs("</span>", file);
}

static void matrix_row(FILE *file, const struct result *result)
{
    fputs("<tr><td class=\"verdict\">", file);
    verdict_badge(file, result->verdict);
    markup(file,
           "</td><th scope=\"row\"><a href=\"#%s\">%s</a></th><td class=\"proves\">%s</td><td>",
           result->id, result->name, member_text(result->json, "proves"));
    cells(file, result);
    markup(file, "</td><td class=\"number\">%.0f s</td></tr>\n",
           member_number(result->json, "seconds"));
}

static void matrix(FILE *file, const struct report *report, bool states)
{
    bool any = false;

    for (size_t i = 0; i < report->count; i++) {
        if (report->results[i].is_state != states)
            continue;
        if (!any)
            markup(
                file,
                "<section aria-labelledby=\"%s\">\n<h2 id=\"%s\">%s</h2>\n"
                "<table class=\"matrix\">\n<thead><tr><th scope=\"col\">Result</th>"
                "<th scope=\"col\">%s</th><th scope=\"col\">What it proves</th>"
                "<th scope=\"col\">Boots</th><th scope=\"col\">Time</th></tr></thead>\n<tbody>\n",
                states ? "states" : "scenarios", states ? "states" : "scenarios",
                states ? "States" : "Scenarios", states ? "State" : "Scenario");
        any = true;
        matrix_row(file, &report->results[i]);
    }
    if (any)
        fputs("</tbody>\n</table>\n", file);
    if (any && !states)
        legend(file);
    if (any)
        fputs("</section>\n", file);
}

static void layer_section(FILE *file, const struct layer *layer)
{
    markup(file,
           "<div class=\"layer\"><h3>%s</h3><p>%zu points: <b>%zu ended well</b>, "
           "<b class=\"%s\">%zu did not</b>.</p>\n",
           layer->name, layer->points, layer->passed, layer->failed > 0 ? "failed" : "",
           layer->failed);
    if (layer->apart > 0)
        markup(file,
               "<p>At %zu of them the firmware, or the file system, itself does not come up.</p>\n",
               layer->apart);
    if (layer->failed > 0)
        fputs(
            "<details open><summary>Points that did not end well</summary><ul class=\"points\">\n",
            file);
    for (size_t i = 0; i < json_object_array_length(layer->failures); i++) {
        struct json_object *point = json_object_array_get_idx(layer->failures, i);

        markup(file, "<li><code>%s</code> %s: %s</li>\n", member_text(point, "id"),
               member_text(point, "result"), member_text(point, "detail"));
    }
    if (layer->failed > LAYER_FAILURES_MAX)
        markup(file, "<li>%zu more are left out here</li>\n", layer->failed - LAYER_FAILURES_MAX);
    if (layer->failed > 0)
        fputs("</ul></details>", file);
    fputs("</div>\n", file);
}

static void proofs(FILE *file, const struct report *report)
{
    if (report->layer_count == 0)
        return;
    fputs(
        "<section aria-labelledby=\"proofs\">\n<h2 id=\"proofs\">Proofs</h2>\n<p>Each point is one "
        "place at which power was cut or a call failed, or one sequence of faults.</p>\n<div "
        "class=\"layers\">\n",
        file);
    for (size_t i = 0; i < report->layer_count; i++)
        layer_section(file, &report->layers[i]);
    fputs("</div>\n</section>\n", file);
}

static void scenario_section(FILE *file, const struct result *result)
{
    const char *accel = member_text(result->json, "accel"),
               *start = member_text(result->json, "start");

    markup(file,
           "<section class=\"scenario\" id=\"%s\" aria-labelledby=\"%s-name\">\n<h2 "
           "id=\"%s-name\">%s ",
           result->id, result->id, result->id, result->name);
    verdict_badge(file, result->verdict);
    markup(file, "</h2>\n<p class=\"title\">%s</p>\n", member_text(result->json, "title"));
    if (result->verdict != VERDICT_PASSED)
        markup(file, "<p class=\"reason\">%s</p>\n", result_reason(result));
    else if (*member_text(result->trial, "answer") != '\0')
        markup(file, "<p><b>Answer:</b> %s</p>\n", member_text(result->trial, "answer"));
    if (*member_text(result->json, "proves") != '\0')
        markup(file, "<p><b>Proves:</b> %s</p>\n", member_text(result->json, "proves"));
    markup(file, "<p class=\"meta\">%s%s%s%s%s, %zu boots, %.1f s of the host</p>\n", result->when,
           *start != '\0' ? ", from state " : "", start, *accel != '\0' ? ", " : "", accel,
           member_count(result->json, "boots"), member_number(result->json, "seconds"));
    if (member_count(result->json, "boots") > 0) {
        fputs("<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"timeline\">",
              file);
        report_svg(file, result);
        fputs("</div>\n", file);
    }
    report_boots(file, result);
    report_evidence(file, result);
    fputs("<p class=\"up\"><a href=\"#top\">to the top</a></p>\n</section>\n", file);
}

void report_html(FILE *file, const struct report *report)
{
    page_head(file);
    fputs("<div id=\"top\" class=\"page\">\n", file);
    summary(file, report);
    failures(file, report);
    matrix(file, report, false);
    proofs(file, report);
    matrix(file, report, true);
    for (size_t i = 0; i < report->count; i++)
        scenario_section(file, &report->results[i]);
    fputs("</main>\n<footer>Everything on this page is in this file: it loads nothing and runs no "
          "script. Beside it: <code>report.json</code>, <code>junit.xml</code>.</footer>\n"
          "</div>\n</body>\n</html>\n",
          file);
}
