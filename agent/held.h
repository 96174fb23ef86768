/*
 * held.h - the directories where suspects lie, and what a cut leaves in them.
 *
 * At ID lies the suspect, or, until the one rename that exchanges them is made, the good version
 * that is to replace it. held_settle() tells which. ID.good is always a good version: one that
 * nothing stood in the way of, or one on a file system without RENAME_EXCHANGE.
 */
#ifndef BACKSTOP_AGENT_HELD_H
#define BACKSTOP_AGENT_HELD_H

#include <sys/stat.h>
#include "held_records.h"

#define READY_SUFFIX ".good"

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

void held_name(char name[HELD_NAME_SIZE], uint32_t id, const char *suffix); /* "3.good" */

/* Inode of a name, 0 where it is not there. */
uint64_t inode_at(int dir_fd, const char *name);

/* Opens STATE_DIR/quarantine/CASE (made if `create`). fd or -errno. */
int held_open_case(const struct place *place, uint32_t case_number, bool create);
/* Highest id that a record of the case or a name in STATE_DIR/quarantine/CASE has; 0: none. */
uint32_t held_last_id(const struct place *place, uint32_t case_number);

/* Highest case that has a directory in STATE_DIR/quarantine; 0: none. */
uint32_t held_last_case(const struct place *place);

/* Opens the directory in which the suspect lies: fd or -errno. */
int held_open_yard(const struct place *place, const struct held *held);
/* Opens the directory of an absolute path, no symbolic links; *name is its last part. fd or -errno.
 */
int parent_open(const struct place *place, const char *path, const char **name);
/* As parent_open, but makes the directories that are missing (0755). */
int parent_make(const struct place *place, const char *path, const char **name);

/* A suspect and its good version as the record has them, or, where that is lost, the journal. */
struct remnant {
    uint32_t id;
    const char *path;
    uint64_t inode;             /* the suspect's; 0: not known */
    const char *suspect, *good; /* SHA-256, hex; NULL: links, directories, unread, none */
};
/* Borrows the record's strings. */
struct remnant held_remnant(const struct held *held);

/*
 * Ends what a cut left of an item whose move was begun and not known to be done: afterwards no
 * ID.good is there, and at ID nothing but the suspect. Only what is a good version for certain, and
 * a second name of what stands in place, is deleted: where it cannot be told, it stays at ID. 0 or
 * -errno.
 */
int held_settle(const struct place *place, int yard_fd, const struct remnant *remnant);

/* Sets again the flags of a suspect that a cut kept from having them, in its place or in the yard.
 * 0 or -errno. */
int held_flags_again(const struct place *place, int yard_fd, const struct held *held);
/* Likewise of the directory in which `path` is; one that is not there needs none. */
int held_directory_flags_again(const struct place *place, const char *path, unsigned flags);
/* And on the good version that a recovery put in its place. 0 or -errno. */
int held_place_flags_again(const struct place *place, int yard_fd, const struct held *held);

/* Name in yard_fd under which the suspect lies now: "3", or while a restore is under way that of
 * the suspect it makes room for. False: it does not lie there. */
bool held_find(const struct place *place, int yard_fd, const struct held *held,
               char name[HELD_NAME_SIZE]);

/* Renames without replacing, also where the file system has no RENAME_NOREPLACE. 0 or -errno. */
int rename_keeping(int from_fd, const char *from, int to_fd, const char *to);
/* Deletes a file or a whole tree, never following a link. Not there: 0. 0 or -errno. */
int remove_tree(int dir_fd, const char *name);

#endif
