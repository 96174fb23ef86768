/*
 * The inventory: what a walk lists, what it never follows, and when two entries are the same.
 */
#include "check.h"
#include "inventory.h"
#include "manifest.h"
#include "said.h"
#include "world.h"

#include <sys/mount.h>
#include <time.h>

static struct world world;
static struct place place;
static struct sets sets;
static struct inventory inventory;
static struct said said;

static int set_up(void **state)
{
    (void)state;
    world_make(&world);
    world_dirs(&world, SETS_DIR_LOCAL);
    said_start(&said);
    return place_open(&place, world.root);
}

static int tear_down(void **state)
{
    (void)state;
    inventory_free(&inventory);
    sets_free(&sets);
    place_close(&place);
    umount2(world_path(&world, "/opt/acme/empty"), MNT_DETACH); /* of a test that failed */
    world_remove(&world);
    return 0;
}

/* A set file of that name with these lines after its class. */
static void define(const char *name, const char *lines)
{
    char path[128], text[1024];

    snprintf(path, sizeof path, "%s/%s.conf", SETS_DIR_LOCAL, name);
    snprintf(text, sizeof text, "[set]\nclass=content\n%s\n", lines);
    world_file(&world, path, text, 0644);
}

static void take(void)
{
    inventory_free(&inventory);
    sets_free(&sets);
    assert_int_equal(sets_load(&place, &sets, &said.diag), 0);
    assert_int_equal(sets.bad_files, 0);
    assert_int_equal(inventory_take(&place, &sets, &inventory, &said.diag), 0);
}

/* "path path ...", directories with a slash behind them, never-touch ones with '!' before. */
static const char *listed(void)
{
    static char text[4096];

    *text = '\0';
    for (size_t i = 0; i < inventory.count; i++) {
        const struct entry *entry = &inventory.entries[i];

        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s%s%s", i ? " " : "",
                 entry->never ? "!" : "", entry->path, entry->type == ENTRY_DIR ? "/" : "");
    }
    return text;
}

static void plant(void)
{
    world_dirs(&world, "/opt/acme/sub/deep");
    world_dirs(&world, "/opt/acme/empty");
    world_file(&world, "/opt/acme/a.bin", "a", 0644);
    world_file(&world, "/opt/acme/b.txt", "b", 0644);
    world_file(&world, "/opt/acme/sub-x", "x", 0644);
    world_file(&world, "/opt/acme/sub/a.bin", "c", 0644);
    world_file(&world, "/opt/acme/sub/deep/a.bin", "d", 0644);
    world_link(&world, "/opt/acme/link", "a.bin");
    world_link(&world, "/opt/acme/away", "/etc");
}

