/*
 * Changes: what is one and what is not, and when content is read to tell.
 */
#include "check.h"
#include "changes.h"
#include "good_files.h"
#include "said.h"
#include "world.h"

#include <sys/mount.h>
#include <sys/utsname.h>

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
    umount2(world_path(&world, "/srv"), MNT_DETACH); /* of a test that failed */
    umount2(world_path(&world, "/opt/acme/data"), MNT_DETACH);
    world_remove(&world);
    return 0;
}

/* "kind path, kind path", never-touch ones with '!' before, doubtful ones with the doubt. */
static const char *probe(void)
{
    static const char *const doubts[DOUBT_COUNT] = {"",
                                                    "unseen: ", "unkept: ", "away: ", "kernel: "};
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
                 changes.items[i].never ? "!" : doubts[changes.items[i].doubt],
                 change_kind_string(changes.items[i].kind), change_path(&changes.items[i]));
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

/* ---- where the generation looked ---- */

static void set_file(const char *name, const char *paths)
{
    char file[64], text[512];

    snprintf(file, sizeof file, SETS_DIR_LOCAL "/%s.conf", name);
    snprintf(text, sizeof text, "[set]\nclass=content\n%s", paths);
    world_file(&world, file, text, 0644);
}

static void units(void)
{
    world_dirs(&world, "/usr/lib/units/multi");
    world_file(&world, "/usr/lib/units/ssh", "ssh", 0644);
    world_file(&world, "/usr/lib/units/multi/x", "x", 0644);
}

/* A set that comes with an upgrade, or a drop-in: what it holds was there all the time. */
static void test_new_set(void **state)
{
    (void)state;
    units();
    set_file("units", "path=/usr/lib/units/*\n");
    add();
    assert_string_equal(probe(), "added /opt/acme/sub/d, unseen: added /usr/lib/units/ssh");
    assert_int_equal(world_take_good(&world), 2);
    assert_string_equal(probe(), "");
    world_file(&world, "/usr/lib/units/new", "n", 0644);
    assert_string_equal(probe(), "added /usr/lib/units/new");
    set_file("units", "path=/usr/lib/units/*\npath=/usr/lib/units/*/*\n");
    assert_string_equal(probe(), "unseen: added /usr/lib/units/multi/x, added /usr/lib/units/new");
    /* a star lists no directory, so it says nothing of them */
    set_file("units", "path=/usr/lib/units/**\n");
    assert_string_equal(probe(), "unseen: added /usr/lib/units/multi, "
                                 "unseen: added /usr/lib/units/multi/x, "
                                 "added /usr/lib/units/new");
}

static void test_mask_removed(void **state)
{
    (void)state;
    units();
    world_link(&world, SETS_DIR_LOCAL "/units.conf", "/dev/null");
    assert_int_equal(world_take_good(&world), 1);
    set_file("units", "path=/usr/lib/units/*\n");
    assert_string_equal(probe(), "unseen: added /usr/lib/units/ssh");
}

/* What another set lists from now on was looked at all the same. */
static void test_set_renamed(void **state)
{
    (void)state;
    add();
    world_file(&world, SETS_DIR_LOCAL "/acme.conf", "", 0644);
    set_file("sensor", "path=/opt/acme/**\nnever=/opt/acme/identity\n");
    assert_string_equal(probe(), "added /opt/acme/sub/d");
}

/* A product that was not there is all added. */
static void test_installed_since(void **state)
{
    (void)state;
    set_file("late", "detect=/opt/late\npath=/opt/late/sub/*\n");
    assert_int_equal(world_take_good(&world), 1);
    world_dirs(&world, "/opt/late/sub");
    world_file(&world, "/opt/late/sub/x", "x", 0644);
    assert_string_equal(probe(), "added /opt/late/sub/x");
}

/* What it detects lies on a file system that is not mounted in the initramfs: what is good of it
 * is compared all the same. */
