/*
 * intents.h - what the journal says of recoveries: intents, and those that were done.
 *
 * JOURNAL.md gives the fields. An intent without a "done" that names it was cut, and is finished
 * with the same case and ids.
 */
#ifndef BACKSTOP_AGENT_INTENTS_H
#define BACKSTOP_AGENT_INTENTS_H

#include "exchange.h"
#include "journal.h"
#include "receipt.h"
#include "ticket.h"

struct intended {
    uint32_t case_number, id;
    const char *path, *from, *to; /* the journal's own; hashes "" where it has none */
    unsigned directory_flags;     /* of the directory it is in: ENTRY_ */
    int64_t seq;                  /* of the intent */
    bool pending;
    bool owed;      /* the last recovery could not set its flags, or its directory's, again */
    unsigned flags; /* owed to the suspect: ENTRY_; its record says */
    uint64_t inode; /* the suspect's, where they are owed or pending; 0: not known */
    /* nor could this one set them, and why; 0: they are on, or none was tried */
    int lock_error, directory_error;
    bool taken; /* a suspect lies in the quarantine under this id: it is not used again */
};

struct intents {
    struct intended *items; /* in the journal's order */
    size_t count;
    struct intended **by_path, **by_id; /* those that are pending, sorted */
    size_t open_count;
    int64_t *pending; /* seqs of intents that were not done */
    size_t pending_count;
    uint32_t owed_case; /* of the last recovery; 0: there was none */
    bool owes;          /* an item is owed */
};

/* *intents points into journal. 0 or -errno. */
int intents_load(const struct journal *journal, struct intents *intents);
void intents_free(struct intents *intents);
/* The pending item for path that may be used again, or NULL. */
const struct intended *intents_find(const struct intents *intents, const char *path);
/* Adds to the move's what is owed to its suspect, and to the directory, and could not be set. */
void intents_add_owed(const struct intents *intents, struct move *move);

/*
 * The stage's case numbers begin anew where its records are lost (an installation after a removal,
 * firmware and ESP replaced), and the journal does not: one number may be two incidents there. What
 * was written before the stage last began anew, by all that the journal shows, is not of the
 * incident of a ticket.
 *
 * The number under which journal and quarantine have the incident of the ticket: the ticket's own,
 * or where that was another incident's, or higher ones were, a new one above all there are, which
 * the records then give beside the ticket's ("ticket-case").
 */
uint32_t incident_of(const struct place *place, const struct journal *journal,
                     const struct ticket *ticket);
/* The end of the ticket's case is in the journal. */
bool journal_case_ended(const struct journal *journal, const struct ticket *ticket);
/* There are cases, and nothing that shows the stage to have begun anew since. */
bool journal_has_cases(const struct journal *journal);

/* Highest id that the journal names in the case; 0: none. */
uint32_t journal_last_id(const struct journal *journal, uint32_t case_number);
/* An earlier recovery of this case put something back or took something out. */
bool journal_case_acted(const struct journal *journal, uint32_t case_number);
/* One of those concerned what an initramfs image may hold, and no "rebuild" has followed. */
bool journal_rebuild_due(const struct journal *journal, uint32_t case_number);

/* True for a class whose files may be inside an initramfs image. */
bool class_is_in_image(uint8_t set_class);

/* The record of an intent for those moves that have no pending one yet. NULL: no memory. */
struct json_object *intent_describe(const struct ticket *ticket, const struct move *moves,
                                    size_t count, const struct intents *pending);
/* The record that ends the pending ones of `intents`; `before` of their changes were made before a
 * cut. `lost`: what was gone and beyond help, borrowed, or NULL; what these moves left without a
 * good version is added to it. `left`: what is doubtful, borrowed, or NULL. */
struct json_object *done_describe(const struct ticket *ticket, const struct move *moves,
                                  size_t count, size_t before, const struct plan_summary *summary,
                                  struct json_object *lost, struct json_object *left,
                                  const struct intents *intents);
/* The record of a recovery that found nothing to do. */
struct json_object *nothing_describe(const struct ticket *ticket, enum applied applied,
                                     struct json_object *lost, struct json_object *left,
                                     const struct intents *intents, const char *note);

#endif
