/*
 * rig.h - the rig as a whole: where its parts lie, its scenarios, the states they start from.
 */
#ifndef BACKSTOP_RIG_H
#define BACKSTOP_RIG_H

#include "session.h"

struct rig {
    const char *dir;       /* base.raw, payload.img, outbox/, states, answers kept */
    const char *scenarios; /* directory of .scn files */
    const char *out;       /* a directory a scenario, with logs and result.json */
    const char *tree;      /* source tree that `rig try` makes ready, or NULL */
    const char *accel;
    long jobs;
    bool keep;              /* disks of scenarios that passed, too */
    bool live;              /* the timeline goes to stdout */
    bool wants_view;        /* stdout is for the live view */
    struct view *view;      /* while there is one, or NULL */
    bool resume;            /* what passed before, with all the same, is not run again */
    long budget;            /* s of the host after which nothing is started; 0: no limit */
    struct scenario *items; /* sorted by name */
    size_t count;
};

/* Reads all scenarios. 0, or -EINVAL with a reason (caller frees). rig_free() in either case. */
int rig_load(struct rig *rig, char **reason);
/* Reads one more; those there before may move. 0, or -EINVAL with a reason. */
int rig_add(struct rig *rig, const char *path, char **reason);
/* Every start is a state that one of them provides. 0, or -EINVAL with a reason; rig_load() asks it
 * of its own. */
int rig_check_starts(const struct rig *rig, char **reason);
void rig_free(struct rig *rig);
const struct scenario *rig_find(const struct rig *rig, const char *name);

/* states.c */

/* Makes the state `name` unless it is there already, one process after the other. 0, or -errno with
 * a reason (caller frees). */
int state_prepare(const struct rig *rig, const char *name, char **reason);
/* Hash over all that the state is made of, and `more`. NULL with a reason; caller frees. */
char *state_key(const struct rig *rig, const char *state, const char *more, char **reason);
/* Copies a prepared state's disk and NVRAM into dir. 0, or -errno with a reason. */
int state_copy(const struct rig *rig, const char *name, const char *dir, char **reason);
/* A hash over all that decides a scenario's result: image, payload, its start, itself, and
 * rig_judge. NULL with a reason; caller frees either. */
char *scenario_key(const struct rig *rig, const struct scenario *scenario, char **reason);
/* Made by the Makefile: a hash of the rig's sources, but for those that only show results. */
extern const char rig_judge[];

#endif
