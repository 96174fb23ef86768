/*
 * blocks.h - power cuts at the block layer: every crash state of a recorded recovery, repaired and
 * recovered again in a machine. `rig blocks`.
 */
#ifndef BACKSTOP_RIG_BLOCKS_H
#define BACKSTOP_RIG_BLOCKS_H

/* The words behind the verb. An exit code of the rig (run.h). */
int blocks_main(char *const words[]);

#endif
