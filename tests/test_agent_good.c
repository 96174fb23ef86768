/*
 * Good generations: what a boot proved and nothing else, and versions to put back.
 */
#include "check.h"
#include "good_files.h"
#include "io.h"
#include "manifest.h"
#include "said.h"
#include "soak.h"
#include "store.h"
#include "world.h"

#include <sys/mount.h>
#include <sys/utsname.h>

#define SET "[set]\nclass=content\npath=/opt/acme/**\nnever=/opt/acme/identity\n"

static struct world world;
static struct place place;
static struct sets sets;
static struct policy policy;
static struct inventory started;
static struct good_result result;
static struct said said;

static int set_up(void **state)
{
    (void)state;
    world_make(&world);
    world_dirs(&world, SETS_DIR_LOCAL);
    world_dirs(&world, "/opt/acme/sub");
    world_file(&world, SETS_DIR_LOCAL "/acme.conf", SET, 0644);
    world_file(&world, "/opt/acme/a", "a1", 0644);
    world_file(&world, "/opt/acme/b", "b1", 0644);
    world_open(&world, &place);
    policy_defaults(&policy);
    said_start(&said);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    inventory_free(&started);
    sets_free(&sets);
    place_close(&place);
    umount2(world_path(&world, STATE_DIR), MNT_DETACH); /* of a test that failed */
    umount2(world_path(&world, "/opt/acme/data"), MNT_DETACH);
    umount2(world_path(&world, "/opt"), MNT_DETACH);
    world_remove(&world);
    return 0;
}

static void load_sets(void)
{
    sets_free(&sets);
    assert_int_equal(sets_load(&place, &sets, &said.diag), 0);
}

/* Identities, as at the start of a boot. */
static void start(void)
{
    inventory_free(&started);
    load_sets();
    assert_int_equal(inventory_take(&place, &sets, &started, &said.diag), 0);
}

static int try_take(const struct inventory *from)
{
    load_sets();
    result = (struct good_result){.generation = 77};
    return good_take(&place, &sets, from, 5, &policy, &result, &said.diag);
}

static void take(const struct inventory *from)
{
    assert_int_equal(try_take(from), 0);
}

/* "path=content ..." of the newest generation, as its objects have it. */
static const char *good(void)
{
    static char text[2048];
    struct good_history *history;
    const struct inventory *newest;

    *text = '\0';
    assert_int_equal(good_history_load(&place, &history, &said.diag), 0);
    newest = good_history_newest(history);
    for (size_t i = 0; newest && i < newest->count; i++) {
        const struct entry *entry;
        char content[64] = "";
        int fd = -1;

        if (good_history_version(history, newest->entries[i].path, &entry, &fd, &said.diag) == 0 &&
            fd >= 0) {
            assert_true(read(fd, content, sizeof content - 1) >= 0);
            close(fd);
        }
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s=%s", i ? " " : "",
                 newest->entries[i].path + strlen("/opt/acme/"), content);
    }
    good_history_free(history);
    return text;
}

static void test_now(void **state)
{
    struct inventory newest;

    (void)state;
    take(NULL);
    assert_int_equal(result.generation, 1);
    assert_false(result.unchanged);
    assert_int_equal(result.promoted, 3);
    assert_int_equal(result.held_back, 0);
    assert_int_equal(result.bytes_stored, 4);
    assert_string_equal(good(), "a=a1 b=b1 sub=");
    assert_int_equal(good_load_newest(&place, &newest, &said.diag), 0);
    assert_int_equal(newest.boot, 5);
    assert_int_equal(newest.generation, 1);
    inventory_free(&newest);
    assert_string_equal(said.text, "");
}

static void test_unchanged(void **state)
{
    char *before, *after;

    (void)state;
    take(NULL);
    before = world_seen(&world, STATE_DIR, NULL);
    take(NULL);
    assert_true(result.unchanged);
    assert_int_equal(result.generation, 1);
    assert_int_equal(result.bytes_stored, 0);
    after = world_seen(&world, STATE_DIR, NULL);
    assert_string_equal(before, after);
    free(before);
    free(after);
}

/* Same bytes under new inodes: the list is renewed in place, so that nothing is read every time. */
static void test_identities_moved(void **state)
{
    struct inventory newest;
    struct entry now = {0};

    (void)state;
    take(NULL);
    world_file(&world, "/opt/acme/a", "a1", 0644);
    now.inode = world_inode(&world, "/opt/acme/a");
    take(NULL);
    assert_true(result.unchanged);
    assert_int_equal(result.generation, 1);
    assert_int_equal(good_load_newest(&place, &newest, &said.diag), 0);
    assert_int_equal(newest.generation, 1);
    assert_int_equal(inventory_find(&newest, "/opt/acme/a")->inode, now.inode);
    inventory_free(&newest);
}

