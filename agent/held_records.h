/*
 * held_records.h - what is written down of the suspects of one case.
 *
 * STATE_DIR/quarantine/CASE/records.jsonl: one JSON object a line for each suspect, UTF-8 but for
 * names of files, which stand as their bytes are. Written whole by the one atomic writer before any
 * suspect of the batch is moved, and before one leaves again. "state" in a record is therefore what
 * will be so once the step under way is through; whether a suspect is held is told by whether it
 * lies there. A suspect that was never moved (power was cut before) has its record and nothing
 * lying there, and is not listed.
 *
 * "flags" of a suspect: those of chattr(1) that forbid to move it, "i", "a" or "ia"; absent: none.
 *
 * A line that is no record is kept as it stands, and hides no other.
 */
#ifndef BACKSTOP_AGENT_HELD_RECORDS_H
#define BACKSTOP_AGENT_HELD_RECORDS_H

#include <json-c/json.h>
#include "inventory.h"

#define QUARANTINE_NAME "quarantine"     /* in STATE_DIR */
#define YARD_NAME ".backstop-quarantine" /* at the top of another file system */
#define RECORDS_NAME "records.jsonl"
#define HELD_NAME_SIZE 32

enum held_state { HELD_HELD = 0, HELD_RESTORED, HELD_RELEASED, HELD_PURGED };
const char *held_state_string(enum held_state state);
int held_state_from_string(const char *text); /* enum held_state, or -1 */

/* What is written down of a suspect. Strings are the record's own. */
struct held {
    struct json_object *json;
    uint32_t case_number, id, boot, generation;
    const char *path, *held_at, *set_name;
    enum held_state state;
    bool in_place;       /* a directory whose owner, mode and attributes alone were put back */
    const char *from;    /* "recovery", or "restore": was displaced by a suspect that came back */
    uint32_t instead_of; /* with "restore": id of that suspect */
    unsigned flags;      /* the suspect's: ENTRY_ */
    uint64_t inode;      /* the suspect's */
    const char *sha256, *replaced_by; /* hex or NULL */
    uint64_t size;
};

/* "i", "a" or "ia", as chattr(1) spells them; "": none. */
const char *flags_text(unsigned flags);
unsigned flags_parse(const char *text);
/* Fields of a new record; entry is the suspect as it stands. NULL: no memory. */
struct json_object *held_describe(const struct held *held, const struct entry *entry);
/* The suspect's entry as written down; strings are allocated, entry_release() frees. 0 or -errno.
 */
int held_entry(const struct held *held, struct entry *entry);
void entry_release(struct entry *entry);

struct damaged_line {
    char *text;          /* any bytes, without the line feed */
    size_t size, number; /* number: of the line in the file, from 1 */
};

struct records {
    uint32_t case_number;
    struct held **items; /* by id; each stays where it is until records_free() */
    size_t count;
    struct damaged_line *damaged;
    size_t damaged_count;
};

/* No file: none. records_free() afterwards. 0 or -errno. */
int records_read(int case_fd, uint32_t case_number, struct records *records);
/* The same from text. 0 or -ENOMEM. */
int records_parse(const char *text, size_t size, uint32_t case_number, struct records *records);
/* *held is NULL where there is none. 0, or -EBADMSG where a line that cannot be read may be it. */
int records_find(const struct records *records, uint32_t id, struct held **held);
/* Takes ownership of json (held_describe's); what stood under its id gives way. 0, -ENOMEM, or
 * -EINVAL where it is no record. */
int records_put(struct records *records, struct json_object *json);
/* Whole and durable. -EFBIG where it would be too long to be read again. 0 or -errno. */
int records_write(int case_fd, const struct records *records);
/* For the next write. 0, or -ENOMEM and it has its former one. */
int records_set_state(struct held *held, enum held_state state);
/* Writes them with another state of one record, which keeps its former one if that fails. */
int records_write_state(int case_fd, const struct records *records, struct held *held,
                        enum held_state state);
void records_free(struct records *records);

#endif
