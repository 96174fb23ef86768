/*
 * flash.c - `rig flash`: chooses points, judges them side by side, adds up.
 *
 * Results lie in DIR/points-CASE-KEY.jsonl; KEY is a hash over what is under test, so a run goes on
 * where one of the same things ended. Points with the same flash are judged once.
 */
#include "child.h"
#include "clock.h"
#include "directory.h"
#include "flash.h"
#include "flashkept.h"
#include "run.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct options {
    struct flash_run run;
    long budget, jobs, limit; /* 0: none */
    const char *point;        /* CASE:PROGRAMS; NULL: all */
    bool fresh, first_failure;
    double start;
};

/* So many different points inside garbage collections must come to a verdict in a run of all. */
#define COLLECTED_MIN 200u

struct tally {
    size_t points, well, failed, firmware, hidden, alike, left_out;
    size_t collected; /* of a collection's: judged, each flash once */
};

/* ---- one point -------------------------------------------------------------------------- */

/* In a process of its own. A point that ended well leaves nothing behind. kept: NULL for a point
 * that is looked at alone, of which no result is kept. */
static int judge_one(const struct options *options, const struct flash_log *log,
                     struct flash_kept *kept, size_t programs, const char *flash)
{
    const char *name = log->flash_case->name;
    TEXT_AUTO dir = text_format("%s/point-%s-%zu", options->run.dir, name, programs);
    struct flash_verdict verdict = {0};
    struct flash_point result;
    int error;

    directory_remove(dir);
    error = directory_make(dir);
    if (error == 0)
        error = flash_judge(log, programs, dir, &verdict);
    if (error < 0) {
        fprintf(stderr, "rig: %s:%zu: %s\n", name, programs,
                verdict.detail != NULL ? verdict.detail : strerror(-error));
        return error;
    }
    result = (struct flash_point){.programs = programs,
                                  .result = verdict.result,
                                  .hidden = verdict.hidden,
                                  .detail = verdict.detail,
                                  .flash = (char *)(uintptr_t)flash};
    if (kept == NULL)
        printf("%s:%zu %s: %s\n(what it left: %s)\n", name, programs,
               flash_result_string(verdict.result), verdict.detail, dir);
    else
        error = flash_kept_add(kept, &result);
    if (verdict.result == FLASH_FAILED && kept != NULL)
        printf("FAIL %s:%zu %s\n", name, programs, verdict.detail);
    else if (kept != NULL)
        directory_remove(dir);
    fflush(stdout);
    free(verdict.detail);
    return error;
}

static int start_one(const struct options *options, const struct flash_log *log,
                     struct flash_kept *kept, size_t programs, const char *flash)
{
    pid_t pid = child_fork();

    if (pid != 0)
        return pid > 0 ? 0 : -errno;
    _exit(judge_one(options, log, kept, programs, flash) == 0 ? EXIT_PASSED : EXIT_FAILED);
}

static bool reap_one(void)
{
    int status = 0;

    while (wait(&status) < 0)
        if (errno != EINTR)
            return false;
    return WIFEXITED(status) && WEXITSTATUS(status) == EXIT_PASSED;
}

/* ---- all points of a case --------------------------------------------------------------- */

static void flash_hash(const uint8_t *flash, size_t size, char out[HASH_TEXT_SIZE])
{
    struct hash *hash = hash_new();

    hash_add(hash, flash, size);
    hash_end(hash, out);
    out[16] = '\0';
}

static bool time_is_up(const struct options *options)
{
    return clock_is_over(options->start, options->budget);
}

struct walk {
    uint8_t *flash;
    size_t at; /* programs in it */
    char (*hashes)[HASH_TEXT_SIZE];
};

/* The hash of the flash at each point, in their order. */
static void walk_make(struct walk *walk, const struct flash_log *log)
{
    walk->flash = malloc(log->log.size + 1);
    walk->hashes = calloc(log->count + 1, sizeof *walk->hashes);
    walk->at = 0;
    if (walk->flash == NULL || walk->hashes == NULL)
        abort();
    memcpy(walk->flash, log->log.start, log->log.size);
    for (size_t i = 0; i < log->count; i++) {
        flashlog_apply(&log->log, walk->flash, walk->at, log->points[i]);
        walk->at = log->points[i];
        flash_hash(walk->flash, log->log.size, walk->hashes[i]);
    }
}

static void walk_free(struct walk *walk)
{
    free(walk->flash);
    free(walk->hashes);
}

/* An earlier point of this run has the same flash, so its result will be this one's. */
static bool is_alike(const struct walk *walk, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (strcmp(walk->hashes[i], walk->hashes[index]) == 0)
            return true;
    return false;
}

