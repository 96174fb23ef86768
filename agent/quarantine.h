/*
 * quarantine.h - suspects, whole and restorable.
 *
 * STATE_DIR/quarantine/<case>/<id>  the suspect itself, moved by rename (same inode), and
 * STATE_DIR/quarantine/<case>/records.jsonl  of each where it came from, why, its identity and
 * hash (held_records.h). A suspect on another file system than STATE_DIR lies in
 * <mount point>/.backstop-quarantine/<case>/<id>; its record stays in STATE_DIR.
 */
#ifndef BACKSTOP_AGENT_QUARANTINE_H
#define BACKSTOP_AGENT_QUARANTINE_H

#include "inventory.h"

struct quarantined {
    uint32_t case_number;
    uint32_t id;   /* within the case, from 1; people write CASE/ID, "7/3" */
    char *path;    /* where it was */
    char *held_at; /* where it lies now, beneath root */
    char *set_name;
    const char *state; /* "held", "restored" (back in place), "released", "purged" */
    char *sha256;      /* hex, or NULL for links and directories */
    uint64_t size;
    char *replaced_by;   /* sha256 of the good version put in its place, or NULL: taken out */
    uint32_t generation; /* that the good version came from; 0: none */
};

struct quarantine {
    struct quarantined *items; /* by case, then id */
    size_t count;
};

/* The state directory of `place` must be open. What cannot be read is reported and left out. */
int quarantine_list(const struct place *place, struct quarantine *quarantine, struct diag *diag);
void quarantine_free(struct quarantine *quarantine);

/*
 * The three below take turns, journal an intent and that it was done, report what is in the way,
 * and may be cut anywhere: run again they finish. Already so: 0. -ENOENT: no such item.
 */
/* Puts a held suspect back in its place; what stands there goes to the quarantine in its turn, as a
 * new item of the same case. Missing directories above it are made (0755). */
int quarantine_restore(const struct place *place, uint32_t case_number, uint32_t id,
                       struct diag *diag);
/* Moves a held suspect to `destination` (a path that does not exist, as the caller sees it, on the
 * same file system) for study; nothing else changes. -EEXIST, -EXDEV, -ENOENT. */
int quarantine_release(const struct place *place, uint32_t case_number, uint32_t id,
                       const char *destination, struct diag *diag);
/* Deletes a held suspect for good; id 0: the whole case. What is known of it stays listed. */
int quarantine_purge(const struct place *place, uint32_t case_number, uint32_t id,
                     struct diag *diag);

#endif
