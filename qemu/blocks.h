/*
 * blocks.h - power cuts at the block layer: every crash state of a recorded recovery, repaired and
 * recovered again in a machine. `rig blocks`.
 */
#ifndef BACKSTOP_RIG_BLOCKS_H
#define BACKSTOP_RIG_BLOCKS_H

#include <stddef.h>

/* The words behind the verb. An exit code of the rig (run.h). */
int blocks_main(char *const words[]);

struct block_tally {
    size_t points, well, apart, left;
};

/* Why states of which none failed are no proof all the same (caller frees), or NULL: fewer than
 * `least` have been tried or are left, or too many are apart. */
char *blocks_complaint(const struct block_tally *tally, size_t least);

#endif
