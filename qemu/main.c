/* rig - runs Backstop's scenarios on virtual machines. */
#include "bench.h"
#include "blocks.h"
#include "chaos.h"
#include "flash.h"
#include "report.h"
#include "run.h"
#include "steps.h"
#include "trial.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* verbs of the command line */

/* Wrong use is told in one line, so that the reason is not lost above a page of help. */
static int usage(const char *complaint)
{
    if (complaint != NULL) {
        fprintf(stderr, "rig: %s; `rig --help` tells how it is used\n", complaint);
        return EXIT_USAGE;
    }
    fputs("usage: rig list | show NAME|FILE.scn | steps\n"
          "       rig [options] run NAME... | run --all | run --tag TAG | provision | demo\n"
          "       rig [options] report [RESULTS-DIR] | bench SCRIPT\n"
          "       rig chaos [options] | chaos --help\n"
          "       rig flash [options] [CASE...] | flash --help\n"
          "       rig blocks [options] [NAME...] | blocks --help\n"
          "       rig [options] try --update PATH | try --help\n"
          "  -j N              machines side by side (default 1)\n"
          "  --budget SECONDS  start nothing after so long; what was left out is said\n"
          "  --resume          what passed before, with all the same, is not run again\n"
          "  --keep            keep the disks of scenarios that passed\n"
          "  --live            the timeline on stdout\n"
          "  --view, --no-view a row a machine (default where stdout is a terminal)\n"
          "  --out DIR         logs and results, or where the report goes (default RIG/out)\n"
          "  --rig DIR         images and states (default build/rig)\n"
          "  --scenarios DIR   (default qemu/scenarios)\n"
          "  --tree DIR        `make try-ready` there is part of try (qemu/rig gives it)\n"
          "exit code: 0 all passed, 1 one failed, 2 wrong use\n",
          stdout);
    return EXIT_PASSED;
}

static int list_all(const struct rig *rig)
{
    for (size_t i = 0; i < rig->count; i++)
        printf("%-24s %s%s%s%s\n", rig->items[i].name, rig->items[i].title,
               rig->items[i].provides != NULL ? " (state " : "",
               rig->items[i].provides != NULL ? rig->items[i].provides : "",
               rig->items[i].provides != NULL ? ")" : "");
    return EXIT_PASSED;
}

static int show_one(const struct scenario *scenario)
{
    printf("%s: %s\nproves: %s\nstarts from: %s\ntags:%s\n\n", scenario->name, scenario->title,
           scenario->proves, scenario->start, scenario->tags);
    for (size_t i = 0; i < scenario->count; i++)
        printf("  %s\n", scenario->steps[i].text);
    return EXIT_PASSED;
}

static int list_steps(void)
{
    const char *kind, *kind_usage, *help;

    for (const struct verb *verb = verbs; verb->name != NULL; verb++)
        printf("%s %s\n        %s\n", verb->name, verb->usage, verb->help);
    for (size_t i = 0; check_describe(i, &kind, &kind_usage, &help); i++)
        printf("check %s %s\n        %s\n", kind, kind_usage, help);
    return EXIT_PASSED;
}

struct choice {
    const struct scenario **items;
    size_t count;
};

static void choose_tagged(const struct rig *rig, const char *tag, struct choice *choice)
{
    for (size_t i = 0; i < rig->count; i++)
        if (rig->items[i].provides == NULL &&
            (tag == NULL || scenario_has_tag(&rig->items[i], tag)))
            choice->items[choice->count++] = &rig->items[i];
}

/* Files that are named by their path join those of the directory. 0 or EXIT_USAGE. */
static int load_files(struct rig *rig, char *const names[])
{
    TEXT_AUTO reason = NULL;

    for (; *names != NULL; names++) {
        if (!text_ends(*names, ".scn") || rig_add(rig, *names, &reason) == 0)
            continue;
        fprintf(stderr, "rig: %s\n", reason);
        return EXIT_USAGE;
    }
    if (rig_check_starts(rig, &reason) == 0)
        return 0;
    fprintf(stderr, "rig: %s\n", reason);
    return EXIT_USAGE;
}

/* The scenario of that name, or of that file. */
static const struct scenario *scenario_named(const struct rig *rig, const char *name)
{
    for (size_t i = 0; i < rig->count; i++)
        if (strcmp(rig->items[i].file, name) == 0)
            return &rig->items[i];
    return rig_find(rig, name);
}

/* 0, or EXIT_USAGE for a name that is none. */
static int choose_named(const struct rig *rig, char *const names[], struct choice *choice)
{
    for (; *names != NULL && choice->count < rig->count; names++) {
        const struct scenario *scenario = scenario_named(rig, *names);

        if (scenario == NULL) {
            TEXT_AUTO complaint =
                text_format("no scenario is called '%s': `rig list` names them", *names);

            return usage(complaint);
        }
        choice->items[choice->count++] = scenario;
    }
    return 0;
}

