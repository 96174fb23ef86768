/*
 * pool.h - runs many points over several processes, and keeps what came of each in a file, so that
 * a later run goes on where this one ended.
 */
#ifndef BACKSTOP_PROOF_POOL_H
#define BACKSTOP_PROOF_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "point.h"

struct result {
    char id[2 * POINT_ID]; /* "CASE/POINT" */
    bool well;
    unsigned again;
    char *detail; /* or NULL */
};

struct pool {
    char path[POINT_PATH];  /* of the results, one JSON object a line */
    struct result *results; /* sorted by id */
    size_t count;
    unsigned jobs;
    time_t until; /* no point is begun after; 0: no limit */
    bool failed;  /* a worker could not work */
    size_t left;  /* points that were not begun */
};

/* What a worker calls for each point; `work` is a path of its own at which nothing is. */
typedef struct verdict point_runner(void *user, const char *id, const char *work);

/* Reads what earlier runs have found. 0 or -errno. */
int pool_open(struct pool *pool, bool fresh);
void pool_close(struct pool *pool);
const struct result *pool_find(const struct pool *pool, const char *id);

/* Runs those of `ids` ("POINT", all of one case) that have no result yet. */
void pool_run(struct pool *pool, const char *name, char *const *ids, size_t count, const char *dir,
              point_runner *run, void *user);

#endif
