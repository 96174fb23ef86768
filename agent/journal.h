/*
 * journal.h - STATE_DIR/journal.jsonl: what Backstop did, one JSON object a line,
 * each with "prev", the SHA-256 of the line before (without its LF; 64 zeros
 * for the first). Appended and synced, never rewritten. A torn last line (a
 * cut while appending) is ended and passed over, and said so.
 *
 * Fields of every line: "seq", "prev", "event", "boot", "case", "reason".
 * Events: "install", "uninstall", "good", "intent", "done", "case-end",
 * "restore", "release", "purge", "rebuild". JOURNAL.md lists their fields.
 */
#ifndef BACKSTOP_AGENT_JOURNAL_H
#define BACKSTOP_AGENT_JOURNAL_H

#include <json-c/json.h>
#include "place.h"
#include "diag.h"

struct journal {
    struct json_object **records; /* in order */
    size_t count;
    bool torn;          /* last line was incomplete */
    size_t broken_line; /* first line whose chain does not hold, from 1; 0: whole */
};

/* Takes ownership of record (an object with "event" and the event's own fields); adds seq and prev;
 * writes, fsyncs. 0 or -errno. */
int journal_append(const struct place *place, struct json_object *record);
/* An absent journal is an empty one. 0 or -errno; damage is told in the struct, not an error. */
int journal_read(const struct place *place, struct journal *journal, struct diag *diag);
int journal_parse(const char *text, size_t size, struct journal *journal);
void journal_free(struct journal *journal);

#endif