static const struct {
    const char *name, *lines, *listed;
} walks[] = {
    {"all", "path=/opt/acme/**",
     "/opt/acme/a.bin /opt/acme/away /opt/acme/b.txt /opt/acme/empty/ /opt/acme/link "
     "/opt/acme/sub/ "
     "/opt/acme/sub/a.bin /opt/acme/sub/deep/ /opt/acme/sub/deep/a.bin /opt/acme/sub-x"},
    {"star lists no directories", "path=/opt/acme/*",
     "/opt/acme/a.bin /opt/acme/away /opt/acme/b.txt /opt/acme/link /opt/acme/sub-x"},
    {"one file", "path=/opt/acme/a.bin", "/opt/acme/a.bin"},
    {"a directory by its name is no file", "path=/opt/acme/sub", ""},
    {"a name anywhere", "path=/opt/acme/**/a.bin",
     "/opt/acme/a.bin /opt/acme/sub/a.bin /opt/acme/sub/deep/a.bin"},
    {"pattern in the middle", "path=/opt/*/sub/*", "/opt/acme/sub/a.bin"},
    {"literal behind a pattern", "path=/o*/acme/sub/a.bin", "/opt/acme/sub/a.bin"},
    {"double star below a pattern", "path=/opt/*/sub/**",
     "/opt/acme/sub/a.bin /opt/acme/sub/deep/ /opt/acme/sub/deep/a.bin"},
    {"twice the same", "path=/opt/acme/*.bin\npath=/opt/acme/a*", "/opt/acme/a.bin /opt/acme/away"},
    {"nothing there", "path=/opt/none/**\npath=/opt/acme/*.exe", ""},
    {"no directory where one should be", "path=/opt/acme/a.bin/**", ""},
    {"a link below is not followed", "path=/opt/acme/aw*/**", ""},
    {"never", "path=/opt/acme/**\nnever=/opt/acme/*.txt\nnever=/opt/acme/sub",
     "/opt/acme/a.bin /opt/acme/away !/opt/acme/b.txt /opt/acme/empty/ /opt/acme/link "
     "!/opt/acme/sub/ !/opt/acme/sub/a.bin !/opt/acme/sub/deep/ !/opt/acme/sub/deep/a.bin "
     "/opt/acme/sub-x"},
    {"never, deep", "path=/opt/acme/*/**\nnever=/opt/**/deep/**",
     "/opt/acme/sub/a.bin /opt/acme/sub/deep/ !/opt/acme/sub/deep/a.bin"},
    {"not detected", "path=/opt/acme/**\ndetect=/opt/none", ""},
};

static void test_walks(void **state)
{
    (void)state;
    plant();
    for (size_t i = 0; i < ROWS(walks); i++) {
        define("acme", walks[i].lines);
        take();
        if (strcmp(listed(), walks[i].listed) != 0)
            fail_msg("%s:\n%s\nnot\n%s", walks[i].name, listed(), walks[i].listed);
    }
    assert_string_equal(said.text, "");
}

static void test_first_set_has_it(void **state)
{
    (void)state;
    plant();
    define("b", "path=/opt/acme/*\nnever=/opt/acme/link");
    define("a", "path=/opt/acme/a*");
    take();
    assert_string_equal(listed(), "/opt/acme/a.bin /opt/acme/away /opt/acme/b.txt !/opt/acme/link "
                                  "/opt/acme/sub-x");
    assert_string_equal(inventory.set_names[inventory.entries[0].set], "a");
    assert_string_equal(inventory.set_names[inventory.entries[2].set], "b");
}

/* A sensor's identity must not be rolled back, whichever set names the file first. */
static void test_never_of_another_set(void **state)
{
    (void)state;
    plant();
    define("a-all", "path=/opt/acme/*");
    define("b", "path=/nothing\ndetect=/nothing\nnever=/opt/acme/b.txt");
    take();
    assert_string_equal(listed(), "/opt/acme/a.bin /opt/acme/away !/opt/acme/b.txt /opt/acme/link "
                                  "/opt/acme/sub-x");
}

/* As /lib on a merged /usr: followed in the prefix, and the paths are those behind it. */
static void test_link_in_prefix(void **state)
{
    (void)state;
    plant();
    world_link(&world, "/vendor", "opt");
    world_link(&world, "/absolute", "/opt/acme");
    define("acme", "path=/vendor/acme/*.bin\npath=/absolute/*.txt\nnever=/vendor/acme/a*");
    take();
    assert_string_equal(listed(), "!/opt/acme/a.bin /opt/acme/b.txt");
}

static void test_link_out_of_the_root(void **state)
{
    struct world other;

    (void)state;
    world_make(&other);
    world_file(&other, "/secret", "x", 0644);
    world_link(&world, "/out", other.root);
    world_link(&world, "/up", "../../../../../../etc");
    world_dirs(&world, "/opt");
    define("acme", "path=/out/*\npath=/up/backstop/**/*.conf");
    take();
    world_remove(&other);
    assert_string_equal(listed(), "/etc/backstop/sets.d/acme.conf");
}