static void test_detect_away(void **state)
{
    (void)state;
    world_dirs(&world, "/srv/late");
    world_dirs(&world, "/opt/late");
    world_file(&world, "/opt/late/x", "x", 0644);
    set_file("late", "detect=/srv/late\npath=/opt/late/*\n");
    assert_int_equal(world_take_good(&world), 2);
    assert_int_equal(rmdir(world_path(&world, "/srv/late")), 0);
    assert_string_equal(probe(), "");
    world_file(&world, "/opt/late/x", "other", 0644);
    world_file(&world, "/opt/late/y", "y", 0644);
    assert_string_equal(probe(), "altered /opt/late/x, added /opt/late/y");
}

/* It was silent when the generation was taken, so what it held then was not looked at. */
static void test_silent_when_good(void **state)
{
    (void)state;
    world_dirs(&world, "/opt/late/sub");
    world_file(&world, "/opt/late/x", "x", 0644);
    set_file("late", "detect=/srv/late\npath=/opt/late/*\npath=/opt/late/sub/*\n");
    assert_int_equal(world_take_good(&world), 1);
    assert_string_equal(probe(), "");
    world_dirs(&world, "/srv/late");
    world_file(&world, "/opt/late/y", "y", 0644);
    world_file(&world, "/opt/late/sub/z", "z", 0644);
    assert_string_equal(probe(), "added /opt/late/sub/z, unseen: added /opt/late/x, unseen: added "
                                 "/opt/late/y");
}

/* Version 1 says nothing of where it looked. */
static void test_old_manifest(void **state)
{
    (void)state;
    probe();
    good.scoped = false;
    assert_int_equal(good_write(&place, &good, &said.diag), 0);
    add();
    alter();
    drop();
    assert_string_equal(probe(), "altered /opt/acme/a, gone /opt/acme/b, "
                                 "unseen: added /opt/acme/sub/d");
}

/* ---- links in the paths of sets ---- */

static void merged(const char *paths)
{
    world_dirs(&world, "/lib/pam");
    world_dirs(&world, "/usr/lib");
    world_file(&world, "/lib/pam/a", "a", 0644);
    world_file(&world, "/lib/pam/b", "b", 0644);
    world_file(&world, "/lib/pam/c", "c", 0644);
    set_file("pam", paths);
    assert_int_equal(world_take_good(&world), 2);
    assert_int_equal(rename(world_path(&world, "/lib/pam"), world_path(&world, "/usr/lib/pam")), 0);
    assert_int_equal(rmdir(world_path(&world, "/lib")), 0);
    world_link(&world, "/lib", "usr/lib");
}

static void test_became_link(void **state)
{
    static const char *const later[] = {"path=/lib/pam/*\n", "path=/usr/lib/pam/*\n",
                                        "path=/lib/pam/*\npath=/usr/lib/pam/*\n"};

    (void)state;
    merged("path=/lib/pam/*\npath=/usr/lib/pam/*\n");
    for (size_t i = 0; i < ROWS(later); i++) {
        set_file("pam", later[i]);
        assert_string_equal(probe(), "");
    }
    /* and what did change is found behind the link */
    world_file(&world, "/usr/lib/pam/a", "x", 0644);
    unlink(world_path(&world, "/usr/lib/pam/b"));
    world_file(&world, "/usr/lib/pam/new", "n", 0644);
    for (size_t i = 0; i < ROWS(later); i++) {
        set_file("pam", later[i]);
        assert_string_equal(probe(), "altered /usr/lib/pam/a, gone /usr/lib/pam/b, "
                                     "added /usr/lib/pam/new");
    }
}

static void test_became_link_old_manifest(void **state)
{
    (void)state;
    merged("path=/lib/pam/*\n");
    probe();
    good.scoped = false;
    assert_int_equal(good_write(&place, &good, &said.diag), 0);
    assert_string_equal(probe(), "");
}