/* ---- what a boot proved ---- */

static void nothing(void) {}
static void alter(void)
{
    world_file(&world, "/opt/acme/a", "a2", 0644);
}
static void mode(void)
{
    chmod(world_path(&world, "/opt/acme/a"), 0600);
}
static void detected(void)
{
    world_file(&world, SETS_DIR_LOCAL "/acme.conf", SET "detect=/srv/acme\n", 0644);
}
static void add(void)
{
    world_file(&world, "/opt/acme/new", "n", 0644);
}
static void drop(void)
{
    unlink(world_path(&world, "/opt/acme/b"));
}
static void bad_set(void)
{
    world_file(&world, SETS_DIR_LOCAL "/acme.conf", "[set]\n", 0644);
}
static void no_set(void)
{
    world_file(&world, SETS_DIR_LOCAL "/acme.conf", "", 0644);
}
static void identity(void)
{
    world_file(&world, "/opt/acme/identity", "id", 0644);
}
static void drop_sub(void)
{
    rmdir(world_path(&world, "/opt/acme/sub"));
}

static void tiny_limit(void)
{
    world_file(&world, SETS_DIR_LOCAL "/acme.conf", SET "max-size=3\n", 0644);
    world_file(&world, "/opt/acme/a", "a2", 0644);
    world_file(&world, "/opt/acme/new", "n", 0644);
}

static const struct {
    const char *name;
    void (*before)(void); /* after generation 1, before the boot starts */
    void (*during)(void); /* after it started */
    const char *good;     /* of the newest generation afterwards */
    unsigned generation;
    size_t promoted, held_back;
} boots[] = {
    {"nothing happened", nothing, nothing, "a=a1 b=b1 sub=", 1, 0, 0},
    {"altered before the boot", alter, nothing, "a=a2 b=b1 sub=", 2, 1, 0},
    {"altered in the boot", nothing, alter, "a=a1 b=b1 sub=", 1, 0, 1},
    {"altered before and in the boot", alter, alter, "a=a1 b=b1 sub=", 1, 0, 1},
    {"mode before the boot", mode, nothing, "a=a1 b=b1 sub=", 2, 1, 0},
    {"mode in the boot", nothing, mode, "a=a1 b=b1 sub=", 1, 0, 1},
    {"added before the boot", add, nothing, "a=a1 b=b1 new=n sub=", 2, 1, 0},
    {"added in the boot", nothing, add, "a=a1 b=b1 sub=", 1, 0, 1},
    {"gone before the boot", drop, nothing, "a=a1 sub=", 2, 1, 0},
    {"gone in the boot", nothing, drop, "a=a1 b=b1 sub=", 1, 0, 1},
    {"one proven, one not", alter, add, "a=a2 b=b1 sub=", 2, 1, 1},
    {"directory gone before the boot", drop_sub, nothing, "a=a1 b=b1", 2, 1, 0},
    {"set file bad", bad_set, nothing, "a=a1 b=b1 sub=", 1, 0, 0},
    {"set switched off", no_set, nothing, "", 2, 3, 0},
    {"what it detects is not mounted", detected, nothing, "a=a1 b=b1 sub=", 1, 0, 0},
    {"identity store, never touched", identity, identity, "a=a1 b=b1 sub=", 1, 0, 0},
    {"over its limit", tiny_limit, nothing, "a= b=b1 new= sub=", 2, 2, 0},
};

static void test_boots(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS(boots); i++) {
        const char *seen;

        if (i) {
            void *none = NULL;

            tear_down(&none);
            assert_int_equal(set_up(&none), 0);
        }
        take(NULL);
        boots[i].before();
        start();
        boots[i].during();
        take(&started);
        seen = good();
        if (strcmp(seen, boots[i].good) != 0 || result.generation != boots[i].generation ||
            result.promoted != boots[i].promoted || result.held_back != boots[i].held_back ||
            result.unchanged != (boots[i].generation == 1))
            fail_msg("%s: %s; generation %u, %zu promoted, %zu held back\n%s", boots[i].name, seen,
                     result.generation, result.promoted, result.held_back, said.text);
    }
}

/* What arrived in one boot is good after the next. */
static void test_next_boot(void **state)
{
    (void)state;
    take(NULL);
    start();
    alter();
    add();
    take(&started);
    assert_int_equal(result.held_back, 2);
    start();
    take(&started);
    assert_int_equal(result.generation, 2);
    assert_int_equal(result.held_back, 0);
    assert_string_equal(good(), "a=a2 b=b1 new=n sub=");
}

static void test_first_boot(void **state)
{
    (void)state;
    start();
    add();
    take(&started);
    assert_int_equal(result.generation, 1);
    assert_int_equal(result.held_back, 1);
    assert_string_equal(good(), "a=a1 b=b1 sub=");
}

