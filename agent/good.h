/*
 * good.h - good generations: what the machine last ran well, STATE_DIR/generations/NNNNNN.manifest.
 */
#ifndef BACKSTOP_AGENT_GOOD_H
#define BACKSTOP_AGENT_GOOD_H

#include "inventory.h"
#include "policy.h"

struct good_result {
    uint32_t generation; /* newest good generation after the call; 0: none */
    bool unchanged;      /* nothing to promote: the former newest still stands */
    size_t promoted;     /* entries that became good */
    size_t held_back;    /* arrived after boot start and not yet proven: former version kept as good */
    uint64_t bytes_stored;
};

/*
 * Takes a good generation: `started` are the identities from the start of this
 * boot (NULL: take everything as it stands, for `good take --now` by a person).
 * Only entries whose identity is still that of `started` are promoted (or that
 * have soaked); for the others the newest generation's entry is carried over.
 * Contents first, synced; manifest last. Old generations past
 * policy->generations are dropped after that, then the store is collected.
 */
int good_take(const struct place *place, const struct sets *sets, const struct inventory *started,
              uint32_t boot, const struct policy *policy, struct good_result *result,
              struct diag *diag);
/* Numbers of the intact and damaged generations, newest first; caller frees. 0 or -errno. */
int good_list(const struct place *place, uint32_t **generations, size_t *count);
/* Newest generation whose manifest is whole. 0, -ENOENT if none, -errno. */
int good_load_newest(const struct place *place, struct inventory *good, struct diag *diag);
int good_load(const struct place *place, uint32_t generation, struct inventory *good,
              struct diag *diag);
/*
 * The good version of `path` to put back: from the newest generation that has it with an intact
 * object. *entry points into one of `loaded`. 0, -ENOENT. `fd` gets the verified object (files).
 */
struct good_history; /* all kept generations, loaded once */
int good_history_load(const struct place *place, struct good_history **history, struct diag *diag);
const struct inventory *good_history_newest(const struct good_history *history); /* or NULL */
int good_history_version(struct good_history *history, const char *path, const struct entry **entry,
                         int *fd, struct diag *diag);
void good_history_free(struct good_history *history);

#endif
