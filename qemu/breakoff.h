/*
 * breakoff.h - SIGINT, SIGTERM and SIGHUP for a verb that has something to remove before it ends.
 */
#ifndef BACKSTOP_RIG_BREAKOFF_H
#define BACKSTOP_RIG_BREAKOFF_H

/* From now on the first of these signals is noted and ends nothing; a second one of its kind ends
 * the program. One that is ignored stays so. */
void breakoff_watch(void);
/* The signal that was noted, or 0. */
int breakoff_signal(void);
/* Becomes readable when a signal is noted; -1 where none is watched for, or one was noted before.
 */
int breakoff_fd(void);
/* Ends the program as the noted signal does, with stdout written out; returns where there was none.
 */
void breakoff_end(void);

#endif
