/*
 * held.h - one quarantined suspect written down, and the directories where suspects lie.
 *
 * STATE_DIR/quarantine/CASE/ID.json is written and synced before its suspect is moved, and before
 * a suspect leaves again. "state" in it is therefore what will be so once the step under way is
 * through; whether a suspect is held is told by whether it lies there. A suspect that was never
 * moved (power was cut before) has its ID.json and nothing lying there, and is not listed.
 *
 * Beside ID may lie ID.good: a good version made ready, or, between the exchange and the rename
 * after it, the suspect. held_settle() tells which and ends that.
 */
#ifndef BACKSTOP_AGENT_HELD_H
#define BACKSTOP_AGENT_HELD_H

#include <json-c/json.h>
#include <sys/stat.h>
#include "inventory.h"

#define QUARANTINE_NAME "quarantine"     /* in STATE_DIR */
#define YARD_NAME ".backstop-quarantine" /* at the top of another file system */
#define HELD_NAME_SIZE 32

enum held_state { HELD_HELD = 0, HELD_RESTORED, HELD_RELEASED, HELD_PURGED };
const char *held_state_string(enum held_state state);
int held_state_from_string(const char *text); /* enum held_state, or -1 */

/* Where the suspects of one case lie that come from one file system. */
struct yard {
    unsigned long long mount, device;
    uint32_t case_number;
    int fd;     /* open for reading */
    char *path; /* beneath the root */
};

struct yards {
    const struct place *place;
    struct yard **items;
    size_t count;
};

/* The yard for what lies in `directory` (absolute; its nearest existing ancestor counts), made if
 * missing. *yard stands until yards_close(). 0 or -errno. */
int yards_for(struct yards *yards, const char *directory, uint32_t case_number,
              const struct yard **yard);
void yards_close(struct yards *yards);

void held_name(char name[HELD_NAME_SIZE], uint32_t id, const char *suffix); /* "3.json" */

/* Inode of a name, 0 where it is not there. */
uint64_t inode_at(int dir_fd, const char *name);

/* What is written down of a suspect. Strings are the record's own. */
struct held {
    struct json_object *json;
    uint32_t case_number, id, boot, generation;
    const char *path, *held_at, *set_name;
    enum held_state state;
    bool in_place;       /* a directory whose owner, mode and attributes alone were put back */
    const char *from;    /* "recovery", or "restore": was displaced by a suspect that came back */
    uint32_t instead_of; /* with "restore": id of that suspect */
    uint64_t inode;      /* the suspect's */
    const char *sha256, *replaced_by; /* hex or NULL */
    uint64_t size;
};

/* Fields of a new record; entry is the suspect as it stands. NULL: no memory. */
struct json_object *held_describe(const struct held *held, const struct entry *entry);
/* Opens STATE_DIR/quarantine/CASE (made if `create`). fd or -errno. */
int held_open_case(const struct place *place, uint32_t case_number, bool create);
/* Writes ID.json whole, unsynced: the caller syncs before it moves anything. 0 or -errno. */
int held_write(int case_fd, uint32_t id, struct json_object *json);
/* Rewrites ID.json with another state, synced. 0 or -errno. */
int held_set_state(int case_fd, struct held *held, enum held_state state);
/* -EBADMSG: ID.json is not a record. held_free() afterwards. 0 or -errno. */
int held_read(int case_fd, uint32_t id, struct held *held);
void held_free(struct held *held);
/* The suspect's entry as written down; strings are allocated, entry_release() frees. 0 or -errno.
 */
int held_entry(const struct held *held, struct entry *entry);
void entry_release(struct entry *entry);

/* Highest id that any name in STATE_DIR/quarantine/CASE has; 0: none. */
uint32_t held_last_id(const struct place *place, uint32_t case_number);

/* Opens the directory in which the suspect lies: fd or -errno. */
int held_open_yard(const struct place *place, const struct held *held);
/* Opens the directory of an absolute path, no symbolic links; *name is its last part. fd or -errno.
 */
int parent_open(const struct place *place, const char *path, const char **name);
/* As parent_open, but makes the directories that are missing (0755). */
int parent_make(const struct place *place, const char *path, const char **name);

/*
 * Ends what a cut left of item `id`: afterwards no ID.good is there, and the suspect is at ID or in
 * its place. Nothing that might be a suspect is deleted. `held` is NULL where nothing was written
 * down (then ID.good can only be a good version). 0 or -errno.
 */
int held_settle(const struct place *place, int yard_fd, uint32_t id, const struct held *held);

/* Name in yard_fd under which the suspect lies now: "3", "3.good" or, while a restore is under way,
 * that of the suspect it makes room for. False: it does not lie there. */
bool held_find(int yard_fd, const struct held *held, char name[HELD_NAME_SIZE]);

/* Renames without replacing, also where the file system has no RENAME_NOREPLACE. 0 or -errno. */
int rename_keeping(int from_fd, const char *from, int to_fd, const char *to);
/* Deletes a file or a whole tree, never following a link. Not there: 0. 0 or -errno. */
int remove_tree(int dir_fd, const char *name);

#endif
