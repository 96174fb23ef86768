/*
 * rig chaos: sequences from seeds, one after the other, on one machine at a time each.
 *
 * Results are lines of JSON in proof/chaos/points-KEY.jsonl, KEY being over what is under test, how
 * seeds are drawn and how they are judged. A rerun goes on behind the seeds that are there. A seed
 * that is asked for by its number is run and told, and nothing of it is kept.
 */
#include "chaos.h"
#include "child.h"
#include "clock.h"
#include "directory.h"
#include "points.h"
#include "run.h"
#include "shrink.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define JOBS_MAX 16 /* as the runner takes them for scenarios */

struct chaos {
    struct rig *rig;
    const char *proof; /* directory of results */
    long seed, boots, budget, tries;
    bool seed_given, fresh, print;
    struct view *view; /* while there is one, or NULL */
    char *points;      /* file of results */
    double start;
};

/* What became of one sequence. */
struct outcome {
    bool well;
    size_t boots;
    double cpu;                 /* s that its machines took of the host's processors */
    char *detail;               /* why not; NULL */
    struct json_object *faults; /* "WHEN WHAT": [boots armed, boots struck]; NULL */
};

static bool time_is_over(const struct chaos *chaos)
{
    return clock_is_over(chaos->start, chaos->budget);
}

static int wrong(const char *word, const char *what)
{
    fprintf(stderr, "rig: chaos: %s %s; `rig chaos --help` tells how it is used\n", word, what);
    return EXIT_USAGE;
}

static int help(void)
{
    fputs(
        "usage: rig chaos [options]\n"
        "  -j N              machines side by side (default 1)\n"
        "  --boots N         sequences until so many boots are kept (default 100)\n"
        "  --seed S          one sequence, again; of it nothing is kept (--point S is the same)\n"
        "  --print           with --seed: the sequence as a scenario file, and nothing else\n"
        "  --tries N         runs in which a failing sequence is made short (default 12; 0: none)\n"
        "  --budget SECONDS  begin nothing after so long; what was left out is said\n"
        "  --fresh           forget what is kept\n"
        "  --live            the timeline on stdout, instead of the live view of a terminal\n"
        "  --proof DIR       results and failing sequences (default RIG/../proof/chaos)\n",
        stdout);
    return EXIT_PASSED;
}

/* running */

static void session_of(const struct rig *rig, struct session *session, const char *payload,
                       const char *outbox)
{
    memset(session, 0, sizeof *session);
    session->accel = rig->accel;
    session->payload = payload;
    session->outbox = outbox;
    session->live = rig->live;
}

static struct json_object *faults_of(const struct chaos_watch *watch)
{
    struct json_object *faults = json_object_new_object();

    for (size_t i = 0; watch != NULL && i < watch->fault_count; i++) {
        struct json_object *pair = json_object_new_array();

        json_object_array_add(pair, json_object_new_int64(watch->faults[i].armed));
        json_object_array_add(pair, json_object_new_int64(watch->faults[i].struck));
        json_object_object_add(faults, watch->faults[i].name, pair);
    }
    return faults;
}

static void outcome_free(struct outcome *outcome)
{
    free(outcome->detail);
    json_object_put(outcome->faults);
}

/* Runs a scenario's text in dir, which is empty. */
static void run_text(const struct chaos *chaos, const char *name, const char *text, const char *dir,
                     struct view_row *row, struct outcome *outcome)
{
    const struct rig *rig = chaos->rig;
    TEXT_AUTO file = text_format("%s/%s.scn", dir, name);
    TEXT_AUTO payload = text_format("%s/payload.img", rig->dir);
    TEXT_AUTO outbox = text_format("%s/outbox", rig->dir);
    struct scenario scenario = {0};
    struct session session;

