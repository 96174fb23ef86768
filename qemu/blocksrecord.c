/* blocksrecord.c - see blocksrecord.h */
#include "blocksrecord.h"
#include "command.h"
#include "directory.h"
#include "labmachine.h"
#include "rig.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MIB 1048576u

/* Fixed identities, so that recordings of one build resemble each other. */
#define UUID "0bac5709-0000-4000-8000-00000000b10c"
#define MAKE_EXT4                                                                                  \
    {                                                                                              \
        "mkfs.ext4", "-q", "-F", "-b", "4096", "-U", UUID, "-E", "hash_seed=" UUID, NULL           \
    }
/* 512 bytes a sector: the table's MiB are 2048 of them */
#define MAKE_VFAT                                                                                  \
    {                                                                                              \
        "mkfs.vfat", "--invariant", "-F", "32", "-i", "BAC57091", "--offset", "2048", NULL         \
    }
static const struct block_fs file_systems[] = {
    {"ext4", 64, 0, 1000, MAKE_EXT4},
    {"ext4-kept", 64, 0, 0, MAKE_EXT4},
    {"xfs", 300, 0, 1000, {"mkfs.xfs", "-q", "-f", "-m", "uuid=" UUID, NULL}},
    {"btrfs", 160, 0, 1000, {"mkfs.btrfs", "-q", "-f", "-U", UUID, NULL}},
    {"vfat", 34, 1, 1000, MAKE_VFAT},
    {"vfat-uninstall", 34, 1, 0, MAKE_VFAT},
};
#define FILE_SYSTEMS (sizeof file_systems / sizeof *file_systems)

const struct block_fs *block_fs_at(size_t index)
{
    return index < FILE_SYSTEMS ? &file_systems[index] : NULL;
}

const struct block_fs *block_fs_find(const char *name)
{
    for (size_t i = 0; i < FILE_SYSTEMS; i++)
        if (strcmp(file_systems[i].name, name) == 0)
            return &file_systems[i];
    return NULL;
}

/* ---- where it lies ---- */

static int add_lab(struct hash *hash, const char *lab)
{
    static const char *const parts[] = {"kernel/vmlinuz", "initrd"};
    int error = 0;

    for (size_t i = 0; i < 2 && error == 0; i++) {
        TEXT_AUTO path = text_format("%s/%s", lab, parts[i]);

        error = hash_add_file(hash, path);
        if (error < 0)
            fprintf(stderr, "rig: %s: %s; `make lab` makes it\n", path, strerror(-error));
    }
    return error;
}

/* All that decides what is recorded. */
static int find_key(struct recording *recording)
{
    const struct block_fs *fs = recording->fs;
    TEXT_AUTO layout = text_format("%s %u %u", fs->name, fs->mib, fs->table_mib);
    struct hash *hash = hash_new();
    char digest[HASH_TEXT_SIZE];
    int error = add_lab(hash, recording->lab);

    hash_add_text(hash, layout);
    for (size_t i = 0; fs->make[i] != NULL; i++)
        hash_add_text(hash, fs->make[i]);
    hash_end(hash, digest);
    memcpy(recording->key, digest, sizeof recording->key - 1);
    return error;
}

int recording_open(struct recording *recording, const char *lab, const char *out,
                   const struct block_fs *fs)
{
    int error;

    *recording = (struct recording){.lab = lab, .fs = fs};
    error = find_key(recording);
    recording->dir = text_format("%s/%s-%s", out, fs->name, recording->key);
    recording->base = text_format("%s/base.raw", recording->dir);
    recording->log = text_format("%s/log", recording->dir);
    recording->sum = text_format("%s/sum", recording->dir);
    recording->console = text_format("%s/console.log", recording->dir);
    return error;
}

void recording_close(struct recording *recording)
{
    free(recording->dir);
    free(recording->base);
    free(recording->log);
    free(recording->sum);
    free(recording->console);
    writes_free(&recording->writes);
}

void recording_forget(const struct recording *recording)
{
    directory_remove(recording->dir);
}

/* ---- whether it is one ---- */

static int sum_of(const char *base, const char *log, char digest[HASH_TEXT_SIZE])
{
    struct hash *hash = hash_new();
    int error = hash_add_file(hash, base);

    if (error == 0)
        error = hash_add_file(hash, log);
    hash_end(hash, digest);
    return error;
}

/* The first sector in which they differ. */
static uint64_t first_difference(const uint8_t *a, const uint8_t *b, size_t size)
{
    size_t at = 0;

    while (at < size && a[at] == b[at])
        at++;
    return at / DISK_SECTOR;
}

static char *compare(const struct writes *writes, uint8_t *before, const uint8_t *after,
                     size_t size)
{
    if (writes_mark(writes, size) == 0)
        return text_copy("the log does not say where the act had ended: its end is not there");
    writes_apply(writes, before);
    if (memcmp(before, after, size) == 0)
        return NULL;
    return text_format("the log's %zu writes do not lead to what the disk holds: sector %llu is "
                       "another",
                       writes->count, (unsigned long long)first_difference(before, after, size));
}

char *recording_complaint(const char *before, const char *log, const char *after)
{
    size_t size = 0, size_after = 0;
    TEXT_AUTO start = file_read(before, &size);
    TEXT_AUTO end = file_read(after, &size_after);
    struct writes writes = {0};
    char *complaint = NULL;

    if (start == NULL || end == NULL || size != size_after || size < DISK_MARGIN)
        return text_format("%s and %s cannot be compared", before, after);
    if (writes_load(&writes, log, size, &complaint) == 0)
        complaint = compare(&writes, (uint8_t *)start, (const uint8_t *)end, size);
    writes_free(&writes);
    return complaint;
}

