/*
 * store.h - contents kept, addressed by SHA-256: STATE_DIR/store/ab/cdef...
 *
 * Objects are content alone, mode 0400; metadata is in manifests. An object is
 * whole or absent under its name: it is put into STATE_DIR/store/new-BOOT
 * (O_TMPFILE, linkat) and renamed to its name once all of a batch is synced.
 * What a cut leaves in a new-BOOT of another boot is not trusted and deleted.
 * It is verified before use.
 */
#ifndef BACKSTOP_AGENT_STORE_H
#define BACKSTOP_AGENT_STORE_H

#include "inventory.h"

/* All need the place's state open (place_open_state), else -EBADF. */

/* There is an object of that name; its bytes are not read. */
bool store_has(const struct place *place, const uint8_t sha256[SHA256_SIZE], uint64_t size);
/*
 * Copies in_fd into the store (reflink where possible) and gives its hash. Not yet synced, and not
 * yet found by store_has and store_open_verified: store_sync(). An object that is there is read;
 * a damaged one is replaced. Safe from several threads. 0 or -errno.
 */
int store_put(const struct place *place, int in_fd, uint8_t sha256[SHA256_SIZE]);
/* Objects put since the last call, and their directories, are durable after this. 0 or -errno. */
int store_sync(const struct place *place);
/* Deletes objects put and not synced, of this boot or any other. */
void store_discard(const struct place *place);
/* Opens for reading after checking that the bytes hash to the name: fd, -ENOENT, or -EBADMSG if
 * damaged. */
int store_open_verified(const struct place *place, const uint8_t sha256[SHA256_SIZE]);
/* The same without that check, for one who copies and hashes in one pass: fd or -errno. */
int store_open_unread(const struct place *place, const uint8_t sha256[SHA256_SIZE]);
/*
 * Deletes objects that no kept generation names; where a manifest is damaged none, since it may be
 * one that names them. Number deleted, or -errno.
 */
long store_collect(const struct place *place, struct diag *diag);
/* The same for one who holds the lock. */
long store_collect_locked(const struct place *place, struct diag *diag);
/* Whoever puts, syncs or collects together holds this: an fd to close, or -errno. Waits. */
int store_lock(const struct place *place);

#endif
