/*
 * io.h - the few ways in which Backstop writes, hashes and copies.
 */
#ifndef BACKSTOP_AGENT_IO_H
#define BACKSTOP_AGENT_IO_H

#include <stdint.h>
#include <sys/types.h>
#include "inventory.h"

/* The one atomic writer: temporary in dir_fd, write, fsync, rename, fsync of dir_fd. 0 or -errno. */
int io_write_atomic(int dir_fd, const char *name, const void *bytes, size_t size, mode_t mode);
/* Whole file (at most `limit` bytes, else -EFBIG), NUL after the end; caller frees. 0 or -errno. */
int io_read_all(int dir_fd, const char *name, size_t limit, char **bytes, size_t *size);
/* Content and SHA-256 of what in_fd holds, into out_fd (-1: hash alone), holes kept. 0 or -errno. */
int io_copy_hash(int in_fd, int out_fd, uint8_t sha256[SHA256_SIZE]);
/* Owner, mode, xattrs, then times, as entry has them, onto an open file or directory. 0 or -errno. */
int io_apply_metadata(int fd, const struct entry *entry);
/* Packed xattrs of an open file (all namespaces readable), sorted; caller frees. 0 or -errno. */
int io_read_xattrs(int fd, uint8_t **packed, size_t *size);
int io_mkdir_p(int dir_fd, const char *path, mode_t mode);
void hex_of(const uint8_t *bytes, size_t size, char *out); /* out[2*size+1] */
int hex_parse(const char *text, uint8_t *out, size_t size); /* 0 or -EINVAL */

#endif