/* ---- all that a file is ---- */

static void test_metadata(void **state)
{
    const struct entry *a, *hard, *link_entry;
    struct inventory newest;

    (void)state;
    world_link(&world, "/opt/acme/link", "somewhere else");
    chmod(world_path(&world, "/opt/acme/a"), 04711);
    assert_int_equal(
        rename(world_path(&world, "/opt/acme/b"), world_path(&world, "/opt/acme/\n%\xff")), 0);
    assert_int_equal(symlink("x", world_path(&world, "/opt/acme/other")), 0);
    assert_int_equal(linkat(AT_FDCWD, world_path(&world, "/opt/acme/a"), AT_FDCWD,
                            world_path(&world, "/opt/acme/sub/hard"), 0),
                     0);
    setxattr(world_path(&world, "/opt/acme/a"), "user.note", "kept", 4, 0);
    take(NULL);
    assert_int_equal(good_load_newest(&place, &newest, &said.diag), 0);
    a = inventory_find(&newest, "/opt/acme/a");
    hard = inventory_find(&newest, "/opt/acme/sub/hard");
    link_entry = inventory_find(&newest, "/opt/acme/link");
    assert_int_equal(a->mode, 04711);
    assert_true(a->mtime_ns == INT64_C(1500000000123456789));
    assert_int_equal(a->inode, hard->inode);
    assert_int_equal(a->dev, hard->dev);
    assert_int_equal(a->nlink, 2);
    assert_string_equal(link_entry->target, "somewhere else");
    assert_non_null(inventory_find(&newest, "/opt/acme/\n%\xff"));
    if (getxattr(world_path(&world, "/opt/acme/a"), "user.note", NULL, 0) == 4)
        assert_non_null(memmem(a->xattrs, a->xattrs_size, "user.note\0\4\0\0\0kept", 18));
    else
        print_message("user.note cannot be set here: not looked at\n");
    inventory_free(&newest);
}

/* ---- where it looked ---- */

/* "set glob", those apart with a '+', then "!path" of what was not read; of the newest. */
static const char *looked(void)
{
    static char text[1024];
    struct inventory newest;

    assert_int_equal(good_load_newest(&place, &newest, &said.diag), 0);
    assert_true(newest.scoped);
    *text = '\0';
    for (size_t i = 0; i < newest.scope_count; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s%s %s", *text ? ", " : "",
                 newest.scopes[i].apart ? "+" : "", newest.set_names[newest.scopes[i].set],
                 newest.scopes[i].glob);
    for (size_t i = 0; i < newest.unread_count; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), ", !%s", newest.unread[i]);
    inventory_free(&newest);
    return text;
}

static void other_set(void)
{
    world_dirs(&world, "/opt/other");
    world_file(&world, "/opt/other/x", "x", 0644);
    world_file(&world, SETS_DIR_LOCAL "/other.conf", "[set]\nclass=content\npath=/opt/other/*\n",
               0644);
}
static void wider(void)
{
    world_file(&world, SETS_DIR_LOCAL "/acme.conf", SET "path=/opt/other/*\n", 0644);
}
static void renewed(void)
{
    world_file(&world, SETS_DIR_LOCAL "/acme.conf", SET, 0644);
    other_set();
}

static const struct {
    const char *name;
    void (*before)(void), (*during)(void);
    const char *looked;
} lookings[] = {
    {"as it was", nothing, nothing, "acme /opt/acme/**"},
    {"set before the boot", other_set, nothing, "acme /opt/acme/**, other /opt/other/*"},
    {"set in the boot", nothing, other_set, "acme /opt/acme/**"},
    {"path before the boot", wider, nothing, "acme /opt/acme/**, acme /opt/other/*"},
    {"path in the boot", nothing, wider, "acme /opt/acme/**"},
    {"set file bad", bad_set, nothing, "acme /opt/acme/**"},
    {"set file bad in the boot", nothing, bad_set, "acme /opt/acme/**"},
    {"bad when the boot began", bad_set, renewed, "acme /opt/acme/**"},
    {"set switched off", no_set, nothing, ""},
    {"set switched off in the boot", nothing, no_set, ""},
    {"off when the boot began", no_set, renewed, "acme /opt/acme/**"},
};

static void test_looked(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS(lookings); i++) {
        void *none = NULL;

        tear_down(&none);
        assert_int_equal(set_up(&none), 0);
        take(NULL);
        lookings[i].before();
        start();
        lookings[i].during();
        take(&started);
        if (strcmp(looked(), lookings[i].looked) != 0)
            fail_msg("%s: %s", lookings[i].name, looked());
    }
    start();
    take(&started);
    assert_string_equal(looked(), "acme /opt/acme/**, other /opt/other/*");
}

