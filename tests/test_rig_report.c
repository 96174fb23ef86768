/* The report: escaping, the timeline's arithmetic, proofs' points, JUnit. */
#include "scratch.h"

#include <errno.h>
#include <fcntl.h>

#include "../qemu/clean.h"
#include "../qemu/evidence.h"
#include "../qemu/markup.h"
#include "../qemu/report.h"
#include "../qemu/timeline.h"

#define FFFD "\xef\xbf\xbd"

static const struct {
    const char *name, *bytes;
    size_t size; /* 0: to the NUL */
    const char *text, *markup;
} clean_rows[] = {
    {"plain", "a b\n\tc", 0, "a b\n\tc", "a b\n\tc"},
    {"markup", "<b a=\"1\" c='2'>&amp;", 0, "<b a=\"1\" c='2'>&amp;",
     "&lt;b a=&quot;1&quot; c=&#39;2&#39;&gt;&amp;amp;"},
    {"CR goes", "a\r\nb\r", 0, "a\nb", "a\nb"},
    {"colour goes", "a\033[1;31mb\033[0m", 0, "ab", "ab"},
    {"title goes", "a\033]0;evil\007b", 0, "ab", "ab"},
    {"title that ends with ST", "a\033]0;evil\033\\b", 0, "ab", "ab"},
    {"escape of two bytes", "a\033cb", 0, "ab", "ab"},
    {"torn escape keeps the next line", "a\033[1;3\nb", 0, "a\nb", "a\nb"},
    {"torn title keeps the next line", "a\033]0;x\n<b>", 0, "a\n<b>", "a\n&lt;b&gt;"},
    {"ECMA-48: < is a parameter", "\033[<script>", 0, "cript>", "cript&gt;"},
    {"escape at the end", "a\033", 0, "a", "a"},
    {"NUL and BEL are shown", "a\0b\007", 4,
     "a\xe2\x90\x80"
     "b\xe2\x90\x87",
     "a\xe2\x90\x80"
     "b\xe2\x90\x87"},
    {"DEL", "\177", 0, "\xe2\x90\xa1", "\xe2\x90\xa1"},
    {"UTF-8 stays", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", 0,
     "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"},
    {"lone byte",
     "a\xff"
     "b",
     0, "a" FFFD "b", "a" FFFD "b"},
    {"overlong '<'", "\xc0\xbc", 0, FFFD FFFD, FFFD FFFD},
    {"overlong of three", "\xe0\x80\xbc", 0, FFFD FFFD FFFD, FFFD FFFD FFFD},
    {"surrogate", "\xed\xa0\x80", 0, FFFD FFFD FFFD, FFFD FFFD FFFD},
    {"above U+10FFFF", "\xf4\x90\x80\x80", 0, FFFD FFFD FFFD FFFD, FFFD FFFD FFFD FFFD},
    {"torn at the end", "\xe2\x82", 0, FFFD FFFD, FFFD FFFD},
    {"torn before markup", "\xe2\x82<", 0, FFFD FFFD "<", FFFD FFFD "&lt;"},
    {"no noncharacter", "\xef\xbf\xbe", 0, FFFD, FFFD},
    {"C1 control", "\xc2\x9b", 0, FFFD, FFFD},
    {"text turned round", "\xe2\x80\xae", 0, FFFD, FFFD},
    {"isolate", "\xe2\x81\xa6", 0, FFFD, FFFD},
};

static void cleaning(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS(clean_rows); i++) {
        size_t size = clean_rows[i].size > 0 ? clean_rows[i].size : strlen(clean_rows[i].bytes);
        char *text = clean_text(clean_rows[i].bytes, size);
        char *escaped = clean_markup(clean_rows[i].bytes, size);

        print_message("%s\n", clean_rows[i].name);
        assert_string_equal(text, clean_rows[i].text);
        assert_string_equal(escaped, clean_rows[i].markup);
        free(escaped);
        free(text);
    }
}

