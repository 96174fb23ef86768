/*
 * view.h - the live view of a run: a row a machine, a cell a boot, in plain ANSI.
 *
 * Rows lie in memory that the runner shares with the processes that it starts: each row has one
 * writer, the process that runs its machine, and the runner draws. What is read while it is written
 * is shown right a moment later. The functions that write a row take NULL for "no view".
 */
#ifndef BACKSTOP_RIG_VIEW_H
#define BACKSTOP_RIG_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include "how.h"

#define VIEW_BOOTS_MAX 128u
#define VIEW_TEXT 512u

enum view_state { VIEW_WAITING = 0, VIEW_RUNNING, VIEW_PASSED, VIEW_FAILED, VIEW_LEFT_OUT };

struct view_row {
    char name[64];
    enum view_state state;
    pid_t pid;                  /* of its process; 0: none yet */
    char cells[VIEW_BOOTS_MAX]; /* how_letter() of each boot */
    size_t boots;               /* may be more than are kept */
    char stage[32];             /* how far the boot is that is running */
    char said[VIEW_TEXT];       /* what came of it */
    double started, ended;      /* monotonic s */
};

struct view {
    double started;
    char said[VIEW_TEXT]; /* why nothing could be run */
    size_t count, room;
    struct view_row rows[];
};

/* For at most `room` rows; NULL where there is no memory. */
struct view *view_new(size_t room);
void view_free(struct view *view);
/* NULL where there is no room, or no view. */
struct view_row *view_add(struct view *view, const char *name);

void view_begin(struct view_row *row);
void view_boot(struct view_row *row, size_t index, enum how how); /* index from 1 */
void view_stage(struct view_row *row, const char *stage);
void view_end(struct view_row *row, enum view_state state, const char *said);
/* The process of a row has ended: without having said so, it failed. */
void view_gone(struct view *view, pid_t pid);

/* The size of what is drawn to. */
struct view_size {
    unsigned width, height; /* height 0: as many lines as there are */
    bool colour;
};

/*
 * Lines of text (caller frees), none of more than size.width columns and, but for escapes, all
 * ASCII. Rows that the height has no room for are counted in a line: those that run or failed are
 * shown first.
 */
char *view_render(const struct view *view, const struct view_size *size, double now);

/* True where stdout is a terminal that takes ANSI. */
bool view_is_possible(void);
/* Waits for a child, as wait(2), and draws meanwhile: its pid, or -1. A NULL view is not drawn. */
pid_t view_wait(struct view *view, int *status);
/* The last picture, and below it why each row failed that did. */
void view_finish(const struct view *view);
/* Draws on stdout, over what was drawn before. The last time all rows stay. */
void view_draw(const struct view *view, bool last);

#endif
