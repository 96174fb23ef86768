#include "disk_fs.h"
#include "command.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECTOR 512u

/* GPT: UEFI specification, 5.3. Type GUIDs as they lie on disk. */
static const uint8_t type_esp[16] = {0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11,
                                     0xba, 0x4b, 0x00, 0xa0, 0xc9, 0x3e, 0xc9, 0x3b};
static const uint8_t type_linux[16] = {0xaf, 0x3d, 0xc6, 0x0f, 0x83, 0x84, 0x72, 0x47,
                                       0x8e, 0x79, 0x3d, 0x69, 0xd8, 0x47, 0x7d, 0xe4};

static uint64_t le64(const uint8_t *p)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < 8; i++)
        value |= (uint64_t)p[i] << 8 * i;
    return value;
}

static uint32_t le32(const uint8_t *p)
{
    return (uint32_t)(le64(p) & 0xffffffffu);
}

static void entry_read(struct disk *disk, const uint8_t *entry)
{
    uint64_t offset = le64(entry + 32) * SECTOR;

    if (memcmp(entry, type_esp, 16) == 0 && disk->esp_offset == 0)
        disk->esp_offset = offset;
    if (memcmp(entry, type_linux, 16) == 0 && disk->root_offset == 0)
        disk->root_offset = offset;
}

static int gpt_read(struct disk *disk, int fd)
{
    uint8_t header[92], entry[128];
    uint32_t count, size;
    uint64_t at;

    if (pread(fd, header, sizeof header, SECTOR) != (ssize_t)sizeof header ||
        memcmp(header, "EFI PART", 8) != 0)
        return -EBADMSG;
    at = le64(header + 72) * SECTOR;
    count = le32(header + 80);
    size = le32(header + 84);
    if (count > 128 || size < sizeof entry || size > 4096 || at > (uint64_t)INT64_MAX / 2)
        return -EBADMSG;
    for (uint32_t i = 0; i < count; i++) {
        if (pread(fd, entry, sizeof entry, (off_t)(at + (uint64_t)i * size)) != sizeof entry)
            return -EBADMSG;
        entry_read(disk, entry);
    }
    return disk->esp_offset != 0 && disk->root_offset != 0 ? 0 : -EBADMSG;
}

int disk_open(struct disk *disk, const char *path)
{
    struct disk found = {.path = path};
    int fd = open(path, O_RDONLY | O_CLOEXEC), error;

    if (fd < 0)
        return -errno;
    error = gpt_read(&found, fd);
    close(fd);
    if (error == 0)
        *disk = found;
    return error;
}

ext2_filsys disk_root_open(const struct disk *disk, int flags)
{
    TEXT_AUTO options = text_format("offset=%" PRIu64, disk->root_offset);
    ext2_filsys fs = NULL;

    if (ext2fs_open2(disk->path, options, flags | EXT2_FLAG_64BITS | EXT2_FLAG_SOFTSUPP_FEATURES, 0,
                     0, unix_io_manager, &fs) != 0)
        return NULL;
    return fs;
}

/* jbd2's superblock, big-endian: block of the log's start, 0 where there is nothing to replay. */
#define JOURNAL_START_AT 28u

static bool journal_is_empty(ext2_filsys fs)
{
    ext2_file_t file;
    uint8_t head[1024];
    unsigned got = 0;
    errcode_t error;

    if (fs->super->s_journal_inum == 0)
        return true;
    if (ext2fs_file_open(fs, fs->super->s_journal_inum, 0, &file) != 0)
        return false;
    error = ext2fs_file_read(file, head, sizeof head, &got);
    ext2fs_file_close(file);
    return error == 0 && got == sizeof head && le32(head + JOURNAL_START_AT) == 0;
}

/*
 * e2fsck replays the journal, but then fails to open a file system within a larger file again
 * (1.47: it forgets the offset) and leaves the flag that says there is something to replay.
 */
static int flag_clear(const struct disk *disk)
{
    ext2_filsys fs = disk_root_open(disk, EXT2_FLAG_RW);
    bool empty;

    if (fs == NULL)
        return -EIO;
    empty = journal_is_empty(fs);
    if (empty && ext2fs_has_feature_journal_needs_recovery(fs->super)) {
        ext2fs_clear_feature_journal_needs_recovery(fs->super);
        ext2fs_mark_super_dirty(fs);
    }
    return ext2fs_close_free(&fs) == 0 && empty ? 0 : -EIO;
}