/* A list of an older Backstop says where nothing was looked: it is renewed, under its number. */
static void test_looked_before_version_2(void **state)
{
    struct inventory newest;

    (void)state;
    take(NULL);
    assert_int_equal(good_load_newest(&place, &newest, &said.diag), 0);
    newest.scoped = false;
    assert_int_equal(good_write(&place, &newest, &said.diag), 0);
    inventory_free(&newest);
    start();
    take(&started);
    assert_true(result.unchanged);
    assert_string_equal(looked(), "acme /opt/acme/**");
    /* identities of before the upgrade say it of no set */
    started.scoped = false;
    started.scope_count = 0;
    assert_int_equal(good_load_newest(&place, &newest, &said.diag), 0);
    newest.scoped = false;
    assert_int_equal(good_write(&place, &newest, &said.diag), 0);
    inventory_free(&newest);
    take(&started);
    assert_string_equal(looked(), "");
}

static bool has_mount(const char *path)
{
    world_dirs(&world, path);
    if (mount("none", world_path(&world, path), "tmpfs", 0, NULL) == 0)
        return true;
    print_message("tmpfs cannot be mounted here: %s\n", strerror(errno));
    return false;
}

static void test_mount_point_is_not_read(void **state)
{
    (void)state;
    if (!has_mount("/opt/acme/data"))
        skip();
    start();
    umount(world_path(&world, "/opt/acme/data"));
    take(&started);
    assert_string_equal(looked(), "acme /opt/acme/**, !/opt/acme/data");
}

/* Not mounted when the boot began, or not now: what was good stays, until something is there. */
static void test_apart(void **state)
{
    (void)state;
    if (!has_mount("/opt"))
        skip();
    world_dirs(&world, "/opt/acme/sub");
    world_file(&world, "/opt/acme/a", "a1", 0644);
    take(NULL);
    assert_string_equal(looked(), "+acme /opt/acme/**");
    assert_string_equal(good(), "a=a1 sub=");
    start();
    umount(world_path(&world, "/opt"));
    world_run("rm -r", world_path(&world, "/opt/acme"), "");
    take(&started);
    assert_string_equal(good(), "a=a1 sub=");
    start();
    take(&started);
    assert_string_equal(looked(), "+acme /opt/acme/**");
    assert_string_equal(good(), "a=a1 sub=");
    assert_int_equal(result.generation, 1);
    assert_non_null(strstr(said.text, "/opt/acme: its file system is not mounted"));
    /* moved to the root for good */
    world_dirs(&world, "/opt/acme");
    world_file(&world, "/opt/acme/a", "a3", 0644);
    start();
    take(&started);
    assert_string_equal(looked(), "acme /opt/acme/**");
    assert_string_equal(good(), "a=a3");
    /* mounted late, so that nothing was seen of it when the boot began */
    start();
    assert_true(has_mount("/opt"));
    world_dirs(&world, "/opt/acme");
    world_file(&world, "/opt/acme/b", "b1", 0644);
    take(&started);
    umount(world_path(&world, "/opt"));
    assert_string_equal(looked(), "acme /opt/acme/**");
    assert_string_equal(good(), "a=a3");
    assert_non_null(strstr(said.text, "set acme: /opt/acme was not there as it is now when this"));
}

/* ---- over the limit ---- */

static char *object_path(const char *text)
{
    static char path[200];
    char hex[2 * SHA256_SIZE + 1];
    uint8_t sha256[SHA256_SIZE];
    int fd;

    world_file(&world, "/in", text, 0600);
    fd = open(world_path(&world, "/in"), O_RDONLY);
    assert_int_equal(io_copy_hash(fd, -1, sha256), 0);
    close(fd);
    hex_of(sha256, SHA256_SIZE, hex);
    snprintf(path, sizeof path, STATE_DIR "/store/%.2s/%s", hex, hex + 2);
    return path;
}

#define LIMITED SET "max-size=4\n"

/* What was good before is not any more, and nothing that is older is put back for it. */
static void test_over_limit(void **state)
{
    struct good_history *history;

    (void)state;
    policy.generations = 5;
    world_file(&world, SETS_DIR_LOCAL "/acme.conf", LIMITED, 0644);
    take(NULL);
    world_file(&world, "/opt/acme/b", "b2", 0644);
    take(NULL);
    assert_string_equal(good(), "a=a1 b=b2 sub=");
    world_file(&world, "/opt/acme/a", "a2 and longer", 0644);
    start();
    take(&started);
    assert_string_equal(good(), "a= b=b2 sub=");
    assert_int_equal(result.generation, 3);
    start();
    take(&started);
    assert_true(result.unchanged);
    /* not as a whole either: generation 1 is intact */
    unlink(world_path(&world, object_path("b2")));
    assert_int_equal(good_history_load(&place, &history, &said.diag), 0);
    assert_false(good_history_fall_back(history, "acme", &said.diag));
    good_history_free(history);
    /* and with room enough it is kept */
    world_file(&world, SETS_DIR_LOCAL "/acme.conf", SET, 0644);
    take(NULL);
    assert_string_equal(good(), "a=a2 and longer b=b2 sub=");
}

