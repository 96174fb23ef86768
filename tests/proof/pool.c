/* pool.c - see pool.h */
#include "pool.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define LINE_MAX_SIZE 4000 /* below PIPE_BUF: lines of workers do not mix */
#define DETAIL_MAX 1500

/* ---- results ---- */

static int by_id(const void *a, const void *b)
{
    const struct result *x = a, *y = b;
    return strcmp(x->id, y->id);
}

static int add_result(struct pool *pool, const char *line)
{
    struct json_object *json = json_tokener_parse(line), *value = NULL;
    struct result result = {.well = false};
    if (!json_object_object_get_ex(json, "id", &value)) { /* half a line, of a run that was ended */
        json_object_put(json);
        return 0;
    }
    snprintf(result.id, sizeof result.id, "%s", json_object_get_string(value));
    if (json_object_object_get_ex(json, "result", &value))
        result.well = strcmp(json_object_get_string(value), "well") == 0;
    if (json_object_object_get_ex(json, "again", &value))
        result.again = (unsigned)json_object_get_int(value);
    if (json_object_object_get_ex(json, "detail", &value))
        result.detail = strdup(json_object_get_string(value));
    json_object_put(json);
    struct result *results = realloc(pool->results, (pool->count + 1) * sizeof *results);
    if (!results)
        return -ENOMEM;
    pool->results = results;
    results[pool->count++] = result;
    return 0;
}

static int load(struct pool *pool)
{
    FILE *file = fopen(pool->path, "re");
    char *line = NULL;
    size_t size = 0;
    int err = 0;
    while (file && err == 0 && getline(&line, &size, file) > 0)
        err = add_result(pool, line);
    free(line);
    if (file)
        fclose(file);
    if (pool->count)
        qsort(pool->results, pool->count, sizeof *pool->results, by_id);
    return err;
}

int pool_open(struct pool *pool, bool fresh)
{
    if (fresh && unlink(pool->path) < 0 && errno != ENOENT)
        return -errno;
    return load(pool);
}

void pool_close(struct pool *pool)
{
    for (size_t i = 0; i < pool->count; i++)
        free(pool->results[i].detail);
    free(pool->results);
    pool->results = NULL;
    pool->count = 0;
}

const struct result *pool_find(const struct pool *pool, const char *id)
{
    struct result wanted;
    snprintf(wanted.id, sizeof wanted.id, "%s", id);
    return pool->count ? bsearch(&wanted, pool->results, pool->count, sizeof wanted, by_id) : NULL;
}

/* ---- workers ---- */

struct job {
    const struct pool *pool;
    const char *name, *dir;
    char *const *ids;
    const size_t *todo; /* indices of ids */
    size_t count;
    point_runner *run;
    void *user;
    atomic_size_t *next; /* shared */
    int out;
};

static bool time_is_up(const struct pool *pool)
{
    return pool->until && time(NULL) >= pool->until;
}

static void report(const struct job *job, const char *id, const struct verdict *verdict)
{
    char whole[2 * POINT_ID], detail[DETAIL_MAX];
    struct json_object *json = json_object_new_object();
    snprintf(whole, sizeof whole, "%s/%s", job->name, id);
    json_object_object_add(json, "id", json_object_new_string(whole));
    json_object_object_add(json, "result",
                           json_object_new_string(verdict->well ? "well" : "failed"));
    json_object_object_add(json, "again", json_object_new_int((int)verdict->again));
    if (verdict->detail) {
        snprintf(detail, sizeof detail, "%s", verdict->detail);
        json_object_object_add(json, "detail", json_object_new_string(detail));
    }
    char line[LINE_MAX_SIZE];
    int length = snprintf(line, sizeof line, "%s\n",
                          json_object_to_json_string_ext(json, JSON_C_TO_STRING_PLAIN |
                                                                   JSON_C_TO_STRING_NOSLASHESCAPE));
    if (length > 0 && (size_t)length < sizeof line &&
        write(job->out, line, (size_t)length) != length)
        _exit(1);
    json_object_put(json);
}

_Noreturn static void work(const struct job *job, unsigned number)
{
    char path[POINT_PATH];
    snprintf(path, sizeof path, "%s/" WORK_OF_WORKER, job->dir, number);
    while (!time_is_up(job->pool)) {
        size_t turn = atomic_fetch_add(job->next, 1);
        if (turn >= job->count)
            break;
        const char *id = job->ids[job->todo[turn]];
        struct verdict verdict = job->run(job->user, id, path);
        report(job, id, &verdict);
        free(verdict.detail);
    }
    _exit(0);
}

/* What workers say goes to the file as it comes. */
static void collect(struct pool *pool, int from)
{
    char buffer[4096];
    int fd = open(pool->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    ssize_t got;
    while ((got = read(from, buffer, sizeof buffer)) != 0)
        if ((got < 0 && errno != EINTR) || (got > 0 && write(fd, buffer, (size_t)got) != got)) {
            fprintf(stderr, "proof-calls: %s: %s\n", pool->path, strerror(errno));
            pool->failed = true;
            break;
        }
    if (fd >= 0)
        close(fd);
}

static void run_workers(struct pool *pool, struct job *job)
{
    int pipes[2], status;
    if (pipe2(pipes, O_CLOEXEC) < 0)
        abort();
    job->out = pipes[1];
    fflush(NULL);
    for (unsigned i = 0; i < pool->jobs; i++)
        if (fork() == 0)
            work(job, i);
    close(pipes[1]);
    collect(pool, pipes[0]);
    close(pipes[0]);
    while (waitpid(-1, &status, 0) > 0)
        pool->failed = pool->failed || !WIFEXITED(status) || WEXITSTATUS(status) != 0;
}

void pool_run(struct pool *pool, const char *name, char *const *ids, size_t count, const char *dir,
              point_runner *run, void *user)
{
    size_t *todo = calloc(count + 1, sizeof *todo);
    atomic_size_t *next =
        mmap(NULL, sizeof *next, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct job job = {pool, name, dir, ids, todo, 0, run, user, next, -1};
    if (!todo || next == MAP_FAILED)
        abort();
    for (size_t i = 0; i < count; i++) {
        char whole[2 * POINT_ID];
        snprintf(whole, sizeof whole, "%s/%s", name, ids[i]);
        if (!pool_find(pool, whole))
            todo[job.count++] = i;
    }
    if (job.count)
        run_workers(pool, &job);
    pool_close(pool);
    if (load(pool) < 0)
        abort();
    munmap(next, sizeof *next);
    free(todo);
}
