/*
 * good_files.h - the files in STATE_DIR/generations, for good_take() alone. Callers hold
 * store_lock().
 */
#ifndef BACKSTOP_AGENT_GOOD_FILES_H
#define BACKSTOP_AGENT_GOOD_FILES_H

#include "good.h"

/* Under its own number, over a former one of that number. 0 or -errno. */
int good_write(const struct place *place, const struct inventory *good, struct diag *diag);
/* One after the highest there is, damaged ones included. 0 or -errno. */
int good_next_number(const struct place *place, uint32_t *number);
/* Deletes all that are older than the newest `keep` intact ones. 0 or -errno. */
int good_prune(const struct place *place, unsigned keep);

#endif