static void test_link_to_a_forbidden_place(void **state)
{
    (void)state;
    world_dirs(&world, "/run/acme");
    world_file(&world, "/run/acme/x", "x", 0644);
    world_link(&world, "/acme", "run/acme");
    define("acme", "path=/acme/**");
    take();
    assert_string_equal(listed(), "");
    assert_non_null(strstr(said.text, "/acme: cannot be read"));
}

/* However the walk comes to it. */
static void test_own_state_and_names(void **state)
{
    (void)state;
    world_dirs(&world, "/srv/var/lib");
    world_link(&world, "/var", "srv/var");
    assert_int_equal(place_open_state(&place, true), 0);
    world_file(&world, STATE_DIR "/store/x", "x", 0644);
    world_file(&world, "/srv/var/lib/y", "y", 0644);
    world_dirs(&world, "/srv/.backstop-quarantine/7");
    world_file(&world, "/srv/.backstop-quarantine/7/1", "z", 0644);
    define("acme", "path=/srv/**");
    take();
    assert_string_equal(listed(), "/srv/var/ /srv/var/lib/ /srv/var/lib/backstop/ /srv/var/lib/y");
}

static void test_entries(void **state)
{
    const struct entry *file, *symlink, *hard, *odd, *fifo;

    (void)state;
    world_dirs(&world, "/a");
    world_file(&world, "/a/file", "12345", 04751);
    world_time(&world, "/a/file", 1000000000);
    world_link(&world, "/a/link", "some where");
    world_file(&world, "/a/odd \n\t%\xff", "", 0600);
    assert_int_equal(link(world_path(&world, "/a/file"), world_path(&world, "/a/hard")), 0);
    assert_int_equal(mkfifo(world_path(&world, "/a/pipe"), 0600), 0);
    define("acme", "path=/a/**");
    take();
    assert_int_equal(inventory.count, 5);
    file = inventory_find(&inventory, "/a/file");
    hard = inventory_find(&inventory, "/a/hard");
    symlink = inventory_find(&inventory, "/a/link");
    odd = inventory_find(&inventory, "/a/odd \n\t%\xff");
    fifo = inventory_find(&inventory, "/a/pipe");
    assert_null(inventory_find(&inventory, "/a"));
    assert_non_null(file);
    assert_int_equal(file->type, ENTRY_FILE);
    assert_int_equal(file->mode, 04751);
    assert_int_equal(file->size, 5);
    assert_int_equal(file->uid, geteuid());
    assert_int_equal(file->nlink, 2);
    assert_int_equal(file->inode, world_inode(&world, "/a/file"));
    assert_true(file->mtime_ns == INT64_C(1000000000123456789));
    assert_false(file->hashed);
    assert_non_null(hard);
    assert_int_equal(hard->inode, file->inode);
    assert_int_equal(hard->dev, file->dev);
    assert_non_null(symlink);
    assert_int_equal(symlink->type, ENTRY_LINK);
    assert_string_equal(symlink->target, "some where");
    assert_non_null(odd);
    assert_non_null(fifo);
    assert_int_equal(fifo->type, ENTRY_OTHER);
}

static void test_order(void **state)
{
    static const char *const sorted[] = {"/a",     "/a/b",   "/a/b/c", "/a/b-c", "/a/b.c",
                                         "/a/bb",  "/a\x01", "/a-b",   "/a.b",   "/aa",
                                         "/a\x7f", "/a\xff", "/b"};

    (void)state;
    for (size_t i = 0; i < ROWS(sorted); i++)
        for (size_t k = 0; k < ROWS(sorted); k++) {
            int order = path_compare(sorted[i], sorted[k]);

            if ((order > 0) - (order < 0) != (i > k) - (i < k))
                fail_msg("%s and %s", sorted[i], sorted[k]);
        }
}