    memset(outcome, 0, sizeof *outcome);
    session_of(rig, &session, payload, outbox);
    session.row = row;
    if (file_write(file, text, strlen(text)) < 0)
        outcome->detail = text_format("%s: %s", file, strerror(errno));
    else if (scenario_load(&scenario, file, verbs, &outcome->detail) == 0 &&
             state_copy(rig, scenario.start, dir, &outcome->detail) == 0 &&
             session_open(&session, &scenario, dir) == 0) {
        outcome->well = session_perform(&session) == 0;
        session_write_result(&session);
        outcome->boots = session.boot_count;
        for (size_t i = 0; i < session.boot_count; i++)
            outcome->cpu += session.boots[i].cpu;
        text_replace(&outcome->detail, outcome->well ? NULL : text_copy(session.reason));
        outcome->faults = faults_of(session.watch);
        unlink(session.disk_path);
        session_close(&session);
    }
    scenario_free(&scenario);
}

/* shrinking */

struct shrinking {
    const struct chaos *chaos;
    const struct sequence *sequence;
    const char *fault; /* the first word of the reason: the rule that is broken */
    const char *dir;
};

/* "chaos-7.scn:9: chaos cut: broken: lost: ..." -> "lost"; other failures are all alike. */
static char *rule_of(const char *detail)
{
    const char *at = detail != NULL ? strstr(detail, "broken: ") : NULL;

    if (at == NULL)
        return text_copy("");
    at += strlen("broken: ");
    return text_format("%.*s", (int)strcspn(at, ":"), at);
}

static bool fails_alike(void *context, const size_t *steps, size_t count)
{
    const struct shrinking *shrinking = context;
    TEXT_AUTO text = sequence_scenario(shrinking->sequence, steps, count, "shrinking");
    TEXT_AUTO rule = NULL;
    struct outcome outcome;
    bool alike;

    if (time_is_over(shrinking->chaos))
        return false;
    directory_remove(shrinking->dir);
    if (directory_make(shrinking->dir) < 0)
        return false;
    run_text(shrinking->chaos, "shrinking", text, shrinking->dir, NULL, &outcome);
    rule = rule_of(outcome.detail);
    alike = !outcome.well && strcmp(rule, shrinking->fault) == 0;
    if (shrinking->chaos->view == NULL)
        printf("  %zu steps: %s\n", count,
               alike          ? "fails"
               : outcome.well ? "well"
                              : "fails otherwise");
    fflush(stdout);
    outcome_free(&outcome);
    return alike;
}

static void shrink_and_print(const struct chaos *chaos, const struct sequence *sequence,
                             const char *name, const char *detail, struct view_row *row)
{
    TEXT_AUTO rule = rule_of(detail);
    TEXT_AUTO dir = text_format("%s/%s-shrinking", chaos->proof, name);
    TEXT_AUTO file = text_format("%s/%s.scn", chaos->proof, name);
    TEXT_AUTO title = text_format("%.*s", (int)strcspn(detail, "\n"), detail);
    TEXT_AUTO text = NULL;
    struct shrinking shrinking = {chaos, sequence, rule, dir};
    size_t steps[CHAOS_STEPS_MAX], count = sequence->count;
    unsigned tries = (unsigned)chaos->tries;

    for (size_t i = 0; i < count; i++)
        steps[i] = i;
    if (chaos->view == NULL)
        printf("shrinking, at most %u tries%s\n", tries,
               time_is_over(chaos) ? ", but no time is left" : "");
    count = shrink(steps, count, &tries, fails_alike, &shrinking);
    text = sequence_scenario(sequence, steps, count, title);
    if (file_write(file, text, strlen(text)) < 0) {
        fprintf(stderr, "rig: %s cannot be written\n", file);
    } else if (row != NULL) {
        TEXT_AUTO line = text_format("%s (made short: rig run %s)", row->said, file);

        view_end(row, VIEW_FAILED, line);
    }
    if (row == NULL)
        printf("%s, for `rig run %s`:\n%s", file, file, text);
    directory_remove(dir);
}

/* results */

