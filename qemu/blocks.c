/* blocks.c - see blocks.h */
#include "blocks.h"
#include "clock.h"
#include "command.h"
#include "crash.h"
#include "labmachine.h"
#include "points.h"
#include "run.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MIB 1048576u
#define MARGIN MIB /* behind the file system, see lab/lab.c */
#define FAILURES_TOLD 10u
#define STATES_WANTED 1050

struct block_fs {
    const char *name;   /* as lab/lab.c has it */
    unsigned mib;       /* of the file system */
    unsigned table_mib; /* before it, for a partition table; 0: there is none */
    const char *const make[12];
};

/* Fixed identities, so that recordings of one build resemble each other. */
#define UUID "0bac5709-0000-4000-8000-00000000b10c"
#define MAKE_EXT4                                                                                  \
    {                                                                                              \
        "mkfs.ext4", "-q", "-F", "-b", "4096", "-U", UUID, "-E", "hash_seed=" UUID, NULL           \
    }
/* 512 bytes a sector: the table's MiB are 2048 of them */
#define MAKE_VFAT                                                                                  \
    {                                                                                              \
        "mkfs.vfat", "--invariant", "-F", "32", "-i", "BAC57091", "--offset", "2048", NULL         \
    }
static const struct block_fs file_systems[] = {
    {"ext4", 64, 0, MAKE_EXT4},
    {"ext4-kept", 64, 0, MAKE_EXT4},
    {"xfs", 300, 0, {"mkfs.xfs", "-q", "-f", "-m", "uuid=" UUID, NULL}},
    {"btrfs", 160, 0, {"mkfs.btrfs", "-q", "-f", "-U", UUID, NULL}},
    {"vfat", 34, 1, MAKE_VFAT},
    {"vfat-uninstall", 34, 1, MAKE_VFAT},
};
#define FILE_SYSTEMS (sizeof file_systems / sizeof *file_systems)

struct options {
    const char *lab, *out, *point;
    long budget, states;
    bool fresh, until_failed;
    double start;
};

struct tally {
    size_t points, well, apart, left;
};

/* ---- one file system ---- */

struct proof {
    const struct options *options;
    const struct block_fs *fs;
    char *dir, *base, *log, *names, *console; /* the recording, and what belongs to a run */
    struct points points;
    struct writes writes;
    struct crashes crashes;
    char *running; /* the state that the lab has begun */
    char *broken;  /* why the lab could not go on */
    bool ready, done;
    size_t told, failed;
};

static void proof_close(struct proof *proof)
{
    free(proof->dir);
    free(proof->base);
    free(proof->log);
    free(proof->names);
    free(proof->console);
    free(proof->running);
    free(proof->broken);
    points_close(&proof->points);
    writes_free(&proof->writes);
    crashes_free(&proof->crashes);
}

/* All that decides what is recorded and how it is judged. NULL where the lab is not made. */
static char *key_of(const struct options *options)
{
    static const char *const parts[] = {"kernel/vmlinuz", "initrd"};
    struct hash *hash = hash_new();
    char digest[HASH_TEXT_SIZE];
    int error = 0;

    for (size_t i = 0; i < 2 && error == 0; i++) {
        TEXT_AUTO path = text_format("%s/%s", options->lab, parts[i]);

        error = hash_add_file(hash, path);
        if (error < 0)
            fprintf(stderr, "rig: %s: %s; `make lab` makes it\n", path, strerror(-error));
    }
    for (size_t i = 0; i < FILE_SYSTEMS; i++)
        for (size_t k = 0; file_systems[i].make[k] != NULL; k++)
            hash_add_text(hash, file_systems[i].make[k]);
    hash_end(hash, digest);
    return error < 0 ? NULL : text_format("%.16s", digest);
}

