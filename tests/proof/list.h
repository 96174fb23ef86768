/*
 * list.h - the ids of the points of a case, kind by kind; those of reorder.h it lists itself.
 */
#ifndef BACKSTOP_PROOF_LIST_H
#define BACKSTOP_PROOF_LIST_H

#include "pool.h"

struct ids {
    char **items;
    size_t count;
};

__attribute__((format(printf, 2, 3))) void ids_add(struct ids *ids, const char *format, ...);
void ids_free(struct ids *ids);
/* Every Nth stays, the first among them. */
void ids_thin(struct ids *ids, unsigned every);

void list_cuts(const struct subject *subject, struct ids *ids);
/* How many calls the second run makes is known from the result of its first cut as a point of its
 * own. Gives how many first cuts have none: what is behind them is not listed. */
size_t list_twice(const struct subject *subject, const struct pool *pool, struct ids *ids);
void list_faults(const struct subject *subject, struct ids *ids);
void list_memory(const struct subject *subject, struct ids *ids);

#endif