static int keep(const struct chaos *chaos, const char *name, const struct outcome *outcome)
{
    struct json_object *object = json_object_new_object();
    int error;

    json_object_object_add(object, "id", json_object_new_string(name));
    json_object_object_add(object, "result",
                           json_object_new_string(outcome->well ? "well" : "broken"));
    json_object_object_add(object, "boots", json_object_new_int64((int64_t)outcome->boots));
    json_object_object_add(object, "cpu-seconds", json_object_new_int64((int64_t)outcome->cpu));
    json_object_object_add(object, "faults", json_object_get(outcome->faults));
    json_object_object_add(
        object, "detail", outcome->detail != NULL ? json_object_new_string(outcome->detail) : NULL);
    error = points_append(chaos->points, object);
    if (error < 0)
        fprintf(stderr, "rig: %s: %s\n", chaos->points, strerror(-error));
    return error;
}

/* What is kept, by seed. Of one that ran more than once the last line counts. Caller puts. */
static struct json_object *results_read(const struct chaos *chaos)
{
    struct json_object *results = json_object_new_object();

    /* Half a line, which a kill left, is a sequence to be run again. */
    (void)points_collect(chaos->points, results);
    return results;
}

struct totals {
    size_t sequences, boots, broken;
};

static struct totals totals_read(const struct chaos *chaos)
{
    struct totals totals = {0};
    struct json_object *results = results_read(chaos), *boots;

    json_object_object_foreach(results, seed, result)
    {
        (void)seed;
        totals.sequences++;
        totals.broken += !point_is_well(result);
        if (json_object_object_get_ex(result, "boots", &boots))
            totals.boots += (size_t)json_object_get_int64(boots);
    }
    json_object_put(results);
    return totals;
}

/* The first seed from this one on of which nothing is kept. */
static long seed_from(const struct chaos *chaos, long seed)
{
    struct json_object *results = results_read(chaos);

    for (;; seed++) {
        TEXT_AUTO name = text_format("%ld", seed);

        if (!json_object_object_get_ex(results, name, NULL))
            break;
    }
    json_object_put(results);
    return seed;
}

/* the verb */

/* There was no machine: that is no result, and would be the same with every other seed. */
static bool is_unbegun(const struct outcome *outcome)
{
    return !outcome->well && outcome->boots == 0;
}

/* At once, or at the end where the live view has the terminal. */
static void tell(long seed, const struct outcome *outcome, struct view_row *row)
{
    TEXT_AUTO why = outcome->well
                        ? text_copy("")
                        : text_format(": %s", outcome->detail != NULL ? outcome->detail
                                                                      : "it could not be begun");
    TEXT_AUTO line =
        text_format("%s seed %ld: %zu boots, %.0f s of processor%s",
                    outcome->well ? "PASS" : "FAIL", seed, outcome->boots, outcome->cpu, why);

    view_end(row, outcome->well ? VIEW_PASSED : VIEW_FAILED, line);
    if (row == NULL)
        printf("%s\n", line);
    fflush(stdout);
}

/* In dir, which is held. 0, or -errno where a result to be kept could not be, or there is none. */
static int run_seed_in(const struct chaos *chaos, long seed, const char *dir, struct view_row *row,
                       bool *well)
{
    TEXT_AUTO name = text_format("%ld", seed);
    TEXT_AUTO title = text_format("chaos from seed %ld", seed);
    TEXT_AUTO text = NULL;
    struct sequence sequence;
    struct outcome outcome;
    size_t all[CHAOS_STEPS_MAX];
    int error = 0;

    sequence_draw(&sequence, (uint64_t)seed);
    for (size_t i = 0; i < sequence.count; i++)
        all[i] = i;
    text = sequence_scenario(&sequence, all, sequence.count, title);
    if (row == NULL)
        printf("seed %ld\n", seed);
    fflush(stdout);
    run_text(chaos, "chaos", text, dir, row, &outcome);
    alarm(0); /* what is judged is kept */
    tell(seed, &outcome, row);
    *well = outcome.well;
    if (is_unbegun(&outcome))
        error = -EIO;
    else if (!chaos->seed_given)
        error = keep(chaos, name, &outcome);
    if (outcome.well || is_unbegun(&outcome))
        directory_remove(dir);
    else if (chaos->tries > 0)
        shrink_and_print(chaos, &sequence, name, outcome.detail, row);
    outcome_free(&outcome);
    sequence_free(&sequence);
    return error;
}