int disk_settle(const struct disk *disk, char **reason)
{
    TEXT_AUTO where = text_format("%s?offset=%" PRIu64, disk->path, disk->root_offset);
    const char *argv[] = {"e2fsck", "-p", "-E", "journal_only", where, NULL};
    struct output output;
    int code = command_run(argv, &output), error = flag_clear(disk);

    if (error < 0) {
        TEXT_AUTO cause = command_complaint(argv[0], code, &output);

        text_replace(reason, text_format("the journal was not replayed: %s", cause));
    }
    output_free(&output);
    return error;
}

/* The inode's content; NULL on an error. */
static char *content_read(ext2_filsys fs, ext2_ino_t inode, size_t *size)
{
    ext2_file_t file;
    char *bytes;
    unsigned got = 0;
    uint64_t length = 0;

    if (ext2fs_file_open(fs, inode, 0, &file) != 0)
        return NULL;
    if (ext2fs_file_get_lsize(file, (__u64 *)&length) != 0 || length > UINT32_MAX / 2 ||
        (bytes = malloc(length + 1)) == NULL) {
        ext2fs_file_close(file);
        return NULL;
    }
    *size = 0;
    while (*size < length &&
           ext2fs_file_read(file, bytes + *size, (unsigned)(length - *size), &got) == 0 && got > 0)
        *size += got;
    bytes[*size] = '\0';
    ext2fs_file_close(file);
    return bytes;
}

char *disk_read(const struct disk *disk, const char *path, size_t *size)
{
    ext2_filsys fs = disk_root_open(disk, 0);
    struct ext2_inode inode;
    ext2_ino_t number;
    char *bytes = NULL;
    size_t length = 0;

    if (fs == NULL)
        return NULL;
    if (ext2fs_namei_follow(fs, EXT2_ROOT_INO, EXT2_ROOT_INO, path, &number) == 0 &&
        ext2fs_read_inode(fs, number, &inode) == 0 && LINUX_S_ISREG(inode.i_mode))
        bytes = content_read(fs, number, &length);
    ext2fs_close_free(&fs);
    if (bytes != NULL && size != NULL)
        *size = length;
    return bytes;
}

static const char *kind_of(unsigned mode)
{
    if (LINUX_S_ISREG(mode))
        return "file";
    if (LINUX_S_ISDIR(mode))
        return "directory";
    if (LINUX_S_ISLNK(mode))
        return "link";
    return "other";
}

const char *disk_kind(const struct disk *disk, const char *path)
{
    ext2_filsys fs = disk_root_open(disk, 0);
    struct ext2_inode inode;
    ext2_ino_t number;
    const char *kind = NULL;

    if (fs == NULL)
        return NULL;
    if (ext2fs_namei(fs, EXT2_ROOT_INO, EXT2_ROOT_INO, path, &number) == 0 &&
        ext2fs_read_inode(fs, number, &inode) == 0)
        kind = kind_of(inode.i_mode);
    ext2fs_close_free(&fs);
    return kind;
}

struct listing {
    ext2_filsys fs;
    char **lines;
    size_t count;
    const char *dir; /* path of the directory that is being read */
    bool names_only;
};

static char *identity_of(ext2_filsys fs, ext2_ino_t number, const struct ext2_inode_large *inode)
{
    const struct ext2_inode *base = (const struct ext2_inode *)inode;
    char hex[HASH_TEXT_SIZE];
    size_t size = 0;
    TEXT_AUTO bytes = NULL;
    struct hash *hash;

    if (LINUX_S_ISLNK(inode->i_mode) &&
        ext2fs_is_fast_symlink((struct ext2_inode *)(uintptr_t)base))
        return text_format("-> %.60s", (const char *)inode->i_block);
    if (!LINUX_S_ISREG(inode->i_mode) && !LINUX_S_ISLNK(inode->i_mode))
        return text_copy("-");
    bytes = content_read(fs, number, &size);
    if (bytes == NULL)
        return text_copy("unreadable");
    hash = hash_new();
    hash_add(hash, bytes, size);
    hash_end(hash, hex);
    return text_copy(hex);
}

