/*
 * store.h - contents kept, addressed by SHA-256: STATE_DIR/store/ab/cdef...
 *
 * Objects are content alone, mode 0400; metadata is in manifests. An object is
 * whole or absent (O_TMPFILE, fsync, linkat). It is verified before use.
 */
#ifndef BACKSTOP_AGENT_STORE_H
#define BACKSTOP_AGENT_STORE_H

#include "inventory.h"

bool store_has(const struct place *place, const uint8_t sha256[SHA256_SIZE]);
/* Copies in_fd into the store (reflink where possible) and gives its hash. Not yet synced: store_sync(). */
int store_put(const struct place *place, int in_fd, uint8_t sha256[SHA256_SIZE]);
/* Objects put since the last call, and their directories, are durable after this. 0 or -errno. */
int store_sync(const struct place *place);
/* Opens for reading after checking that the bytes hash to the name: fd, -ENOENT, or -EBADMSG if damaged. */
int store_open_verified(const struct place *place, const uint8_t sha256[SHA256_SIZE]);
/* Deletes objects that no kept generation names. Number deleted, or -errno. */
long store_collect(const struct place *place, struct diag *diag);

#endif
