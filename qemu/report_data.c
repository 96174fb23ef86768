/* The report for programs: JUnit XML, and JSON as README.md describes it. */
#include <string.h>
#include "markup.h"
#include "report.h"
#include "text.h"

#define REPORT_VERSION 1

/* A group of results in JUnit: scenarios, or states. */
static double suite_seconds(const struct report *report, bool states)
{
    double seconds = 0;

    for (size_t i = 0; i < report->count; i++)
        if (report->results[i].is_state == states)
            seconds += member_number(report->results[i].json, "seconds");
    return seconds;
}

static void junit_case(FILE *file, const char *suite, const struct result *result)
{
    markup(file, "    <testcase classname=\"rig.%s\" name=\"%s\" time=\"%.1f\">\n", suite,
           result->name, member_number(result->json, "seconds"));
    if (result->verdict == VERDICT_FAILED)
        markup(file, "      <failure type=\"failed\" message=\"%s\">%s</failure>\n",
               result_reason(result), member_text(result->json, "proves"));
    if (result->verdict == VERDICT_UNFINISHED)
        fputs("      <error type=\"unfinished\" message=\"there is no result\"/>\n", file);
    fputs("    </testcase>\n", file);
}

static void junit_results(FILE *file, const struct report *report, bool states)
{
    const char *suite = states ? "states" : "scenarios";
    size_t failed = report_verdicts(report, VERDICT_FAILED, states);
    size_t unfinished = report_verdicts(report, VERDICT_UNFINISHED, states);
    size_t all = failed + unfinished + report_verdicts(report, VERDICT_PASSED, states);

    if (all == 0)
        return;
    markup(file,
           "  <testsuite name=\"%s\" tests=\"%zu\" failures=\"%zu\" errors=\"%zu\" "
           "skipped=\"0\" time=\"%.1f\">\n",
           suite, all, failed, unfinished, suite_seconds(report, states));
    for (size_t i = 0; i < report->count; i++)
        if (report->results[i].is_state == states)
            junit_case(file, suite, &report->results[i]);
    fputs("  </testsuite>\n", file);
}

/* One case for a proof as a whole, and one for each of its points that failed. */
static void junit_layer(FILE *file, const struct layer *layer)
{
    size_t listed = json_object_array_length(layer->failures);

    markup(file,
           "  <testsuite name=\"proof-%s\" tests=\"%zu\" failures=\"%zu\" errors=\"0\" "
           "skipped=\"0\" time=\"0\">\n"
           "    <testcase classname=\"proof.%s\" name=\"all points\" time=\"0\">\n",
           layer->name, listed + 1, listed + (layer->failed > 0), layer->name);
    if (layer->failed > 0)
        markup(file, "      <failure type=\"failed\" message=\"%zu of %zu points failed\"/>\n",
               layer->failed, layer->points);
    markup(file, "      <system-out>%zu points, %zu ended well</system-out>\n    </testcase>\n",
           layer->points, layer->passed);
    for (size_t i = 0; i < listed; i++) {
        struct json_object *point = json_object_array_get_idx(layer->failures, i);

        markup(file,
               "    <testcase classname=\"proof.%s\" name=\"%s\" time=\"0\">\n"
               "      <failure type=\"%s\" message=\"%s\"/>\n    </testcase>\n",
               layer->name, member_text(point, "id"), member_text(point, "result"),
               member_text(point, "detail"));
    }
    fputs("  </testsuite>\n", file);
}

void report_junit(FILE *file, const struct report *report)
{
    fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"backstop\">\n", file);
    junit_results(file, report, false);
    junit_results(file, report, true);
    for (size_t i = 0; i < report->layer_count; i++)
        junit_layer(file, &report->layers[i]);
    fputs("</testsuites>\n", file);
}

static struct json_object *number(size_t value)
{
    return json_object_new_int64((int64_t)value);
}

static struct json_object *result_json(const struct result *result)
{
    struct json_object *object = json_object_new_object();

    json_object_object_add(object, "name", json_object_new_string(result->name));
    json_object_object_add(object, "verdict",
                           json_object_new_string(verdict_string(result->verdict)));
    json_object_object_add(object, "when", json_object_new_string(result->when));
    json_object_object_add(object, "dir", json_object_new_string(result->dir));
    json_object_object_add(object, "result", json_object_get(result->json));
    json_object_object_add(object, "try", json_object_get(result->trial));
    return object;
}

static struct json_object *layer_json(const struct layer *layer)
{
    struct json_object *object = json_object_new_object();

    json_object_object_add(object, "name", json_object_new_string(layer->name));
    json_object_object_add(object, "points", number(layer->points));
    json_object_object_add(object, "passed", number(layer->passed));
    json_object_object_add(object, "failed", number(layer->failed));
    json_object_object_add(object, "apart", number(layer->apart));
    json_object_object_add(object, "failures", json_object_get(layer->failures));
    return object;
}

void report_json(FILE *file, const struct report *report)
{
    struct json_object *object = json_object_new_object(), *scenarios = json_object_new_array(),
                       *states = json_object_new_array(), *layers = json_object_new_array();

    for (size_t i = 0; i < report->count; i++)
        json_object_array_add(report->results[i].is_state ? states : scenarios,
                              result_json(&report->results[i]));
    for (size_t i = 0; i < report->layer_count; i++)
        json_object_array_add(layers, layer_json(&report->layers[i]));
    json_object_object_add(object, "version", json_object_new_int(REPORT_VERSION));
    json_object_object_add(object, "backstop", json_object_new_string(BACKSTOP_VERSION));
    json_object_object_add(object, "made", json_object_new_string(report->made));
    for (enum verdict verdict = VERDICT_PASSED; verdict <= VERDICT_UNFINISHED; verdict++)
        json_object_object_add(object, verdict_string(verdict),
                               number(report_verdicts(report, verdict, false)));
    json_object_object_add(object, "scenarios", scenarios);
    json_object_object_add(object, "states", states);
    json_object_object_add(object, "proofs", layers);
    fputs(json_object_to_json_string_ext(object,
                                         JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE),
          file);
    fputc('\n', file);
    json_object_put(object);
}
