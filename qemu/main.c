/* rig - runs Backstop's scenarios on virtual machines. */
#include "bench.h"
#include "rig.h"
#include "steps.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { EXIT_PASSED = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

/* running */

static int run_one(const struct rig *rig, const struct scenario *scenario)
{
    TEXT_AUTO dir = text_format("%s/%s", rig->out, scenario->name);
    TEXT_AUTO payload = text_format("%s/payload.img", rig->dir);
    TEXT_AUTO outbox = text_format("%s/outbox", rig->dir);
    TEXT_AUTO reason = NULL;
    struct session session = {
        .accel = rig->accel, .payload = payload, .outbox = outbox, .live = rig->live};
    time_t start = time(NULL);
    int error;

    directory_remove(dir);
    error = directory_make(dir);
    if (error == 0)
        error = state_copy(rig, scenario->start, dir, &reason);
    if (error == 0)
        error = session_open(&session, scenario, dir);
    if (error == 0) {
        error = session_perform(&session);
        session_write_result(&session);
    } else if (reason == NULL) {
        reason = text_copy(strerror(-error));
    }
    if (error == 0)
        printf("PASS %-24s %zu boots, %ld s\n", scenario->name, session.boot_count,
               (long)(time(NULL) - start));
    else
        printf("FAIL %-24s %s (logs: %s)\n", scenario->name,
               session.reason != NULL ? session.reason : reason, dir);
    fflush(stdout);
    if (error == 0 && !rig->keep)
        unlink(session.disk_path);
    session_close(&session);
    return error;
}

