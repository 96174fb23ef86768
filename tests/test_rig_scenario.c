/* The rig's scenario files: what is read, and what a faulty one is told. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "../qemu/flash.h"
#include "../qemu/rig.h"

#define HEAD "title T\nproves P\nstart base\n"

static int parse(const char *text, struct scenario *scenario, char **reason)
{
    return scenario_parse(scenario, "x", "x.scn", text, verbs, reason);
}

static void a_whole_file(void **state)
{
    struct scenario scenario;
    char *reason = NULL;

    (void)state;
    assert_int_equal(parse("# comment\ntitle  a b\nproves one\nproves two\nstart ready\n"
                           "provides made\ntag smoke\n\n  boot panic count=3 # three\n"
                           "check ledger failures>=3 rung=all-changes\n",
                           &scenario, &reason),
                     0);
    assert_null(reason);
    assert_string_equal(scenario.title, "a b");
    assert_string_equal(scenario.proves, "one two");
    assert_string_equal(scenario.start, "ready");
    assert_string_equal(scenario.provides, "made");
    assert_true(scenario_has_tag(&scenario, "smoke"));
    assert_false(scenario_has_tag(&scenario, "smo"));
    assert_int_equal(scenario.count, 2);
    assert_string_equal(scenario.steps[0].verb->name, "boot");
    assert_int_equal(scenario.steps[0].line, 9);
    assert_int_equal(scenario.steps[0].count, 2);
    assert_string_equal(scenario.steps[0].words[1], "count=3");
    assert_true(scenario.steps[1].verb->is_check);
    scenario_free(&scenario);
}

static const struct {
    const char *name, *text, *line, *says;
} faults[] = {
    {"no title", "proves P\nstart base\nboot up\n", "", "no title"},
    {"proves nothing", "title T\nstart base\nboot up\n", "", "proved"},
    {"no start", "title T\nproves P\nboot up\n", "", "no state"},
    {"no steps", HEAD, "", "no steps"},
    {"start twice", HEAD "start ready\nboot up\n", ":4: ", "twice"},
    {"odd state", "start ../x\n", ":1: ", "not a name"},
    {"unknown step", HEAD "bot up\n", ":4: ", "no step is called 'bot'"},
    {"open quote", HEAD "run \"a\n", ":4: ", "quote"},
    {"too few words", HEAD "run\n", ":4: ", "too few"},
    {"too many words", HEAD "reboot now\n", ":4: ", "too many"},
    {"unknown boot", HEAD "boot well\n", ":4: ", "not a way to boot"},
    {"unknown option", HEAD "boot panic times=3\n", ":4: ", "option"},
    {"count out of range", HEAD "boot panic count=21\n", ":4: ", "1..20"},
    {"count of good", HEAD "boot good count=2\n", ":4: ", "count is for"},
    {"hang without marker", HEAD "boot hang\n", ":4: ", "marker"},
    {"marker of panic", HEAD "boot panic marker=x\n", ":4: ", "marker"},
    {"odd exit code", HEAD "run rc=256 true\n", ":4: ", "exit code"},
    {"odd option of run", HEAD "run code=1 true\n", ":4: ", "option"},
    {"odd edit", HEAD "nvram eat\n", ":4: ", "not an edit"},
    {"damage of nothing", HEAD "nvram damage\n", ":4: ", "which variable"},
    {"relative path", HEAD "disk delete etc\n", ":4: ", "does not begin"},
    {"write of nothing", HEAD "disk write /etc/x\n", ":4: ", "too few"},
    {"unknown check", HEAD "check moon full\n", ":4: ", "no such check"},
    {"unknown field", HEAD "check ledger moon=1\n", ":4: ", "no such field"},
    {"unknown value", HEAD "check receipt outcome=fine\n", ":4: ", "not a value"},
    {"no relation", HEAD "check ledger failures\n", ":4: ", "not a condition"},
    {"odd relation", HEAD "check ledger failures<3\n", ":4: ", "not a condition"},
    {"bad expression", HEAD "check console \"a(\"\n", ":4: ", "regular expression"},
    {"bad expression of a file", HEAD "check file /x contains=[\n", ":4: ", "regular expression"},
    {"odd check of a file", HEAD "check file /x is-nice\n", ":4: ", "not something"},
    {"fault at a senseless time", HEAD "fault firmware panic\n", ":4: ", "no kernel yet"},
    {"fault of nothing", HEAD "fault early sulk\n", ":4: ", "not a fault"},
    {"a day that is none", HEAD "fault firmware clock 2024-99-99\n", ":4: ", "not a date"},
    {"how often for a variable", HEAD "fault firmware variable-lost count=3\n",
     ":4: ", "not the name"},
    {"two faults at writes", HEAD "fault write=4 io-error\nboot up\nfault write=7 power-cut\n",
     ":6: ", "armed already"},
    {"no writes at all", HEAD "check writes 0\n", ":4: ", "1 or more"},
    {"chaos of nothing", HEAD "chaos dance\n", ":4: ", "not a step of chaos"},
    {"chaos with a senseless fault", HEAD "chaos fault early clock 1970-01-01\n",
     ":4: ", "before power-on"},
    {"chaos update of nothing", HEAD "chaos update\n", ":4: ", "which update"},
    {"await of nothing", HEAD "await godot\n", ":4: ", "not something to await"},
};

/* file:line: reason: remedy */
static void faults_are_told(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        struct scenario scenario;
        char *reason = NULL;

        print_message("%s\n", faults[i].name);
        assert_int_equal(parse(faults[i].text, &scenario, &reason), -EINVAL);
        assert_non_null(reason);
        assert_true(text_starts(reason, "x.scn:"));
        assert_true(text_starts(reason + strlen("x.scn"), faults[i].line));
        assert_non_null(strstr(reason, faults[i].says));
        assert_non_null(strstr(strstr(reason, faults[i].says), ": "));
        free(reason);
        scenario_free(&scenario);
    }
}

