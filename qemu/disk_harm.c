/* What harms a file system without anybody having written to it: rot, and no room; where to harm
 * it. */
#include "disk_fs.h"

#include <errno.h>
#include <string.h>

static int said(char **reason, const char *what, const char *path, errcode_t error)
{
    text_replace(reason, text_format("%s: %s: libext2fs error %ld", path, what, (long)error));
    return -EIO;
}

/* The inode is left as it is: rot changes no time stamp. */
static errcode_t flip_middle(ext2_filsys fs, ext2_ino_t number)
{
    ext2_file_t file;
    uint64_t size = 0;
    unsigned moved = 0;
    char byte = 0;
    errcode_t error = ext2fs_file_open(fs, number, EXT2_FILE_WRITE, &file);

    if (error != 0)
        return error;
    error = ext2fs_file_get_lsize(file, (__u64 *)&size);
    if (error == 0 && size == 0)
        error = EXT2_ET_FILE_NOT_FOUND;
    if (error == 0)
        error = ext2fs_file_llseek(file, size / 2, EXT2_SEEK_SET, NULL);
    if (error == 0)
        error = ext2fs_file_read(file, &byte, 1, &moved);
    byte = (char)(byte ^ 0x10);
    if (error == 0)
        error = ext2fs_file_llseek(file, size / 2, EXT2_SEEK_SET, NULL);
    if (error == 0)
        error = ext2fs_file_write(file, &byte, 1, &moved);
    ext2fs_file_close(file);
    return error;
}

int disk_damage(const struct disk *disk, const char *path, char **reason)
{
    ext2_filsys fs = disk_root_open(disk, EXT2_FLAG_RW);
    ext2_ino_t number;
    errcode_t error;

    if (fs == NULL)
        return said(reason, "its file system cannot be opened", path, 0);
    error = ext2fs_namei_follow(fs, EXT2_ROOT_INO, EXT2_ROOT_INO, path, &number);
    if (error == 0)
        error = flip_middle(fs, number);
    if (ext2fs_close_free(&fs) != 0 || error != 0)
        return said(reason, "nothing there to damage", path, error);
    return 0;
}

int disk_where(const struct disk *disk, const char *path, uint64_t *byte, char **reason)
{
    ext2_filsys fs = disk_root_open(disk, 0);
    ext2_ino_t number;
    blk64_t block = 0;
    errcode_t error;

    if (fs == NULL)
        return said(reason, "its file system cannot be opened", path, 0);
    error = ext2fs_namei_follow(fs, EXT2_ROOT_INO, EXT2_ROOT_INO, path, &number);
    if (error == 0)
        error = ext2fs_bmap2(fs, number, NULL, NULL, 0, 0, NULL, &block);
    if (error == 0 && block != 0)
        *byte = disk->root_offset + block * fs->blocksize;
    ext2fs_close_free(&fs);
    return error != 0 || block == 0 ? said(reason, "no block of its own there", path, error) : 0;
}

#define ANYWHERE (~(blk64_t)0)

/* What ext4 gives to nobody, not even to root: a fiftieth, at most 4096 (its reserved_clusters). */
static blk64_t kept_by_kernel(ext2_filsys fs)
{
    blk64_t fiftieth = ext2fs_blocks_count(fs->super) / 50;

    return fiftieth < 4096 ? fiftieth : 4096;
}

/* Asks for pieces that halve, since the map of what is taken takes blocks as well. */
static blk64_t take_blocks(ext2_filsys fs, ext2_ino_t number, struct ext2_inode *inode)
{
    blk64_t start = 0, piece = ext2fs_free_blocks_count(fs->super), left = kept_by_kernel(fs);

    piece = piece > left ? piece - left : 0;
    while (piece > 0 && ext2fs_free_blocks_count(fs->super) > left) {
        if (ext2fs_fallocate(fs, 0, number, inode, ANYWHERE, start, piece) == 0)
            start += piece;
        else
            piece /= 2;
    }
    return start;
}

static errcode_t filler_make(ext2_filsys fs, ext2_ino_t dir, const char *name)
{
    struct ext2_inode inode = {.i_mode = LINUX_S_IFREG | 0600, .i_links_count = 1};
    ext2_extent_handle_t extents;
    ext2_ino_t number;
    errcode_t error = ext2fs_new_inode(fs, dir, LINUX_S_IFREG, NULL, &number);

    if (error != 0)
        return error;
    inode.i_flags = EXT4_EXTENTS_FL;
    error = ext2fs_extent_open2(fs, number, &inode, &extents);
    if (error != 0)
        return error;
    ext2fs_extent_free(extents);
    ext2fs_inode_alloc_stats2(fs, number, 1, 0);
    error = ext2fs_write_new_inode(fs, number, &inode);
    if (error == 0)
        error = ext2fs_link(fs, dir, name, number, EXT2_FT_REG_FILE);
    if (error == 0)
        error = ext2fs_inode_size_set(
            fs, &inode, (ext2_off64_t)(take_blocks(fs, number, &inode) * fs->blocksize));
    return error == 0 ? ext2fs_write_inode(fs, number, &inode) : error;
}

int disk_fill(const struct disk *disk, const char *path, char **reason)
{
    const char *name = strrchr(path, '/') + 1;
    TEXT_AUTO above = text_format("%.*s", (int)(name - path), path);
    ext2_filsys fs = disk_root_open(disk, EXT2_FLAG_RW);
    ext2_ino_t dir;
    errcode_t error;

    if (fs == NULL)
        return said(reason, "its file system cannot be opened", path, 0);
    error = ext2fs_read_bitmaps(fs);
    if (error == 0)
        error = ext2fs_namei(fs, EXT2_ROOT_INO, EXT2_ROOT_INO, above, &dir);
    if (error == 0)
        error = filler_make(fs, dir, name);
    if (ext2fs_close_free(&fs) != 0 || error != 0)
        return said(reason, "cannot be made", path, error);
    return 0;
}
