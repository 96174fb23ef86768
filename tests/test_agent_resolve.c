/*
 * Resolving paths by hand: the same answers as openat2(2) gives, which is asked too where there is
 * one.
 */
#include "check.h"
#include <sys/mount.h>
#include <sys/syscall.h>
#include "resolve.h"
#include "world.h"

static struct world world;
static int root_fd;

static int set_up(void **state)
{
    (void)state;
    world_make(&world);
    world_dirs(&world, "/etc/deep/er");
    world_file(&world, "/etc/file", "x", 0644);
    world_link(&world, "/to-file", "/etc/file");
    world_link(&world, "/to-dir", "etc/deep/..");
    world_link(&world, "/up", "../../../../etc/file");
    world_link(&world, "/out", "/usr/bin/env");
    world_link(&world, "/a", "b");
    world_link(&world, "/b", "a");
    world_link(&world, "/etc/deep/again", "../../to-dir");
    root_fd = open(world.root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return root_fd < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
    (void)state;
    close(root_fd);
    world_remove(&world);
    return 0;
}

#define INSIDE RESOLVE_IN_ROOT
#define PLAIN (RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS)
#define BENEATH (RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV)

static const struct row {
    const char *path;
    int flags;
    unsigned resolve;
    int expect; /* 0: opens what is at `real`; else -errno */
    const char *real;
} rows[] = {
    {"/etc/file", O_RDONLY, INSIDE, 0, "/etc/file"},
    {"etc//./file", O_RDONLY, INSIDE, 0, "/etc/file"},
    {"/", O_RDONLY | O_DIRECTORY, INSIDE, 0, "/"},
    {"/..", O_RDONLY | O_DIRECTORY, INSIDE, 0, "/"},
    {"/etc/..", O_RDONLY | O_DIRECTORY, INSIDE, 0, "/"},
    {"/etc/deep/../file", O_RDONLY, PLAIN, 0, "/etc/file"},
    {"/to-file", O_RDONLY, INSIDE, 0, "/etc/file"},
    {"/to-dir/file", O_RDONLY, INSIDE, 0, "/etc/file"},
    {"/up", O_RDONLY, INSIDE, 0, "/etc/file"},
    {"/etc/deep/again/file", O_RDONLY, INSIDE, 0, "/etc/file"},
    {"/../../../etc/file", O_RDONLY, INSIDE, 0, "/etc/file"},
    {"/to-dir", O_RDONLY | O_DIRECTORY, INSIDE, 0, "/etc"},
    {"/to-file", O_PATH | O_NOFOLLOW, INSIDE, 0, NULL},
    {"/out", O_RDONLY, INSIDE, -ENOENT, NULL},
    {"/a", O_RDONLY, INSIDE, -ELOOP, NULL},
    {"/to-file", O_RDONLY, PLAIN, -ELOOP, NULL},
    {"/to-dir/file", O_RDONLY, PLAIN, -ELOOP, NULL},
    {"/to-file", O_RDONLY | O_NOFOLLOW, INSIDE, -ELOOP, NULL},
    {"/etc/file/x", O_RDONLY, INSIDE, -ENOTDIR, NULL},
    {"/etc/nothing", O_RDONLY, PLAIN, -ENOENT, NULL},
    {"/nothing/file", O_RDONLY, PLAIN, -ENOENT, NULL},
    {"", O_RDONLY, INSIDE, -ENOENT, NULL},
    {"etc/file", O_RDONLY, BENEATH, 0, "/etc/file"},
    {".", O_RDONLY | O_DIRECTORY, BENEATH, 0, "/"},
    {"/etc/file", O_RDONLY, BENEATH, -EXDEV, NULL},
    {"../x", O_RDONLY, BENEATH, -EXDEV, NULL},
    {"to-file", O_RDONLY, BENEATH, -ELOOP, NULL},
};

static void same_file(int fd, const char *real)
{
    struct stat a, b;

    assert_int_equal(fstat(fd, &a), 0);
    assert_int_equal(stat(world_path(&world, real), &b), 0);
    assert_true(a.st_ino == b.st_ino && a.st_dev == b.st_dev);
}

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        const struct row *row = &rows[i];
        struct open_how how = {.flags = (unsigned)row->flags | O_CLOEXEC, .resolve = row->resolve};
        int fd = resolve_by_hand(root_fd, row->path, &how);
        long kernel = syscall(SYS_openat2, root_fd, row->path, &how, sizeof how);
        int kernel_errno = kernel < 0 ? errno : 0;

        if ((fd < 0 ? fd : 0) != row->expect)
            print_error("row %zu: \"%s\": %d\n", i, row->path, fd);
        assert_int_equal(fd < 0 ? fd : 0, row->expect);
        if (row->real)
            same_file(fd, row->real);
        if (kernel_errno != ENOSYS)
            assert_int_equal(-kernel_errno, row->expect);
        if (fd >= 0)
            close(fd);
        if (kernel >= 0)
            close((int)kernel);
    }
}

static void test_creates(void **state)
{
    struct open_how how = {.flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
                           .mode = 0600,
                           .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS};
    int fd = resolve_by_hand(root_fd, "/etc/new", &how);

    (void)state;
    assert_true(fd >= 0);
    same_file(fd, "/etc/new");
    close(fd);
    assert_int_equal(resolve_by_hand(root_fd, "/etc/new", &how), -EEXIST);
}

static void test_mount_is_not_crossed(void **state)
{
    struct open_how how = {.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC, .resolve = BENEATH};
    int fd;

    (void)state;
    if (mount("none", world_path(&world, "/etc/deep"), "tmpfs", 0, NULL) < 0) {
        print_message("skip mount: %s\n", strerror(errno));
        skip();
    }
    fd = resolve_by_hand(root_fd, "etc/deep", &how);
    how.resolve = INSIDE;
    close(resolve_by_hand(root_fd, "etc/deep", &how));
    umount2(world_path(&world, "/etc/deep"), MNT_DETACH);
    assert_int_equal(fd, -EXDEV);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_rows, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_creates, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_mount_is_not_crossed, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