static int provision(struct rig *rig)
{
    TEXT_AUTO cache = text_format("%s/accel", rig->dir);
    TEXT_AUTO reason = NULL;

    rig->accel = machine_accel(cache);
    for (size_t i = 0; i < rig->count; i++) {
        if (rig->items[i].provides == NULL)
            continue;
        if (state_prepare(rig, rig->items[i].provides, &reason) < 0) {
            fprintf(stderr, "rig: %s\n", reason);
            return EXIT_FAILED;
        }
    }
    return EXIT_PASSED;
}

static int bench(struct rig *rig, const char *script)
{
    TEXT_AUTO cache = text_format("%s/accel", rig->dir);
    TEXT_AUTO reason = NULL;

    rig->accel = machine_accel(cache);
    if (bench_run(rig, script, &reason) == 0)
        return EXIT_PASSED;
    fprintf(stderr, "rig: %s\n", reason);
    return EXIT_FAILED;
}

struct options {
    bool all;
    bool out; /* --out was given */
    enum { VIEW_IF_TERMINAL = 0, VIEW_YES, VIEW_NO } view;
    const char *tag;
};

static int run_verb(struct rig *rig, const struct options *options, char *const names[])
{
    int code = load_files(rig, names);
    struct choice choice = {calloc(rig->count + 1, sizeof *choice.items), 0};

    if (choice.items == NULL)
        abort();
    if (code == 0 && (options->all || options->tag != NULL))
        choose_tagged(rig, options->tag, &choice);
    else if (code == 0)
        code = choose_named(rig, names, &choice);
    if (code == 0 && choice.count == 0)
        code = usage("nothing to run: give names, --all or --tag TAG");
    rig->wants_view =
        options->view == VIEW_YES || (options->view == VIEW_IF_TERMINAL && view_is_possible());
    rig->wants_view = rig->wants_view && !rig->live;
    if (code == 0)
        code = run_scenarios(rig, choice.items, choice.count);
    free(choice.items);
    return code;
}

static int verb_list(struct rig *rig, struct options *options, char *const words[])
{
    (void)options;
    (void)words;
    return list_all(rig);
}

static int verb_steps(struct rig *rig, struct options *options, char *const words[])
{
    (void)rig;
    (void)options;
    (void)words;
    return list_steps();
}

static int verb_show(struct rig *rig, struct options *options, char *const words[])
{
    int code = load_files(rig, words);
    const struct scenario *scenario = code == 0 ? scenario_named(rig, words[0]) : NULL;

    (void)options;
    if (code != 0)
        return code;
    return scenario != NULL ? show_one(scenario) : usage("no such scenario: `rig list` names them");
}

static int verb_run(struct rig *rig, struct options *options, char *const words[])
{
    return run_verb(rig, options, words);
}

static int verb_demo(struct rig *rig, struct options *options, char *const words[])
{
    rig->live = true;
    rig->jobs = 1;
    options->tag = "demo";
    return run_verb(rig, options, words);
}

static int verb_provision(struct rig *rig, struct options *options, char *const words[])
{
    (void)options;
    (void)words;
    return provision(rig);
}

static int verb_bench(struct rig *rig, struct options *options, char *const words[])
{
    (void)options;
    return bench(rig, words[0]);
}

static int verb_chaos(struct rig *rig, struct options *options, char *const words[])
{
    (void)options;
    return chaos_verb(rig, words);
}

static int verb_flash(struct rig *rig, struct options *options, char *const words[])
{
    (void)options;
    return flash_main(rig, words);
}

/* Beside the results, unless --out says where to. */
static int verb_report(struct rig *rig, struct options *options, char *const words[])
{
    TEXT_AUTO usual = text_format("%s/out", rig->dir);
    const char *results = words[0] != NULL ? words[0] : usual;

    if (words[0] != NULL && words[1] != NULL)
        return usage("report takes one directory");
    return report_make(rig, results, options->out ? rig->out : results) == 0 ? EXIT_PASSED
                                                                             : EXIT_FAILED;
}

static int verb_blocks(struct rig *rig, struct options *options, char *const words[])
{
    (void)rig;
    (void)options;
    return blocks_main(words);
}

static int verb_try(struct rig *rig, struct options *options, char *const words[])
{
    (void)options;
    return trial_run(rig, words);
}

#define ANY_NUMBER (-1)
#define OWN_OPTIONS (-2) /* all that is behind the name is the verb's own */

struct line_verb {
    const char *name;
    int words; /* behind the name, or one of the above */
    int (*perform)(struct rig *rig, struct options *options, char *const words[]);
};

static const struct line_verb line_verbs[] = {
    {"list", 0, verb_list},
    {"steps", 0, verb_steps},
    {"show", 1, verb_show},
    {"demo", 0, verb_demo},
    {"provision", 0, verb_provision},
    {"bench", 1, verb_bench},
    {"run", ANY_NUMBER, verb_run},
    {"report", ANY_NUMBER, verb_report},
    {"chaos", OWN_OPTIONS, verb_chaos},
    {"flash", OWN_OPTIONS, verb_flash},
    {"blocks", OWN_OPTIONS, verb_blocks},
    {"try", OWN_OPTIONS, verb_try},
};

