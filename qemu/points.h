/*
 * points.h - what became of the points of a proof: one JSON line each, appended as they end, so
 * that the next run goes on where this one stopped. Each has an "id" and a "result"; what else is
 * in a line is the proof's own.
 */
#ifndef BACKSTOP_RIG_POINTS_H
#define BACKSTOP_RIG_POINTS_H

#include "text.h"

#include <json-c/json.h>

/* Appends a point, which it puts, in one write(2): lines of several processes stay whole. 0 or
 * -errno. */
int points_append(const char *file, struct json_object *point);
typedef void point_taker(void *context, const char *id, struct json_object *point);
/* Gives all points in their order; no file is none. 0, -errno, or -EBADMSG where lines were passed
 * over that hold none. */
int points_each(const char *file, point_taker *take, void *context);
/* Adds all points to an object, by id: of one that is there twice the last counts. As above. */
int points_collect(const char *file, struct json_object *by_id);
bool point_is_well(struct json_object *point);

/* ---- those with a result and why it is that ---- */

enum point_result {
    POINT_FAILED,
    POINT_WELL,
    POINT_APART, /* what is proved was not reached, and that is nobody's fault here */
};

struct point {
    char *id;
    enum point_result result;
    char *detail; /* why not well */
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
/* Appends, where there is a file (points_open() was called); the result of an id that is there
 * already is replaced. 0 or -errno. */
int points_add(struct points *points, const char *id, enum point_result result, const char *detail);

#endif
