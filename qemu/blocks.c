/* blocks.c - see blocks.h */
#include "blocks.h"
#include "blocksrecord.h"
#include "child.h"
#include "clock.h"
#include "crash.h"
#include "labmachine.h"
#include "points.h"
#include "rig.h"
#include "run.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define FAILURES_TOLD 10u
#define STATES_WANTED 1100
#define APART_SHARE 20u /* no more than one in so many */
#define JOBS_MAX 16
#define NAMES_MAX 16u

struct options {
    const char *lab, *out, *point;
    long budget, states, jobs;
    bool fresh, until_failed;
    double start;
};

static bool is_over(const struct options *options)
{
    return clock_is_over(options->start, options->budget);
}

/* ---- one file system ---- */

struct proof {
    const struct options *options;
    const struct block_fs *fs;
    struct recording recording;
    char *names; /* what the lab is to try */
    struct points points;
    struct crashes crashes;
    char *running; /* the state that the lab has begun */
    char *broken;  /* why the lab could not go on */
    bool ready;
    size_t told;
};

static void proof_close(struct proof *proof)
{
    recording_close(&proof->recording);
    free(proof->names);
    free(proof->running);
    free(proof->broken);
    points_close(&proof->points);
    crashes_free(&proof->crashes);
}

/* "ext4/38-31": of all that is in the file of results. */
static char *point_id(const struct proof *proof, const char *name)
{
    return text_format("%s/%s", proof->fs->name, name);
}

/* ---- what there is to replay ---- */

/* Makes a recording where there is none; -ETIME where there is no time. Names of states may mean
 * others in a new one. */
static int take_recording(struct proof *proof, uint8_t **base, size_t *size)
{
    TEXT_AUTO reason = NULL;
    int error = recording_read(&proof->recording, base, size, &reason);

    if (error == 0)
        return 0;
    if (proof->options->point != NULL) {
        fprintf(stderr, "rig: blocks %s: %s; begin with: rig blocks %s\n", proof->fs->name,
                reason != NULL ? reason : "no recording is kept", proof->fs->name);
        return error;
    }
    if (reason != NULL)
        printf("blocks %s: %s; it is made anew\n", proof->fs->name, reason);
    if (is_over(proof->options)) {
        printf("LEFT blocks %s: not recorded, no time left\n", proof->fs->name);
        return -ETIME;
    }
    printf("blocks %s: recording\n", proof->fs->name);
    fflush(stdout);
    text_replace(&reason, NULL);
    error = recording_make(&proof->recording);
    if (error == 0)
        error = recording_read(&proof->recording, base, size, &reason);
    if (reason != NULL)
        fprintf(stderr, "rig: blocks %s: %s\n", proof->fs->name, reason);
    return error;
}

/* The state that is asked for, and no other. */
static int find_point(struct proof *proof)
{
    const char *name = strchr(proof->options->point, '/') + 1;
    struct crashes *crashes = &proof->crashes;
    int error;

    crashes->items = calloc(1, sizeof *crashes->items);
    if (crashes->items == NULL)
        abort();
    error = crash_parse(name, &proof->recording.writes, crashes->items);
    crashes->count = error == 0;
    if (error < 0)
        fprintf(stderr, "rig: blocks %s: the recording has no state %s\n", proof->fs->name, name);
    return error;
}

static int load(struct proof *proof)
{
    uint8_t *base = NULL;
    size_t size = 0;
    int error = take_recording(proof, &base, &size);

    if (error == 0 && proof->options->point != NULL)
        error = find_point(proof);
    else if (error == 0)
        crashes_find(&proof->crashes, &proof->recording.writes, base, size,
                     (size_t)proof->options->states);
    free(base);
    return error;
}

/* Results are those of one recording, judged by one lab and one rig. */
static char *name_results(const struct proof *proof)
{
    struct hash *hash = hash_new();
    char digest[HASH_TEXT_SIZE];

    hash_add_text(hash, rig_judge);
    hash_add_text(hash, proof->recording.key);
    hash_add_text(hash, proof->recording.digest);
    hash_end(hash, digest);
    return text_format("%s/points-%s-%.16s.jsonl", proof->options->out, proof->fs->name, digest);
}

