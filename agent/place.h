/*
 * place.h - the machine being worked on: its root and Backstop's state there.
 *
 * Everything that reads or changes a machine takes a `struct place`, so that
 * the running system, the root mounted by the initramfs and a disk from
 * another machine (--root DIR) are one case.
 */
#ifndef BACKSTOP_AGENT_PLACE_H
#define BACKSTOP_AGENT_PLACE_H

#include <stdbool.h>
#include <stddef.h>

#define STATE_DIR "/var/lib/backstop"
#define RUN_DIR "/run/backstop"
#define CONF_FILE "/etc/backstop/backstop.conf"
#define SETS_DIR_VENDOR "/usr/lib/backstop/sets.d"
#define SETS_DIR_LOCAL "/etc/backstop/sets.d"

struct place {
    char *root;   /* "/" or DIR, absolute, no trailing slash but for "/" */
    int root_fd;  /* O_PATH|O_DIRECTORY */
    int state_fd; /* STATE_DIR beneath root; -1 until place_open_state() */
    bool live;    /* root is "/" of the running system: /run and EFI variables are its own */
};

/* root NULL means "/". 0 or -errno. */
int place_open(struct place *place, const char *root);
/*
 * Opens STATE_DIR; with `create` makes it (0700) with its subdirectories store,
 * generations and quarantine. Called again it is already open: 0. 0 or -errno.
 */
int place_open_state(struct place *place, bool create);
/* Safe on a place that place_open refused. */
void place_close(struct place *place);

/*
 * Opens `path` (absolute, taken from the place's root) by openat2(2) with
 * RESOLVE_IN_ROOT's confinement; `follow` false adds RESOLVE_NO_SYMLINKS for
 * every component. O_CLOEXEC is added. An fd or -errno (-ELOOP: a symbolic
 * link in a path that may have none).
 */
int place_openat(const struct place *place, const char *path, int flags, unsigned mode,
                 bool follow);

/*
 * The name of the directory behind fd within the place, as the kernel has it, free of links: ""
 * for the root. Caller frees. 0, -EXDEV where it is not beneath the root, or -errno.
 */
int place_name(const struct place *place, int fd, char **name);

#endif