static size_t common_divisor(size_t a, size_t b)
{
    return b == 0 ? a : common_divisor(b, a % b);
}

/* Points are taken in steps of about the golden section, so that those of a run that ends early lie
 * all over the case. A step that has no divisor with the count comes by each of them. */
static size_t step_of(size_t count)
{
    size_t step = count * 618 / 1000;

    while (step > 1 && common_divisor(step, count) > 1)
        step--;
    return step > 0 ? step : 1;
}

/* As the file has it by now: children add to it. */
static bool has_failed(struct flash_kept *kept)
{
    flash_kept_read(kept);
    for (size_t i = 0; i < kept->count; i++)
        if (kept->items[i].result == FLASH_FAILED)
            return true;
    return false;
}

static bool judge_all(const struct options *options, const struct flash_log *log,
                      struct flash_kept *kept, const struct walk *walk)
{
    size_t running = 0, step = step_of(log->count), number = log->count;
    bool sound = true;

    if (options->limit > 0 && (size_t)options->limit < number)
        number = (size_t)options->limit;
    for (size_t n = 0; n < number && sound && !time_is_up(options); n++) {
        size_t i = n * step % log->count;

        if (flash_kept_like(kept, walk->hashes[i]) != NULL || is_alike(walk, i))
            continue;
        if (running == (size_t)options->jobs) {
            sound = reap_one();
            running--;
        }
        if (options->first_failure && has_failed(kept))
            break;
        if (sound && start_one(options, log, kept, log->points[i], walk->hashes[i]) == 0)
            running++;
    }
    for (; running > 0; running--)
        sound = reap_one() && sound;
    flash_kept_read(kept);
    return sound;
}

static void count_one(const struct flash_point *result, struct tally *tally)
{
    if (result == NULL) {
        tally->left_out++;
        return;
    }
    tally->hidden += result->hidden;
    switch (result->result) {
    case FLASH_WELL:
        tally->well++;
        return;
    case FLASH_FAILED:
        tally->failed++;
        return;
    case FLASH_FIRMWARE:
        tally->firmware++;
        return;
    }
}

static void tally_case(const struct flash_log *log, const struct flash_kept *kept,
                       const struct walk *walk, struct tally *tally)
{
    bool collects = log->flash_case->kind == FLASH_COLLECTION;

    for (size_t i = 0; i < log->count; i++) {
        const struct flash_point *result = flash_kept_like(kept, walk->hashes[i]);

        tally->points++;
        if (is_alike(walk, i) && result != NULL) {
            tally->alike++;
            tally->well += result->result == FLASH_WELL;
            tally->failed += result->result == FLASH_FAILED;
            tally->firmware += result->result == FLASH_FIRMWARE;
        } else {
            count_one(result, tally);
            tally->collected += collects && result != NULL && result->result != FLASH_FIRMWARE;
        }
        if (result != NULL && result->result == FLASH_FIRMWARE &&
            flash_kept_find(kept, log->points[i]))
            printf("firmware %s:%zu %s\n", log->flash_case->name, log->points[i], result->detail);
    }
}

static void tally_print(const char *name, const struct tally *tally)
{
    printf("%-20s %zu points, %zu ended well", name, tally->points, tally->well);
    if (tally->failed > 0)
        printf(", %zu failed", tally->failed);
    if (tally->firmware > 0)
        printf(", firmware does not come up at %zu", tally->firmware);
    if (tally->hidden > 0)
        printf(", ledger out of sight at %zu", tally->hidden);
    if (tally->alike > 0)
        printf(", %zu with the flash of another", tally->alike);
    if (tally->left_out > 0)
        printf(", %zu left out", tally->left_out);
    putchar('\n');
    fflush(stdout);
}

static void tally_add(struct tally *sum, const struct tally *one)
{
    sum->points += one->points;
    sum->well += one->well;
    sum->failed += one->failed;
    sum->firmware += one->firmware;
    sum->left_out += one->left_out;
    sum->collected += one->collected;
}

/* What failed in an earlier run still counts, and is not judged again. */
static void failed_print(const struct flash_kept *kept)
{
    for (size_t i = 0; i < kept->count; i++)
        if (kept->items[i].result == FLASH_FAILED)
            printf("FAIL %s:%zu %s (of an earlier run)\n", kept->name, kept->items[i].programs,
                   kept->items[i].detail);
}

