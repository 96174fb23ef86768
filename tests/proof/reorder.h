/*
 * reorder.h - the states that a power cut may leave where the file system has not written all that
 * was called, or not in that order. After ALICE (Pillai and others, OSDI 2014).
 *
 * What is assumed of a file system, and nothing more:
 *   - fsync of a file: its bytes and attributes are durable; not its name
 *   - fsync of a directory: the names in it; syncfs: everything on that file system
 *   - a variable in efivarfs is durable when the call returns
 *   - a name is made, taken away, moved or exchanged wholly or not at all
 *   - what a sync has made durable stays
 * So at a cut after call N, of everything since the sync that covers it:
 *   - names: of one directory's changes a first part is there and the rest is not; directories are
 *     independent of each other, but for a move that concerns two ("r"). Moreover, up to two
 * changes missing, or alone there, whatever came before or after ("x"): no file system of today
 * does that
 *   - each file has its bytes, its former ones, none, half of them or zeros, with its attributes or
 *     the former: all files alike, and each alone
 * /run is not there after a cut.
 *
 * Ids: rN.K and xN.K, state K after call N.
 */
#ifndef BACKSTOP_PROOF_REORDER_H
#define BACKSTOP_PROOF_REORDER_H

#include <time.h>

#include "point.h"
#include "record.h"

struct reorder {
    const struct subject *subject;
    char root[POINT_PATH];
    struct recording recording;
    bool *fleeting; /* by node: beneath /run */
    unsigned calls;
    char wrong[512]; /* why the recording is none, or empty */
};

/* Records an uncut run; it must end as that of the subject did, with as many calls, and each call
 * must be understood. 0 or -errno, and `wrong` says why; reorder_free() either way. */
int reorder_make(struct reorder *reorder, const struct subject *subject);
void reorder_free(struct reorder *reorder);

/* After one call: changes of names that may be missing, the oldest; sets of names that are listed.
 */
#define PENDING_MAX 64
#define SUBSETS_MAX 512

/* What reorder_list() left out, summed over calls. */
struct unlisted {
    size_t sets;    /* of names, beyond SUBSETS_MAX */
    size_t changes; /* of names, beyond PENDING_MAX: they were taken to be there */
    unsigned calls; /* the last ones: time was up before all that a cut after them may leave */
};

/* Calls `add` with the id of each state that differs from all before: in a name, a byte, owner,
 * mode, xattr, or a time that was set. Those of any order differ from the others as well. The same
 * in every run of the same programs, but that it ends at `until` (0: it does not). */
struct unlisted reorder_list(const struct reorder *reorder, bool any_order, time_t until,
                             void (*add)(const char *id, void *user), void *user);
struct verdict reorder_run(const struct reorder *reorder, const char *id, const char *work,
                           bool keep);

#endif