static int one_seed(const struct chaos *chaos, long seed, struct view_row *row, bool *well)
{
    TEXT_AUTO dir = text_format("%s/%ld", chaos->proof, seed);
    struct outcome none = {0};
    int held = directory_claim(dir, &none.detail);
    int error = held;

    if (held >= 0) {
        error = run_seed_in(chaos, seed, dir, row, well);
        close(held);
    } else {
        *well = false;
        tell(seed, &none, row);
    }
    outcome_free(&none);
    return error;
}

/* Sequences that are under way. */
struct under_way {
    struct {
        pid_t pid;
        long seed;
        struct view_row *row; /* or NULL */
    } runs[JOBS_MAX];
    long count;
};

/* In the child: a sequence whose time is up is broken off, and its machine dies with it. */
static void set_end(const struct chaos *chaos)
{
    double left = (double)chaos->budget - (clock_now() - chaos->start);

    if (chaos->budget > 0)
        alarm(left > 0 ? (unsigned)left + 1 : 1); /* not before it is over: none is begun then */
}

static int start_seed(const struct chaos *chaos, struct under_way *under_way, long seed)
{
    TEXT_AUTO name = text_format("seed %ld", seed);
    struct view_row *row = view_add(chaos->view, name);
    pid_t pid;
    bool well;

    view_begin(row);
    pid = child_fork();
    if (pid == 0) {
        set_end(chaos);
        _exit(one_seed(chaos, seed, row, &well) == 0 ? EXIT_PASSED : EXIT_FAILED);
    }
    if (pid < 0) {
        view_end(row, VIEW_FAILED, "no process could be started for it");
        return -errno;
    }
    if (row != NULL)
        row->pid = pid;
    under_way->runs[under_way->count].pid = pid;
    under_way->runs[under_way->count].row = row;
    under_way->runs[under_way->count++].seed = seed;
    return 0;
}

static long take_off(struct under_way *under_way, pid_t pid, struct view_row **row)
{
    long seed = 0;

    *row = NULL;
    for (long i = 0; i < under_way->count; i++)
        if (under_way->runs[i].pid == pid) {
            seed = under_way->runs[i].seed;
            *row = under_way->runs[i].row;
            under_way->runs[i] = under_way->runs[--under_way->count];
            break;
        }
    return seed;
}

/* False where a sequence has no result, or none that could be kept: going on would never end. */
static bool reap_seed(const struct chaos *chaos, struct under_way *under_way)
{
    struct view_row *row;
    int status = 0;
    pid_t pid = view_wait(chaos->view, &status);
    long seed = take_off(under_way, pid, &row);

    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM) {
        TEXT_AUTO dir = text_format("%s/%ld", chaos->proof, seed);
        TEXT_AUTO line =
            text_format("LEFT seed %ld: broken off, the time is up; nothing of it is kept", seed);

        view_end(row, VIEW_LEFT_OUT, line);
        if (row == NULL)
            printf("%s\n", line);
        fflush(stdout); /* or the next child says it again */
        directory_remove(dir);
        return true;
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == EXIT_PASSED;
}

static bool is_wanted(const struct chaos *chaos, const struct totals *totals)
{
    return totals->boots < (size_t)chaos->boots && !time_is_over(chaos);
}

/* A point is a boot that was judged; a sequence ends at its first one that is not well. */
static void print_totals(const struct chaos *chaos, const struct totals *totals)
{
    size_t bad = totals->broken < totals->boots ? totals->broken : totals->boots;
    size_t wanted = (size_t)chaos->boots;

    printf("chaos: %zu points, %zu ended well, %zu left out\n", totals->boots, totals->boots - bad,
           wanted > totals->boots ? wanted - totals->boots : 0);
    printf("%zu passed, %zu failed\n", totals->sequences - totals->broken, totals->broken);
}