static const struct {
    const char *name, *first, *second, *says; /* NULL: taken */
} starts[] = {
    {"base alone", "start base\n", NULL, NULL},
    {"a state that is provided", "start made\n", "start base\nprovides made\n", NULL},
    {"a state that nobody provides", "tag a\nstart nowhere\n", "start base\n",
     "one.scn:4: no scenario provides the state 'nowhere': `rig list` "},
    {"the state that is provided starts nowhere", "start made\n", "start nowhere\nprovides made\n",
     "two.scn:3: no scenario provides the state 'nowhere': `rig list` "},
    {"a state that starts from itself", "start made\n", "start made\nprovides made\n",
     "one.scn:3: the state 'made' starts from itself: "},
};

static void add(struct rig *rig, const char *file, const char *start)
{
    TEXT_AUTO text = text_format("title T\nproves P\n%sboot up\n", start);
    TEXT_AUTO reason = NULL;

    assert_int_equal(scenario_parse(&rig->items[rig->count++], file, file, text, verbs, &reason),
                     0);
}

static void starts_are_checked(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++) {
        struct rig rig = {.items = calloc(2, sizeof *rig.items)};
        TEXT_AUTO reason = NULL;

        print_message("%s\n", starts[i].name);
        assert_non_null(rig.items);
        add(&rig, "one.scn", starts[i].first);
        if (starts[i].second != NULL)
            add(&rig, "two.scn", starts[i].second);
        assert_int_equal(rig_check_starts(&rig, &reason), starts[i].says == NULL ? 0 : -EINVAL);
        if (starts[i].says != NULL)
            assert_true(text_starts(reason, starts[i].says));
        rig_free(&rig);
    }
}

/* Writes are counted anew once nothing is armed. */
static void a_second_fault_at_a_write(void **state)
{
    struct scenario scenario;
    TEXT_AUTO reason = NULL;

    (void)state;
    assert_int_equal(parse(HEAD "fault write=4 power-cut\nboot struck\nfault none\n"
                                "fault write=7 io-error\nfault early hang\n",
                           &scenario, &reason),
                     0);
    scenario_free(&scenario);
}

/* The rig's own files are read, and each state that one starts from is provided. */
static void the_scenarios_here_are_whole(void **state)
{
    struct rig rig = {.scenarios = SOURCE_DIR "/qemu/scenarios"};
    char *reason = NULL;

    (void)state;
    if (rig_load(&rig, &reason) < 0)
        fail_msg("%s", reason);
    assert_true(rig.count > 0);
    for (const struct flash_case *one = flash_cases; one->name != NULL; one++) {
        const char *last = strrchr(one->recipe, ' ');
        TEXT_AUTO path =
            text_format("%s/flash/%s.scn", rig.scenarios, last != NULL ? last + 1 : "");

        if (flash_is_linux(one) && rig_add(&rig, path, &reason) < 0)
            fail_msg("%s", reason);
    }
    for (size_t i = 0; i < rig.count; i++) {
        bool provided = strcmp(rig.items[i].start, "base") == 0;

        for (size_t k = 0; k < rig.count; k++)
            provided = provided || (rig.items[k].provides != NULL &&
                                    strcmp(rig.items[k].provides, rig.items[i].start) == 0);
        print_message("%s\n", rig.items[i].name);
        assert_true(provided);
    }
    rig_free(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_file),
        cmocka_unit_test(faults_are_told),
        cmocka_unit_test(starts_are_checked),
        cmocka_unit_test(a_second_fault_at_a_write),
        cmocka_unit_test(the_scenarios_here_are_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
