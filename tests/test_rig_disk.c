/* Harm done to a file system from outside: rot that moves no time stamp, and no block left. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "../qemu/command.h"
#include "../qemu/disk_fs.h"
#include "../qemu/small.h"

#define FILE_PATH "/a/b.dat"

/* Runs a command of the shell in dir; it must succeed. */
static void sh(const char *what, const char *dir)
{
    TEXT_AUTO command = text_format("PATH=$PATH:/usr/sbin:/sbin; set -e; cd %s; %s", dir, what);
    const char *argv[] = {"sh", "-c", command, NULL};
    TEXT_AUTO reason = NULL;

    if (command_must(argv, &reason) < 0)
        fail_msg("%s: %s", command, reason);
}

struct world {
    char dir[32];
    char *path;
    struct disk disk;
};

static int make(void **state)
{
    struct world *world = calloc(1, sizeof *world);

    assert_non_null(world);
    strcpy(world->dir, "/tmp/rig-disk-XXXXXX");
    assert_non_null(mkdtemp(world->dir));
    world->path = text_format("%s/disk", world->dir);
    sh("mkdir -p root/a root/var/tmp; printf 0123456789 > root/a/b.dat; truncate -s 24M disk;"
       "printf 'label: gpt\\nstart=1MiB,size=2MiB,type=uefi\\nstart=4MiB,size=18MiB,type=linux\\n'"
       "| sfdisk -q disk; mke2fs -q -t ext4 -O ^inline_data -d root -E offset=4194304 disk 18M",
       world->dir);
    assert_int_equal(disk_open(&world->disk, world->path), 0);
    *state = world;
    return 0;
}

static int unmake(void **state)
{
    struct world *world = *state;

    sh("rm -rf root disk", world->dir);
    rmdir(world->dir);
    free(world->path);
    free(world);
    return 0;
}

static void is_consistent(const struct world *world)
{
    sh("e2fsck -fn 'disk?offset=4194304'", world->dir);
}

/* What stands before the hash: inode, mode, size, times. */
static char *attributes(const struct disk *disk)
{
    char *listing = disk_listing(disk, FILE_PATH);

    assert_non_null(strrchr(listing, ' '));
    *strrchr(listing, ' ') = '\0';
    return listing;
}

static void rot(void **state)
{
    const struct world *world = *state;
    TEXT_AUTO before = attributes(&world->disk);
    TEXT_AUTO after = NULL;
    TEXT_AUTO bytes = NULL;
    TEXT_AUTO reason = NULL;

    assert_int_equal(disk_damage(&world->disk, FILE_PATH, &reason), 0);
    after = attributes(&world->disk);
    bytes = disk_read(&world->disk, FILE_PATH, NULL);
    assert_string_equal(after, before);
    assert_string_equal(bytes, "01234\x25"
                               "6789"); /* '5' is 0x35 */
    assert_true(disk_damage(&world->disk, "/a/none", &reason) < 0);
    assert_non_null(strstr(reason, "/a/none"));
    is_consistent(world);
}

static void where_a_file_begins(void **state)
{
    const struct world *world = *state;
    TEXT_AUTO bytes = disk_read(&world->disk, FILE_PATH, NULL);
    TEXT_AUTO reason = NULL;
    TEXT_AUTO none = NULL;
    uint64_t byte = 0, kept;
    char there[4] = "";
    int fd = open(world->disk.path, O_RDONLY | O_CLOEXEC);

    assert_true(fd >= 0);
    if (disk_where(&world->disk, FILE_PATH, &byte, &reason) < 0)
        fail_msg("%s", reason);
    assert_int_equal(pread(fd, there, sizeof there, (off_t)byte), sizeof there);
    assert_memory_equal(there, bytes, sizeof there);
    close(fd);
    kept = byte;
    assert_true(disk_where(&world->disk, "/a/none", &byte, &none) < 0);
    assert_non_null(strstr(none, "/a/none"));
    assert_int_equal(byte, kept);
}

static uint64_t blocks_free(const struct disk *disk)
{
    ext2_filsys fs = disk_root_open(disk, 0);
    uint64_t count;

    assert_non_null(fs);
    count = ext2fs_free_blocks_count(fs->super);
    ext2fs_close_free(&fs);
    return count;
}

static void no_block_that_root_could_have(void **state)
{
    const struct world *world = *state;
    TEXT_AUTO reason = NULL;

    assert_true(blocks_free(&world->disk) > 1000);
    if (disk_fill(&world->disk, "/var/tmp/filler", &reason) < 0)
        fail_msg("%s", reason);
    /* ext4 keeps a fiftieth of 18 MiB in blocks of 1 KiB for itself */
    assert_in_range(blocks_free(&world->disk), 18 * 1024 / 50 - 8, 18 * 1024 / 50);
    assert_string_equal(disk_kind(&world->disk, "/var/tmp/filler"), "file");
    is_consistent(world);
}

/* The rig's small disk: what is put there is read again, and gone once it is deleted. */
static void files_of_the_small_disk(void **state)
{
    const struct world *world = *state;
    TEXT_AUTO disk = text_format("%s/small", world->dir);
    TEXT_AUTO loader = text_format("%s/root/a/b.dat", world->dir);
    TEXT_AUTO reason = NULL;
    TEXT_AUTO stage = NULL;
    TEXT_AUTO odd = NULL;
    size_t size = 0;

    if (small_disk_make(disk, loader, loader, &reason) < 0 ||
        small_put_bytes(disk, "a\0b\r\n", 5, "/EFI/test/odd", &reason) < 0)
        fail_msg("%s", reason);
    stage = small_get(disk, SMALL_STAGE, &size);
    assert_int_equal(size, 10);
    assert_string_equal(stage, "0123456789");
    odd = small_get(disk, "/EFI/test/odd", &size);
    assert_int_equal(size, 5);
    assert_memory_equal(odd, "a\0b\r\n", 5);
    small_delete(disk, "/EFI/test/odd");
    assert_null(small_get(disk, "/EFI/test/odd", &size));
    unlink(disk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(rot, make, unmake),
        cmocka_unit_test_setup_teardown(where_a_file_begins, make, unmake),
        cmocka_unit_test_setup_teardown(no_block_that_root_could_have, make, unmake),
        cmocka_unit_test_setup_teardown(files_of_the_small_disk, make, unmake),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