static int proof_open(struct proof *proof, const struct options *options, const struct block_fs *fs)
{
    TEXT_AUTO key = key_of(options);
    TEXT_AUTO file = NULL;
    int error;

    *proof = (struct proof){.options = options, .fs = fs};
    if (key == NULL)
        return -ENOENT;
    proof->dir = text_format("%s/%s-%s", options->out, fs->name, key);
    proof->base = text_format("%s/base.raw", proof->dir);
    proof->log = text_format("%s/log", proof->dir);
    proof->names = text_format("%s/names", proof->dir);
    proof->console = text_format("%s/console.log", proof->dir);
    file = text_format("%s/points-%s.jsonl", options->out, key);
    if (options->fresh) {
        points_forget(file, fs->name);
        directory_remove(proof->dir);
    }
    error = directory_make(options->out);
    if (error == 0)
        error = points_open(&proof->points, file);
    if (error < 0)
        fprintf(stderr, "rig: %s: %s; remove it, and begin anew\n", file, strerror(-error));
    return error;
}

/* "ext4/38-31": of all that is in the file of results. */
static char *point_id(const struct proof *proof, const char *name)
{
    return text_format("%s/%s", proof->fs->name, name);
}

/* ---- the recording ---- */

static bool take_line(void *context, const char *line)
{
    struct proof *proof = context;

    if (strcmp(line, "done") == 0)
        proof->done = true;
    else if (text_starts(line, "broken"))
        text_replace(&proof->broken, text_copy(line + strlen("broken")));
    return true;
}

/* Runs a part of the lab that either ends well or not at all. */
static int run_role(struct proof *proof, const struct lab_setup *setup)
{
    int error;

    proof->done = false;
    error = lab_machine_run(setup, take_line, proof);
    if (error == 0 && proof->done)
        return 0;
    fprintf(stderr, "rig: blocks %s: %s: %s (%s)\n", proof->fs->name, setup->role,
            proof->broken != NULL ? proof->broken
            : error < 0           ? strerror(-error)
                                  : "the lab's machine ended too early",
            setup->console);
    return error < 0 ? error : -EIO;
}

static int run_tool(const char *const argv[])
{
    TEXT_AUTO reason = NULL;
    int error = command_must(argv, &reason);

    if (error < 0)
        fprintf(stderr, "rig: %s\n", reason);
    return error;
}

/* A GPT with one partition, an ESP: that is how Backstop knows it. */
static int make_table(const struct proof *proof, const char *disk)
{
    TEXT_AUTO script = text_format("%s.table", disk);
    TEXT_AUTO table = text_format("label: gpt\nlabel-id: " UUID "\n"
                                  "start=%uMiB, size=%uMiB, type=uefi, uuid=" UUID "\n",
                                  proof->fs->table_mib, proof->fs->mib);
    TEXT_AUTO command = text_format("exec sfdisk -q '%s' <'%s'", disk, script);
    const char *const argv[] = {"sh", "-c", command, NULL};
    int error = file_write(script, table, strlen(table));

    if (error == 0)
        error = run_tool(argv);
    unlink(script);
    return error;
}

static int make_file_system(const struct proof *proof, const char *disk)
{
    off_t size = (off_t)(proof->fs->table_mib + proof->fs->mib) * MIB;
    const char *argv[16] = {NULL};
    size_t count = 0;

    for (; proof->fs->make[count] != NULL; count++)
        argv[count] = proof->fs->make[count];
    argv[count] = disk;
    if (file_write(disk, "", 0) < 0 || truncate(disk, size) < 0 || run_tool(argv) < 0 ||
        truncate(disk, size + MARGIN) < 0 ||
        (proof->fs->table_mib > 0 && make_table(proof, disk) < 0)) {
        fprintf(stderr, "rig: %s: cannot be made\n", disk);
        return -EIO;
    }
    return 0;
}

static int copy_disk(const char *from, const char *to)
{
    const char *const argv[] = {"cp", "--sparse=always", from, to, NULL};

    return run_tool(argv);
}