/* One after the other, from the first that is not there yet. False where one was not kept. */
static bool run_wanted(const struct chaos *chaos, struct totals *totals)
{
    struct under_way under_way = {.count = 0};
    long seed = seed_from(chaos, 1);
    bool kept = true;

    while (under_way.count > 0 || (kept && is_wanted(chaos, totals))) {
        if (kept && under_way.count < chaos->rig->jobs && is_wanted(chaos, totals)) {
            kept = start_seed(chaos, &under_way, seed) == 0;
            seed = seed_from(chaos, seed + 1);
            continue;
        }
        kept = reap_seed(chaos, &under_way) && kept;
        *totals = totals_read(chaos);
    }
    return kept;
}

static void faults_add(struct json_object *sums, struct json_object *faults)
{
    if (faults == NULL) /* of one that could not be begun */
        return;
    json_object_object_foreach(faults, name, pair)
    {
        struct json_object *sum = json_object_object_get(sums, name);

        if (sum == NULL)
            json_object_object_add(sums, name, json_object_get(pair));
        else
            for (size_t i = 0; i < 2; i++)
                json_object_int_inc(json_object_array_get_idx(sum, i),
                                    json_object_get_int64(json_object_array_get_idx(pair, i)));
    }
}

/* Armed and struck, of all that is kept. Caller puts. */
static struct json_object *faults_read(const struct chaos *chaos)
{
    struct json_object *sums = json_object_new_object(), *results = results_read(chaos);

    json_object_object_foreach(results, seed, result)
    {
        (void)seed;
        faults_add(sums, json_object_object_get(result, "faults"));
    }
    json_object_put(results);
    return sums;
}

#define ARMED_ENOUGH 3 /* boots: one kind that never struck in so many does nothing */

/* False where a kind of fault does nothing. */
static bool print_faults(const struct chaos *chaos)
{
    struct json_object *sums = faults_read(chaos);
    bool well = true;

    json_object_object_foreach(sums, name, sum)
    {
        int armed = json_object_get_int(json_object_array_get_idx(sum, 0));
        int struck = json_object_get_int(json_object_array_get_idx(sum, 1));
        bool bad = armed >= ARMED_ENOUGH && struck == 0;

        printf("%s fault %-32s armed in %d boots, struck in %d\n", bad ? "FAIL" : "    ", name,
               armed, struck);
        well = well && !bad;
    }
    json_object_put(sums);
    return well;
}

static int run_seeds(struct chaos *chaos)
{
    struct totals totals = totals_read(chaos);
    bool well;

    if (totals.boots > 0)
        printf("chaos: %zu boots of %zu sequences are there already\n", totals.boots,
               totals.sequences);
    fflush(stdout);
    if (!chaos->rig->live && view_is_possible())
        chaos->view =
            view_new((size_t)chaos->boots + JOBS_MAX); /* a sequence has a boot at least */
    well = run_wanted(chaos, &totals);
    if (chaos->view != NULL)
        view_finish(chaos->view);
    view_free(chaos->view);
    chaos->view = NULL;
    well = print_faults(chaos) && well;
    print_totals(chaos, &totals);
    return well && totals.broken == 0 ? EXIT_PASSED : EXIT_FAILED;
}

/* In this process, where nothing else runs. */
static int run_seed(const struct chaos *chaos)
{
    bool well = false;
    int error;

    set_end(chaos);
    error = one_seed(chaos, chaos->seed, NULL, &well);
    return error == 0 && well ? EXIT_PASSED : EXIT_FAILED;
}

/* What a seed stands for, as a scenario file. */
static int print_seed(long seed)
{
    TEXT_AUTO title = text_format("chaos from seed %ld", seed);
    TEXT_AUTO text = NULL;
    struct sequence sequence;
    size_t all[CHAOS_STEPS_MAX];

    sequence_draw(&sequence, (uint64_t)seed);
    for (size_t i = 0; i < sequence.count; i++)
        all[i] = i;
    text = sequence_scenario(&sequence, all, sequence.count, title);
    fputs(text, stdout);
    sequence_free(&sequence);
    return EXIT_PASSED;
}

