/*
 * journal.h - STATE_DIR/journal.jsonl: what Backstop did, one JSON object a line,
 * each with "prev", the SHA-256 of the record before (its line without the LF;
 * 64 zeros for the first). Appended and synced, never rewritten. A torn line (a
 * cut while appending) is ended and passed over, and the record after it says
 * so ("after-torn"). An unreadable line elsewhere breaks the chain.
 *
 * Fields of every line: "seq", "prev", "event", "boot", "case", "reason".
 * Events: "install", "uninstall", "intent", "done", "good", "case-end",
 * "restore", "release", "purge", "rebuild". JOURNAL.md lists their fields.
 */
#ifndef BACKSTOP_AGENT_JOURNAL_H
#define BACKSTOP_AGENT_JOURNAL_H

#include <stdint.h>
#include <json-c/json.h>
#include "place.h"
#include "diag.h"

#define JOURNAL_NAME "journal.jsonl"

struct journal {
    struct json_object **records; /* in order */
    size_t count;
    bool torn;          /* last line was incomplete */
    size_t broken_line; /* first line whose chain does not hold, from 1; 0: whole */
};

/* A record with the fields that every line has; the caller adds the event's own. NULL: no memory.
 */
struct json_object *journal_record(const char *event, uint32_t boot, uint32_t case_number,
                                   const char *reason);
/* Takes ownership of record (an object with "event" and the event's own fields); adds seq and prev;
 * writes, fsyncs. What it could not write whole it takes away again. The state directory must be
 * open. 0 or -errno. */
int journal_append(const struct place *place, struct json_object *record);
/* The same for several, in one write and one sync. What a cut leaves of them are the first ones. */
int journal_append_all(const struct place *place, struct json_object **records, size_t count);
/* As journal_append(), giving the record's seq (may be NULL). */
int journal_append_seq(const struct place *place, struct json_object *record, int64_t *seq);
/* An absent journal is an empty one; of one over 64 MiB the end alone is read, and its chain does
 * not hold from there. 0 or -errno; damage is told in the struct, not an error. */
int journal_read(const struct place *place, struct journal *journal, struct diag *diag);
/* 0 or -ENOMEM. */
int journal_parse(const char *text, size_t size, struct journal *journal);
void journal_free(struct journal *journal);

/* Fields of a record: "" and 0 where absent or of another type. */
const char *journal_text(const struct json_object *record, const char *key);
int64_t journal_number(const struct json_object *record, const char *key);

#endif
