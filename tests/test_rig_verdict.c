/* `rig try`: the verdict, from how boots ended; the command line. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "../qemu/trial.h"

/*
 * A boot is a letter: w well, s safe mode, c crashed, u unhealthy, h hung, l late crash; capital
 * where Backstop puts something back in it; a digit where its stage did not start it: 0 well, 1
 * crashed.
 */
static const struct {
    const char *name, *boots;
    bool backstop;
    enum trial_verdict verdict;
    size_t recovered;
} verdict_rows[] = {
    {"no boot yet", "", true, TRIAL_UNDECIDED, 0},
    {"one good boot of two", "w", true, TRIAL_UNDECIDED, 0},
    {"two good boots", "ww", true, TRIAL_WELL, 0},
    {"two good boots, no Backstop", "ww", false, TRIAL_WELL, 0},
    {"two crashes", "cc", false, TRIAL_UNDECIDED, 0},
    {"three crashes and nobody to help", "ccc", false, TRIAL_LOOPS, 0},
    {"three crashes, and Backstop may still act", "ccc", true, TRIAL_UNDECIDED, 0},
    {"up in safe mode only", "cccS", true, TRIAL_UNDECIDED, 0},
    {"put back, safe, normal", "cccSw", true, TRIAL_RECOVERED, 5},
    {"the first recovery did not help", "cccCCSw", true, TRIAL_RECOVERED, 7},
    {"recovered late: a good boot was before", "wcccSw", true, TRIAL_RECOVERED, 5},
    {"probation fails, the next rung helps", "cccScSw", true, TRIAL_RECOVERED, 7},
    {"recovered without a safe boot", "cccWw", true, TRIAL_RECOVERED, 4},
    {"in safe mode for good", "cccSS", true, TRIAL_LOOPS, 0},
    {"in safe mode for good, nothing put back", "css", true, TRIAL_LOOPS, 0},
    {"in safe mode for good after a hang", "hSS", true, TRIAL_HANGS, 0},
    {"never in normal mode, and nothing crashes", "ss", true, TRIAL_LOOPS, 0},
    {"one safe boot is not for good", "s", true, TRIAL_UNDECIDED, 0},
    {"safe mode at every other boot", "swswswswswswswsw", true, TRIAL_UNSTEADY, 0},
    {"safe mode at every other boot, but not yet at the bound", "swswswswswswsws", true,
     TRIAL_UNDECIDED, 0},
    {"a safe boot that puts back, then normal", "Sw", true, TRIAL_RECOVERED, 2},
    {"recovery was decided, but nothing put back", "cccsww", true, TRIAL_UNSTEADY, 0},
    {"at the bound, one boot was good", "cccccccwcccccccc", true, TRIAL_UNSTEADY, 0},
    {"every other boot fails", "cwcwcwcwcwcwcwcw", true, TRIAL_UNSTEADY, 0},
    {"every other boot fails, no Backstop", "cwcwcwcwcwcwcwcw", false, TRIAL_UNSTEADY, 0},
    {"one short of that", "cwcwcwcwcwcwcwc", false, TRIAL_UNDECIDED, 0},
    {"a good boot among failures, three failed at the end", "cwccc", false, TRIAL_UNSTEADY, 0},
    {"a good boot before all failures is none among them", "wccc", false, TRIAL_LOOPS, 0},
    {"Backstop is removed, boots well", "00", true, TRIAL_WELL, 0},
    {"Backstop is removed, nobody to help", "111", true, TRIAL_LOOPS, 0},
    {"Backstop started one of three", "1c1", true, TRIAL_UNDECIDED, 0},
    {"never comes back", "cccCCCCCCCCCCCCC", true, TRIAL_LOOPS, 0},
    {"one boot short of that", "cccCCCCCCCCCCCC", true, TRIAL_UNDECIDED, 0},
    {"one crash, then good by itself", "cww", true, TRIAL_UNSTEADY, 0},
    {"one good boot after it is not enough", "cw", true, TRIAL_UNDECIDED, 0},
    {"crashes, good, crashes, good", "cwcww", false, TRIAL_UNSTEADY, 0},
    {"hangs, nobody to help", "hhh", false, TRIAL_HANGS, 0},
    {"hangs, and is switched off", "hhhSw", true, TRIAL_HANGS, 5},
    {"a hang that is no more", "hww", true, TRIAL_HANGS, 0},
    {"late crashes", "lll", false, TRIAL_LATE, 0},
    {"late crashes, put back", "llSw", true, TRIAL_LATE, 4},
    {"one late crash", "lww", true, TRIAL_LATE, 0},
    {"what the first failed boot was counts", "chhSw", true, TRIAL_RECOVERED, 5},
    {"not healthy", "uuu", false, TRIAL_LOOPS, 0},
    {"not healthy, put back", "uuuSw", true, TRIAL_RECOVERED, 5},
};

