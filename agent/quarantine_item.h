/*
 * quarantine_item.h - one suspect at hand: what is written down of it, where it lies, and what the
 * journal says of it. What the files quarantine*.c share; internal to those.
 */
#ifndef BACKSTOP_AGENT_QUARANTINE_ITEM_H
#define BACKSTOP_AGENT_QUARANTINE_ITEM_H

#include "held.h"
#include "journal.h"

/* The records of one case, and the directory that they are in. */
struct quarantine_case {
    int fd;
    struct records records;
};

struct item {
    const struct place *place;
    struct diag *diag;
    int case_fd, yard_fd;
    struct records *records; /* of its case */
    struct held *held;       /* one of them */
    bool lies;               /* in the quarantine, under `name` */
    char name[HELD_NAME_SIZE];
};

/* Ids are given out, and records written, by one at a time: waits. An fd to close, or -errno,
 * reported. */
int quarantine_lock(const struct place *place, struct diag *diag);

/* 0 or -errno; case_close() either way. */
int case_open(const struct place *place, uint32_t case_number, struct quarantine_case *open);
void case_close(struct quarantine_case *open);
/* Reports the lines that are no records. */
void case_tell_damaged(const struct quarantine_case *open, struct diag *diag);

/* 0, -ENOENT (no record), or -errno; item_close() either way. `open` must outlive the item. */
int item_open(const struct place *place, struct quarantine_case *open, uint32_t id,
              struct item *item, struct diag *diag);
/* Opens case and item for one that is to be acted on. 0 or -errno, reported; item_close() and
 * case_close() either way. */
int item_take(const struct place *place, uint32_t case_number, uint32_t id,
              struct quarantine_case *open, struct item *item, struct diag *diag);
/* Looks for what `held` tells of; place, diag, case_fd and records are set already. 0 or -errno;
 * item_close() either way. */
int item_look(struct item *item, struct held *held);
void item_close(struct item *item);

enum held_state item_state(const struct item *item);
/* Was never moved: power was cut between writing down and moving. */
bool item_is_void(const struct item *item);

/* Gives the suspect its own name where a cut left it another. 0 or -errno, reported. */
int item_name(struct item *item);
int item_write_state(const struct item *item, enum held_state state); /* 0 or -errno */
/* What was moved between dir_fd and where the suspect lies is durable. 0 or -errno. */
int item_sync(const struct item *item, int dir_fd);
/* Reports err as what befell `path`, and gives it back. */
int item_tell(const struct item *item, int err, const char *path, const char *what);

/* Acts by hand on a suspect are journal records with "event" (restore, release, purge), "step"
 * (intent, then done), "case", "id" and "path". */
struct json_object *act_describe(const struct held *held, const char *event, const char *step);
bool act_is_begun(const struct json_object *record); /* and not done */
/* Journals a step; displaced 0 and destination NULL: none. 0 or -errno, reported. */
int item_note(const struct item *item, const char *event, const char *step, uint32_t displaced,
              const char *destination);
/* The last that the journal says of such an act on this item, or NULL. */
const struct json_object *item_last_act(const struct item *item, const struct journal *journal,
                                        const char *event);

#endif
