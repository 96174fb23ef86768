/*
 * bench_files - what the agent's work on files costs, beside its floor in the same run:
 *   changes  `backstop changes` over 100,000 files, nothing altered, and bare getdents64 and statx
 *   hash     the agent's hashing of a file in the page cache, and `openssl speed`
 *   good     taking a good generation of 2 GB, and `cp -a` plus `sha256sum`
 * usage: bench_files BACKSTOP DIRECTORY    (DIRECTORY on the disk to measure; 5 GB free)
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "io.h"

#define DIRS 1000
#define FILES_EACH 100
#define ROUNDS 7
#define HASH_SIZE (512u << 20)
#define GOOD_FILES 500
#define GOOD_FILE_SIZE (4u << 20)

static const char *backstop;
static char root[256];

static void die(const char *what)
{
    fprintf(stderr, "bench_files: %s: %s\n", what, strerror(errno));
    exit(1);
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

__attribute__((format(printf, 1, 2))) static void run(const char *format, ...)
{
    char command[1024];
    va_list args;

    va_start(args, format);
    vsnprintf(command, sizeof command, format, args);
    va_end(args);
    if (system(command) != 0)
        die(command);
}

/* A program started as from a shell, but without one. */
static void run_backstop(const char *first, const char *second, const char *third)
{
    const char *argv[] = {backstop, first, "--root", root, second, third, NULL};
    pid_t child = fork();
    int status;

    if (child == 0) {
        if (!freopen("/dev/null", "w", stdout))
            _exit(126);
        execv(backstop, (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    if (child < 0 || waitpid(child, &status, 0) < 0 || status != 0) {
        errno = ECHILD;
        die(first);
    }
}

static void put(const char *path, const void *bytes, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

    if (fd < 0 || write(fd, bytes, size) != (ssize_t)size || close(fd) < 0)
        die(path);
}

static void make_root(const char *directory, const char *name)
{
    static const char set[] = "[set]\nclass=content\npath=/opt/acme/**\n";
    char path[512];

    snprintf(root, sizeof root, "%s/%s", directory, name);
    run("rm -rf '%s' && mkdir -p '%s/etc/backstop/sets.d' '%s/opt/acme'", root, root, root);
    snprintf(path, sizeof path, "%s/etc/backstop/sets.d/acme.conf", root);
    put(path, set, strlen(set));
}

/* ---- changes ---- */

static void make_small_files(void)
{
    char path[512];

    for (unsigned i = 0; i < DIRS; i++) {
        snprintf(path, sizeof path, "%s/opt/acme/%04u", root, i);
        if (mkdir(path, 0755) < 0)
            die(path);
        for (unsigned k = 0; k < FILES_EACH; k++) {
            snprintf(path, sizeof path, "%s/opt/acme/%04u/content-%08u.dat", root, i, k * 7919);
            put(path, path, 64);
        }
    }
}

static unsigned stat_all(int parent, const char *name)
{
    static char buffers[2][65536];
    static unsigned depth;
    char *buffer = buffers[depth++ % 2];
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY);
    unsigned count = 0;
    ssize_t n;

    if (fd < 0)
        die(name);
    while ((n = getdents64(fd, buffer, sizeof buffers[0])) > 0)
        for (ssize_t at = 0; at < n;) {
            const struct dirent64 *entry = (const void *)(buffer + at);
            struct statx st;

            at += entry->d_reclen;
            if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
                continue;
            if (statx(fd, entry->d_name, AT_SYMLINK_NOFOLLOW | AT_STATX_DONT_SYNC,
                      STATX_BASIC_STATS, &st) < 0)
                die(entry->d_name);
            count += 1 + (entry->d_type == DT_DIR ? stat_all(fd, entry->d_name) : 0);
        }
    close(fd);
    depth--;
    return count;
}

static void bench_changes(const char *directory)
{
    double floor = 1e9, cost = 1e9;
    char tree[512];

    make_root(directory, "changes");
    make_small_files();
    run_backstop("good", "take", "--now");
    snprintf(tree, sizeof tree, "%s/opt/acme", root);
    for (unsigned i = 0; i < ROUNDS; i++) {
        double start = now(), middle;

        if (stat_all(AT_FDCWD, tree) != DIRS * (FILES_EACH + 1))
            die("the tree is not what was made");
        middle = now();
        run_backstop("changes", NULL, NULL);
        floor = middle - start < floor ? middle - start : floor;
        middle = now() - middle;
        cost = middle < cost ? middle : cost;
    }
    printf("changes  %u files: %.1f ms; getdents64 and statx alone %.1f ms: %.2f times (aim 1.2)\n",
           DIRS * FILES_EACH, cost * 1e3, floor * 1e3, cost / floor);
    run("rm -rf '%s'", root);
}

/* ---- hash ---- */

/* A file that does not compress or repeat within a page cache's reach: xorshift64. */
static void fill(char *bytes, size_t size, uint64_t seed)
{
    for (size_t i = 0; i + 8 <= size; i += 8) {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        memcpy(bytes + i, &seed, 8);
    }
}

static double openssl_speed(void)
{
    FILE *pipe =
        popen("openssl speed -mr -elapsed -seconds 1 -bytes 1048576 -evp sha256 2>/dev/null", "r");
    char line[256], *at;
    double speed = 0;

    while (pipe && fgets(line, sizeof line, pipe))
        if (strncmp(line, "+F:", 3) == 0 && (at = strrchr(line, ':')))
            speed = strtod(at + 1, NULL);
    if (!pipe || pclose(pipe) != 0 || speed <= 0)
        die("openssl speed");
    return speed;
}

static void bench_hash(const char *directory)
{
    char path[512], *bytes = malloc(HASH_SIZE);
    uint8_t sha256[SHA256_SIZE];
    double best = 1e9, speed, floor = 0;
    int fd;

    if (!bytes)
        die("memory");
    snprintf(path, sizeof path, "%s/hash", directory);
    fill(bytes, HASH_SIZE, 1);
    put(path, bytes, HASH_SIZE);
    free(bytes);
    fd = open(path, O_RDONLY);
    for (unsigned i = 0; i < ROUNDS; i++) {
        double start, measured = openssl_speed();

        floor = measured > floor ? measured : floor;
        start = now();
        if (fd < 0 || io_copy_hash(fd, -1, sha256) < 0)
            die(path);
        best = now() - start < best ? now() - start : best;
    }
    close(fd);
    unlink(path);
    speed = HASH_SIZE / best;
    printf(
        "hash     %.0f MB/s from the page cache; openssl speed %.0f MB/s: %.2f of it (aim 0.9)\n",
        speed / 1e6, floor / 1e6, speed / floor);
}

/* ---- good ---- */

static void make_large_files(void)
{
    char *bytes = malloc(GOOD_FILE_SIZE), path[512];

    if (!bytes)
        die("memory");
    for (unsigned i = 0; i < GOOD_FILES; i++) {
        fill(bytes, GOOD_FILE_SIZE, i + 1);
        snprintf(path, sizeof path, "%s/opt/acme/%04u", root, i);
        put(path, bytes, GOOD_FILE_SIZE);
    }
    free(bytes);
}

static void bench_good(const char *directory)
{
    double start, copied, summed, synced, taken;

    make_root(directory, "good");
    make_large_files();
    run("sync -f '%s'", root);
    start = now();
    run("cp -a '%s/opt' '%s/copy'", root, root);
    copied = now() - start;
    run("sync -f '%s'", root);
    synced = now() - start;
    start = now();
    run("find '%s/opt' -type f -exec sha256sum {} + >/dev/null", root);
    summed = now() - start;
    run("rm -rf '%s/copy' && sync -f '%s'", root, root);
    start = now();
    run_backstop("good", "take", "--now");
    taken = now() - start;
    printf(
        "good     %.1f GB, durable: %.2f s; cp -a %.2f s + sha256sum %.2f s = %.2f s (%.2f s with "
        "sync): %.2f times (aim under 1)\n",
        GOOD_FILES * (double)GOOD_FILE_SIZE / 1e9, taken, copied, summed, copied + summed,
        synced + summed, taken / (copied + summed));
    run("rm -rf '%s'", root);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fputs("usage: bench_files BACKSTOP DIRECTORY\n", stderr);
        return 2;
    }
    setlinebuf(stdout); /* or each child would print what is waiting again */
    backstop = argv[1];
    run("mkdir -p '%s'", argv[2]);
    bench_changes(argv[2]);
    bench_hash(argv[2]);
    bench_good(argv[2]);
    return 0;
}
