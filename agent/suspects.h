/*
 * suspects.h - from the changes of a machine to the moves that put them back.
 *
 * The plan itself is core's; here its rows are filled, and what it says of single files is brought
 * together to what can be moved: a tree that is suspect as a whole goes as one.
 */
#ifndef BACKSTOP_AGENT_SUSPECTS_H
#define BACKSTOP_AGENT_SUSPECTS_H

#include "changes.h"
#include "exchange.h"
#include "good.h"
#include "needs.h"

struct suspects {
    struct move *moves; /* by path; case and id are for the caller to give */
    size_t count;
    struct plan_summary summary; /* counts files */
    size_t files;                /* that are put back or taken out */
    struct json_object **holds;  /* what the trees hold, for moves[].holds */
    size_t holds_count;
    const struct entry **goods; /* by change; NULL: none */
    struct json_object *left;   /* what is doubtful and so left, as in the journal; NULL: nothing */
    struct json_object *lost;   /* what is gone and beyond help, as in the journal; NULL: nothing */
};

/* `changes` stays the owner of what the moves point to; suspects that had not been read are now
 * (their hashes go into the journal). `needed` NULL: nothing is known. 0 or -errno. */
int suspects_find(const struct place *place, const struct sets *sets, struct good_history *history,
                  struct changes *changes, const struct strings *needed, enum rung rung,
                  struct suspects *suspects, struct diag *diag);
void suspects_free(struct suspects *suspects);

#endif