/* A state looked at alone is not kept: points without a file. */
static int open_results(struct proof *proof)
{
    TEXT_AUTO file = NULL;
    int error;

    if (proof->options->point != NULL)
        return 0;
    file = name_results(proof);
    error = proof->options->fresh ? file_write(file, "", 0) : 0;
    if (error == 0)
        error = points_open(&proof->points, file);
    if (error < 0)
        fprintf(stderr, "rig: %s: %s; remove it, and begin anew\n", file, strerror(-error));
    return error;
}

static void describe(const struct proof *proof)
{
    const struct crashes *crashes = &proof->crashes;

    printf("blocks %s: %zu writes, %zu flushes; %zu distinct states:", proof->fs->name,
           proof->recording.writes.count, proof->recording.writes.flush_count, crashes->count);
    for (enum crash_kind kind = 0; kind < CRASH_KINDS; kind++)
        printf("%s %zu of %zu %s", kind > 0 ? "," : "", crashes->distinct[kind],
               crashes->possible[kind], crash_kind_string(kind));
    putchar('\n');
    fflush(stdout);
}

static bool is_known(const struct proof *proof, const char *name)
{
    TEXT_AUTO id = point_id(proof, name);

    return points_find(&proof->points, id) != NULL;
}

/* The names of the states that are not yet known, one a line, filled up to whole sectors. Their
 * number, or -errno. */
static long write_names(const struct proof *proof)
{
    char *text = calloc(proof->crashes.count + 1, CRASH_ID_SIZE);
    size_t used = 0;
    long count = 0;
    int error;

    if (text == NULL)
        abort();
    for (size_t i = 0; i < proof->crashes.count; i++) {
        char name[CRASH_ID_SIZE];

        crash_format(&proof->crashes.items[i], name);
        if (is_known(proof, name))
            continue;
        used += (size_t)sprintf(text + used, "%s\n", name);
        count++;
    }
    used = (used + DISK_SECTOR - 1) / DISK_SECTOR * DISK_SECTOR;
    error = file_write(proof->names, text, used);
    if (error < 0)
        fprintf(stderr, "rig: %s: %s\n", proof->names, strerror(-error));
    free(text);
    return error < 0 ? error : count;
}

/* ---- the replay ---- */

static bool is_enough(const struct proof *proof)
{
    return is_over(proof->options) || (proof->options->until_failed && proof->told > 0);
}

/* A torn write of its own metadata can keep a file system from coming up at all, before anything of
 * Backstop runs. Without a tear none may: prefixes and reorderings are what it promises to bear. */
static enum point_result result_of(const struct proof *proof, const char *name, const char *word)
{
    struct crash crash;

    if (strcmp(word, "good") == 0)
        return POINT_WELL;
    return strcmp(word, "down") == 0 && crash_parse(name, &proof->recording.writes, &crash) == 0 &&
                   crash_is_torn(&crash)
               ? POINT_APART
               : POINT_FAILED;
}

static void tell_failure(struct proof *proof, const char *id, const char *why)
{
    if (proof->told++ < FAILURES_TOLD)
        printf("FAIL blocks %s: %s (again: rig blocks --point %s)\n", id, why, id);
    fflush(stdout);
}

static void note(struct proof *proof, const char *name, enum point_result result, const char *why)
{
    TEXT_AUTO id = point_id(proof, name);
    int error = points_add(&proof->points, id, result, why);

    if (error < 0)
        fprintf(stderr, "rig: %s: %s\n", proof->points.file, strerror(-error));
    if (result == POINT_FAILED)
        tell_failure(proof, id, why);
    else if (proof->options->point != NULL && result == POINT_WELL)
        printf("PASS blocks %s\n", id);
}

/* "good NAME", "bad NAME WHY", "down NAME WHY"; any other line is passed over. */
static void take_result(struct proof *proof, const char *line)
{
    TEXT_AUTO word = text_copy(line);
    char *name = strchr(word, ' '), *why = name != NULL ? strchr(name + 1, ' ') : NULL;

    if (name == NULL)
        return;
    *name++ = '\0';
    if (why != NULL)
        *why++ = '\0';
    if (strcmp(word, "good") != 0 && strcmp(word, "bad") != 0 && strcmp(word, "down") != 0)
        return;
    note(proof, name, result_of(proof, name, word), why != NULL ? why : "");
    text_replace(&proof->running, NULL);
}