/* An update that is a link turned to another directory is one all the same. */
static void test_link_turned(void **state)
{
    (void)state;
    world_dirs(&world, "/opt/v1");
    world_dirs(&world, "/opt/v2");
    world_link(&world, "/opt/current", "v1");
    world_file(&world, "/opt/v1/a", "1", 0644);
    world_file(&world, "/opt/v1/old", "o", 0644);
    world_file(&world, "/opt/v2/a", "2", 0644);
    world_file(&world, "/opt/v2/new", "n", 0644);
    set_file("turned", "path=/opt/current/*\n");
    assert_int_equal(world_take_good(&world), 2);
    unlink(world_path(&world, "/opt/current"));
    world_link(&world, "/opt/current", "v2");
    assert_string_equal(probe(), "altered /opt/v2/a, added /opt/v2/new, gone /opt/v2/old");
    /* with the versions in the set, each is what it was */
    set_file("turned", "path=/opt/current\npath=/opt/current/*\npath=/opt/v*/*\n");
    unlink(world_path(&world, "/opt/current"));
    world_link(&world, "/opt/current", "v1");
    unlink(world_path(&world, "/opt/v2/a"));
    unlink(world_path(&world, "/opt/v2/new"));
    assert_int_equal(world_take_good(&world), 3);
    world_file(&world, "/opt/v2/a", "2", 0644);
    world_run("rm -r", world_path(&world, "/opt/v1"), "");
    unlink(world_path(&world, "/opt/current"));
    world_link(&world, "/opt/current", "v2");
    assert_string_equal(probe(), "altered /opt/current, gone /opt/v1/a, gone /opt/v1/old, "
                                 "added /opt/v2/a");
}

/* The link alone is broken, or deleted: what it led to stands where it stood. */
static void test_link_broken(void **state)
{
    (void)state;
    world_dirs(&world, "/opt/v1");
    world_link(&world, "/opt/current", "v1");
    world_file(&world, "/opt/v1/a", "1", 0644);
    world_file(&world, "/opt/v1/b", "1", 0644);
    set_file("turned", "path=/opt/current/*\n");
    assert_int_equal(world_take_good(&world), 2);
    unlink(world_path(&world, "/opt/current"));
    assert_string_equal(probe(), "");
    world_link(&world, "/opt/current", "v9");
    assert_string_equal(probe(), "");
    /* but what went with it is gone */
    unlink(world_path(&world, "/opt/v1/b"));
    assert_string_equal(probe(), "gone /opt/v1/b");
}

/* ---- not kept ---- */

static void again(void)
{
    world_file(&world, "/opt/acme/.a", "aaa", 0644);
    rename(world_path(&world, "/opt/acme/.a"), world_path(&world, "/opt/acme/a"));
}
static void label(void)
{
    assert_int_equal(chown(world_path(&world, "/opt/acme/a"), 7, 7), 0);
    assert_int_equal(chown(world_path(&world, "/opt/acme/a"), geteuid(), getegid()), 0);
}
static void other_owner(void)
{
    assert_int_equal(chown(world_path(&world, "/opt/acme/a"), 7, 7), 0);
}

static void test_unkept(void **state)
{
    static const struct {
        const char *name;
        void (*event)(void);
        const char *changes;
    } unkept[] = {
        {"nothing", nothing, ""},
        {"installed again", again, "unkept: altered /opt/acme/a"},
        {"labelled", label, "unkept: altered /opt/acme/a"},
        {"written into", touch, "altered /opt/acme/a"},
        {"other size", grow, "altered /opt/acme/a"},
        {"other mode", chmod_it, "altered /opt/acme/a"},
        {"other owner", other_owner, "altered /opt/acme/a"},
        {"gone", drop, "gone /opt/acme/b"},
    };

    (void)state;
    if (geteuid() != 0) {
        print_message("needs root to change owners\n");
        skip();
    }
    for (size_t i = 0; i < ROWS(unkept); i++) {
        const char *seen;
        void *none = NULL;

        tear_down(&none);
        assert_int_equal(set_up(&none), 0);
        set_file("acme", "path=/opt/acme/*\nmax-size=1\n");
        world_run("rm -r", world_path(&world, STATE_DIR), "");
        assert_int_equal(world_take_good(&world), 1);
        unkept[i].event();
        seen = probe();
        if (strcmp(seen, unkept[i].changes) != 0)
            fail_msg("%s: %s", unkept[i].name, seen);
    }
}