/* False if a point of it failed, or could not be judged. */
static bool run_case(const struct options *options, const struct flash_case *one, struct tally *sum)
{
    TEXT_AUTO reason = NULL;
    struct flash_log log;
    struct flash_kept kept;
    struct walk walk;
    struct tally tally = {0};
    bool sound = flash_log_make(&options->run, one, &log, &reason) == 0;

    if (!sound) {
        printf("FAIL %s: cannot be logged: %s\n", one->name, reason);
        flash_log_free(&log);
        return false;
    }
    flash_kept_open(&kept, options->run.dir, &log, options->fresh);
    failed_print(&kept);
    walk_make(&walk, &log);
    sound = judge_all(options, &log, &kept, &walk);
    tally_case(&log, &kept, &walk, &tally);
    tally_print(one->name, &tally);
    tally_add(sum, &tally);
    walk_free(&walk);
    flash_kept_close(&kept);
    flash_log_free(&log);
    return sound && tally.failed == 0;
}

/* ---- the command line ------------------------------------------------------------------- */

static const struct flash_case *case_find(const char *name, size_t length)
{
    for (const struct flash_case *one = flash_cases; one->name != NULL; one++)
        if (strlen(one->name) == length && strncmp(one->name, name, length) == 0)
            return one;
    return NULL;
}

static int usage(const char *complaint, const char *word)
{
    FILE *to = complaint != NULL ? stderr : stdout;

    if (complaint != NULL) {
        fprintf(to, "rig flash: %s%s; `rig flash --help` tells how it is used\n", complaint, word);
        return EXIT_USAGE;
    }
    fputs("usage: rig flash [options] [CASE...]      (none: all but linux-*)\n"
          "  -j N              machines side by side (default 1)\n"
          "  --budget SECONDS  start no point after so long; what was left out is said\n"
          "  --limit N         N points a case, from all over it\n"
          "  --first-failure   start no point of a case after one that failed\n"
          "  --fresh           judge again what was judged\n"
          "  --point CASE:N    one point, judged again; what it leaves is kept\n"
          "  --dir DIR         results and logs (default build/proof/flash)\n"
          "  --stage FILE      (default build/efi/backstopx64.efi)\n"
          "  --next FILE       what it starts (default build/efi/ovmf_next.efi)\n"
          "cases:\n",
          to);
    for (const struct flash_case *one = flash_cases; one->name != NULL; one++)
        fprintf(to, "  %-20s %s\n", one->name, one->help);
    return EXIT_PASSED;
}

static int run_point(struct options *options)
{
    const char *colon = strchr(options->point, ':');
    const struct flash_case *one =
        colon != NULL ? case_find(options->point, (size_t)(colon - options->point)) : NULL;
    TEXT_AUTO reason = NULL;
    struct flash_log log;
    long programs = 0;
    int error;

    if (one == NULL || text_number(colon + 1, 0, 100000000, &programs) < 0)
        return usage("a point is CASE:NUMBER, not ", options->point);
    error = flash_log_make(&options->run, one, &log, &reason);
    if (error == 0 && (size_t)programs > log.log.count) {
        error = -EINVAL;
        reason = text_format("%s has no more than %zu programs", one->name, log.log.count);
    }
    if (error == 0) {
        error = judge_one(options, &log, NULL, (size_t)programs, "");
    } else {
        fprintf(stderr, "rig flash: %s\n", reason);
    }
    flash_log_free(&log);
    return error == 0 ? EXIT_PASSED : EXIT_FAILED;
}

static bool is_chosen(const struct flash_case *one, char *const names[])
{
    bool chosen = *names == NULL && !flash_is_linux(one);

    for (char *const *name = names; *name != NULL; name++)
        chosen = chosen || strcmp(*name, one->name) == 0;
    return chosen;
}

/* What no number of the sum has; tests/run_targets.sh says such lines again at its end. */
static void left_print(const struct tally *sum, const char *unopened)
{
    if (sum->firmware > 0)
        printf("LEFT flash: %zu points at which the firmware itself does not come up\n",
               sum->firmware);
    if (unopened[0] != '\0')
        printf("LEFT flash: cases without a point, no time left within the budget:%s\n", unopened);
}

/* False where a run that left nothing out had too few. */
static bool collected_enough(const struct tally *sum)
{
    bool enough = sum->collected >= COLLECTED_MIN;

    printf("%s: %zu points inside garbage collections came to a verdict, %u are due\n",
           enough ? "flash" : "FAIL flash", sum->collected, COLLECTED_MIN);
    return enough;
}

static bool is_of_all(const struct options *options, char *const names[])
{
    return *names == NULL && options->limit == 0 && !options->first_failure;
}