/* More directories than a thread takes at a time, names in no order: all are there, sorted. */
static void test_many(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 40; i++) {
        char path[64];

        snprintf(path, sizeof path, "/many/%u", i * 7919 % 101);
        world_dirs(&world, path);
        for (unsigned k = 0; k < 25; k++) {
            snprintf(path, sizeof path, "/many/%u/%u", i * 7919 % 101, k * 31 % 97);
            world_file(&world, path, "", 0600);
        }
    }
    define("one", "path=/many/**");
    define("two", "path=/many/*/1*");
    take();
    assert_int_equal(inventory.count, 40 + 40 * 25);
    for (size_t i = 1; i < inventory.count; i++)
        assert_true(path_compare(inventory.entries[i - 1].path, inventory.entries[i].path) < 0);
}

/* As nobody, where we are root: it may not read all, nor open without leaving a trace. */
static void test_unreadable(void **state)
{
    bool root = geteuid() == 0;

    (void)state;
    plant();
    assert_int_equal(chmod(world.root, 0755), 0);
    assert_int_equal(chmod(world_path(&world, "/opt/acme/sub"), 0), 0);
    define("acme", "path=/opt/acme/**");
    assert_int_equal(root ? seteuid(65534) : 0, 0);
    take();
    assert_int_equal(entry_hash(&place, &inventory, &inventory.entries[0]), 0);
    assert_int_equal(root ? seteuid(0) : 0, 0);
    assert_int_equal(chmod(world_path(&world, "/opt/acme/sub"), 0755), 0);
    assert_null(inventory_find(&inventory, "/opt/acme/sub/a.bin"));
    assert_non_null(inventory_find(&inventory, "/opt/acme/sub-x"));
    assert_true(inventory_is_blind(&inventory, "/opt/acme/sub/a.bin"));
    assert_false(inventory_is_blind(&inventory, "/opt/acme/sub-x"));
    assert_non_null(strstr(said.text, "/opt/acme/sub: cannot be read"));
}

static void test_mount_point(void **state)
{
    (void)state;
    plant();
    if (mount("none", world_path(&world, "/opt/acme/empty"), "tmpfs", 0, "size=64k") < 0) {
        print_message("tmpfs cannot be mounted here: %s\n", strerror(errno));
        skip();
    }
    world_file(&world, "/opt/acme/empty/x", "x", 0644);
    define("acme", "path=/opt/acme/**");
    take();
    assert_null(inventory_find(&inventory, "/opt/acme/empty"));
    assert_null(inventory_find(&inventory, "/opt/acme/empty/x"));
    assert_true(inventory_is_blind(&inventory, "/opt/acme/empty/x"));
    define("acme", "path=/opt/acme/*/x"); /* reached by a pattern, without being listed itself */
    take();
    assert_string_equal(listed(), "");
    assert_true(inventory_is_blind(&inventory, "/opt/acme/empty/x"));
    define("acme", "path=/opt/acme/empty/**");
    take();
    umount(world_path(&world, "/opt/acme/empty"));
    assert_string_equal(listed(), "/opt/acme/empty/x");
}

static struct entry *entry(const char *path)
{
    struct entry *found = NULL;

    for (size_t i = 0; i < inventory.count; i++)
        if (strcmp(inventory.entries[i].path, path) == 0)
            found = &inventory.entries[i];
    assert_non_null(found);
    return found;
}

