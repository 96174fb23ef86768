/*
 * io.h - the few ways in which Backstop writes, hashes and copies.
 */
#ifndef BACKSTOP_AGENT_IO_H
#define BACKSTOP_AGENT_IO_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "inventory.h"

/*
 * The one atomic writer: temporary in dir_fd, write, fsync, rename, fsync of dir_fd. A reader sees
 * the former file or the new one, whole. Writers of one name take turns. `name` is a plain name.
 * dir_fd is open for reading (not O_PATH). 0 or -errno; then the former file stands.
 */
int io_write_atomic(int dir_fd, const char *name, const void *bytes, size_t size, mode_t mode);
/* Whole file (at most `limit` bytes, else -EFBIG), NUL after the end; caller frees. 0 or -errno. */
int io_read_all(int dir_fd, const char *name, size_t limit, char **bytes, size_t *size);
/*
 * Content and SHA-256 of what in_fd (a regular file) holds, from its start, whatever the offsets
 * are, into the empty out_fd (-1: hash alone). Holes stay holes; a copy of more than 64 KiB is a
 * reflink where out_fd is O_RDWR and the file system can. The hash is that of the bytes in out_fd.
 * 0 or -errno.
 */
int io_copy_hash(int in_fd, int out_fd, uint8_t sha256[SHA256_SIZE]);
/* Readies libcrypto where it is not ready yet. False: no memory; it must not be used then. */
bool io_can_hash(void);
/* SHA-256 of the bytes, as text. 0, -ENOMEM or -EIO. */
int io_sha256_text(const void *bytes, size_t size, char text[SHA256_TEXT_SIZE]);
/*
 * Owner, xattrs, then mode, as entry has them, onto an open file or directory (not O_PATH). Xattrs
 * that entry has not are removed, but for security labels that cannot be. 0 or -errno.
 */
int io_apply_attributes(int fd, const struct entry *entry);
/* And times. */
int io_apply_metadata(int fd, const struct entry *entry);
/* The ENTRY_ flags of a file or directory; none where its file system has none, and of others. */
unsigned io_flags_of(int dir_fd, const char *name);
/* Gives it these of the ENTRY_ flags and takes the others from it; durable. 0 or -errno. */
int io_set_flags(int dir_fd, const char *name, unsigned flags);
/*
 * Packed xattrs of an open file (all namespaces readable), sorted by name; caller frees; NULL and
 * 0 where there are none or the file system has none. Each: name, NUL, length of the value as 4
 * bytes little-endian, value. 0 or -errno.
 */
int io_read_xattrs(int fd, uint8_t **packed, size_t *size);
/*
 * Steps through packed xattrs: *at starts at 0. 1 and one pair, 0 at the end, -EBADMSG where the
 * bytes are no packed xattrs.
 */
int xattrs_next(const uint8_t *packed, size_t size, size_t *at, const char **name,
                const uint8_t **value, size_t *value_size);
/* Makes every missing directory of path (relative to dir_fd). Already there: 0. 0 or -errno. */
int io_mkdir_p(int dir_fd, const char *path, mode_t mode);
void hex_of(const uint8_t *bytes, size_t size, char *out);  /* out[2*size+1] */
int hex_parse(const char *text, uint8_t *out, size_t size); /* lower case alone; 0 or -EINVAL */

#endif