/* It is there, and nobody may say later that it was added. */
static void test_cannot_be_read(void **state)
{
    (void)state;
    if (geteuid() != 0) {
        print_message("needs root to become nobody\n");
        skip();
    }
    place_close(&place);
    world_run("chmod 755", world.root, "");
    chmod(world_path(&world, "/opt/acme/a"), 0600);
    world_run("chown -R 65534", world_path(&world, "/var"), "");
    world_open(&world, &place);
    assert_int_equal(seteuid(65534), 0);
    take(NULL);
    assert_int_equal(seteuid(0), 0);
    assert_string_equal(good(), "a= b=b1 sub=");
    assert_non_null(strstr(said.text, "/opt/acme/a: cannot be read: Permission denied; it is not"));
}

/* ---- kernels ---- */

static char *module_named(const char *release, const char *name)
{
    static char path[256];

    snprintf(path, sizeof path, "/usr/lib/modules/%s/updates", release);
    world_dirs(&world, path);
    snprintf(path + strlen(path), sizeof path - strlen(path), "/%s", name);
    return path;
}

static char *module_of(const char *release)
{
    return module_named(release, "x.ko");
}

/* As good() has it, of one path. */
static const char *good_module_named(const char *release, const char *name)
{
    static char content[64];
    struct good_history *history;
    const struct entry *entry;
    int fd = -1;

    strcpy(content, "none");
    assert_int_equal(good_history_load(&place, &history, &said.diag), 0);
    if (good_history_version(history, module_named(release, name), &entry, &fd, &said.diag) == 0) {
        ssize_t n = read(fd, content, sizeof content - 1);

        assert_true(n >= 0);
        content[n] = '\0';
        close(fd);
    }
    good_history_free(history);
    return content;
}

static const char *good_module(const char *release)
{
    return good_module_named(release, "x.ko");
}

#define MODULES "[set]\nclass=driver\npath=/usr/lib/modules/*/updates/*\n"

/* Which kernels ran, and with what, before there was a generation, nobody knows. */
static void test_kernels_at_first(void **state)
{
    struct utsname running;

    (void)state;
    assert_int_equal(uname(&running), 0);
    world_file(&world, SETS_DIR_LOCAL "/acme.conf", MODULES, 0644);
    world_file(&world, module_of(running.release), "1", 0644);
    world_file(&world, module_of("0-b"), "1", 0644);
    start();
    take(&started);
    assert_string_equal(good_module(running.release), "1");
    assert_string_equal(good_module("0-b"), "1");
    assert_int_equal(result.other_kernels, 0);
}

/* A driver built for all kernels, and then for one that is new. */
static void test_kernels_later(void **state)
{
    static const struct {
        const char *name, *release, *module, *good;
    } rows[] = {
        {"known kernel, the module proved by the running one", "0-b", "y.ko", "2"},
        {"known kernel, a module that nothing proved", "0-b", "z.ko", "none"},
        {"known kernel, no module", "0-b", "y.dat", "none"},
        {"new kernel, the module proved by the running one", "0-c", "y.ko", "none"},
        {"a release that begins as the known one's", "0-bb", "y.ko", "none"},
    };
    struct utsname running;

    (void)state;
    assert_int_equal(uname(&running), 0);
    world_file(&world, SETS_DIR_LOCAL "/acme.conf", MODULES, 0644);
    world_file(&world, module_of(running.release), "1", 0644);
    world_file(&world, module_of("0-b"), "1", 0644);
    start();
    take(&started);
    world_file(&world, module_named(running.release, "y.ko"), "2", 0644);
    world_file(&world, module_named(running.release, "y.dat"), "2", 0644);
    for (size_t i = 0; i < ROWS(rows); i++)
        world_file(&world, module_named(rows[i].release, rows[i].module), "2", 0644);
    start();
    take(&started);
    for (size_t i = 0; i < ROWS(rows); i++)
        if (strcmp(good_module_named(rows[i].release, rows[i].module), rows[i].good) != 0)
            fail_msg("%s: %s", rows[i].name, good_module_named(rows[i].release, rows[i].module));
    assert_int_equal(result.other_kernels, 4);
}