static struct trial_boot boot_read(char letter)
{
    static const char letters[] = "wscuhl";
    char lower = (char)(letter | 0x20);

    if (letter == '0' || letter == '1')
        return (struct trial_boot){.ending = letter == '0' ? ENDING_WELL : ENDING_CRASHED,
                                   .uncounted = true};
    return (struct trial_boot){.ending = (enum ending)(strchr(letters, lower) - letters),
                               .recovery = letter != lower};
}

static size_t boots_read(const char *text, struct trial_boot *boots)
{
    size_t count = 0;

    for (; text[count] != '\0'; count++)
        boots[count] = boot_read(text[count]);
    return count;
}

static void verdicts(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof verdict_rows / sizeof *verdict_rows; i++) {
        struct trial_boot boots[32];
        struct trial_rules rules = {2, verdict_rows[i].backstop};
        size_t count = boots_read(verdict_rows[i].boots, boots);
        struct finding_of_trial finding = trial_judge(boots, count, &rules);

        print_message("%s\n", verdict_rows[i].name);
        assert_int_equal(finding.verdict, verdict_rows[i].verdict);
        assert_int_equal(finding.recovered, verdict_rows[i].recovered);
    }
}

/* With --boots 20. */
static const struct {
    const char *name, *boots;
    bool backstop;
    enum trial_verdict verdict;
} many_rows[] = {
    {"nineteen good ones", "wwwwwwwwwwwwwwwwwww", true, TRIAL_UNDECIDED},
    {"twenty good ones", "wwwwwwwwwwwwwwwwwwww", true, TRIAL_WELL},
    {"twenty good ones, no Backstop", "wwwwwwwwwwwwwwwwwwww", false, TRIAL_WELL},
    {"a crash, then nineteen good ones", "cwwwwwwwwwwwwwwwwwww", true, TRIAL_UNSTEADY},
    {"the same without Backstop", "cwwwwwwwwwwwwwwwwwww", false, TRIAL_UNSTEADY},
    {"a hang, then nineteen good ones", "hwwwwwwwwwwwwwwwwwww", true, TRIAL_HANGS},
    {"a crash, then good ones up to the bound", "cwwwwwwwwwwwwwww", true, TRIAL_UNSTEADY},
    {"a crash behind nineteen good ones", "wwwwwwwwwwwwwwwwwwwc", true, TRIAL_UNDECIDED},
    {"sixteen of them", "wwwwwwwwwwwwwwwwwwwcccccccccccccccc", true, TRIAL_LOOPS},
};

static void verdicts_of_many(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof many_rows / sizeof *many_rows; i++) {
        struct trial_boot boots[TRIAL_BOOTS_MAX];
        struct trial_rules rules = {20, many_rows[i].backstop};
        size_t count = boots_read(many_rows[i].boots, boots);

        print_message("%s\n", many_rows[i].name);
        assert_int_equal(trial_judge(boots, count, &rules).verdict, many_rows[i].verdict);
    }
}

/* Whatever the boots are, a trial ends: every sequence comes to a verdict within what is kept. */
static void every_trial_ends(void **state)
{
    static const enum ending endings[] = {ENDING_WELL, ENDING_SAFE, ENDING_CRASHED, ENDING_HUNG};

    (void)state;
    for (uint32_t seed = 0; seed < 4096; seed++) {
        struct trial_boot boots[TRIAL_BOOTS_MAX];
        struct trial_rules rules = {20, seed % 2 == 0};
        uint32_t random = seed;
        size_t count = seed % 20; /* good ones, one short of what is wanted at most */

        memset(boots, 0, sizeof boots);
        while (trial_judge(boots, count, &rules).verdict == TRIAL_UNDECIDED) {
            assert_true(count < TRIAL_BOOTS_MAX);
            random = random * 1664525u + 1013904223u;
            boots[count].ending = endings[random >> 30];
            boots[count].uncounted = (random >> 28 & 1) != 0;
            boots[count++].recovery = (random >> 29 & 1) != 0;
        }
    }
}