static bool take_replay(void *context, const char *line)
{
    struct proof *proof = context;

    if (strcmp(line, "ready") == 0)
        proof->ready = true;
    else if (text_starts(line, "begin "))
        text_replace(&proof->running, text_copy(line + strlen("begin ")));
    else if (text_starts(line, "broken"))
        text_replace(&proof->broken, text_copy(line + strlen("broken")));
    else
        take_result(proof, line);
    return proof->running != NULL || !is_enough(proof);
}

/* One machine, which takes all that is left. -EIO where it did not even begin. */
static int replay_once(struct proof *proof)
{
    struct lab_setup setup = {.dir = proof->options->lab,
                              .role = "replay",
                              .file_system = proof->fs->name,
                              .disk = proof->recording.base,
                              .read_only = true,
                              .others = {proof->recording.log, proof->names},
                              .console = proof->recording.console};
    int error;

    proof->ready = false;
    text_replace(&proof->broken, NULL);
    text_replace(&proof->running, NULL);
    error = lab_machine_run(&setup, take_replay, proof);
    if (proof->running != NULL) {
        TEXT_AUTO id = text_copy(proof->running);
        TEXT_AUTO why = text_format("the machine %s (%s)",
                                    error == -ETIMEDOUT ? "hung" : "went down", setup.console);

        note(proof, id, POINT_FAILED, why);
        return 0;
    }
    if (proof->ready || is_enough(proof))
        return 0;
    fprintf(stderr, "rig: blocks %s: the lab does not get ready: %s (%s)\n", proof->fs->name,
            proof->broken != NULL ? proof->broken
            : error < 0           ? strerror(-error)
                                  : "it ended",
            setup.console);
    return -EIO;
}

/* One machine after the other, for one may go down. Each must get further. */
static int replay(struct proof *proof)
{
    long left = write_names(proof), before;
    int error = left < 0 ? (int)left : 0;

    while (error == 0 && left > 0 && !is_enough(proof)) {
        before = left;
        error = replay_once(proof);
        left = write_names(proof);
        if (error == 0 && (left < 0 || (left == before && !is_enough(proof)))) {
            fprintf(stderr, "rig: blocks %s: the lab tries none of the %ld states left: %s (%s)\n",
                    proof->fs->name, before, proof->broken != NULL ? proof->broken : "it ended",
                    proof->recording.console);
            error = -EIO;
        }
    }
    return error;
}

/* ---- what became of it ---- */

static const struct point *result_at(const struct proof *proof, size_t i)
{
    char name[CRASH_ID_SIZE];
    TEXT_AUTO id = NULL;

    crash_format(&proof->crashes.items[i], name);
    id = point_id(proof, name);
    return points_find(&proof->points, id);
}

static struct block_tally add_up(const struct proof *proof)
{
    struct block_tally tally = {.points = proof->crashes.count};

    for (size_t i = 0; i < proof->crashes.count; i++) {
        const struct point *point = result_at(proof, i);

        tally.well += point != NULL && point->result == POINT_WELL;
        tally.apart += point != NULL && point->result == POINT_APART;
        tally.left += point == NULL;
    }
    return tally;
}

static void tell_kept_failures(struct proof *proof)
{
    for (size_t i = 0; i < proof->crashes.count; i++) {
        const struct point *point = result_at(proof, i);

        if (point != NULL && point->result == POINT_FAILED)
            tell_failure(proof, point->id, point->detail);
    }
}

static void tell(const struct proof *proof, const struct block_tally *tally)
{
    for (size_t i = 0; i < proof->crashes.count; i++) {
        const struct point *point = result_at(proof, i);

        if (point != NULL && point->result == POINT_APART)
            printf("apart %s: %s\n", point->id, point->detail);
    }
    printf("blocks %s: %zu points, %zu ended well, %zu left out; %zu apart: torn so that the file "
           "system itself does not come up\n",
           proof->fs->name, tally->points, tally->well, tally->left, tally->apart);
}

char *blocks_complaint(const struct block_tally *tally, size_t least)
{
    if (tally->well + tally->left < least)
        return text_format("%zu states that can be judged, and there must be %zu",
                           tally->well + tally->left, least);
    if (tally->apart * APART_SHARE > tally->points)
        return text_format("%zu of %zu states are apart, more than one in %u", tally->apart,
                           tally->points, APART_SHARE);
    return NULL;
}

