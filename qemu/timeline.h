/*
 * timeline.h - where the boots of a scenario lie in their drawing: one row a boot, all to one
 * scale.
 *
 * Pure arithmetic in the drawing's own units; report_svg.c draws it.
 */
#ifndef BACKSTOP_RIG_TIMELINE_H
#define BACKSTOP_RIG_TIMELINE_H

#include <json-c/json.h>
#include <stddef.h>
#include "how.h"

#define TIMELINE_WIDTH 960
#define TIMELINE_LEFT 24.0   /* where bars begin */
#define TIMELINE_RIGHT 924.0 /* where the longest one ends; room for its mark behind it */
#define TIMELINE_TOP 34.0    /* below the axis */
#define TIMELINE_BAR 22.0    /* height of a bar */
#define TIMELINE_HEAD 27.0   /* a line above a bar, and the events' triangles */
#define TIMELINE_NOTE 17.0   /* a line of notes below it */
#define TIMELINE_GAP 16.0
#define TIMELINE_PARTS 5 /* firmware, kernel, initramfs, early, booted */
#define TIMELINE_TICKS 8

struct timeline_part {
    double from, to; /* x; equal: not reached, or over at once */
};

struct timeline_row {
    double y, bar_y; /* of the row, and of its bar */
    double from, to; /* x of the bar */
    double seconds;  /* host */
    struct timeline_part parts[TIMELINE_PARTS];
    size_t notes;
};

struct timeline {
    double scale; /* units a second */
    double height;
    double tick; /* s from one tick to the next */
    struct timeline_row *rows;
    size_t count;
};

/*
 * Lays out the boots of a result ("boots" of result.json), with room for notes[i] lines below row
 * i. Times that cannot be (below 0, not in order, past the end) are moved to where they can.
 * timeline_free() afterwards.
 */
void timeline_lay_out(struct timeline *timeline, const struct json_object *result,
                      const size_t *notes);
void timeline_free(struct timeline *timeline);
/* x of a time of the row's boot, within its bar. */
double timeline_x(const struct timeline *timeline, const struct timeline_row *row, double seconds);

#endif