/* A directory's own times and size move with what is put beside a file: only its owner counts. */
static char *line_of(ext2_filsys fs, const char *path, ext2_ino_t number,
                     const struct ext2_inode_large *inode)
{
    TEXT_AUTO identity = identity_of(fs, number, inode);

    if (LINUX_S_ISDIR(inode->i_mode))
        return text_format("%s directory ino=%u mode=%04o owner=%u:%u", path, number,
                           inode->i_mode & 07777u, inode->i_uid, inode->i_gid);
    return text_format(
        "%s %s ino=%u mode=%04o owner=%u:%u size=%" PRIu64 " mtime=%u.%u ctime=%u.%u %s", path,
        kind_of(inode->i_mode), number, inode->i_mode & 07777u, inode->i_uid, inode->i_gid,
        (uint64_t)inode->i_size_high << 32 | (uint64_t)inode->i_size, inode->i_mtime,
        inode->i_mtime_extra >> 2, inode->i_ctime, inode->i_ctime_extra >> 2, identity);
}

static void listing_add(struct listing *listing, const char *path, ext2_ino_t number);

static int entry_taken(ext2_ino_t dir, int entry, struct ext2_dir_entry *dirent, int offset,
                       int blocksize, char *buffer, void *context)
{
    struct listing *listing = context;
    int length = ext2fs_dirent_name_len(dirent);
    const char *before = listing->dir;
    TEXT_AUTO path = NULL;

    (void)dir, (void)offset, (void)blocksize, (void)buffer;
    if (entry != DIRENT_OTHER_FILE)
        return 0;
    path = text_format("%s/%.*s", strcmp(before, "/") == 0 ? "" : before, length, dirent->name);
    listing_add(listing, path, dirent->inode);
    listing->dir = before;
    return 0;
}

