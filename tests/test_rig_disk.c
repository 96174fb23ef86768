/* Harm done to a file system from outside: rot that moves no time stamp, and no block left. */
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

#define FILE_PATH "/a/b.dat"

/* Runs a command of the shell in dir; it must succeed. */
static void sh(const char *what, const char *dir)
{
    TEXT_AUTO command = text_format("PATH=$PATH:/usr/sbin:/sbin; set -e; cd %s; %s", dir, what);
    const char *argv[] = {"sh", "-c", command, NULL};
    struct output output;

    if (command_run(argv, &output) != 0)
        fail_msg("%s: %s%s", command, output.out, output.err);
    output_free(&output);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(rot, make, unmake),
        cmocka_unit_test_setup_teardown(no_block_that_root_could_have, make, unmake),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