static int parse(struct chaos *chaos, int argc, char **argv)
{
    static const struct option longs[] = {
        {"seed", required_argument, NULL, 's'},
        {"boots", required_argument, NULL, 'b'},
        {"budget", required_argument, NULL, 't'},
        {"point", required_argument, NULL, 's'},
        {"tries", required_argument, NULL, 'n'},
        {"proof", required_argument, NULL, 'p'},
        {"fresh", no_argument, NULL, 'f'},
        {"print", no_argument, NULL, 'P'},
        {"live", no_argument, NULL, 'l'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int option;

    optind = 0;
    opterr = 0;
    while ((option = getopt_long(argc, argv, "j:h", longs, NULL)) != -1) {
        if (option == 'h')
            return help() + EXIT_USAGE + 1;
        if (option == 'f')
            chaos->fresh = true;
        else if (option == 'P')
            chaos->print = true;
        else if (option == 'l')
            chaos->rig->live = true;
        else if (option == 'p')
            chaos->proof = optarg;
        else if (option == 's' && text_number(optarg, 0, INT32_MAX, &chaos->seed) == 0)
            chaos->seed_given = true;
        else if (option == 'b' && text_number(optarg, 1, 1000000, &chaos->boots) == 0)
            continue;
        else if (option == 't' && text_number(optarg, 1, 1000000, &chaos->budget) == 0)
            continue;
        else if (option == 'j' && text_number(optarg, 1, JOBS_MAX, &chaos->rig->jobs) == 0)
            continue;
        else if (option == 'n' && text_number(optarg, 0, 1000, &chaos->tries) == 0)
            continue;
        else if (option == '?')
            return wrong(argv[optind - 1], "is not an option, or needs a value");
        else
            return wrong(optarg, "is not a number that is taken there");
    }
    return optind < argc ? wrong(argv[optind], "is not understood") : 0;
}

static int prepare(struct chaos *chaos)
{
    TEXT_AUTO cache = text_format("%s/accel", chaos->rig->dir);
    TEXT_AUTO reason = NULL;
    TEXT_AUTO key = NULL;

    if (directory_make(chaos->rig->dir) < 0 || directory_make(chaos->proof) < 0) {
        fprintf(stderr, "rig: %s or %s: cannot be made\n", chaos->rig->dir, chaos->proof);
        return EXIT_FAILED;
    }
    chaos->rig->accel = machine_accel(cache);
    if (state_prepare(chaos->rig, "ready", &reason) < 0) {
        fprintf(stderr, "rig: %s\n", reason);
        return EXIT_FAILED;
    }
    key = state_key(chaos->rig, "ready", chaos_judge, &reason);
    if (key == NULL) {
        fprintf(stderr, "rig: %s\n", reason);
        return EXIT_FAILED;
    }
    chaos->points = text_format("%s/points-%.16s.jsonl", chaos->proof, key);
    if (chaos->fresh && unlink(chaos->points) < 0 && errno != ENOENT)
        fprintf(stderr, "rig: %s: %s\n", chaos->points, strerror(errno));
    return 0;
}

int chaos_verb(struct rig *rig, char *const words[])
{
    TEXT_AUTO proof = text_format("%s/../proof/chaos", rig->dir);
    struct chaos chaos = {
        .rig = rig, .proof = proof, .boots = 100, .tries = 12, .start = clock_now()};
    char *argv[32] = {(char *)(uintptr_t) "chaos"};
    int argc = 1, code;

    for (; words[argc - 1] != NULL && argc < 31; argc++)
        argv[argc] = words[argc - 1];
    code = parse(&chaos, argc, argv);
    if (code > EXIT_USAGE)
        return EXIT_PASSED;
    if (code == 0 && chaos.print)
        return print_seed(chaos.seed);
    if (code == 0)
        code = prepare(&chaos);
    if (code == 0)
        code = chaos.seed_given ? run_seed(&chaos) : run_seeds(&chaos);
    free(chaos.points);
    return code;
}