/* Fewer states, as they may be asked for, need not be so many. */
static size_t least_of(const struct proof *proof)
{
    long states = proof->options->states;

    return states == 0 || states >= STATES_WANTED ? proof->fs->least : 0;
}

static bool has_failed(const struct proof *proof, const struct block_tally *tally)
{
    TEXT_AUTO complaint = NULL;

    if (tally->well + tally->apart + tally->left < tally->points)
        return true;
    if (proof->options->point == NULL)
        complaint = blocks_complaint(tally, least_of(proof));
    if (complaint != NULL)
        printf("FAIL blocks %s: %s\n", proof->fs->name, complaint);
    return complaint != NULL;
}

/* ---- all of them ---- */

struct sum {
    struct block_tally tally;
    size_t passed, failed;
};

static int prove(struct proof *proof)
{
    int error = load(proof);

    if (error == 0)
        error = open_results(proof);
    if (error < 0)
        return error;
    if (proof->options->point == NULL)
        describe(proof);
    tell_kept_failures(proof);
    return replay(proof);
}

static void add(struct sum *sum, const struct proof *proof, int error)
{
    struct block_tally tally = add_up(proof);

    if (error == 0)
        tell(proof, &tally);
    if (error < 0 || has_failed(proof, &tally))
        sum->failed++;
    else if (tally.well > 0 && tally.left == 0)
        sum->passed++;
    sum->tally = tally;
}

static void prove_one(const struct options *options, const struct block_fs *fs, struct sum *sum)
{
    struct proof proof = {.options = options, .fs = fs};
    int error = recording_open(&proof.recording, options->lab, options->out, fs);

    if (error == 0 && options->fresh)
        recording_forget(&proof.recording);
    proof.names = text_format("%s/names", proof.recording.dir);
    if (error == 0)
        error = prove(&proof);
    if (error != -ETIME)
        add(sum, &proof, error);
    proof_close(&proof);
}

static void sum_add(struct sum *sum, const struct sum *one)
{
    sum->passed += one->passed;
    sum->failed += one->failed;
    sum->tally.points += one->tally.points;
    sum->tally.well += one->tally.well;
    sum->tally.apart += one->tally.apart;
    sum->tally.left += one->tally.left;
}

/* In a process of its own, which says what it says in whole lines and leaves its sum in *sum,
 * shared with it; -errno where there is none. */
static int prove_aside(const struct options *options, const struct block_fs *fs, struct sum *sum)
{
    pid_t pid;

    fflush(stdout);
    pid = child_fork();
    if (pid != 0)
        return pid > 0 ? 0 : -errno;
    setvbuf(stdout, NULL, _IOLBF, 0);
    prove_one(options, fs, sum);
    _exit(EXIT_PASSED);
}

/* False where a process did not come to its end. */
static bool reap(void)
{
    int status = 0;

    while (wait(&status) < 0)
        if (errno != EINTR)
            return false;
    return WIFEXITED(status) && WEXITSTATUS(status) == EXIT_PASSED;
}

/* options->jobs of them side by side. */
static void prove_all(const struct options *options, const struct block_fs *const *chosen,
                      size_t count, struct sum *sum)
{
    size_t size = count * sizeof(struct sum);
    long running = 0;
    struct sum *sums = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (sums == MAP_FAILED)
        abort();
    for (size_t i = 0; i < count; i++) {
        if (running == options->jobs) {
            sum->failed += !reap();
            running--;
        }
        if (prove_aside(options, chosen[i], &sums[i]) == 0)
            running++;
        else
            sum->failed++;
    }
    for (; running > 0; running--)
        sum->failed += !reap();
    for (size_t i = 0; i < count; i++)
        sum_add(sum, &sums[i]);
    munmap(sums, size);
}

static const struct block_fs *fs_of_point(const char *id)
{
    TEXT_AUTO name = text_copy(id);
    char *slash = strchr(name, '/');

    if (slash == NULL)
        return NULL;
    *slash = '\0';
    return block_fs_find(name);
}

static int wrong(const char *complaint)
{
    fprintf(stderr, "rig: blocks: %s; `rig blocks --help` tells how it is used\n", complaint);
    return EXIT_USAGE;
}