/* A case passes with the points that were judged; one without any has not passed. */
static int run_cases(const struct options *options, char *const names[])
{
    size_t passed = 0, failed = 0;
    struct tally sum = {0};
    TEXT_AUTO unopened = text_copy("");

    for (const struct flash_case *one = flash_cases; one->name != NULL; one++) {
        size_t well = sum.well;

        if (!is_chosen(one, names))
            continue;
        if (time_is_up(options)) {
            printf("%-20s left out: no time left within the budget\n", one->name);
            text_append(&unopened, " ");
            text_append(&unopened, one->name);
        } else if (!run_case(options, one, &sum)) {
            failed++;
        } else if (sum.well > well) {
            passed++;
        }
    }
    left_print(&sum, unopened);
    if (is_of_all(options, names) && unopened[0] == '\0' && sum.left_out == 0 &&
        !collected_enough(&sum))
        failed++;
    printf("flash: %zu points, %zu ended well, %zu left out\n", sum.points, sum.well, sum.left_out);
    printf("%zu passed, %zu failed\n", passed, failed);
    return failed == 0 ? EXIT_PASSED : EXIT_FAILED;
}

static int parse_one(struct options *options, int option)
{
    if (option == 'd')
        options->run.dir = optarg;
    else if (option == 's')
        options->run.stage = optarg;
    else if (option == 'n')
        options->run.next = optarg;
    else if (option == 'p')
        options->point = optarg;
    else if (option == 'f')
        options->fresh = true;
    else if (option == '1')
        options->first_failure = true;
    else if (option == 'h')
        return usage(NULL, NULL) + EXIT_USAGE + 1;
    else if (option == 'b' && text_number(optarg, 1, 1000000, &options->budget) < 0)
        return usage("--budget takes a number of seconds within 1..1000000, not ", optarg);
    else if (option == 'l' && text_number(optarg, 1, 1000000, &options->limit) < 0)
        return usage("--limit takes a number of points within 1..1000000, not ", optarg);
    else if (option == 'j' && text_number(optarg, 1, 16, &options->jobs) < 0)
        return usage("-j takes a number within 1..16, not ", optarg);
    else if (option == '?')
        return usage("not an option", "");
    return 0;
}

static int parse(int argc, char *const argv[], struct options *options)
{
    static const struct option longs[] = {
        {"budget", required_argument, NULL, 'b'}, {"limit", required_argument, NULL, 'l'},
        {"fresh", no_argument, NULL, 'f'},        {"first-failure", no_argument, NULL, '1'},
        {"point", required_argument, NULL, 'p'},  {"dir", required_argument, NULL, 'd'},
        {"stage", required_argument, NULL, 's'},  {"next", required_argument, NULL, 'n'},
        {"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0},
    };
    int option, code = 0;

    optind = 0;
    while (code == 0 && (option = getopt_long(argc, argv, "j:h", longs, NULL)) != -1)
        code = parse_one(options, option);
    for (int i = optind; code == 0 && i < argc; i++)
        if (case_find(argv[i], strlen(argv[i])) == NULL)
            code = usage("no such case: ", argv[i]);
    return code;
}

static int files_check(const struct flash_run *run)
{
    const char *const files[] = {run->stage, run->next, OVMF_CODE, OVMF_VARS};

    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        if (access(files[i], R_OK) == 0)
            continue;
        fprintf(stderr,
                "rig flash: %s: %s; `make proof-flash` makes what is needed, `make deps` "
                "installs the firmware\n",
                files[i], strerror(errno));
        return EXIT_FAILED;
    }
    if (directory_make(run->dir) == 0)
        return EXIT_PASSED;
    fprintf(stderr, "rig flash: %s: cannot be made\n", run->dir);
    return EXIT_FAILED;
}

int flash_main(const struct rig *rig, char *const words[])
{
    struct options options = {.run = {.dir = "build/proof/flash",
                                      .stage = "build/efi/backstopx64.efi",
                                      .next = "build/efi/ovmf_next.efi",
                                      .rig = rig},
                              .jobs = rig->jobs,
                              .budget = rig->budget,
                              .start = clock_now()};
    int argc = 0, code;

    while (words[argc] != NULL)
        argc++;
    /* getopt() takes the first for the program's name. */
    code = parse(argc + 1, words - 1, &options);
    if (code != 0)
        return code > EXIT_USAGE ? EXIT_PASSED : code;
    code = files_check(&options.run);
    if (code != EXIT_PASSED)
        return code;
    return options.point != NULL ? run_point(&options) : run_cases(&options, words - 1 + optind);
}