/* Whatever bytes come: nothing that ends a text or an attribute, and nothing that XML forbids. */
static void cleaning_of_all_pairs(void **state)
{
    (void)state;
    for (unsigned pair = 0; pair < 0x10000; pair++) {
        const char bytes[] = {(char)(pair >> 8), (char)pair, '<'};
        char *escaped = clean_markup(bytes, sizeof bytes);

        assert_null(strpbrk(escaped, "<>\"'"));
        for (const char *c = escaped; *c != '\0'; c++)
            assert_true((unsigned char)*c >= 0x20 || *c == '\n' || *c == '\t');
        free(escaped);
    }
}

static char *written(void (*writer)(FILE *, const struct report *), const struct report *report)
{
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);

    writer(file, report);
    fclose(file);
    return text;
}

static void arguments_are_escaped(void **state)
{
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);

    (void)state;
    markup(file, "<a b=\"%s\">%s %d %ld %zu %.1f%%</a>", "\"'", "<&>", -1, 2l, (size_t)3, 4.25);
    fclose(file);
    assert_string_equal(text, "<a b=\"&quot;&#39;\">&lt;&amp;&gt; -1 2 3 4.2%</a>");
    free(text);
}

/* ---- timeline ---- */

static void assert_laid_out(const struct timeline *timeline)
{
    double y = 0;

    for (size_t i = 0; i < timeline->count; i++) {
        const struct timeline_row *row = &timeline->rows[i];
        double x = row->from;

        assert_true(row->y >= y);
        assert_true(row->bar_y > row->y);
        assert_true(row->from == TIMELINE_LEFT && row->to <= TIMELINE_RIGHT + 0.01);
        for (int part = 0; part < TIMELINE_PARTS; part++) {
            assert_true(row->parts[part].from == x);
            assert_true(row->parts[part].to >= x);
            x = row->parts[part].to;
        }
        assert_true(x == row->to);
        y = row->bar_y + TIMELINE_BAR + (double)row->notes * TIMELINE_NOTE;
    }
    assert_true(timeline->height > y);
    assert_true(timeline->tick * timeline->scale * TIMELINE_TICKS >=
                TIMELINE_RIGHT - TIMELINE_LEFT - 0.01);
}

static void timeline_of(struct timeline *timeline, const char *json, const size_t *notes)
{
    struct json_object *result = json_tokener_parse(json);

    assert_non_null(result);
    timeline_lay_out(timeline, result, notes);
    assert_laid_out(timeline);
    json_object_put(result);
}

static void a_bar_is_cut_where_stages_begin(void **state)
{
    static const size_t notes[] = {2, 0};
    struct timeline timeline;

    (void)state;
    timeline_of(&timeline,
                "{\"boots\":[{\"seconds\":100,\"reached\":{\"firmware\":0,\"kernel\":10,"
                "\"initramfs\":20,\"early\":40,\"booted\":60}},{\"seconds\":50,\"reached\":{"
                "\"firmware\":0,\"kernel\":10}}]}",
                notes);
    assert_int_equal(timeline.count, 2);
    assert_true(timeline.scale == (TIMELINE_RIGHT - TIMELINE_LEFT) / 100);
    assert_true(timeline.rows[0].parts[0].to == TIMELINE_LEFT + 10 * timeline.scale);
    assert_true(timeline.rows[0].parts[4].to == TIMELINE_RIGHT);
    /* The second one died in the kernel: the rest of its bar is the kernel's. */
    assert_true(timeline.rows[1].parts[1].to == timeline.rows[1].to);
    assert_true(timeline.rows[1].parts[4].from == timeline.rows[1].parts[4].to);
    assert_true(timeline.rows[1].y - timeline.rows[0].y ==
                TIMELINE_HEAD + TIMELINE_BAR + 2 * TIMELINE_NOTE + TIMELINE_GAP);
    timeline_free(&timeline);
}

static void a_stage_nobody_saw_is_part_of_the_one_before(void **state)
{
    static const size_t notes[] = {0};
    struct timeline timeline;

    (void)state;
    timeline_of(&timeline,
                "{\"boots\":[{\"seconds\":10,\"reached\":{\"firmware\":0,\"kernel\":2,"
                "\"booted\":8}}]}",
                notes);
    assert_true(timeline.rows[0].parts[1].to - timeline.rows[0].parts[1].from <
                0.01 + 6 * timeline.scale);
    timeline_free(&timeline);
}

