/*
 * resolve.h - openat2(2), and the same by hand where the kernel has none (before 5.6) or something
 * between here and the kernel does not know it (valgrind, older sandboxes).
 *
 * By hand, every directory part is opened with O_NOFOLLOW one by one and symbolic links are read
 * and walked within the root. A part that is exchanged for a link meanwhile is refused, never
 * followed.
 */
#ifndef BACKSTOP_AGENT_RESOLVE_H
#define BACKSTOP_AGENT_RESOLVE_H

#include <linux/openat2.h>

/*
 * Takes of how->resolve: RESOLVE_IN_ROOT, or RESOLVE_BENEATH together with RESOLVE_NO_SYMLINKS;
 * RESOLVE_NO_SYMLINKS; RESOLVE_NO_XDEV (by hand a crossing is seen by its device number, so a bind
 * mount of the same file system is not one). An fd or -errno.
 */
int resolve_open(int root_fd, const char *path, const struct open_how *how);

/* The same, never by openat2(2). */
int resolve_by_hand(int root_fd, const char *path, const struct open_how *how);

#endif