/* ---- file systems of their own ---- */

static void on_its_own(const char *path)
{
    world_dirs(&world, path);
    if (mount("none", world_path(&world, path), "tmpfs", 0, NULL) < 0) {
        print_message("no tmpfs can be mounted here: %s\n", strerror(errno));
        skip();
    }
}

static void test_not_mounted(void **state)
{
    const char *seen;

    (void)state;
    on_its_own("/srv");
    world_dirs(&world, "/srv/acme/sub");
    world_file(&world, "/srv/acme/x", "x", 0644);
    set_file("own", "path=/srv/acme/**\n");
    assert_int_equal(world_take_good(&world), 2);
    world_file(&world, "/srv/acme/y", "y", 0644);
    seen = probe();
    assert_int_equal(umount(world_path(&world, "/srv")), 0);
    assert_string_equal(seen, "added /srv/acme/y");
    assert_string_equal(probe(), "away: gone /srv/acme/sub, away: gone /srv/acme/x");
    world_dirs(&world, "/srv/acme");
    world_file(&world, "/srv/acme/x", "other", 0644);
    world_file(&world, "/srv/acme/z", "z", 0644);
    drop();
    assert_string_equal(probe(), "gone /opt/acme/b, away: gone /srv/acme/sub, "
                                 "away: altered /srv/acme/x, away: added /srv/acme/z");
}

/* A mount that the generation's boot did not have: what it brings may have stood for years. */
static void test_mounted_since(void **state)
{
    const char *seen;

    (void)state;
    world_dirs(&world, "/srv/acme");
    world_file(&world, "/srv/acme/x", "x", 0644);
    set_file("own", "path=/srv/acme/*\n");
    assert_int_equal(world_take_good(&world), 2);
    on_its_own("/srv");
    world_dirs(&world, "/srv/acme");
    world_file(&world, "/srv/acme/years", "old", 0644);
    seen = probe();
    assert_int_equal(umount(world_path(&world, "/srv")), 0);
    assert_string_equal(seen, "away: gone /srv/acme/x, unseen: added /srv/acme/years");
}

/* Listed, and without a scope that says so: of a mount that came after the boot had begun. */
static void test_gone_without_scope(void **state)
{
    (void)state;
    drop();
    assert_string_equal(probe(), "gone /opt/acme/b");
    good.scope_count = 0;
    assert_int_equal(good_write(&place, &good, &said.diag), 0);
    assert_string_equal(probe(), "away: gone /opt/acme/b");
}

/* The mount point is an empty directory now, and not one that was added. */
static void test_mount_point_within(void **state)
{
    (void)state;
    on_its_own("/opt/acme/data");
    world_file(&world, "/opt/acme/data/x", "x", 0644);
    world_take_good(&world);
    assert_int_equal(umount(world_path(&world, "/opt/acme/data")), 0);
    assert_string_equal(probe(), "unseen: added /opt/acme/data");
    world_dirs(&world, "/opt/acme/new");
    assert_string_equal(probe(), "unseen: added /opt/acme/data, added /opt/acme/new");
}

/* ---- kernels ---- */

static void module(const char *release, const char *text)
{
    char path[256];

    snprintf(path, sizeof path, "/usr/lib/modules/%s/updates", release);
    world_dirs(&world, path);
    snprintf(path, sizeof path, "/usr/lib/modules/%s/updates/x.ko", release);
    world_file(&world, path, text, 0644);
}