static const char *const impossible[] = {
    "{}",
    "{\"boots\":[]}",
    "{\"boots\":[{}]}",
    "{\"boots\":[7,null,\"x\"]}",
    "{\"boots\":[{\"seconds\":0}]}",
    "{\"boots\":[{\"seconds\":-5,\"reached\":{\"kernel\":-3}}]}",
    "{\"boots\":[{\"seconds\":5,\"reached\":{\"kernel\":9,\"early\":3,\"booted\":1e300}}]}",
    "{\"boots\":[{\"seconds\":1e300,\"reached\":[]}]}",
    "{\"boots\":[{\"seconds\":\"abc\",\"reached\":{\"kernel\":\"x\"}}]}",
};

static void impossible_times_stay_in_the_drawing(void **state)
{
    static const size_t notes[4];

    (void)state;
    for (size_t i = 0; i < ROWS(impossible); i++) {
        struct timeline timeline;

        print_message("%s\n", impossible[i]);
        timeline_of(&timeline, impossible[i], notes);
        timeline_free(&timeline);
    }
}

/* ---- results and proofs ---- */

static void put(const char *path, const char *text)
{
    put_bytes(path, text, strlen(text), 0644);
}

static void read_all(struct report *report)
{
    char results[128], proofs[128];
    char *reason = NULL;

    snprintf(results, sizeof results, "%s/out", scratch);
    snprintf(proofs, sizeof proofs, "%s/proof", scratch);
    assert_int_equal(report_read(report, results, scratch, proofs, &reason), 0);
    assert_null(reason);
}

static void results_are_found_and_ordered(void **state)
{
    struct report report;

    (void)state;
    put("out/zeta/result.json", "{\"scenario\":\"zeta\",\"passed\":false,\"reason\":\"r\"}");
    put("out/alpha/result.json", "{\"scenario\":\"alpha\",\"passed\":true}");
    put("out/deep/er/beta/result.json", "{\"passed\":true}");
    put("out/broken/result.json", "{\"passed\":tr");
    put("out/half/timeline.txt", "  0:00  boot 1\n");
    put("out/nothing/other.txt", "x");
    put("state-ready-12ab/result.json", "{\"passed\":true,\"provides\":\"ready\"}");
    read_all(&report);
    assert_int_equal(report.count, 6);
    assert_string_equal(report.results[0].name, "broken");
    assert_int_equal(report.results[0].verdict, VERDICT_UNFINISHED);
    assert_string_equal(report.results[1].name, "half");
    assert_string_equal(report.results[2].name, "zeta");
    assert_int_equal(report.results[2].verdict, VERDICT_FAILED);
    assert_string_equal(report.results[3].name, "alpha");
    assert_string_equal(report.results[4].name, "deep/er/beta");
    assert_true(report.results[5].is_state);
    assert_int_equal(report_verdicts(&report, VERDICT_UNFINISHED, false), 2);
    assert_int_equal(report_verdicts(&report, VERDICT_PASSED, true), 1);
    report_free(&report);
}

static void an_update_that_did_harm_has_failed(void **state)
{
    struct report report;

    (void)state;
    put("out/fine/result.json", "{\"passed\":true}");
    put("out/fine/try.json", "{\"code\":0,\"answer\":\"boots well\"}");
    put("out/harm/result.json", "{\"passed\":true}");
    put("out/harm/try.json", "{\"code\":12,\"answer\":\"hangs\"}");
    read_all(&report);
    assert_int_equal(report.results[0].verdict, VERDICT_FAILED);
    assert_string_equal(result_reason(&report.results[0]), "hangs");
    assert_int_equal(report.results[1].verdict, VERDICT_PASSED);
    report_free(&report);
}

