/*
 * Changes: what is one and what is not, and when content is read to tell.
 */
#include "check.h"
#include "changes.h"
#include "said.h"
#include "world.h"

static struct world world;
static struct place place;
static struct sets sets;
static struct inventory good;
static struct changes changes;
static struct said said;

static int set_up(void **state)
{
    (void)state;
    world_make(&world);
    world_dirs(&world, SETS_DIR_LOCAL);
    world_dirs(&world, "/opt/acme/sub");
    world_file(&world, SETS_DIR_LOCAL "/acme.conf",
               "[set]\nclass=content\npath=/opt/acme/**\nnever=/opt/acme/identity\n", 0644);
    world_file(&world, "/opt/acme/a", "aaa", 0644);
    world_file(&world, "/opt/acme/b", "bbb", 0644);
    world_file(&world, "/opt/acme/identity", "id", 0644);
    world_file(&world, "/opt/acme/sub/c", "ccc", 0644);
    world_link(&world, "/opt/acme/link", "a");
    assert_int_equal(world_take_good(&world), 1);
    said_start(&said);
    return place_open(&place, world.root);
}

static int tear_down(void **state)
{
    (void)state;
    changes_free(&changes);
    inventory_free(&good);
    sets_free(&sets);
    place_close(&place);
    world_remove(&world);
    return 0;
}

/* "kind path, kind path", never-touch ones with '!' before. */
static const char *probe(void)
{
    static char text[1024];

    changes_free(&changes);
    inventory_free(&good);
    sets_free(&sets);
    assert_int_equal(place_open_state(&place, false), 0);
    assert_int_equal(good_load_newest(&place, &good, &said.diag), 0);
    assert_int_equal(sets_load(&place, &sets, &said.diag), 0);
    assert_int_equal(changes_probe(&place, &sets, &good, &changes, &said.diag), 0);
    *text = '\0';
    for (size_t i = 0; i < changes.count; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s%s %s", i ? ", " : "",
                 changes.items[i].never ? "!" : "", change_kind_string(changes.items[i].kind),
                 change_path(&changes.items[i]));
    return text;
}

static void nothing(void) {}
static void touch(void)
{
    world_time(&world, "/opt/acme/a", 1);
}
static void rewrite(void)
{
    world_file(&world, "/opt/acme/a", "aaa", 0644);
}
static void alter(void)
{
    world_file(&world, "/opt/acme/a", "axa", 0644);
}
static void grow(void)
{
    world_file(&world, "/opt/acme/a", "aaaa", 0644);
}
static void chmod_it(void)
{
    chmod(world_path(&world, "/opt/acme/a"), 0755);
}
static void set_it_uid(void)
{
    chmod(world_path(&world, "/opt/acme/sub/c"), 04644);
}
static void add(void)
{
    world_file(&world, "/opt/acme/sub/d", "d", 0644);
}
static void drop(void)
{
    unlink(world_path(&world, "/opt/acme/b"));
}
static void relink(void)
{
    world_link(&world, "/opt/acme/link", "b");
}
static void same_link(void)
{
    world_link(&world, "/opt/acme/link", "a");
}
static void become_link(void)
{
    world_link(&world, "/opt/acme/b", "a");
}
static void drop_tree(void)
{
    world_run("rm -r", world_path(&world, "/opt/acme/sub"), "");
}
static void drop_all(void)
{
    world_run("rm -r", world_path(&world, "/opt"), "");
}
static void identity(void)
{
    world_file(&world, "/opt/acme/identity", "new", 0644);
}
static void no_identity(void)
{
    unlink(world_path(&world, "/opt/acme/identity"));
}
static void chmod_dir(void)
{
    chmod(world_path(&world, "/opt/acme/sub"), 0700);
}

static void rename_it(void)
{
    rename(world_path(&world, "/opt/acme/a"), world_path(&world, "/opt/acme/z"));
}

static void dir_to_link(void)
{
    rename(world_path(&world, "/opt/acme/sub"), world_path(&world, "/elsewhere"));
    world_link(&world, "/opt/acme/sub", "/elsewhere");
}