static const struct line_verb *find_verb(const char *name)
{
    for (size_t i = 0; i < sizeof line_verbs / sizeof *line_verbs; i++)
        if (strcmp(name, line_verbs[i].name) == 0)
            return &line_verbs[i];
    return NULL;
}

/* Options up to the first word that is none; optind is then there. 0, or a code to end with. */
static int parse(int argc, char **argv, struct rig *rig, struct options *options)
{
    static const struct option longs[] = {
        {"budget", required_argument, NULL, 'b'},
        {"resume", no_argument, NULL, 'e'},
        {"keep", no_argument, NULL, 'k'},
        {"live", no_argument, NULL, 'l'},
        {"out", required_argument, NULL, 'o'},
        {"rig", required_argument, NULL, 'r'},
        {"scenarios", required_argument, NULL, 's'},
        {"tree", required_argument, NULL, 'T'},
        {"all", no_argument, NULL, 'a'},
        {"tag", required_argument, NULL, 't'},
        {"view", no_argument, NULL, 'v'},
        {"no-view", no_argument, NULL, 'n'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int option;

    optind = 0; /* begins anew, also behind the verb */
    while ((option = getopt_long(argc, argv, "+j:h", longs, NULL)) != -1) {
        if (option == 'k')
            rig->keep = true;
        else if (option == 'l')
            rig->live = true;
        else if (option == 'o') {
            rig->out = optarg;
            options->out = true;
        } else if (option == 'r')
            rig->dir = optarg;
        else if (option == 's')
            rig->scenarios = optarg;
        else if (option == 'T')
            rig->tree = optarg;
        else if (option == 'e')
            rig->resume = true;
        else if (option == 'v' || option == 'n')
            options->view = option == 'v' ? VIEW_YES : VIEW_NO;
        else if (option == 'a')
            options->all = true;
        else if (option == 't')
            options->tag = optarg;
        else if (option == 'h')
            return usage(NULL) + EXIT_USAGE + 1;
        else if (option == 'b' && text_number(optarg, 1, 1000000, &rig->budget) < 0)
            return usage("--budget takes a number of seconds within 1..1000000");
        else if (option != 'j' && option != 'b')
            return usage("not an option");
        else if (option == 'j' && text_number(optarg, 1, 16, &rig->jobs) < 0)
            return usage("-j takes a number within 1..16");
    }
    return 0;
}

/* The common options may also stand behind the verb, before its words. */
static int parse_words(const struct line_verb *verb, int argc, char **argv, struct rig *rig,
                       struct options *options, char *const **words)
{
    int code;

    *words = argv + 1;
    if (verb->words == OWN_OPTIONS)
        return 0;
    code = parse(argc, argv, rig, options);
    *words = argv + optind;
    if (code == 0 && verb->words != ANY_NUMBER && argc - optind != verb->words)
        return usage(verb->words == 0 ? "too many words" : "one word is wanted behind this verb");
    return code;
}

/* 0 with verb and words, or a code to end with. */
static int parse_line(int argc, char **argv, struct rig *rig, struct options *options,
                      const struct line_verb **verb, char *const **words)
{
    int code = parse(argc, argv, rig, options), first = optind;

    if (code != 0)
        return code;
    if (argv[first] == NULL)
        return usage("what to do is not said");
    *verb = find_verb(argv[first]);
    if (*verb == NULL)
        return usage("not a thing to do");
    return parse_words(*verb, argc - first, argv + first, rig, options, words);
}

/* Tools for disks and modules lie where an ordinary user's PATH has nothing. */
static void path_widen(void)
{
    const char *path = getenv("PATH");
    TEXT_AUTO wide = text_format("%s:/usr/sbin:/sbin", path != NULL ? path : "/usr/bin:/bin");

    setenv("PATH", wide, 1);
}

int main(int argc, char **argv)
{
    struct rig rig = {.dir = "build/rig", .scenarios = "qemu/scenarios", .jobs = 1};
    struct options options = {0};
    const struct line_verb *verb = NULL;
    char *const *words = NULL;
    int code = parse_line(argc, argv, &rig, &options, &verb, &words);
    TEXT_AUTO reason = NULL;
    TEXT_AUTO out = NULL;

    path_widen();
    if (code != 0)
        return code > EXIT_USAGE ? EXIT_PASSED : code;
    if (rig.out == NULL)
        rig.out = out = text_format("%s/out", rig.dir);
    code = EXIT_USAGE;
    if (rig_load(&rig, &reason) < 0)
        fprintf(stderr, "rig: %s\n", reason);
    else
        code = verb->perform(&rig, &options, words);
    rig_free(&rig);
    return code;
}
