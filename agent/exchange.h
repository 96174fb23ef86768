/*
 * exchange.h - applies changes to the files of a machine: the good version in, the suspect out.
 *
 * Steps for a batch, each for all its moves before the next one:
 *   exchange_write_down  a record of every suspect, durable: one file a case
 *   exchange_stage       the good versions, complete with metadata, in the yards: as ID, or as
 *                        ID.good where nothing stands in their place
 *   exchange_barrier     all that is durable
 *   exchange_move        one rename each, which exchanges ID and the suspect
 *   exchange_finish      times of directories; each directory synced once
 * A cut anywhere leaves the old or the new file in place; held_settle() and the same steps again
 * end in the same state.
 *
 * Flags that forbid a rename (chattr's i and a) are taken from the suspects, and from the
 * directories they are in, before the moves and set on them again after, and on a file that was put
 * in the place of one. Those of a suspect are in its record, those of its directory in the intent:
 * what a cut kept from having them gets them again. Where they cannot be set again, lock_error says
 * so, and nothing else depends on it. Where they cannot be taken, or a directory has some that the
 * intent has not, the whole set stays as it is.
 */
#ifndef BACKSTOP_AGENT_EXCHANGE_H
#define BACKSTOP_AGENT_EXCHANGE_H

#include "held.h"

struct move {
    uint32_t case_number, id;
    const char *path, *set_name;
    uint8_t set_class;
    enum change_kind kind;
    enum plan_action action;
    const struct entry *now;  /* the suspect; NULL: nothing stands there */
    const struct entry *good; /* to put in its place; NULL with PLAN_TAKE_OUT */
    uint32_t generation;      /* that good comes from */
    const struct entry *twin; /* a file in place with which good shares its inode, or NULL */
    struct move
        *staged_twin; /* an earlier move of the batch whose good version it shares, or NULL */
    unsigned directory_flags;  /* of the directory it is in, as written down: ENTRY_ */
    unsigned flags;            /* the suspect's own, likewise; what is known of them is added to */
    struct json_object *holds; /* of a tree: array of the paths in it, or NULL; borrowed */
    bool must_stay;            /* not to be taken out with nothing to put in its place */
    /* the engine's own */
    const struct yard *yard;
    bool written_down, staged, moved;
    bool unlocked;               /* its flags may be off, and are to be set again */
    unsigned unlocked_directory; /* likewise those of its directory */
    bool twin_refused;           /* linking failed once: the next time it is copied */
    int error;                   /* why it was not moved; 0: it was */
    int lock_error;              /* why its flags, or its directory's, may be off; 0: they are on */
};

struct open_directory {
    char *path; /* NULL: none is open */
    int fd;
};

struct exchange {
    struct yards yards;
    struct diag *diag;
    uint32_t boot;
    const char *from; /* who asks: "recovery" */
    struct move *moves;
    size_t count;
    bool reserve_used; /* the reserve was given up for room */
    bool made_directories;
    /* what was opened last: moves come by path, and few directories hold them all */
    struct open_directory parent;
    const struct yard *last_yard;
    char *last_yard_of;
};

/* True for a directory that stays and has but its metadata put back. */
bool move_is_in_place(const struct move *move);

/* Each does what can be done, notes `error` in the moves that cannot go on, and reports them. */
void exchange_write_down(struct exchange *exchange);
/* A move whose good version cannot be made becomes PLAN_TAKE_OUT where a suspect stands there that
 * need not stay. */
void exchange_stage(struct exchange *exchange);
int exchange_barrier(struct exchange *exchange); /* 0 or -errno: then nothing may be moved */
void exchange_move(struct exchange *exchange);
/* 0 or -errno: not known to be durable; the next run sees to it. */
int exchange_finish(struct exchange *exchange);
/* A good version that was made ready and could not be moved does not stay. */
void exchange_clear_failed(struct exchange *exchange);
void exchange_close(struct exchange *exchange);
/* The time of a directory that stands, durable, with its other attributes. 0 or -errno. */
int exchange_directory_time(const struct place *place, const char *path, int64_t mtime_ns);

/* For file systems without RENAME_EXCHANGE. A directory can have no second name and replaces no
 * file: with one on either side, and there alone, the place is empty between two renames. */
int exchange_by_link(int yard_fd, const char *ready, const char *kept, int dir_fd,
                     const char *name);
/*
 * The one rename: `held` in yard_fd, a good version, and `name` in dir_fd change places. Without
 * RENAME_EXCHANGE the good version is called `ready` first, and `held` becomes a second name of
 * what stood at `name`.
 */
int exchange_names(int yard_fd, const char *held, const char *ready, int dir_fd, const char *name);

#endif