/* As weak-updates has it: what the running kernel's link leads to is what it loads. */
static void test_kernels_linked(void **state)
{
    static char own[256];
    struct utsname running;

    (void)state;
    assert_int_equal(uname(&running), 0);
    world_file(&world, SETS_DIR_LOCAL "/acme.conf", MODULES, 0644);
    strcpy(own, module_of(running.release));
    world_link(&world, own, "../../0-b/updates/x.ko");
    world_link(&world, module_named(running.release, "y.ko"), "/usr/lib/modules/0-b/updates/y.ko");
    world_file(&world, module_of("0-b"), "1", 0644);
    world_file(&world, module_named("0-b", "y.ko"), "1", 0644);
    world_file(&world, module_named("0-b", "z.ko"), "1", 0644);
    take(NULL);
    world_file(&world, module_of("0-b"), "2", 0644);
    world_file(&world, module_named("0-b", "y.ko"), "2", 0644);
    world_file(&world, module_named("0-b", "z.ko"), "2", 0644);
    start();
    take(&started);
    assert_string_equal(good_module("0-b"), "2");
    assert_string_equal(good_module_named("0-b", "y.ko"), "2");
    assert_string_equal(good_module_named("0-b", "z.ko"), "1");
    assert_int_equal(result.other_kernels, 1);
}

/* What a kernel did not run with proves nothing of the other's modules. */
static void test_kernels(void **state)
{
    struct utsname running;

    (void)state;
    assert_int_equal(uname(&running), 0);
    world_file(&world, SETS_DIR_LOCAL "/acme.conf",
               "[set]\nclass=driver\npath=/usr/lib/modules/*/updates/*\n", 0644);
    world_file(&world, module_of(running.release), "1", 0644);
    world_file(&world, module_of("0-b"), "1", 0644);
    take(NULL); /* a person says so */
    assert_string_equal(good_module("0-b"), "1");
    world_file(&world, module_of(running.release), "2", 0644);
    world_file(&world, module_of("0-b"), "2", 0644);
    world_file(&world, module_of("0-c"), "2", 0644);
    start();
    take(&started);
    assert_string_equal(good_module(running.release), "2");
    assert_string_equal(good_module("0-b"), "1");
    assert_string_equal(good_module("0-c"), "none");
    assert_int_equal(result.held_back, 0);
    assert_int_equal(result.other_kernels, 2);
    unlink(world_path(&world, module_of("0-b")));
    start();
    take(&started);
    assert_string_equal(good_module("0-b"), "1");
    /* a kernel that was removed is forgotten */
    world_run("rm -r", world_path(&world, "/usr/lib/modules/0-b"), "");
    start();
    take(&started);
    {
        struct inventory newest;

        assert_int_equal(good_load_newest(&place, &newest, &said.diag), 0);
        assert_null(inventory_find(&newest, "/usr/lib/modules/0-b/updates/x.ko"));
        inventory_free(&newest);
    }
}

/* ---- old ones ---- */

static void make_generations(unsigned count)
{
    for (unsigned i = 1; i <= count; i++) {
        char text[16];

        snprintf(text, sizeof text, "a%u", i);
        world_file(&world, "/opt/acme/a", text, 0644);
        take(NULL);
        assert_int_equal(result.generation, i);
    }
}

static bool has_object(const char *text)
{
    uint8_t sha256[SHA256_SIZE];
    int fd;

    world_file(&world, "/in", text, 0600);
    fd = open(world_path(&world, "/in"), O_RDONLY);
    assert_int_equal(io_copy_hash(fd, -1, sha256), 0);
    close(fd);
    return store_has(&place, sha256, strlen(text));
}

static void test_prune(void **state)
{
    uint32_t *generations;
    size_t count;

    (void)state;
    policy.generations = 3;
    make_generations(5);
    assert_int_equal(good_list(&place, &generations, &count), 0);
    assert_int_equal(count, 3);
    assert_int_equal(generations[0], 5);
    assert_int_equal(generations[2], 3);
    free(generations);
    assert_false(has_object("a2"));
    assert_true(has_object("a3"));
    assert_true(has_object("b1"));
}

static void spoil(const char *path)
{
    world_file(&world, path, "spoilt", 0600);
}

static void test_damaged_manifest(void **state)
{
    struct inventory newest;
    uint32_t *generations;
    size_t count;

    (void)state;
    policy.generations = 2;
    make_generations(2);
    spoil(STATE_DIR "/generations/000002.manifest");
    assert_int_equal(good_load(&place, 2, &newest, &said.diag), -EBADMSG);
    assert_non_null(strstr(said.text, STATE_DIR "/generations/000002.manifest:1: "));
    assert_int_equal(good_load_newest(&place, &newest, &said.diag), 0);
    assert_int_equal(newest.generation, 1);
    inventory_free(&newest);
    /* its number is not used again, it is passed over, and goes when enough newer ones are kept */
    world_file(&world, "/opt/acme/a", "a3", 0644);
    take(NULL);
    assert_int_equal(result.generation, 3);
    assert_true(world_has(&world, STATE_DIR "/generations/000002.manifest"));
    assert_true(has_object("a2"));
    world_file(&world, "/opt/acme/a", "a4", 0644);
    take(NULL);
    assert_int_equal(good_list(&place, &generations, &count), 0);
    assert_int_equal(count, 2);
    assert_int_equal(generations[1], 3);
    free(generations);
    assert_false(has_object("a2"));
}

