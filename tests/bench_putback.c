/*
 * bench_putback - putting 500 files back durably, against what a file system asks for at least.
 *
 * Two floors: 500 renames and two directory syncs, which moves suspects out and puts nothing in
 * their place; and 500 files of the same contents made in one directory, one syncfs, 500 renames
 * that exchange them with those that stand, and two directory syncs.
 *
 * Both on the file system of the directory given (default: the current one), several rounds in
 * turn, the median of each. "exchange" is the engine from the first record to the last sync;
 * "recovery" is recover() whole: sets, good generations, changes with every suspect hashed,
 * journal.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "changes.h"
#include "recover.h"
#include "suspects.h"
#include "world.h"

#define FILES 500
#define ROUNDS 7

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void make_files(const struct world *world, int version)
{
    char path[64], text[256];
    for (int i = 0; i < FILES; i++) {
        snprintf(path, sizeof path, "/opt/acme/channel-%03d.bin", i);
        memset(text, 'x', sizeof text);
        snprintf(text, sizeof text, "content %d of %d\n", version, i);
        world_file(world, path, text, 0644);
    }
}

/* Nothing is removed before the end: ext4 passes over inodes that were freed a short time ago, one
 * by one, and what comes after would pay for it. */
static void make(struct world *world, const char *where)
{
    snprintf(world->root, sizeof world->root, "%s/world-XXXXXX", where);
    if (!mkdtemp(world->root))
        abort();
    world_dirs(world, "/etc/backstop/sets.d");
    world_file(world, "/etc/backstop/sets.d/acme.conf", "[set]\nclass=content\npath=/opt/acme/*\n",
               0644);
    world_dirs(world, "/opt/acme");
}

/* The files in one directory and an empty one beside it, both open, all durable. */
struct two_directories {
    int from, to;
    double start;
};

static struct two_directories floor_begin(const char *where, int version)
{
    struct world world;
    make(&world, where);
    make_files(&world, version);
    world_dirs(&world, "/held");
    struct two_directories two = {
        .from = open(world_path(&world, "/opt/acme"), O_RDONLY | O_DIRECTORY),
        .to = open(world_path(&world, "/held"), O_RDONLY | O_DIRECTORY),
    };
    sync();
    two.start = now();
    return two;
}

/* The time until both are durable. */
static double floor_end(const struct two_directories *two)
{
    if (fsync(two->from) < 0 || fsync(two->to) < 0)
        abort();
    double took = now() - two->start;
    close(two->from);
    close(two->to);
    return took;
}

static double time_floor(const char *where)
{
    char name[32];
    struct two_directories two = floor_begin(where, 1);
    for (int i = 0; i < FILES; i++) {
        snprintf(name, sizeof name, "channel-%03d.bin", i);
        if (renameat(two.from, name, two.to, name) < 0)
            abort();
    }
    return floor_end(&two);
}

static void write_file(int dir_fd, const char *name, const char *text)
{
    int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text) || close(fd) < 0)
        abort();
}

static double time_made_floor(const char *where)
{
    char name[32], text[64];
    struct two_directories two = floor_begin(where, 2);
    for (int i = 0; i < FILES; i++) {
        snprintf(name, sizeof name, "channel-%03d.bin", i);
        snprintf(text, sizeof text, "content %d of %d\n", 1, i);
        write_file(two.to, name, text);
    }
    if (syncfs(two.to) < 0)
        abort();
    for (int i = 0; i < FILES; i++) {
        snprintf(name, sizeof name, "channel-%03d.bin", i);
        if (renameat2(two.to, name, two.from, name, RENAME_EXCHANGE) < 0)
            abort();
    }
    return floor_end(&two);
}

static void make_faulty(struct world *world, const char *where)
{
    make(world, where);
    make_files(world, 1);
    world_take_good(world);
    make_files(world, 2);
    sync();
}

static double time_recovery(const char *where)
{
    struct world world;
    struct place place;
    struct recover_result result;
    struct ticket ticket = {
        .number = 4, .case_number = 1, .rung = RUNG_ALL, .stance = STANCE_RECOVERY, .failures = 3};
    make_faulty(&world, where);
    if (place_open(&place, world.root) < 0)
        abort();
    double start = now();
    if (recover(&place, &ticket, NULL, &result, NULL) < 0 || result.summary.put_back != FILES)
        abort();
    double took = now() - start;
    place_close(&place);
    return took;
}

static double run_engine(struct exchange *exchange)
{
    double start = now();
    exchange_write_down(exchange);
    exchange_stage(exchange);
    if (exchange_barrier(exchange) < 0)
        abort();
    exchange_move(exchange);
    if (exchange_finish(exchange) < 0)
        abort();
    double took = now() - start;
    for (size_t i = 0; i < exchange->count; i++)
        if (!exchange->moves[i].moved)
            abort();
    return took;
}

static double time_exchange(const char *where)
{
    struct world world;
    struct place place;
    struct sets sets;
    struct good_history *history;
    struct changes changes;
    struct suspects suspects;
    make_faulty(&world, where);
    world_open(&world, &place);
    if (sets_load(&place, &sets, NULL) < 0 || good_history_load(&place, &history, NULL) < 0 ||
        changes_probe(&place, &sets, good_history_newest(history), &changes, NULL) < 0 ||
        suspects_find(&place, &sets, history, &changes, NULL, RUNG_ALL, &suspects, NULL) < 0)
        abort();
    for (uint32_t i = 0; i < suspects.count; i++) {
        suspects.moves[i].case_number = 1;
        suspects.moves[i].id = i + 1;
    }
    struct exchange exchange = {.yards.place = &place,
                                .boot = 1,
                                .from = "bench",
                                .moves = suspects.moves,
                                .count = suspects.count};
    sync();
    double took = run_engine(&exchange);
    exchange_close(&exchange);
    suspects_free(&suspects);
    changes_free(&changes);
    good_history_free(history);
    sets_free(&sets);
    place_close(&place);
    return took;
}

static int by_size(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static double median(double *times)
{
    qsort(times, ROUNDS, sizeof *times, by_size);
    return times[ROUNDS / 2];
}

static void tell(const char *what, double took, double least, double made)
{
    printf("%-50s %8.1f ms  %6.2f %6.2f\n", what, 1e3 * took, took / least, took / made);
}

int main(int argc, char **argv)
{
    char where[100];
    double floor_times[ROUNDS], made_times[ROUNDS], exchange_times[ROUNDS], recovery_times[ROUNDS];
    snprintf(where, sizeof where, "%s/backstop-bench-XXXXXX", argc > 1 ? argv[1] : ".");
    if (!mkdtemp(where))
        abort();
    for (int i = 0; i < ROUNDS; i++) {
        floor_times[i] = time_floor(where);
        made_times[i] = time_made_floor(where);
        exchange_times[i] = time_exchange(where);
        recovery_times[i] = time_recovery(where);
    }
    world_run("rm -rf", where, "");
    double least = median(floor_times), made = median(made_times);
    printf("medians of %d rounds; times of the first floor (aim: 1.5) and of the second\n", ROUNDS);
    tell("floor: 500 renames, two directory syncs", least, least, made);
    tell("floor: 500 files made, syncfs, exchanged, 2 syncs", made, least, made);
    tell("500 files put back durably", median(exchange_times), least, made);
    tell("the whole recovery, probe and journal too", median(recovery_times), least, made);
    return 0;
}
