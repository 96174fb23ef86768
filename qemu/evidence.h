/*
 * evidence.h - what a machine that is off has on its disk of what Backstop did, read from outside.
 */
#ifndef BACKSTOP_RIG_EVIDENCE_H
#define BACKSTOP_RIG_EVIDENCE_H

#include "session.h"

/* Of the journal the last lines are kept, each up to so many bytes. */
#define EVIDENCE_LINES 60u
#define EVIDENCE_LINE 4096u
#define EVIDENCE_NAMES 200u

/*
 * An object (caller frees): "journal" (array of lines, the oldest first), "journal-left-out" (lines
 * before those), "quarantine" (array of what lies there: path, kind, inode, mode ... as
 * disk_listing() gives them), "quarantine-left-out";
 * or "unreadable" with the reason. Never fails the scenario.
 */
struct json_object *evidence_read(struct session *session);
/* The same of a disk whose root was found already; *settled: its journal has been replayed. */
struct json_object *evidence_of(const struct disk *disk, bool *settled);
/* There is none, and why. */
struct json_object *evidence_unreadable(const char *reason);

/* A line of the evidence's journal, parsed (caller puts it), or NULL. */
struct json_object *evidence_record(const struct json_object *evidence, size_t index);
/* What recoveries set out to change: the "changes" of all intents in the evidence's journal, the
 * oldest first, as agent/JOURNAL.md has them. An array (caller frees). */
struct json_object *evidence_changes(const struct json_object *evidence);

#endif
