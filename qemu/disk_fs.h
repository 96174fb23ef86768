/*
 * disk_fs.h - the root file system itself, for what shares libext2fs.
 */
#ifndef BACKSTOP_RIG_DISK_FS_H
#define BACKSTOP_RIG_DISK_FS_H

#include <ext2fs/ext2fs.h>
#include "disk.h"

/* Opens the root with flags of ext2fs_open(). NULL if it cannot be; caller closes. */
ext2_filsys disk_root_open(const struct disk *disk, int flags);

#endif
