/*
 * chaos.h - random sequences of updates, faults, cuts and orderly ends, judged after every boot.
 */
#ifndef BACKSTOP_RIG_CHAOS_H
#define BACKSTOP_RIG_CHAOS_H

#include "rig.h"
#include "sight.h"

/* chaos_draw.c */

#define CHAOS_STEPS_MAX 16

/* What a seed stands for: lines of steps, without the last, which is always `chaos settle`. */
struct sequence {
    char *lines[CHAOS_STEPS_MAX];
    size_t count;
};
void sequence_draw(struct sequence *sequence, uint64_t seed);
void sequence_free(struct sequence *sequence);
/* A scenario file's text of the steps `chosen` (indices) of it; caller frees. */
char *sequence_scenario(const struct sequence *sequence, const size_t *chosen, size_t count,
                        const char *title);

/* chaos_steps.c: the step `chaos` of scenario files */

#define FAULT_KINDS_MAX 48u
struct fault_tally {
    char *name;             /* "write power-cut" */
    unsigned armed, struck; /* boots */
};

struct chaos_watch {
    struct sight sight; /* when it was last off */
    bool seen;
    struct circumstances boot; /* the one that is on */
    unsigned down;             /* boots in a row that did not stay, and nobody hindered them */
    struct fault_tally faults[FAULT_KINDS_MAX];
    size_t fault_count;
};
const char *chaos_fault(char *const words[], int count);
int chaos_perform(struct session *session, char *const words[], int count);
void chaos_watch_free(struct chaos_watch *watch);

/* Made by chaos.mk: a hash of what draws and judges. */
extern const char chaos_judge[];

/* chaos.c: `rig chaos ...`; words are behind the verb. An exit code. */
int chaos_verb(struct rig *rig, char *const words[]);

#endif