/* As `rig try` leaves it: nothing but that, though states and proofs lie about. */
static void of_one_run_that_alone(void **state)
{
    struct report report;
    char results[128], proofs[128];
    char *reason = NULL;

    (void)state;
    put("one/result.json", "{\"passed\":true}");
    put("one/try.json", "{\"code\":10,\"answer\":\"recovers\"}");
    put("one/below/result.json", "{\"passed\":true}");
    put("state-base-12ab/result.json", "{\"passed\":true}");
    put("proof/calls/points-a.jsonl", "{\"id\":\"x\",\"result\":\"passed\"}\n");
    snprintf(results, sizeof results, "%s/one", scratch);
    snprintf(proofs, sizeof proofs, "%s/proof", scratch);
    assert_int_equal(report_read(&report, results, scratch, proofs, &reason), 0);
    assert_int_equal(report.count, 1);
    assert_int_equal(report.layer_count, 0);
    assert_string_equal(report.results[0].name, "one");
    assert_string_equal(result_reason(&report.results[0]), "recovers");
    report_free(&report);
    assert_int_equal(report_read(&report, scratch, NULL, NULL, &reason), 0);
    assert_true(report.count > 1);
    report_free(&report);
}

static void changes_are_those_of_intents(void **state)
{
    static const char journal[] =
        "{\"journal\":["
        "\"{\\\"event\\\":\\\"good\\\",\\\"changes\\\":[{\\\"path\\\":\\\"/no\\\"}]}\","
        "\"{\\\"event\\\":\\\"intent\\\",\\\"changes\\\":[{\\\"path\\\":\\\"/a\\\"},"
        "{\\\"path\\\":\\\"/b\\\"}]}\","
        "\"{\\\"event\\\":\\\"intent\\\",\\\"changes\\\":7}\",\"{\\\"event\", 7, null,"
        "\"{\\\"event\\\":\\\"intent\\\",\\\"changes\\\":[{\\\"path\\\":\\\"/c\\\"}]}\"]}";
    struct json_object *evidence = json_tokener_parse(journal), *changes;

    (void)state;
    assert_non_null(evidence);
    changes = evidence_changes(evidence);
    assert_int_equal(json_object_array_length(changes), 3);
    assert_string_equal(json_object_to_json_string_ext(changes, JSON_C_TO_STRING_PLAIN |
                                                                    JSON_C_TO_STRING_NOSLASHESCAPE),
                        "[{\"path\":\"/a\"},{\"path\":\"/b\"},{\"path\":\"/c\"}]");
    json_object_put(changes);
    json_object_put(evidence);
    changes = evidence_changes(NULL);
    assert_int_equal(json_object_array_length(changes), 0);
    json_object_put(changes);
}

static void a_directory_that_is_not_there_is_said(void **state)
{
    struct report report;
    char *reason = NULL;

    (void)state;
    assert_int_equal(report_read(&report, "/nonexistent", NULL, NULL, &reason), -ENOENT);
    assert_non_null(strstr(reason, "/nonexistent"));
    free(reason);
    report_free(&report);
}

static void the_last_line_on_a_point_counts(void **state)
{
    struct report report;
    const struct layer *layer;

    (void)state;
    put("out/x/result.json", "{\"passed\":true}");
    put("proof/calls/points-1.jsonl", "{\"id\":\"a\",\"result\":\"well\"}\n"
                                      "{\"id\":\"b\",\"result\":\"lost\",\"detail\":\"<gone>\"}\n"
                                      "{\"id\":\"c\",\"result\":\"lost\"}\n"
                                      "no json\n[1]\n{\"result\":\"well\"}\n"
                                      "{\"id\":\"c\",\"result\":\"well\"}\n"
                                      "{\"id\":\"d\",\"result\":\"firmware\"}\n"
                                      "{\"id\":\"torn\",\"res");
    put("proof/empty/other", "");
    read_all(&report);
    assert_int_equal(report.layer_count, 1);
    layer = &report.layers[0];
    assert_string_equal(layer->name, "calls");
    assert_int_equal(layer->points, 4);
    assert_int_equal(layer->apart, 1);
    assert_int_equal(layer->passed, 2);
    assert_int_equal(layer->failed, 1);
    assert_string_equal(member_text(json_object_array_get_idx(layer->failures, 0), "id"), "b");
    report_free(&report);
}