static void test_renamed_manifest(void **state)
{
    struct inventory good_one;

    (void)state;
    make_generations(1);
    assert_int_equal(rename(world_path(&world, STATE_DIR "/generations/000001.manifest"),
                            world_path(&world, STATE_DIR "/generations/000009.manifest")),
                     0);
    assert_int_equal(good_load(&place, 9, &good_one, &said.diag), -EBADMSG);
    assert_int_equal(good_load_newest(&place, &good_one, &said.diag), -ENOENT);
}

static void test_names_that_are_none(void **state)
{
    static const char *const names[] = {
        "1.manifest", "000000.manifest", "000001.manifest.new", ".000001.manifest.new",
        "000001",     "-00001.manifest", "4294967296.manifest", "00000x.manifest"};
    uint32_t *generations;
    size_t count;

    (void)state;
    for (size_t i = 0; i < ROWS(names); i++) {
        char path[128];

        snprintf(path, sizeof path, STATE_DIR "/generations/%s", names[i]);
        spoil(path);
    }
    assert_int_equal(good_list(&place, &generations, &count), 0);
    assert_int_equal(count, 0);
    free(generations);
}

/* ---- versions ---- */

static int version(const char *path, char *content, uint32_t *generation)
{
    struct good_history *history;
    const struct entry *entry = NULL;
    int fd = -7, error;

    assert_int_equal(good_history_load(&place, &history, &said.diag), 0);
    error = good_history_version(history, path, &entry, &fd, &said.diag);
    memset(content, 0, 64);
    *generation = 0;
    if (!error) {
        assert_string_equal(entry->path, path);
        *generation = good_history_generation(history, entry);
        if (fd >= 0)
            assert_true(read(fd, content, 63) >= 0);
    }
    if (fd >= 0)
        close(fd);
    good_history_free(history);
    return error;
}

static void test_versions(void **state)
{
    uint32_t generation;
    char content[64];

    (void)state;
    identity();
    make_generations(3);
    assert_int_equal(version("/opt/acme/a", content, &generation), 0);
    assert_string_equal(content, "a3");
    assert_int_equal(generation, 3);
    assert_int_equal(version("/opt/acme/sub", content, &generation), 0);
    assert_int_equal(generation, 3);
    assert_int_equal(version("/opt/acme/none", content, &generation), -ENOENT);
    assert_int_equal(version("/opt/acme/identity", content, &generation), -ENOENT);
    spoil(object_path("a3"));
    assert_int_equal(version("/opt/acme/a", content, &generation), 0);
    assert_string_equal(content, "a2");
    assert_int_equal(generation, 2);
    assert_non_null(strstr(said.text, "/opt/acme/a: the content kept of generation 3 is damaged"));
    unlink(world_path(&world, object_path("a2")));
    assert_int_equal(version("/opt/acme/a", content, &generation), 0);
    assert_string_equal(content, "a1");
    spoil(object_path("a1"));
    assert_int_equal(version("/opt/acme/a", content, &generation), -ENOENT);
    /* the next good boot mends what it can: the size alone is looked at where nothing moved */
    take(NULL);
    assert_int_equal(version("/opt/acme/a", content, &generation), 0);
    assert_string_equal(content, "a3");
}

/* What the newest generation has not is not good, though an older one has it. */
static void test_version_of_what_went(void **state)
{
    uint32_t generation;
    char content[64];

    (void)state;
    make_generations(1);
    drop();
    take(NULL);
    assert_int_equal(version("/opt/acme/b", content, &generation), -ENOENT);
}

static void test_no_history(void **state)
{
    uint32_t generation;
    char content[64];

    (void)state;
    assert_int_equal(version("/opt/acme/a", content, &generation), -ENOENT);
}

/* ---- trouble ---- */

static void test_full(void **state)
{
    char *big = malloc(200000);
    char *before, *after;

    (void)state;
    memset(big, 'x', 199999);
    big[199999] = '\0';
    place_close(&place);
    if (mount("none", world_path(&world, STATE_DIR), "tmpfs", 0, "size=128k") < 0) {
        print_message("tmpfs cannot be mounted here: %s\n", strerror(errno));
        free(big);
        world_open(&world, &place);
        skip();
    }
    world_open(&world, &place);
    take(NULL);
    before = world_seen(&world, STATE_DIR, NULL);
    world_file(&world, "/opt/acme/big", big, 0644);
    world_file(&world, "/opt/acme/a", "a2", 0644);
    assert_int_equal(try_take(NULL), -ENOSPC);
    assert_int_equal(result.generation, 77);
    assert_non_null(strstr(said.text, "the former ones stand"));
    after = world_seen(&world, STATE_DIR, NULL);
    assert_string_equal(before, after);
    assert_string_equal(good(), "a=a1 b=b1 sub=");
    world_file(&world, "/opt/acme/big", "small", 0644);
    take(NULL);
    assert_int_equal(result.generation, 2);
    free(before);
    free(after);
    free(big);
    place_close(&place);
    umount(world_path(&world, STATE_DIR));
    world_open(&world, &place);
}

