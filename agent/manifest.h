/*
 * manifest.h - an inventory written down: a good generation's list of files, or
 * the identities taken at the start of a boot. MANIFEST.md gives the format:
 * text, one line an entry, header first, SHA-256 of all before it last.
 */
#ifndef BACKSTOP_AGENT_MANIFEST_H
#define BACKSTOP_AGENT_MANIFEST_H

#include "inventory.h"

#define MANIFEST_MAX_SIZE (UINT64_C(1) << 30)

/* Written by the one atomic writer (io.h) as `name` in dir_fd. 0 or -errno. */
int manifest_write(int dir_fd, const char *name, const struct inventory *inventory);
/* The same with what is to be written read first: what manifest_read() would refuse takes nobody's
 * place. -EBADMSG after reporting line and reason. */
int manifest_replace(int dir_fd, const char *name, const struct inventory *inventory,
                     struct diag *diag);
/* The bytes that it writes; caller frees. 0 or -errno. */
int manifest_format(const struct inventory *inventory, char **text, size_t *size);
/* -EBADMSG after reporting file, line and reason for anything that is not a whole manifest; -errno
 * (not reported) where it cannot be read. */
int manifest_read(int dir_fd, const char *name, struct inventory *inventory, struct diag *diag);
int manifest_parse(const char *name, const char *text, size_t size, struct inventory *inventory,
                   struct diag *diag);

#endif