/* Of a build before, with nothing of it to be told. */
static void put_old(const char *name, const char *text)
{
    static const struct timespec times[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
    char path[256];

    snprintf(path, sizeof path, "%s/%s", scratch, name);
    put(name, text);
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void of_each_case_the_newest_results(void **state)
{
    struct report report;

    (void)state;
    put("out/x/result.json", "{\"passed\":true}");
    put("proof/flash/points-one-2.jsonl", "{\"id\":\"one:1\",\"result\":\"well\"}\n");
    put_old("proof/flash/points-one-1.jsonl", "{\"id\":\"one:9\",\"result\":\"failed\"}\n");
    put_old("proof/flash/points-one-3.jsonl", "{\"id\":\"one:8\",\"result\":\"failed\"}\n");
    put_old("proof/flash/points-another-1.jsonl", "{\"id\":\"another:1\",\"result\":\"failed\"}\n");
    read_all(&report);
    assert_int_equal(report.layer_count, 1);
    assert_int_equal(report.layers[0].points, 2);
    assert_int_equal(report.layers[0].passed, 1);
    assert_int_equal(report.layers[0].failed, 1);
    report_free(&report);
}

static size_t occurrences(const char *text, const char *what)
{
    size_t count = 0;

    for (; (text = strstr(text, what)) != NULL; text += strlen(what))
        count++;
    return count;
}

static void junit_counts_what_it_lists(void **state)
{
    struct report report;
    char *xml;

    (void)state;
    put("out/a/result.json", "{\"passed\":true,\"seconds\":12.5}");
    put("out/b/result.json", "{\"passed\":false,\"reason\":\"x < \\\"y\\\" & z\",\"seconds\":2}");
    put("out/c/timeline.txt", "");
    put("proof/calls/points-1.jsonl", "{\"id\":\"p\",\"result\":\"lost\"}\n");
    read_all(&report);
    xml = written(report_junit, &report);
    assert_non_null(strstr(xml, "<testsuite name=\"scenarios\" tests=\"3\" failures=\"1\" "
                                "errors=\"1\" skipped=\"0\" time=\"14.5\">"));
    assert_non_null(strstr(xml, "message=\"x &lt; &quot;y&quot; &amp; z\""));
    assert_non_null(strstr(xml, "<testsuite name=\"proof-calls\" tests=\"2\" failures=\"2\""));
    assert_int_equal(occurrences(xml, "<testcase "), 5);
    assert_int_equal(occurrences(xml, "<failure "), 3);
    assert_int_equal(occurrences(xml, "<error "), 1);
    free(xml);
    report_free(&report);
}

static void json_has_it_all(void **state)
{
    struct report report;
    struct json_object *json;
    char *text;

    (void)state;
    put("out/a/result.json", "{\"passed\":true,\"boots\":[{\"how\":\"good\"}]}");
    read_all(&report);
    text = written(report_json, &report);
    json = json_tokener_parse(text);
    assert_int_equal((int)member_number(json, "version"), 1);
    assert_int_equal((int)member_number(json, "passed"), 1);
    assert_int_equal(member_count(json, "scenarios"), 1);
    assert_int_equal(member_count(member(member_item(json, "scenarios", 0), "result"), "boots"), 1);
    json_object_put(json);
    free(text);
    report_free(&report);
}

/* A result names files: none outside its directory is read. */
static void files_of_a_result_are_its_own(void **state)
{
    struct report report;
    char *page;

    (void)state;
    put("out/secret", "SECRET");
    put("out/a/result.json", "{\"passed\":true,\"boots\":[{\"boot\":1,\"how\":\"good\","
                             "\"seconds\":1,\"console\":\"../secret\",\"screen\":\"../secret\"}]}");
    read_all(&report);
    page = written(report_html, &report);
    assert_null(strstr(page, "SECRET"));
    free(page);
    report_free(&report);
}

static void a_long_console_is_cut_and_said(void **state)
{
    struct report report;
    char *page, *log = malloc(200001);

    (void)state;
    assert_non_null(log);
    memset(log, 'x', 200000);
    memcpy(log, "FIRST", 5);
    memcpy(log + 199996, "LAST", 4);
    log[200000] = '\0';
    put("out/a/boot-01.log", log);
    put("out/a/result.json", "{\"passed\":true,\"boots\":[{\"boot\":1,\"how\":\"good\","
                             "\"seconds\":1,\"console\":\"boot-01.log\"}]}");
    read_all(&report);
    page = written(report_html, &report);
    assert_non_null(strstr(page, "FIRST"));
    assert_non_null(strstr(page, "LAST"));
    assert_non_null(strstr(page, "118080 bytes are left out here"));
    assert_true(strlen(page) < 120000);
    free(page);
    free(log);
    report_free(&report);
}

static void what_was_put_away_is_noted_at_its_boot(void **state)
{
    struct report report;
    struct notes notes;

    (void)state;
    put("out/a/result.json",
        "{\"passed\":true,\"boots\":[{\"boot\":1,\"how\":\"panic\",\"counted\":true,"
        "\"fault\":\"RIP: x [y]\",\"ledger\":{\"number\":4}},"
        "{\"boot\":2,\"how\":\"safe\",\"counted\":true,\"ledger\":{\"number\":5},"
        "\"receipt\":{\"number\":5,\"outcome\":\"good\",\"applied\":\"put-back\"}},"
        "{\"boot\":3,\"how\":\"up\",\"counted\":false,\"ledger\":{\"number\":5}}],"
        "\"evidence\":{\"journal\":[\"{\\\"event\\\":\\\"intent\\\",\\\"boot\\\":5,\\\"changes\\\":"
        "["
        "{\\\"path\\\":\\\"/o/new\\\",\\\"kind\\\":\\\"added\\\",\\\"action\\\":\\\"take out\\\"},"
        "{\\\"path\\\":\\\"/o/old\\\",\\\"kind\\\":\\\"gone\\\",\\\"action\\\":\\\"put "
        "back\\\"}]}\","
        "\"torn {\"]}}");
    read_all(&report);
    journal_notes(&report.results[0], 0, &notes);
    assert_int_equal(notes.count, 1);
    assert_string_equal(notes.text[0], "fault: RIP: x [y]");
    journal_notes(&report.results[0], 1, &notes);
    assert_int_equal(notes.count, 3);
    assert_string_equal(notes.text[0], "put away: new");
    assert_string_equal(notes.text[1], "came back: old");
    assert_string_equal(notes.text[2], "receipt: good; recovery: put-back");
    journal_notes(&report.results[0], 2, &notes);
    assert_int_equal(notes.count, 0);
    report_free(&report);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cleaning),
        cmocka_unit_test(cleaning_of_all_pairs),
        cmocka_unit_test(arguments_are_escaped),
        cmocka_unit_test(a_bar_is_cut_where_stages_begin),
        cmocka_unit_test(a_stage_nobody_saw_is_part_of_the_one_before),
        cmocka_unit_test(impossible_times_stay_in_the_drawing),
        cmocka_unit_test_setup_teardown(results_are_found_and_ordered, scratch_make,
                                        scratch_remove),
        cmocka_unit_test_setup_teardown(an_update_that_did_harm_has_failed, scratch_make,
                                        scratch_remove),
        cmocka_unit_test_setup_teardown(of_one_run_that_alone, scratch_make, scratch_remove),
        cmocka_unit_test(changes_are_those_of_intents),
        cmocka_unit_test(a_directory_that_is_not_there_is_said),
        cmocka_unit_test_setup_teardown(the_last_line_on_a_point_counts, scratch_make,
                                        scratch_remove),
        cmocka_unit_test_setup_teardown(of_each_case_the_newest_results, scratch_make,
                                        scratch_remove),
        cmocka_unit_test_setup_teardown(junit_counts_what_it_lists, scratch_make, scratch_remove),
        cmocka_unit_test_setup_teardown(json_has_it_all, scratch_make, scratch_remove),
        cmocka_unit_test_setup_teardown(files_of_a_result_are_its_own, scratch_make,
                                        scratch_remove),
        cmocka_unit_test_setup_teardown(a_long_console_is_cut_and_said, scratch_make,
                                        scratch_remove),
        cmocka_unit_test_setup_teardown(what_was_put_away_is_noted_at_its_boot, scratch_make,
                                        scratch_remove),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
