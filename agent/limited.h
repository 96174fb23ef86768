/*
 * limited.h - what may never come to an end, such as the start of a program while a product that
 * has to allow it hangs: done in a child that has so many seconds. One that has not ended by then
 * is killed and left behind, never waited for: a process that hangs in the kernel takes no signal.
 *
 * fork(), not posix_spawn() or popen(): those return when the child's exec is through.
 */
#ifndef BACKSTOP_AGENT_LIMITED_H
#define BACKSTOP_AGENT_LIMITED_H

#include <stddef.h>

/* What act() returned, 0 to 255. -ETIMEDOUT: it was left behind; -ECANCELED: a signal ended it; or
 * another -errno. */
int limited_call(int (*act)(void *argument), void *argument, unsigned seconds);
/* What a command of the shell prints, all of it that fits, with a NUL behind it. 0, whatever its
 * status is, -ETIMEDOUT: it was left behind, or another -errno. */
int limited_read(const char *command, unsigned seconds, char *text, size_t size);

#endif
