/*
 * normal.h - what a tree is compared by. Two trees that differ only in what may differ after a cut
 * have the same lines.
 *
 * What may differ, and nothing else:
 *   - numbers of inodes and devices, and ctimes: a line says who shares an inode, and of a record
 *     that names one whether it is that of the file it speaks of
 *   - times of what the program itself has made: "now"
 *   - the journal: a cut run adds records. Its chain must hold; what counts is which changes were
 *     intended and done, each once, and that nothing stays begun
 *   - early.json says what the last run did; its mode and what stands are compared
 * After a good generation was taken, where `spare` (of the case) says so:
 *   - an old generation and contents that it alone had may stay: they go with the next one
 *   - the journal may be without its record of the generation, or have half of it
 * After an error of the system (FORM_FAULT) moreover:
 *   - the directory /run/modprobe.d, for masks that a failed recovery leaves and the next takes
 * back
 *   - what early.json says of mode and of what stands: a run that was refused its last call has put
 *     everything back and said that it failed, and the next one finds nothing to do
 *   - which number the newest good generation has; of older ones nothing is said
 *   - ids within a case and what the records say of the replacement: a second turn may have taken
 *     new ones. Every suspect is still to be held, once at least.
 *   - what is there besides in the state directory and in quarantines on other file systems
 */
#ifndef BACKSTOP_PROOF_NORMAL_H
#define BACKSTOP_PROOF_NORMAL_H

#include <time.h>

#include "tree.h"

enum form { FORM_CUT, FORM_FAULT };

struct lines {
    char **items; /* sorted */
    size_t count;
};

/* `since`: files with times from then on are the program's own. */
int normal_read(const char *root, time_t since, enum form form, struct lines *lines);
void lines_free(struct lines *lines);

struct tolerance {
    enum form form; /* FORM_FAULT: held suspects may be more */
    bool live;      /* the machine's own files alone are compared */
    bool spare;     /* see above */
};

/* First difference as a text, caller frees; NULL: none. */
char *lines_differ(const struct lines *wanted, const struct lines *found,
                   const struct tolerance *tolerance);

/*
 * What of `before` (live files, and what lies in the quarantine) has its bytes nowhere in `after`;
 * and, unless `end` is NULL, what has a name before and in the end, and none in `after`: a cut
 * leaves the old or the new everywhere. Caller frees; NULL: nothing.
 */
char *tree_lost(const struct tree *before, const struct tree *end, const struct tree *after);
/* What a good generation in `tree`, which is at `root`, names and the store has not. Caller frees;
 * NULL: nothing. */
char *tree_promises(const char *root, const struct tree *tree);

#endif