/* base.raw is there when all of it is. */
static int record(struct proof *proof)
{
    TEXT_AUTO part = text_format("%s.part", proof->base);
    TEXT_AUTO disk = text_format("%s/disk.raw", proof->dir);
    struct lab_setup setup = {.dir = proof->options->lab,
                              .role = "prepare",
                              .file_system = proof->fs->name,
                              .disk = part,
                              .console = proof->console};
    int error;

    printf("blocks %s: recording\n", proof->fs->name);
    fflush(stdout);
    error = directory_make(proof->dir);
    if (error == 0)
        error = make_file_system(proof, part);
    if (error == 0)
        error = run_role(proof, &setup);
    if (error == 0)
        error = copy_disk(part, disk);
    setup.role = "record";
    setup.disk = disk;
    setup.log = proof->log;
    if (error == 0)
        error = run_role(proof, &setup);
    unlink(disk);
    return error == 0 && rename(part, proof->base) < 0 ? -errno : error;
}

/* ---- what there is to replay ---- */

static int load(struct proof *proof)
{
    TEXT_AUTO reason = NULL;
    size_t size = 0;
    char *base = file_read(proof->base, &size);
    int error = base != NULL ? writes_load(&proof->writes, proof->log, size, &reason) : -errno;

    if (error == 0)
        crashes_find(&proof->crashes, &proof->writes, (const uint8_t *)base, size,
                     (size_t)proof->options->states);
    else
        fprintf(stderr, "rig: %s\n", reason != NULL ? reason : proof->base);
    free(base);
    return error;
}

static void describe(const struct proof *proof)
{
    const struct crashes *crashes = &proof->crashes;

    printf("blocks %s: %zu writes, %zu flushes; %zu distinct states:", proof->fs->name,
           proof->writes.count, proof->writes.flush_count, crashes->count);
    for (enum crash_kind kind = 0; kind < CRASH_KINDS; kind++)
        printf("%s %zu of %zu %s", kind > 0 ? "," : "", crashes->distinct[kind],
               crashes->possible[kind], crash_kind_string(kind));
    putchar('\n');
    fflush(stdout);
}

static bool is_wanted(const struct proof *proof, const char *name)
{
    TEXT_AUTO id = point_id(proof, name);

    if (proof->options->point != NULL)
        return strcmp(proof->options->point, id) == 0;
    return points_find(&proof->points, id) == NULL;
}

/* The names of the states that are not yet known, one a line, filled up to whole sectors. */
static size_t write_names(const struct proof *proof)
{
    char *text = calloc(proof->crashes.count + 1, CRASH_ID_SIZE);
    size_t count = 0, used = 0;

    if (text == NULL)
        abort();
    for (size_t i = 0; i < proof->crashes.count; i++) {
        char name[CRASH_ID_SIZE];

        crash_format(&proof->crashes.items[i], name);
        if (!is_wanted(proof, name))
            continue;
        used += (size_t)sprintf(text + used, "%s\n", name);
        count++;
    }
    used = (used + DISK_SECTOR - 1) / DISK_SECTOR * DISK_SECTOR;
    if (file_write(proof->names, text, used) < 0)
        count = 0;
    free(text);
    return count;
}

/* ---- the replay ---- */

static bool is_over(const struct options *options)
{
    return clock_is_over(options->start, options->budget);
}

static bool is_enough(const struct proof *proof)
{
    return is_over(proof->options) || (proof->options->until_failed && proof->failed > 0);
}

/* A torn write of its own metadata can keep a file system from coming up at all, before anything of
 * Backstop runs. Without a tear none may: prefixes and reorderings are what it promises to bear. */
static enum point_result result_of(const struct proof *proof, const char *name, const char *word)
{
    struct crash crash;

    if (strcmp(word, "good") == 0)
        return POINT_WELL;
    return strcmp(word, "down") == 0 && crash_parse(name, &proof->writes, &crash) == 0 &&
                   crash.torn > 0
               ? POINT_APART
               : POINT_FAILED;
}

