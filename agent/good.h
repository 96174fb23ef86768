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
    size_t promoted;     /* entries that became good: new, altered or gone with this generation */
    size_t held_back; /* arrived after boot start and not yet proven: former version kept as good */
    size_t other_kernels; /* modules of kernels that did not run: good when a boot of theirs is */
    size_t lost; /* taken out by a recovery, nothing in their place: their sets stay as they
                    were */
    uint64_t bytes_stored; /* content read into the store */
};

/*
 * Takes a good generation: `started` are the identities from the start of this
 * boot (NULL: take everything as it stands, for `good take --now` by a person).
 * Only entries whose identity is still that of `started` are promoted (or that
 * have soaked: soak.h); for the others the newest generation's entry is carried
 * over. Carried over as well: files that changed while they were read, what
 * could not be read, sets whose file is bad now, modules of another kernel than
 * the running one (but the first generation has those as they stand, and a later
 * one what came for a known kernel and is proven for the running one), and what lies on a file
 * system that was mounted and is not. Of a set over its max-size what is not kept already is listed
 * unhashed: it cannot be put back, and nothing older is put back for it. A place to look at is the
 * generation's only if the boot began with it (what was there then is proven, or was not there):
 * see MANIFEST.md, scopes. A set of which a recovery took something out that nothing stands for
 * (lost.h) is carried over whole, since no boot has proven that the machine runs well without it,
 * until what is lost stands again, or the set has a file that the newest generation has not: then
 * it is taken as it stands. So it is with NULL. Contents first, synced; manifest last. Old
 * generations past policy->generations are dropped after that, then the store is collected. Where
 * nothing but identities moved, the newest manifest is renewed under its number. What became good,
 * or is not lost any more, goes into the journal
 * ("good"). One taker at a time: another waits. On failure (-ENOSPC, say) the
 * former generations stand and what was put in the store is deleted.
 * The state is open (place_open_state with create).
 */
int good_take(const struct place *place, const struct sets *sets, const struct inventory *started,
              uint32_t boot, const struct policy *policy, struct good_result *result,
              struct diag *diag);
/* Numbers of the intact and damaged generations, newest first; caller frees. 0 or -errno. */
int good_list(const struct place *place, uint32_t **generations, size_t *count);
/* Newest generation whose manifest is whole. 0, -ENOENT if none, -errno. */
int good_load_newest(const struct place *place, struct inventory *good, struct diag *diag);
/* 0, -ENOENT, -EBADMSG after reporting, -errno. */
int good_load(const struct place *place, uint32_t generation, struct inventory *good,
              struct diag *diag);

struct good_history; /* all kept generations, loaded once */
/* Damaged manifests are reported and passed over; no generation at all is an empty history. */
int good_history_load(const struct place *place, struct good_history **history, struct diag *diag);
const struct inventory *good_history_newest(const struct good_history *history); /* or NULL */
/*
 * The good version of `path` to put back: the newest generation's, or, where its object is damaged
 * or missing (which is reported), that of the newest older generation whose object is intact. What
 * the newest generation has not is not good: -ENOENT. *entry points into the history. *fd gets the
 * verified object of a file, open for reading; -1 for directories and links. Files that were
 * listed without content, never-touch ones and others have no version. 0 or -ENOENT.
 */
int good_history_version(struct good_history *history, const char *path, const struct entry **entry,
                         int *fd, struct diag *diag);
/* Generation that an entry given by good_history_version() is of; 0: of none. */
uint32_t good_history_generation(const struct good_history *history, const struct entry *entry);
/*
 * A set is one thing: where a content of it is lost, all of it goes back to one older generation.
 * Makes the set in the newest generation what the next older one had of it whose contents are all
 * intact. Entries of the newest generation found before are no longer to be used. True if it did.
 * Not of a set that proved good with contents that were not kept.
 */
bool good_history_fall_back(struct good_history *history, const char *set, struct diag *diag);
void good_history_free(struct good_history *history);

#endif