static pid_t start_one(const struct rig *rig, const struct scenario *scenario)
{
    pid_t parent = getpid(), pid = fork();

    if (pid != 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(EXIT_FAILED);
    _exit(run_one(rig, scenario) == 0 ? EXIT_PASSED : EXIT_FAILED);
}

static bool reap_one(void)
{
    int status = 0;

    while (wait(&status) < 0 && errno == EINTR)
        ;
    return WIFEXITED(status) && WEXITSTATUS(status) == EXIT_PASSED;
}

static int run_all(const struct rig *rig, const struct scenario *const *chosen, size_t count)
{
    size_t started = 0, running = 0, passed = 0;

    while (started < count || running > 0) {
        if (started < count && running < (size_t)rig->jobs) {
            if (start_one(rig, chosen[started++]) > 0)
                running++;
            continue;
        }
        passed += reap_one();
        running--;
    }
    printf("%zu passed, %zu failed\n", passed, count - passed);
    return passed == count ? EXIT_PASSED : EXIT_FAILED;
}

static int prepare_states(const struct rig *rig, const struct scenario *const *chosen, size_t count)
{
    TEXT_AUTO reason = NULL;

    for (size_t i = 0; i < count; i++) {
        if (state_prepare(rig, chosen[i]->start, &reason) < 0) {
            printf("%s\n0 passed, %zu failed\n", reason, count);
            return EXIT_FAILED;
        }
    }
    return EXIT_PASSED;
}

static int run_chosen(struct rig *rig, const struct scenario *const *chosen, size_t count)
{
    TEXT_AUTO cache = text_format("%s/accel", rig->dir);

    if (directory_make(rig->dir) < 0 || directory_make(rig->out) < 0) {
        fprintf(stderr, "rig: %s or %s: cannot be made\n", rig->dir, rig->out);
        return EXIT_FAILED;
    }
    rig->accel = machine_accel(cache);
    printf("accel=%s\n", rig->accel);
    fflush(stdout);
    if (prepare_states(rig, chosen, count) != EXIT_PASSED)
        return EXIT_FAILED;
    return run_all(rig, chosen, count);
}

/* verbs of the command line */

static int usage(const char *complaint)
{
    if (complaint != NULL)
        fprintf(stderr, "rig: %s\n", complaint);
    fputs("usage: rig list | show NAME | steps\n"
          "       rig [options] run NAME... | run --all | run --tag TAG | provision | demo\n"
          "       rig [options] bench SCRIPT\n"
          "  -j N              machines side by side (default 1)\n"
          "  --keep            keep the disks of scenarios that passed\n"
          "  --live            the timeline on stdout\n"
          "  --out DIR         logs and results (default RIG/out)\n"
          "  --rig DIR         images and states (default build/rig)\n"
          "  --scenarios DIR   (default qemu/scenarios)\n"
          "exit code: 0 all passed, 1 one failed, 2 wrong use\n",
          complaint != NULL ? stderr : stdout);
    return complaint != NULL ? EXIT_USAGE : EXIT_PASSED;
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

/* 0, or EXIT_USAGE for a name that is none. */
static int choose_named(const struct rig *rig, char *const names[], struct choice *choice)
{
    for (; *names != NULL && choice->count < rig->count; names++) {
        const struct scenario *scenario = rig_find(rig, *names);

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
    const char *tag;
};

static int run_verb(struct rig *rig, const struct options *options, char *const names[])
{
    struct choice choice = {calloc(rig->count + 1, sizeof *choice.items), 0};
    int code = 0;

    if (choice.items == NULL)
        abort();
    if (options->all || options->tag != NULL)
        choose_tagged(rig, options->tag, &choice);
    else
        code = choose_named(rig, names, &choice);
    if (code == 0 && choice.count == 0)
        code = usage("nothing to run: give names, --all or --tag TAG");
    if (code == 0)
        code = run_chosen(rig, choice.items, choice.count);
    free(choice.items);
    return code;
}

static int dispatch(struct rig *rig, struct options *options, char *const words[])
{
    const char *verb = words[0];

    if (strcmp(verb, "list") == 0 && words[1] == NULL)
        return list_all(rig);
    if (strcmp(verb, "steps") == 0 && words[1] == NULL)
        return list_steps();
    if (strcmp(verb, "provision") == 0 && words[1] == NULL)
        return provision(rig);
    if (strcmp(verb, "bench") == 0 && words[1] != NULL && words[2] == NULL)
        return bench(rig, words[1]);
    if (strcmp(verb, "show") == 0 && words[1] != NULL && words[2] == NULL)
        return rig_find(rig, words[1]) != NULL ? show_one(rig_find(rig, words[1]))
                                               : usage("no such scenario: `rig list` names them");
    if (strcmp(verb, "run") == 0)
        return run_verb(rig, options, words + 1);
    if (strcmp(verb, "demo") == 0 && words[1] == NULL) {
        rig->live = true;
        rig->jobs = 1;
        options->tag = "demo";
        return run_verb(rig, options, words + 1);
    }
    return usage("not a thing to do");
}

static int parse(int argc, char **argv, struct rig *rig, struct options *options)
{
    static const struct option longs[] = {
        {"keep", no_argument, NULL, 'k'},
        {"live", no_argument, NULL, 'l'},
        {"out", required_argument, NULL, 'o'},
        {"rig", required_argument, NULL, 'r'},
        {"scenarios", required_argument, NULL, 's'},
        {"all", no_argument, NULL, 'a'},
        {"tag", required_argument, NULL, 't'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int option;

    while ((option = getopt_long(argc, argv, "j:h", longs, NULL)) != -1) {
        if (option == 'k')
            rig->keep = true;
        else if (option == 'l')
            rig->live = true;
        else if (option == 'o')
            rig->out = optarg;
        else if (option == 'r')
            rig->dir = optarg;
        else if (option == 's')
            rig->scenarios = optarg;
        else if (option == 'a')
            options->all = true;
        else if (option == 't')
            options->tag = optarg;
        else if (option == 'h')
            return usage(NULL) + EXIT_USAGE + 1;
        else if (option != 'j')
            return usage("not an option");
        else if (text_number(optarg, 1, 16, &rig->jobs) < 0)
            return usage("-j takes a number within 1..16");
    }
    return argv[optind] != NULL ? 0 : usage("what to do is not said");
}

int main(int argc, char **argv)
{
    struct rig rig = {.dir = "build/rig", .scenarios = "qemu/scenarios", .jobs = 1};
    struct options options = {0};
    int code = parse(argc, argv, &rig, &options);
    TEXT_AUTO reason = NULL;
    TEXT_AUTO out = NULL;

    if (code != 0)
        return code > EXIT_USAGE ? EXIT_PASSED : code;
    if (rig.out == NULL)
        rig.out = out = text_format("%s/out", rig.dir);
    code = EXIT_USAGE;
    if (rig_load(&rig, &reason) < 0)
        fprintf(stderr, "rig: %s\n", reason);
    else
        code = dispatch(&rig, &options, argv + optind);
    rig_free(&rig);
    return code;
}