int recording_read(struct recording *recording, uint8_t **base, size_t *size, char **reason)
{
    TEXT_AUTO sum = file_read(recording->sum, NULL);
    TEXT_AUTO bytes = NULL;

    if (access(recording->base, F_OK) < 0)
        return -ENOENT;
    if (sum_of(recording->base, recording->log, recording->digest) < 0 || sum == NULL ||
        strcmp(sum, recording->digest) != 0) {
        *reason = text_format("%s is not as it was recorded", recording->dir);
        return -EBADMSG;
    }
    bytes = file_read(recording->base, size);
    if (bytes == NULL)
        *reason = text_format("%s: %s", recording->base, strerror(errno));
    else if (writes_load(&recording->writes, recording->log, *size, reason) == 0 &&
             writes_mark(&recording->writes, *size) == 0)
        *reason = text_format("%s does not say where the act had ended", recording->log);
    if (*reason != NULL)
        return -EBADMSG;
    *base = (uint8_t *)bytes;
    bytes = NULL;
    return 0;
}

/* ---- how it is made ---- */

struct role {
    bool done;
    char *broken; /* why the lab could not go on */
};

static bool take_line(void *context, const char *line)
{
    struct role *role = context;

    if (strcmp(line, "done") == 0)
        role->done = true;
    else if (text_starts(line, "broken"))
        text_replace(&role->broken, text_copy(line + strlen("broken")));
    return true;
}

/* Runs a part of the lab that either ends well or not at all. */
static int run_role(const struct recording *recording, const struct lab_setup *setup)
{
    struct role role = {0};
    int error = lab_machine_run(setup, take_line, &role);

    if (error != 0 || !role.done) {
        fprintf(stderr, "rig: blocks %s: %s: %s (%s)\n", recording->fs->name, setup->role,
                role.broken != NULL ? role.broken
                : error < 0         ? strerror(-error)
                                    : "the lab's machine ended too early",
                setup->console);
        error = error < 0 ? error : -EIO;
    }
    free(role.broken);
    return error;
}

static int run_tool(const char *const argv[])
{
    TEXT_AUTO reason = NULL;
    int error = command_must(argv, &reason);

    if (error < 0)
        fprintf(stderr, "rig: %s\n", reason);
    return error;
}

/* A GPT with one partition, an ESP: that is how Backstop knows it. */
static int make_table(const struct block_fs *fs, const char *disk)
{
    TEXT_AUTO script = text_format("%s.table", disk);
    TEXT_AUTO table = text_format("label: gpt\nlabel-id: " UUID "\n"
                                  "start=%uMiB, size=%uMiB, type=uefi, uuid=" UUID "\n",
                                  fs->table_mib, fs->mib);
    TEXT_AUTO command = text_format("exec sfdisk -q '%s' <'%s'", disk, script);
    const char *const argv[] = {"sh", "-c", command, NULL};
    int error = file_write(script, table, strlen(table));

    if (error == 0)
        error = run_tool(argv);
    unlink(script);
    return error;
}

static int make_file_system(const struct block_fs *fs, const char *disk)
{
    off_t size = (off_t)(fs->table_mib + fs->mib) * MIB;
    const char *argv[16] = {NULL};
    size_t count = 0;

    for (; fs->make[count] != NULL; count++)
        argv[count] = fs->make[count];
    argv[count] = disk;
    if (file_write(disk, "", 0) < 0 || truncate(disk, size) < 0 || run_tool(argv) < 0 ||
        truncate(disk, size + DISK_MARGIN) < 0 || (fs->table_mib > 0 && make_table(fs, disk) < 0)) {
        fprintf(stderr, "rig: %s: cannot be made\n", disk);
        return -EIO;
    }
    return 0;
}

static int copy_disk(const char *from, const char *to)
{
    TEXT_AUTO reason = NULL;
    int error = file_copy(from, to, &reason);

    if (error < 0)
        fprintf(stderr, "rig: %s\n", reason);
    return error;
}

/* base.raw is there when all of it is. */
static int keep(const struct recording *recording, const char *before, const char *after)
{
    TEXT_AUTO complaint = recording_complaint(before, recording->log, after);
    char digest[HASH_TEXT_SIZE];
    int error;

    if (complaint != NULL) {
        fprintf(stderr, "rig: blocks %s: %s: %s\n", recording->fs->name, recording->log, complaint);
        return -EBADMSG;
    }
    error = sum_of(before, recording->log, digest);
    if (error == 0)
        error = file_write(recording->sum, digest, strlen(digest));
    return error == 0 && rename(before, recording->base) < 0 ? -errno : error;
}

int recording_make(const struct recording *recording)
{
    TEXT_AUTO part = text_format("%s.part", recording->base);
    TEXT_AUTO disk = text_format("%s/disk.raw", recording->dir);
    struct lab_setup setup = {.dir = recording->lab,
                              .role = "prepare",
                              .file_system = recording->fs->name,
                              .disk = part,
                              .console = recording->console};
    int error = directory_make(recording->dir);

    unlink(recording->base);
    if (error == 0)
        error = make_file_system(recording->fs, part);
    if (error == 0)
        error = run_role(recording, &setup);
    if (error == 0)
        error = copy_disk(part, disk);
    setup.role = "record";
    setup.disk = disk;
    setup.log = recording->log;
    if (error == 0)
        error = run_role(recording, &setup);
    if (error == 0)
        error = keep(recording, part, disk);
    unlink(disk);
    return error;
}