static void test_other_kernel(void **state)
{
    struct utsname running;
    char wanted[512];

    (void)state;
    assert_int_equal(uname(&running), 0);
    module(running.release, "1");
    module("0-other", "1");
    set_file("modules", "path=/usr/lib/modules/*/updates/*\n");
    world_take_good(&world);
    module(running.release, "22");
    module("0-other", "22");
    module("0-another", "1");
    snprintf(wanted, sizeof wanted,
             "kernel: added /usr/lib/modules/0-another/updates/x.ko, "
             "kernel: altered /usr/lib/modules/0-other/updates/x.ko, "
             "altered /usr/lib/modules/%s/updates/x.ko",
             running.release);
    assert_string_equal(probe(), wanted);
    /* of a machine that is not this one nobody knows what ran */
    snprintf(wanted, sizeof wanted, "/usr/lib/modules/%s", running.release);
    world_run("rm -r", world_path(&world, wanted), "");
    snprintf(wanted, sizeof wanted,
             "added /usr/lib/modules/0-another/updates/x.ko, "
             "altered /usr/lib/modules/0-other/updates/x.ko, "
             "gone /usr/lib/modules/%s/updates/x.ko",
             running.release);
    assert_string_equal(probe(), wanted);
}

/* As weak-updates has it: the running kernel loads the module of the one that it was built for. */
static void test_linked_kernel(void **state)
{
    struct utsname running;
    char link[256];

    (void)state;
    assert_int_equal(uname(&running), 0);
    snprintf(link, sizeof link, "/usr/lib/modules/%s/weak-updates", running.release);
    world_dirs(&world, link);
    strcat(link, "/x.ko");
    module("0-built", "1");
    module("0-other", "1");
    world_link(&world, link, "/usr/lib/modules/0-built/updates/x.ko");
    set_file("modules",
             "path=/usr/lib/modules/*/updates/*\npath=/usr/lib/modules/*/weak-updates/*\n");
    world_take_good(&world);
    module("0-built", "22");
    module("0-other", "22");
    assert_string_equal(probe(), "altered /usr/lib/modules/0-built/updates/x.ko, "
                                 "kernel: altered /usr/lib/modules/0-other/updates/x.ko");
    /* the good generation's link counts as well: where the faulty update took it away */
    assert_int_equal(unlink(world_path(&world, link)), 0);
    probe();
    assert_int_equal(changes.count, 3);
    assert_int_equal(changes.items[0].doubt, DOUBT_NONE);
}

static void test_doubtful(void **state)
{
    struct doubtful *list;
    size_t count;

    (void)state;
    units();
    set_file("a-units", "path=/usr/lib/units/**\nnever=/usr/lib/units/ssh\n");
    add();
    probe();
    assert_int_equal(changes_doubtful(&changes, &list, &count), 0);
    assert_int_equal(count, 1);
    assert_string_equal(list[0].set_name, "a-units");
    assert_int_equal(list[0].doubt, DOUBT_UNSEEN);
    assert_int_equal(list[0].count, 2);
    free(list);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_rows),
        TEST(test_details),
        TEST(test_xattr),
        TEST(test_set_gone),
        TEST(test_product_gone),
        TEST(test_blind_is_not_gone),
        TEST(test_writes_nothing),
        TEST(test_new_set),
        TEST(test_mask_removed),
        TEST(test_set_renamed),
        TEST(test_installed_since),
        TEST(test_detect_away),
        TEST(test_silent_when_good),
        TEST(test_old_manifest),
        TEST(test_became_link),
        TEST(test_became_link_old_manifest),
        TEST(test_link_turned),
        TEST(test_link_broken),
        TEST(test_unkept),
        TEST(test_not_mounted),
        TEST(test_mounted_since),
        TEST(test_gone_without_scope),
        TEST(test_mount_point_within),
        TEST(test_other_kernel),
        TEST(test_linked_kernel),
        TEST(test_doubtful),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