static void test_not_allowed(void **state)
{
    (void)state;
    take(NULL);
    alter();
    if (geteuid() != 0) {
        print_message("needs root to become nobody\n");
        skip();
    }
    assert_int_equal(chmod(world.root, 0755), 0);
    assert_int_equal(seteuid(65534), 0);
    assert_int_equal(try_take(NULL), -EACCES);
    assert_int_equal(seteuid(0), 0);
    assert_string_equal(good(), "a=a1 b=b1 sub=");
}

/* ---- soaking ---- */

static void test_soak(void **state)
{
    static const struct {
        const char *name;
        uint64_t seconds; /* since boot */
        bool rewrite;     /* before this call */
        uint64_t wanted;
        bool proven;
    } rows[] = {
        {"first seen", 1000, false, 60, false},
        {"a moment later", 1059, false, 60, false},
        {"long enough", 1060, false, 60, true},
        {"still", 2000, false, 60, true},
        {"rewritten", 2001, true, 60, false},
        {"not yet again", 2060, false, 60, false},
        {"again", 2061, false, 60, true},
        {"not asked for, forgotten", 2100, false, 0, false},
        {"seen anew", 2200, false, 60, false},
        {"in use long enough for less", 2240, false, 40, true},
        {"a clock that went back", 100, false, 40, false},
    };
    int run;

    (void)state;
    world_dirs(&world, RUN_DIR);
    run = open(world_path(&world, RUN_DIR), O_RDONLY | O_DIRECTORY);
    for (size_t i = 0; i < ROWS(rows); i++) {
        uint64_t wanted[3] = {0, rows[i].wanted, 0};
        bool proven[3] = {false};

        if (rows[i].rewrite)
            world_file(&world, "/opt/acme/b", "b1", 0644);
        start();
        assert_int_equal(started.count, 3);
        assert_string_equal(started.entries[1].path, "/opt/acme/b");
        assert_int_equal(soak_update(run, &started, wanted, rows[i].seconds, proven), 0);
        if (proven[1] != rows[i].proven || proven[0] || proven[2])
            fail_msg("%s: proven is %d", rows[i].name, proven[1]);
    }
    close(run);
}

static const char *const bad_soaks[] = {
    "nonsense", "1\tf\t2\n", "1\tf\tx\t2\t3\t4\t/opt/acme/b\n", "\n\n\n", "1\tf\t2\t3\t4\t5\t",
};

static void test_bad_soak_file(void **state)
{
    int run;

    (void)state;
    world_dirs(&world, RUN_DIR);
    run = open(world_path(&world, RUN_DIR), O_RDONLY | O_DIRECTORY);
    start();
    for (size_t i = 0; i < ROWS(bad_soaks); i++) {
        const uint64_t wanted[3] = {60, 60, 60};
        bool proven[3] = {false}, later[3] = {false};

        world_file(&world, RUN_DIR "/" SOAK_NAME, bad_soaks[i], 0600);
        assert_int_equal(soak_update(run, &started, wanted, 5000, proven), 0);
        assert_int_equal(soak_update(run, &started, wanted, 5060, later), 0);
        if (proven[0] || proven[1] || proven[2] || !later[0] || !later[1] || !later[2])
            fail_msg("\"%s\"", bad_soaks[i]);
    }
    close(run);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_now),
        TEST(test_unchanged),
        TEST(test_identities_moved),
        TEST(test_boots),
        TEST(test_next_boot),
        TEST(test_first_boot),
        TEST(test_looked),
        TEST(test_looked_before_version_2),
        TEST(test_mount_point_is_not_read),
        TEST(test_apart),
        TEST(test_over_limit),
        TEST(test_cannot_be_read),
        TEST(test_kernels_at_first),
        TEST(test_kernels_later),
        TEST(test_kernels_linked),
        TEST(test_kernels),
        TEST(test_metadata),
        TEST(test_prune),
        TEST(test_damaged_manifest),
        TEST(test_renamed_manifest),
        TEST(test_names_that_are_none),
        TEST(test_versions),
        TEST(test_version_of_what_went),
        TEST(test_no_history),
        TEST(test_full),
        TEST(test_not_allowed),
        TEST(test_soak),
        TEST(test_bad_soak_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