static void note(struct proof *proof, const char *name, enum point_result result, const char *why)
{
    TEXT_AUTO id = point_id(proof, name);
    int error = points_add(&proof->points, id, result, why);

    if (error < 0)
        fprintf(stderr, "rig: %s: %s\n", proof->points.file, strerror(-error));
    if (result != POINT_FAILED) {
        if (proof->options->point != NULL)
            printf("PASS blocks %s%s%s\n", id, result == POINT_APART ? " apart: " : "", why);
        return;
    }
    proof->failed++;
    if (proof->told++ < FAILURES_TOLD)
        printf("FAIL blocks %s: %s (again: rig blocks --point %s)\n", id, why, id);
    fflush(stdout);
}

/* "good NAME", "bad NAME WHY", "down NAME WHY"; false: another line. */
static bool take_result(struct proof *proof, const char *line)
{
    TEXT_AUTO word = text_copy(line);
    char *name = strchr(word, ' '), *why = name != NULL ? strchr(name + 1, ' ') : NULL;

    if (name == NULL)
        return false;
    *name++ = '\0';
    if (why != NULL)
        *why++ = '\0';
    if (strcmp(word, "good") != 0 && strcmp(word, "bad") != 0 && strcmp(word, "down") != 0)
        return false;
    note(proof, name, result_of(proof, name, word), why != NULL ? why : "");
    text_replace(&proof->running, NULL);
    return true;
}

static bool take_replay(void *context, const char *line)
{
    struct proof *proof = context;

    if (strcmp(line, "ready") == 0)
        proof->ready = true;
    else if (text_starts(line, "begin "))
        text_replace(&proof->running, text_copy(line + strlen("begin ")));
    else if (!take_result(proof, line))
        take_line(proof, line);
    return proof->running != NULL || !is_enough(proof);
}

/* One machine, which takes all that is left. -EIO where it did not even begin. */
static int replay_once(struct proof *proof)
{
    struct lab_setup setup = {.dir = proof->options->lab,
                              .role = "replay",
                              .file_system = proof->fs->name,
                              .disk = proof->base,
                              .read_only = true,
                              .others = {proof->log, proof->names},
                              .console = proof->console};
    int error;

    proof->ready = false;
    text_replace(&proof->broken, NULL);
    text_replace(&proof->running, NULL);
    error = lab_machine_run(&setup, take_replay, proof);
    if (proof->running != NULL) {
        TEXT_AUTO id = text_copy(proof->running);
        TEXT_AUTO why = text_format("the machine %s (%s)",
                                    error == -ETIMEDOUT ? "hung" : "went down", proof->console);

        note(proof, id, POINT_FAILED, why);
        return 0;
    }
    if (proof->ready || is_enough(proof))
        return 0;
    fprintf(stderr, "rig: blocks %s: the lab does not get ready: %s (%s)\n", proof->fs->name,
            proof->broken != NULL ? proof->broken
            : error < 0           ? strerror(-error)
                                  : "it ended",
            proof->console);
    return -EIO;
}

static int replay(struct proof *proof)
{
    size_t left = write_names(proof), before = left + 1;
    int error = 0;

    while (error == 0 && left > 0 && left < before && !is_enough(proof)) {
        error = replay_once(proof);
        if (proof->options->point != NULL)
            return error;
        before = left;
        left = write_names(proof);
    }
    return error;
}

static void add_up(const struct proof *proof, struct tally *tally)
{
    for (size_t i = 0; i < proof->crashes.count; i++) {
        char name[CRASH_ID_SIZE];
        TEXT_AUTO id = NULL;
        const struct point *point;

        crash_format(&proof->crashes.items[i], name);
        id = point_id(proof, name);
        point = points_find(&proof->points, id);
        tally->points++;
        tally->well += point != NULL && point->result == POINT_WELL;
        tally->apart += point != NULL && point->result == POINT_APART;
        tally->left += point == NULL;
    }
}

/* ---- all of them ---- */

static int prove(struct proof *proof)
{
    bool recorded = access(proof->base, R_OK) == 0;
    int error;

    if (!recorded && is_over(proof->options)) {
        printf("LEFT blocks %s: not recorded, no time left\n", proof->fs->name);
        return 0;
    }
    error = recorded ? 0 : record(proof);
    if (error == 0)
        error = load(proof);
    if (error < 0)
        return error;
    describe(proof);
    return replay(proof);
}

