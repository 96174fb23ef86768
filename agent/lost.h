/*
 * lost.h - paths that a recovery left with nothing in their place, since no good version of them
 * could be put back: that part of the machine is without protection.
 *
 * From the journal: a "done" of a recovery adds to them ("lost"), a "good" says which of them there
 * still are. What a set lost keeps the whole set from being promoted: see good.h.
 */
#ifndef BACKSTOP_AGENT_LOST_H
#define BACKSTOP_AGENT_LOST_H

#include <json-c/json.h>
#include "journal.h"

struct lost_item {
    char *path, *set;
};

struct lost {
    struct lost_item *items;
    size_t count;
};

/* As the journal ends. 0 or -ENOMEM. */
int lost_of(const struct journal *journal, struct lost *lost);
/* Reads the journal of an open state directory. 0 or -errno. */
int lost_load(const struct place *place, struct lost *lost, struct diag *diag);
/* Forgets those where something stands now. */
void lost_forget_standing(const struct place *place, struct lost *lost);
/* Forgets all but the first `count`. */
void lost_cut(struct lost *lost, size_t count);
void lost_free(struct lost *lost);

/* Adds a path to an array for a record, {"path", "set"}; made where *array is NULL. False: no
 * memory. */
bool lost_note(struct json_object **array, const char *path, const char *set);
/* Adds all of them to a record, as "lost"; nothing where there are none. False: no memory. */
bool lost_describe(const struct lost *lost, struct json_object *record);

#endif