static const struct {
    const char *name;
    void (*event)(void);
    const char *changes;
    size_t read;
} rows[] = {
    {"nothing", nothing, "", 0},
    {"touched", touch, "", 1},
    {"rewritten the same", rewrite, "", 1},
    {"altered, same size", alter, "altered /opt/acme/a", 1},
    {"altered, other size", grow, "altered /opt/acme/a", 0},
    {"mode", chmod_it, "altered /opt/acme/a", 0},
    {"set-id", set_it_uid, "altered /opt/acme/sub/c", 0},
    {"added", add, "added /opt/acme/sub/d", 1}, /* read: its directory's attributes */
    {"gone", drop, "gone /opt/acme/b", 0},
    {"renamed", rename_it, "gone /opt/acme/a, added /opt/acme/z", 0},
    {"link elsewhere", relink, "altered /opt/acme/link", 0},
    {"link made anew", same_link, "", 0},
    {"file became a link", become_link, "altered /opt/acme/b", 0},
    {"tree gone", drop_tree, "gone /opt/acme/sub, gone /opt/acme/sub/c", 0},
    {"directory's mode", chmod_dir, "altered /opt/acme/sub", 0},
    {"directory became a link", dir_to_link, "altered /opt/acme/sub, gone /opt/acme/sub/c", 0},
    {"all gone", drop_all,
     "gone /opt/acme/a, gone /opt/acme/b, !gone /opt/acme/identity, gone /opt/acme/link, "
     "gone /opt/acme/sub, gone /opt/acme/sub/c",
     0},
    {"never touched, altered", identity, "!altered /opt/acme/identity", 0},
    {"never touched, gone", no_identity, "!gone /opt/acme/identity", 0},
};

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        const char *seen;

        /* identities go by inode: each row has a tree, and a good generation, of its own */
        if (i) {
            void *none = NULL;

            tear_down(&none);
            assert_int_equal(set_up(&none), 0);
        }
        rows[i].event();
        seen = probe();
        if (strcmp(seen, rows[i].changes) != 0 || changes.hashed != rows[i].read)
            fail_msg("%s: %s, %zu read", rows[i].name, seen, changes.hashed);
    }
}

static void test_details(void **state)
{
    (void)state;
    alter();
    assert_string_equal(probe(), "altered /opt/acme/a");
    assert_string_equal(changes.items[0].set_name, "acme");
    assert_int_equal(changes.items[0].set_class, CLASS_CONTENT);
    assert_string_equal(changes.items[0].now->path, "/opt/acme/a");
    assert_true(changes.items[0].good >= good.entries &&
                changes.items[0].good < good.entries + good.count);
    assert_int_equal(changes.now.count, 6);
}

static void test_xattr(void **state)
{
    (void)state;
    if (setxattr(world_path(&world, "/opt/acme/a"), "user.x", "1", 1, 0) < 0) {
        print_message("user.x cannot be set here: %s\n", strerror(errno));
        skip();
    }
    assert_string_equal(probe(), "altered /opt/acme/a");
    assert_int_equal(changes.hashed, 1);
}

/* Of a set that is not defined any more, or whose file is bad, nothing is known. */
static void test_set_gone(void **state)
{
    (void)state;
    world_file(&world, SETS_DIR_LOCAL "/acme.conf", "[set]\nclass=nonsense\n", 0644);
    assert_string_equal(probe(), "");
    world_file(&world, SETS_DIR_LOCAL "/acme.conf", "", 0644);
    assert_string_equal(probe(), "");
}

/* But a product that was there and is not is all gone. */
static void test_product_gone(void **state)
{
    (void)state;
    world_file(&world, SETS_DIR_LOCAL "/acme.conf",
               "[set]\nclass=content\ndetect=/opt/acme\npath=/opt/acme/a\n", 0644);
    assert_int_equal(world_take_good(&world), 2);
    drop_all();
    assert_string_equal(probe(), "gone /opt/acme/a");
}

static void test_blind_is_not_gone(void **state)
{
    (void)state;
    if (geteuid() != 0) {
        print_message("needs root to become nobody\n");
        skip();
    }
    world_run("chmod 755", world.root, "");
    world_run("chmod -R a+rX", world_path(&world, "/var"), "");
    chmod(world_path(&world, "/opt/acme/sub"), 0700);
    assert_int_equal(place_open_state(&place, false), 0);
    assert_int_equal(seteuid(65534), 0);
    probe();
    assert_int_equal(seteuid(0), 0);
    for (size_t i = 0; i < changes.count; i++)
        assert_string_not_equal(change_path(&changes.items[i]), "/opt/acme/sub/c");
}

static void test_writes_nothing(void **state)
{
    char *before, *after;
    struct stat st_before, st_after;

    (void)state;
    alter();
    before = world_seen(&world, "", NULL);
    assert_int_equal(stat(world_path(&world, "/opt/acme/sub"), &st_before), 0);
    probe();
    after = world_seen(&world, "", NULL);
    assert_int_equal(stat(world_path(&world, "/opt/acme/sub"), &st_after), 0);
    assert_string_equal(before, after);
    assert_memory_equal(&st_before.st_ctim, &st_after.st_ctim, sizeof st_before.st_ctim);
    free(before);
    free(after);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_rows),           TEST(test_details),      TEST(test_xattr),
        TEST(test_set_gone),       TEST(test_product_gone), TEST(test_blind_is_not_gone),
        TEST(test_writes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