static void test_hash(void **state)
{
    static const char abc[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    uint8_t wanted[SHA256_SIZE];
    struct stat before, after;

    (void)state;
    world_dirs(&world, "/a/d");
    world_file(&world, "/a/f", "abc", 0644);
    world_link(&world, "/a/l", "f");
    define("acme", "path=/a/**");
    take();
    assert_int_equal(stat(world_path(&world, "/a/f"), &before), 0);
    assert_int_equal(hex_parse(abc, wanted, SHA256_SIZE), 0);
    for (size_t i = 0; i < inventory.count; i++) {
        assert_int_equal(entry_hash(&place, &inventory, &inventory.entries[i]), 0);
        assert_true(inventory.entries[i].hashed);
    }
    assert_memory_equal(entry("/a/f")->sha256, wanted, SHA256_SIZE);
    assert_int_equal(stat(world_path(&world, "/a/f"), &after), 0);
    assert_memory_equal(&before.st_atim, &after.st_atim, sizeof before.st_atim);
}

static void test_hash_is_stale(void **state)
{
    (void)state;
    world_dirs(&world, "/a");
    world_file(&world, "/a/f", "abc", 0644);
    world_file(&world, "/a/g", "abc", 0644);
    world_file(&world, "/a/h", "abc", 0644);
    define("acme", "path=/a/**");
    take();
    world_file(&world, "/a/f", "abd", 0644);
    unlink(world_path(&world, "/a/g"));
    world_link(&world, "/a/h", "f");
    assert_int_equal(entry_hash(&place, &inventory, entry("/a/f")), -ESTALE);
    assert_int_equal(entry_hash(&place, &inventory, entry("/a/g")), -ENOENT);
    assert_int_equal(entry_hash(&place, &inventory, entry("/a/h")), -ESTALE);
    assert_false(entry("/a/f")->hashed);
}

/*
 * Any change after the inventory shows in the identity, were it within the same clock tick: so the
 * inventory is not given out before the tick of its newest file is over. (Newer kernels have finer
 * times, and would hide it if it were.)
 */
static void test_identity_outlives_a_tick(void **state)
{
    (void)state;
    world_dirs(&world, "/a");
    define("acme", "path=/a/**");
    for (int i = 0; i < 20; i++) {
        struct timespec clock;
        struct entry before;
        FILE *file;

        world_file(&world, "/a/f", "one", 0644);
        take();
        before = *entry("/a/f");
        clock_gettime(CLOCK_REALTIME, &clock);
        assert_true(clock.tv_sec * INT64_C(1000000000) + clock.tv_nsec - before.ctime_ns >=
                    10000000);
        file = fopen(world_path(&world, "/a/f"), "r+");
        assert_non_null(file);
        fputs("two", file);
        fclose(file);
        take();
        assert_int_equal(before.inode, entry("/a/f")->inode);
        assert_false(entry_same_identity(&before, entry("/a/f")));
    }
}

static const struct entry base = {.type = ENTRY_FILE,
                                  .mode = 0644,
                                  .uid = 1,
                                  .gid = 2,
                                  .nlink = 1,
                                  .size = 3,
                                  .inode = 4,
                                  .dev = 5,
                                  .mtime_ns = 6,
                                  .ctime_ns = 7,
                                  .hashed = true,
                                  .sha256 = {8}};

enum same { SAME_BOTH, SAME_IDENTITY, SAME_CONTENT, SAME_NEITHER };

static void test_same(void **state)
{
    static uint8_t xattr[] = "a\0\1\0\0\0x", other[] = "a\0\1\0\0\0y";
    struct {
        const char *name;
        struct entry entry;
        enum same same;
    } rows[] = {
        {"nothing", base, SAME_BOTH},    {"type", base, SAME_NEITHER},
        {"mode", base, SAME_IDENTITY},   {"uid", base, SAME_IDENTITY},
        {"gid", base, SAME_IDENTITY},    {"size", base, SAME_NEITHER},
        {"inode", base, SAME_CONTENT},   {"dev", base, SAME_BOTH},
        {"mtime", base, SAME_CONTENT},   {"ctime", base, SAME_CONTENT},
        {"sha256", base, SAME_IDENTITY}, {"unhashed", base, SAME_IDENTITY},
        {"xattrs", base, SAME_IDENTITY}, {"nlink", base, SAME_BOTH},
    };
    struct entry with = base, without = base;

    (void)state;
    rows[1].entry.type = ENTRY_DIR;
    rows[2].entry.mode = 0600;
    rows[3].entry.uid = 9;
    rows[4].entry.gid = 9;
    rows[5].entry.size = 9;
    rows[6].entry.inode = 9;
    rows[7].entry.dev = 9;
    rows[8].entry.mtime_ns = 9;
    rows[9].entry.ctime_ns = 9;
    rows[10].entry.sha256[31] = 9;
    rows[11].entry.hashed = false;
    rows[12].entry.xattrs = xattr;
    rows[12].entry.xattrs_size = 7;
    rows[13].entry.nlink = 9;
    for (size_t i = 0; i < ROWS(rows); i++) {
        bool identity = rows[i].same == SAME_BOTH || rows[i].same == SAME_IDENTITY;
        bool content = rows[i].same == SAME_BOTH || rows[i].same == SAME_CONTENT;

        if (entry_same_identity(&base, &rows[i].entry) != identity ||
            entry_same_content(&base, &rows[i].entry) != content)
            fail_msg("%s", rows[i].name);
    }
    with.xattrs = xattr;
    without.xattrs = other;
    with.xattrs_size = without.xattrs_size = 7;
    assert_false(entry_same_content(&with, &without));
}

/* Goes down into `name` of fd, made; closes fd. */
static int go_down(int fd, const char *name)
{
    int down;

    assert_int_equal(mkdirat(fd, name, 0755), 0);
    down = openat(fd, name, O_RDONLY | O_DIRECTORY);
    assert_true(down >= 0);
    close(fd);
    return down;
}

static const char *of_length(char byte, size_t length)
{
    static char name[NAME_MAX + 1];

    memset(name, byte, length);
    name[length] = '\0';
    return name;
}

/* Names are looked at beneath their directory, where the kernel has no limit to the whole path. */
static void test_paths_of_4096_bytes(void **state)
{
    size_t length = strlen("/opt/acme");
    struct inventory back;
    int fd, dir;

    (void)state;
    world_dirs(&world, "/opt/acme");
    world_file(&world, "/opt/acme/a", "a", 0644);
    fd = open(world_path(&world, "/opt/acme"), O_RDONLY | O_DIRECTORY);
    assert_true(fd >= 0);
    for (; length + 1 + 250 < PATH_SIZE_MAX - 20; length += 1 + 250)
        fd = go_down(fd, of_length('d', 250));
    length = PATH_SIZE_MAX - 1 - length - 1; /* of the longest name that can be listed */
    assert_int_equal(mknodat(fd, of_length('f', length), S_IFREG | 0644, 0), 0);
    assert_int_equal(mknodat(fd, of_length('g', length + 1), S_IFREG | 0644, 0), 0);
    fd = go_down(fd, of_length('e', length + 1));
    assert_int_equal(mknodat(fd, "x", S_IFREG | 0644, 0), 0);
    close(fd);
    define("acme", "path=/opt/acme/**");
    take();
    assert_int_equal(inventory.count, 16 + 2);
    assert_int_equal(strlen(inventory.entries[17].path), PATH_SIZE_MAX - 1);
    assert_int_equal(inventory.unread_count, 2);
    assert_int_equal(strlen(inventory.unread[0]), PATH_SIZE_MAX);
    assert_int_equal(strlen(inventory.unread[1]), PATH_SIZE_MAX);
    assert_int_equal(said.diag.warnings, 2);
    dir = open(world.root, O_RDONLY | O_DIRECTORY);
    assert_int_equal(manifest_write(dir, "m", &inventory), 0);
    assert_int_equal(manifest_read(dir, "m", &back, &said.diag), 0);
    inventory_free(&back);
    close(dir);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_walks),
        TEST(test_first_set_has_it),
        TEST(test_never_of_another_set),
        TEST(test_link_in_prefix),
        TEST(test_link_out_of_the_root),
        TEST(test_link_to_a_forbidden_place),
        TEST(test_own_state_and_names),
        TEST(test_entries),
        TEST(test_order),
        TEST(test_many),
        TEST(test_unreadable),
        TEST(test_paths_of_4096_bytes),
        TEST(test_mount_point),
        TEST(test_hash),
        TEST(test_hash_is_stale),
        TEST(test_identity_outlives_a_tick),
        TEST(test_same),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
