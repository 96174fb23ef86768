/*
 * changes.h - what is not as the newest good generation has it. Probe only.
 */
#ifndef BACKSTOP_AGENT_CHANGES_H
#define BACKSTOP_AGENT_CHANGES_H

#include "inventory.h"

struct change {
    enum change_kind kind;
    enum change_doubt doubt;
    const char *path;         /* as it is reached today: not good's where a link leads elsewhere */
    const struct entry *now;  /* NULL when gone; points into changes.now */
    const struct entry *good; /* NULL when added; points into the good inventory given */
    const char *set_name;
    uint8_t set_class;
    bool never;
};

struct changes {
    struct change *items; /* sorted by path (path_compare) */
    size_t count;
    struct inventory now; /* owned */
    size_t hashed;        /* entries whose content had to be read */
};

/*
 * Identity first; content is read only where identity moved and the stat leaves it open. Times
 * alone are no change. Nothing is said to be gone where it could not be looked for: in sets that
 * are not defined (any more, or whose file is bad), and beneath what could not be read; nor what
 * stands where it was and is no longer of its set. Where the directories that a set's path names by
 * letter lead elsewhere by now (/lib became a link), files are compared with what stands there.
 * What is doubtful is listed and says so: added where the generation did not look (all that is
 * added, if nobody knows where it looked); altered, but not kept, and the same but for inode and
 * ctime; on a file system that is not mounted; of another kernel than the running one.
 * 0 or -errno.
 */
int changes_probe(const struct place *place, const struct sets *sets, const struct inventory *good,
                  struct changes *changes, struct diag *diag);

/* Doubtful changes of one set for one reason, those never touched left out. */
struct doubtful {
    const char *set_name;
    enum change_doubt doubt;
    size_t count;
};

/* By set, in the order of the first of each; caller frees. 0 or -ENOMEM. */
int changes_doubtful(const struct changes *changes, struct doubtful **doubtful, size_t *count);
const char *change_path(const struct change *change);
void changes_free(struct changes *changes);

#endif