static int prove_one(const struct options *options, const struct block_fs *fs, struct tally *all,
                     size_t *passed, size_t *failed)
{
    struct proof proof;
    struct tally tally = {0};
    int error = proof_open(&proof, options, fs);

    if (error == 0)
        error = prove(&proof);
    add_up(&proof, &tally);
    if (error == 0)
        printf("blocks %s: %zu points, %zu ended well, %zu left out; %zu apart: torn so that the "
               "file system itself does not come up\n",
               fs->name, tally.points, tally.well, tally.left, tally.apart);
    if (error < 0 || tally.well + tally.apart + tally.left < tally.points || proof.failed > 0)
        ++*failed;
    else if ((tally.points > 0 && tally.left == 0) || options->point != NULL)
        ++*passed;
    all->points += tally.points;
    all->well += tally.well;
    all->apart += tally.apart;
    all->left += tally.left;
    proof_close(&proof);
    return error;
}

static const struct block_fs *find_fs(const char *name)
{
    for (size_t i = 0; i < FILE_SYSTEMS; i++)
        if (strcmp(file_systems[i].name, name) == 0)
            return &file_systems[i];
    return NULL;
}

static const struct block_fs *fs_of_point(const char *id)
{
    TEXT_AUTO name = text_copy(id);
    char *slash = strchr(name, '/');

    if (slash == NULL)
        return NULL;
    *slash = '\0';
    return find_fs(name);
}

static int wrong(const char *complaint)
{
    fprintf(
        stderr,
        "rig: blocks: %s\n"
        "usage: rig blocks [--lab DIR] [--out DIR] [--budget SECONDS] [--states N]\n"
        "                  [--fresh] [--until-failed] [--point ID] [NAME]...\n"
        "NAME: ext4, ext4-kept, xfs, btrfs, vfat, vfat-uninstall; all of them if none is given\n",
        complaint);
    return EXIT_USAGE;
}

static int parse(int argc, char **argv, struct options *options)
{
    static const struct option longs[] = {
        {"lab", required_argument, NULL, 'l'},    {"out", required_argument, NULL, 'o'},
        {"budget", required_argument, NULL, 'b'}, {"states", required_argument, NULL, 's'},
        {"point", required_argument, NULL, 'p'},  {"fresh", no_argument, NULL, 'f'},
        {"until-failed", no_argument, NULL, 'u'}, {NULL, 0, NULL, 0},
    };
    int option;

    optind = 0;
    while ((option = getopt_long(argc, argv, "+", longs, NULL)) != -1) {
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
        else if (option == '?')
            return wrong("not an option");
    }
    for (int i = optind; i < argc; i++)
        if (find_fs(argv[i]) == NULL)
            return wrong("no file system of that name");
    if (options->point != NULL && (optind != argc || fs_of_point(options->point) == NULL))
        return wrong("--point takes an id as a failure names it, \"ext4/38-31\", and nothing else");
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
                              .start = clock_now()};
    struct tally tally = {0};
    size_t passed = 0, failed = 0;
    int argc = 0, code;

    while (words[argc] != NULL)
        argc++;
    /* words[-1] is the verb, which getopt takes for the program's name */
    code = parse(argc + 1, (char **)(uintptr_t)(words - 1), &options);
    if (code != 0)
        return code;
    for (size_t i = 0; i < FILE_SYSTEMS; i++)
        if (is_asked(&options, &file_systems[i], words + optind - 1))
            prove_one(&options, &file_systems[i], &tally, &passed, &failed);
    printf("blocks: %zu points, %zu ended well, %zu left out; %zu apart\n", tally.points,
           tally.well, tally.left, tally.apart);
    printf("%zu passed, %zu failed\n", passed, failed);
    return failed == 0 ? EXIT_PASSED : EXIT_FAILED;
}