static int help(void)
{
    fputs("usage: rig blocks [options] [NAME...]\n"
          "NAME: ext4, ext4-kept, xfs, btrfs, vfat, vfat-uninstall; all of them if none is given\n"
          "  -j N              file systems side by side (default 1)\n"
          "  --budget SECONDS  start no state after so long; what was left out is said\n"
          "  --states N        of each NAME (default 1100; 0: every one there is)\n"
          "  --until-failed    start no state of a NAME after one that failed\n"
          "  --fresh           record and judge anew what is kept\n"
          "  --point ID        one state again, as a failure names it: ext4/38-31\n"
          "  --lab DIR         what `make lab` made (default build/lab)\n"
          "  --out DIR         recordings and results (default build/proof/blocks)\n",
          stdout);
    return EXIT_PASSED;
}

static int parse(int argc, char **argv, struct options *options)
{
    static const struct option longs[] = {
        {"lab", required_argument, NULL, 'l'},
        {"out", required_argument, NULL, 'o'},
        {"budget", required_argument, NULL, 'b'},
        {"states", required_argument, NULL, 's'},
        {"point", required_argument, NULL, 'p'},
        {"fresh", no_argument, NULL, 'f'},
        {"until-failed", no_argument, NULL, 'u'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int option;

    optind = 0;
    opterr = 0;
    while ((option = getopt_long(argc, argv, "+j:h", longs, NULL)) != -1) {
        if (option == 'h')
            return help() + EXIT_USAGE + 1;
        if (option == 'l')
            options->lab = optarg;
        else if (option == 'o')
            options->out = optarg;
        else if (option == 'p')
            options->point = optarg;
        else if (option == 'f')
            options->fresh = true;
        else if (option == 'u')
            options->until_failed = true;
        else if (option == 'b' && text_number(optarg, 1, 1000000, &options->budget) < 0)
            return wrong("--budget takes a number of seconds within 1..1000000");
        else if (option == 's' && text_number(optarg, 0, 1000000, &options->states) < 0)
            return wrong("--states takes a number within 0..1000000");
        else if (option == 'j' && text_number(optarg, 1, JOBS_MAX, &options->jobs) < 0)
            return wrong("-j takes a number within 1..16");
        else if (option == '?')
            return wrong("there is a word that is not an option, or needs a value");
    }
    for (int i = optind; i < argc; i++)
        if (block_fs_find(argv[i]) == NULL)
            return wrong("no file system of that name");
    if (options->point != NULL && (optind != argc || fs_of_point(options->point) == NULL))
        return wrong("--point takes an id as a failure names it, \"ext4/38-31\", and nothing else");
    if (options->point != NULL && options->fresh)
        return wrong("--point looks at what is kept, which --fresh forgets");
    return 0;
}

static bool is_asked(const struct options *options, const struct block_fs *fs, char *const names[])
{
    if (options->point != NULL)
        return fs_of_point(options->point) == fs;
    for (size_t i = 0; names[i] != NULL; i++)
        if (strcmp(names[i], fs->name) == 0)
            return true;
    return names[0] == NULL;
}

int blocks_main(char *const words[])
{
    struct options options = {.lab = "build/lab",
                              .out = "build/proof/blocks",
                              .states = STATES_WANTED,
                              .jobs = 1,
                              .start = clock_now()};
    const struct block_fs *fs, *chosen[NAMES_MAX];
    struct sum sum = {0};
    size_t count = 0;
    int argc = 0, code;

    while (words[argc] != NULL)
        argc++;
    /* words[-1] is the verb, which getopt takes for the program's name */
    code = parse(argc + 1, (char **)(uintptr_t)(words - 1), &options);
    if (code != 0)
        return code > EXIT_USAGE ? EXIT_PASSED : code;
    for (size_t i = 0; (fs = block_fs_at(i)) != NULL; i++)
        if (is_asked(&options, fs, words + optind - 1) && count < NAMES_MAX)
            chosen[count++] = fs;
    prove_all(&options, chosen, count, &sum);
    printf("blocks: %zu points, %zu ended well, %zu left out; %zu apart\n", sum.tally.points,
           sum.tally.well, sum.tally.left, sum.tally.apart);
    printf("%zu passed, %zu failed\n", sum.passed, sum.failed);
    return sum.failed == 0 ? EXIT_PASSED : EXIT_FAILED;
}
