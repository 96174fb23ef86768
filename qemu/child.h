/*
 * child.h - processes that do not outlive the rig, however it ends.
 */
#ifndef BACKSTOP_RIG_CHILD_H
#define BACKSTOP_RIG_CHILD_H

#include <sys/types.h>

/* fork(2); the new process is killed when this one ends. */
pid_t child_fork(void);

#endif