static const struct {
    const char *boots;
    bool backstop;
    const char *words;
} word_rows[] = {
    {"ww", true, "boots well (2 boots)"},
    {"ww", false, "boots well (2 boots; Backstop is not installed)"},
    {"cccSw", true, "crash-loops, and Backstop recovers in 5 boots (3 failed, 1 in safe mode)"},
    {"ccc", false, "crash-loops and does not recover (3 failed; Backstop is not installed)"},
    {"cccSS", true, "crash-loops, and Backstop brings it up in safe mode, where it stays"},
    {"ss", true, "goes into safe mode and stays in it"},
    {"cwcCCCCCCCCCCCCC", true, "crash-loops and does not recover (15 failed)"},
    {"cwccc", false, "crashes now and then (4 failed, 1 good), and nothing is put back"},
    {"00", true,
     "boots well (2 boots); Backstop did not start 2 of 2 boots (the update took it out of the "
     "boot order, or removed it)"},
    {"w1cccSw", true,
     "crash-loops, and Backstop recovers in 6 boots (4 failed, 1 in safe mode); Backstop did not "
     "start 1 of 7 boots (the update took it out of the boot order, or removed it)"},
    {"hhh", false, "hangs and does not recover (3 failed; Backstop is not installed)"},
    {"hhhSw", true,
     "hangs, and Backstop recovers in 5 boots (3 failed, 1 in safe mode), each hung one being "
     "switched off"},
    {"llSw", true, "late crash, and Backstop recovers in 4 boots (2 failed, 1 in safe mode)"},
    {"lww", true, "late crash (1 failed), and comes up again with nothing put back"},
    {"cww", true, "crashes now and then (1 failed), and comes up again with nothing put back"},
};

static void words_of_verdicts(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof word_rows / sizeof *word_rows; i++) {
        struct trial_boot boots[32];
        struct trial_rules rules = {2, word_rows[i].backstop};
        size_t count = boots_read(word_rows[i].boots, boots);
        struct finding_of_trial finding = trial_judge(boots, count, &rules);
        TEXT_AUTO words = trial_words(&finding, &rules, count);

        assert_string_equal(words, word_rows[i].words);
    }
}

/* the command line */

#define WORDS 12

static const struct {
    const char *words[WORDS];
    const char *reason; /* NULL: taken */
} line_rows[] = {
    {{"--update", "/bin/sh"}, NULL},
    {{"--run", "true", "--boots", "3"}, NULL},
    {{"--help"}, NULL},
    {{NULL}, "nothing to try: give --update PATH or --run COMMAND"},
    {{"--set", "/bin/sh"}, "nothing to try: give --update PATH or --run COMMAND"},
    {{"--update"}, "--update: its value is missing"},
    {{"--update", "/nowhere/x.deb"}, "--update /nowhere/x.deb: No such file or directory"},
    {{"--image", "/nowhere/x.img", "--run", "true"},
     "--image /nowhere/x.img: No such file or directory"},
    {{"--set", "/nowhere/x.conf", "--run", "true"},
     "--set /nowhere/x.conf: No such file or directory"},
    {{"--check", "/nowhere/x", "--run", "true"}, "--check /nowhere/x: No such file or directory"},
    {{"--run", "true", "--boots", "0"}, "--boots 0: not a number within 1..20"},
    {{"--run", "true", "--boots", "two"}, "--boots two: not a number within 1..20"},
    {{"--run", "true", "--watch", "-1"}, "--watch -1: not a number within 0..240"},
    {{"--run", "true", "--silence", "5"}, "--silence 5: not a number within 30..3600"},
    {{"--run", "true", "--update-limit", "9"}, "--update-limit 9: not a number within 10..86400"},
    {{"--run", "true", "--colour"}, "--colour: not an option of try"},
    {{"--run", "true", "-zq"}, "-z: not an option of try"},
    {{"--json", "-j", "--run", "true"}, "-j: not an option of try"},
    {{"--run", "true", "--json=3"}, "--json=3: takes no value"},
    {{"--run", ""}, "--run: nothing is in it"},
    {{"--run", " \n\t"}, "--run: nothing is in it"},
    {{"--run", "true", "--run", "false"}, "--run: given twice"},
    {{"--run", "true", "--out", "a", "--out", "b"}, "--out: given twice"},
    {{"--image", "/bin/sh", "--image", "/bin/true", "--run", "true"}, "--image: given twice"},
    {{"--run", "true", "--json", "--live"}, "--json and --live: one of them; stdout is for one"},
    {{"--run", "true", "/bin/sh"}, "/bin/sh: what is it? files are given with --update"},
    {{"--no-backstop", "--install-backstop", "--run", "true"},
     "--install-backstop and --no-backstop: one of them"},
};

