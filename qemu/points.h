/*
 * points.h - what became of the points of a proof: one JSON line each, appended as they end, so
 * that the next run goes on where this one stopped.
 */
#ifndef BACKSTOP_RIG_POINTS_H
#define BACKSTOP_RIG_POINTS_H

#include "text.h"

struct point {
    char *id;
    bool well;
    char *detail; /* why not */
};

struct points {
    char *file;
    struct point *items; /* by id */
    size_t count;
};

/* Reads what is there; half a line, which a kill left at the end, is taken off. 0, -errno, or
 * -EBADMSG with a file that holds something else. points_close() in either case. */
int points_open(struct points *points, const char *file);
void points_close(struct points *points);
const struct point *points_find(const struct points *points, const char *id);
/* Appends; the result of an id that is there already is replaced. 0 or -errno. */
int points_add(struct points *points, const char *id, bool well, const char *detail);
/* Takes out of the file all whose id begins with "GROUP/". 0 or -errno. */
int points_forget(const char *file, const char *group);

#endif