static void listing_add(struct listing *listing, const char *path, ext2_ino_t number)
{
    struct ext2_inode_large inode;

    if (ext2fs_read_inode_full(listing->fs, number, (struct ext2_inode *)&inode, sizeof inode) != 0)
        return;
    listing->lines = realloc(listing->lines, (listing->count + 1) * sizeof *listing->lines);
    if (listing->lines == NULL)
        abort();
    listing->lines[listing->count++] =
        listing->names_only ? text_copy(path) : line_of(listing->fs, path, number, &inode);
    if (!LINUX_S_ISDIR(inode.i_mode))
        return;
    listing->dir = path;
    ext2fs_dir_iterate2(listing->fs, number, 0, NULL, entry_taken, listing);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Joins and frees the lines. */
static char *listing_text(struct listing *listing)
{
    char *text = text_copy("");

    if (listing->count > 0)
        qsort(listing->lines, listing->count, sizeof *listing->lines, by_text);
    for (size_t i = 0; i < listing->count; i++) {
        text_append(&text, listing->lines[i]);
        text_append(&text, "\n");
        free(listing->lines[i]);
    }
    free(listing->lines);
    return text;
}

static char *list(const struct disk *disk, const char *path, bool names_only)
{
    struct listing listing = {.fs = disk_root_open(disk, 0), .names_only = names_only};
    ext2_ino_t number;

    if (listing.fs == NULL)
        return text_copy("");
    if (ext2fs_namei(listing.fs, EXT2_ROOT_INO, EXT2_ROOT_INO, path, &number) == 0)
        listing_add(&listing, path, number);
    ext2fs_close_free(&listing.fs);
    return listing_text(&listing);
}

char *disk_listing(const struct disk *disk, const char *path)
{
    return list(disk, path, false);
}

char *disk_names(const struct disk *disk, const char *path)
{
    return list(disk, path, true);
}

/* Gives debugfs one command. It exits with 0 whatever happens, so what it says is looked at. */
static int debugfs_run(const struct disk *disk, const char *command, char **reason)
{
    TEXT_AUTO where = text_format("%s?offset=%" PRIu64, disk->path, disk->root_offset);
    const char *argv[] = {"debugfs", "-w", "-R", command, where, NULL};
    struct output output;
    int code = command_run(argv, &output);
    char *said = strchr(output.err, '\n'); /* behind its banner */
    int error = code == 0 && (said == NULL || said[1] == '\0') ? 0 : -EIO;

    if (error < 0)
        text_replace(reason, code < 0 ? command_complaint(argv[0], code, &output)
                                      : text_format("debugfs: %s: %s", command, output.err));
    output_free(&output);
    return error;
}

int disk_put(const struct disk *disk, const char *path, const void *bytes, size_t size,
             unsigned mode, char **reason)
{
    char name[] = "/tmp/rig-file-XXXXXX";
    TEXT_AUTO command = NULL;
    int error = file_write_temporary(name, bytes, size);

    if (error == 0 && disk_kind(disk, path) != NULL)
        error = disk_delete(disk, path, reason);
    if (error == 0) {
        chmod(name, mode);
        command = text_format("write %s \"%s\"", name, path);
        error = debugfs_run(disk, command, reason);
    }
    unlink(name);
    if (error == 0 && disk_kind(disk, path) == NULL) {
        text_replace(reason, text_format("debugfs: %s was not written", path));
        error = -EIO;
    }
    return error;
}

int disk_write(const struct disk *disk, const char *path, const void *bytes, size_t size,
               char **reason)
{
    return disk_put(disk, path, bytes, size, 0644, reason);
}

int disk_mkdir(const struct disk *disk, const char *path, char **reason)
{
    int error = 0;

    for (const char *end = path; error == 0 && *end != '\0';) {
        TEXT_AUTO dir = NULL;

        end += 1 + strcspn(end + 1, "/");
        dir = text_format("%.*s", (int)(end - path), path);
        if (disk_kind(disk, dir) == NULL) {
            TEXT_AUTO command = text_format("mkdir \"%s\"", dir);

            error = debugfs_run(disk, command, reason);
        }
    }
    return error;
}

/* A line of a listing begins with its path, up to " file ino=" and the like. */
static void delete_line(const struct disk *disk, char *line, char **reason)
{
    char *end = strstr(line, " ino=");
    bool directory;
    TEXT_AUTO command = NULL;

    if (end == NULL)
        return;
    *end = '\0';
    end = strrchr(line, ' ');
    if (end == NULL)
        return;
    *end = '\0';
    directory = strcmp(end + 1, "directory") == 0;
    command = text_format("%s \"%s\"", directory ? "rmdir" : "rm", line);
    debugfs_run(disk, command, reason);
}

int disk_delete(const struct disk *disk, const char *path, char **reason)
{
    TEXT_AUTO listing = disk_listing(disk, path);
    size_t end = strlen(listing);

    /* From the last line to the first: a directory sorts before what is in it. */
    while (end > 0) {
        listing[--end] = '\0';
        while (end > 0 && listing[end - 1] != '\n')
            end--;
        delete_line(disk, listing + end, reason);
    }
    if (disk_kind(disk, path) == NULL)
        return 0;
    if (*reason == NULL)
        text_replace(reason, text_format("debugfs: %s is still there", path));
    return -EIO;
}

static char *esp_image(const struct disk *disk)
{
    return text_format("%s@@%" PRIu64, disk->path, disk->esp_offset);
}

char *esp_read(const struct disk *disk, const char *path, size_t *size)
{
    TEXT_AUTO image = esp_image(disk);
    TEXT_AUTO name = text_format("::%s", path);
    const char *argv[] = {"mtype", "-i", image, name, NULL};
    struct output output;
    char *bytes = NULL;

    if (command_run(argv, &output) == 0) {
        bytes = output.out;
        output.out = NULL;
        if (size != NULL)
            *size = output.out_size;
    }
    output_free(&output);
    return bytes;
}

bool esp_has(const struct disk *disk, const char *path)
{
    TEXT_AUTO image = esp_image(disk);
    TEXT_AUTO name = text_format("::%s", path);
    const char *argv[] = {"mdir", "-b", "-i", image, name, NULL};

    return command_must(argv, NULL) == 0;
}

int esp_write(const struct disk *disk, const char *path, const void *bytes, size_t size,
              char **reason)
{
    char from[] = "/tmp/rig-file-XXXXXX";
    TEXT_AUTO image = esp_image(disk);
    TEXT_AUTO name = text_format("::%s", path);
    const char *argv[] = {"mcopy", "-o", "-i", image, from, name, NULL};
    int error = file_write_temporary(from, bytes, size);

    if (error == 0)
        error = command_must(argv, reason);
    unlink(from);
    return error;
}

int esp_delete(const struct disk *disk, const char *path, char **reason)
{
    TEXT_AUTO image = esp_image(disk);
    TEXT_AUTO name = text_format("::%s", path);
    const char *argv[] = {"mdeltree", "-i", image, name, NULL};

    return command_must(argv, reason);
}