static void lines(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof line_rows / sizeof *line_rows; i++) {
        char *argv[WORDS + 2] = {strdup("try")};
        struct trial_options options;
        TEXT_AUTO reason = NULL;
        int argc = 1, result;

        for (; line_rows[i].words[argc - 1] != NULL; argc++)
            argv[argc] = strdup(line_rows[i].words[argc - 1]);
        result = trial_parse(&options, argc, argv, &reason);
        assert_int_equal(result, line_rows[i].reason == NULL ? 0 : -EINVAL);
        if (line_rows[i].reason != NULL)
            assert_string_equal(reason, line_rows[i].reason);
        for (int j = 0; j < argc; j++)
            free(argv[j]);
    }
}

static void defaults_and_values(void **state)
{
    char verb[] = "try", run[] = "--run=reboot -f", watch[] = "--watch=5", none[] = "--no-backstop",
         limit[] = "--update-limit=60", update[] = "--update=/bin/sh",
         again[] = "--update=/bin/true";
    char *plain[] = {verb, run, NULL};
    char *rich[] = {verb, run, watch, none, limit, update, again, NULL};
    struct trial_options options;
    TEXT_AUTO reason = NULL;

    (void)state;
    assert_int_equal(trial_parse(&options, 2, plain, &reason), 0);
    assert_int_equal(options.boots, 2);
    assert_int_equal(options.watch, 60);
    assert_int_equal(options.silence, 300);
    assert_int_equal(options.update_limit, 3600);
    assert_int_equal(options.backstop, WISH_IF_POSSIBLE);
    assert_null(options.image);
    assert_int_equal(trial_parse(&options, 7, rich, &reason), 0);
    assert_int_equal(options.watch, 300);
    assert_int_equal(options.update_limit, 60);
    assert_int_equal(options.backstop, WISH_NOT);
    assert_int_equal(options.updates.count, 2);
    assert_string_equal(options.updates.paths[0], "/bin/sh");
    assert_string_equal(options.updates.paths[1], "/bin/true");
    assert_string_equal(options.command, "reboot -f");
}

/* The example for pipelines is taken as it stands, its variables being files that are there. */
static void the_example_is_taken(void **state)
{
    TEXT_AUTO script = file_read(SOURCE_DIR "/qemu/try/ci-example.sh", NULL);
    char *line, *words[STEP_WORDS_MAX] = {NULL};
    struct trial_options options;
    TEXT_AUTO reason = NULL;
    int count;

    (void)state;
    assert_non_null(script);
    line = strstr(script, "rig try");
    assert_non_null(line);
    line[strcspn(line, "|\n")] = '\0';
    count = text_words(line, words, STEP_WORDS_MAX - 1);
    assert_true(count > 3);
    for (int i = 0; i < count; i++)
        if (strcmp(words[i], "$UPDATE") == 0)
            strcpy(words[i], "/bin/sh");
    assert_int_equal(trial_parse(&options, count - 1, words + 1, &reason), 0);
    assert_string_equal(options.updates.paths[0], "/bin/sh");
    assert_string_equal(options.out, "result");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verdicts),
        cmocka_unit_test(verdicts_of_many),
        cmocka_unit_test(every_trial_ends),
        cmocka_unit_test(words_of_verdicts),
        cmocka_unit_test(lines),
        cmocka_unit_test(defaults_and_values),
        cmocka_unit_test(the_example_is_taken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
