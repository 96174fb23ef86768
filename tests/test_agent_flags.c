/*
 * Files that chattr(1) made immutable or append-only: put back all the same and held as they were,
 * whatever call power is cut at; and where that cannot be, a set is left whole.
 */
#include <sys/mount.h>
#include "check.h"
#include "cut.h"
#include "journal.h"
#include "quarantine.h"
#include "recover.h"
#include "status.h"
#include "world.h"

#define HELD "/var/lib/backstop/quarantine/7/"
#define GENERATIONS "/var/lib/backstop/generations"

/* An inode whose flags cannot be changed; 0: none. */
static ino_t stubborn;
static bool lenient; /* flags can be taken away and not set */

static bool is_setting(const void *flags)
{
    int wanted;
    memcpy(&wanted, flags, sizeof wanted);
    return (wanted & (FS_IMMUTABLE_FL | FS_APPEND_FL)) != 0;
}

int ioctl(int fd, unsigned long request, ...)
{
    struct stat st;
    va_list rest;
    va_start(rest, request);
    void *argument = va_arg(rest, void *);
    va_end(rest);
    if (request == FS_IOC_SETFLAGS && refused())
        return -1;
    if (lenient && request == FS_IOC_SETFLAGS && is_setting(argument)) {
        errno = EIO;
        return -1;
    }
    if (stubborn && request == FS_IOC_SETFLAGS && fstat(fd, &st) == 0 && st.st_ino == stubborn) {
        errno = EPERM;
        return -1;
    }
    return (int)syscall(SYS_ioctl, fd, request, argument);
}

static void lock(const struct world *world, const char *path, unsigned flags)
{
    assert_int_equal(io_set_flags(AT_FDCWD, world_path(world, path), flags), 0);
}

static unsigned flags_of(const struct world *world, const char *path)
{
    return io_flags_of(AT_FDCWD, world_path(world, path));
}

static void remove_world(const struct world *world)
{
    world_run("chattr -R -f -ia", world_path(world, ""), "");
    world_remove(world);
}

/* Suspects: one of two immutable names of a file, the other, one to be added to alone, and an
 * ordinary one; the last set has nothing that is locked. */
static void make_locked(struct world *world)
{
    world_make(world);
    world_dirs(world, "/etc/backstop/sets.d");
    world_file(world, "/etc/backstop/sets.d/acme.conf",
               "[set]\nclass=content\npath=/opt/acme/*\npath=/opt/locked/*\n", 0644);
    world_file(world, "/etc/backstop/sets.d/other.conf",
               "[set]\nclass=content\npath=/opt/other/*\n", 0644);
    world_dirs(world, "/opt/acme");
    world_dirs(world, "/opt/other");
    world_dirs(world, "/opt/locked");
    world_file(world, "/opt/acme/file", "290\n", 0640);
    world_file(world, "/opt/acme/plain", "290\n", 0640);
    world_file(world, "/opt/other/file", "290\n", 0640);
    world_take_good(world);
    world_file(world, "/opt/acme/file", "291\n", 0640);
    if (link(world_path(world, "/opt/acme/file"), world_path(world, "/opt/acme/file-2")) < 0)
        abort();
    world_file(world, "/opt/acme/log", "291\n", 0640);
    world_file(world, "/opt/acme/plain", "291\n", 0640);
    world_file(world, "/opt/other/file", "291\n", 0640);
    lock(world, "/opt/acme/file", ENTRY_IMMUTABLE);
    lock(world, "/opt/acme/log", ENTRY_APPEND);
}

static int recover_case(const struct world *world, uint32_t case_number,
                        struct recover_result *result)
{
    struct place place;
    struct ticket ticket = {.number = 5,
                            .case_number = case_number,
                            .failures = 3,
                            .rung = RUNG_ALL,
                            .stance = STANCE_RECOVERY,
                            .case_open = 1};
    if (place_open(&place, world->root) < 0)
        abort();
    int err = recover(&place, &ticket, NULL, result, NULL);
    place_close(&place);
    return err;
}

static int recover_world(const struct world *world, struct recover_result *result)
{
    return recover_case(world, 7, result);
}

static void assert_recovered(const struct world *world, unsigned long at)
{
    bool good = strcmp(world_text(world, "/opt/acme/file"), "290\n") == 0 &&
                strcmp(world_text(world, "/opt/acme/plain"), "290\n") == 0 &&
                strcmp(world_text(world, "/opt/other/file"), "290\n") == 0 &&
                !world_has(world, "/opt/acme/log") && !world_has(world, "/opt/acme/file-2");
    bool held = flags_of(world, HELD "1") == ENTRY_IMMUTABLE &&
                flags_of(world, HELD "2") == ENTRY_IMMUTABLE &&
                flags_of(world, HELD "3") == ENTRY_APPEND && flags_of(world, HELD "4") == 0 &&
                world_inode(world, HELD "1") == world_inode(world, HELD "2");
    bool locked = flags_of(world, "/opt/acme/file") == ENTRY_IMMUTABLE &&
                  flags_of(world, "/opt/acme/plain") == 0;
    if (!good || !held || !locked)
        fail_msg("call %lu: %s, %s", at, good ? "put back" : "not put back",
                 held ? "held as it was" : "not held as it was");
}

static void restore(const struct world *world, uint32_t id, int wanted)
{
    struct place place;
    world_open(world, &place);
    assert_int_equal(quarantine_restore(&place, 7, id, NULL), wanted);
    place_close(&place);
}

static void locked_files_are_put_back_and_held_as_they_were(void **state)
{
    struct world world;
    struct recover_result result;
    struct place place;
    (void)state;
    make_locked(&world);
    assert_int_equal(recover_world(&world, &result), 0);
    assert_int_equal(result.applied, APPLIED_PUT_BACK);
    assert_recovered(&world, 0);
    lock(&world, "/opt/acme/file", ENTRY_APPEND);
    restore(&world, 1, 0);
    assert_string_equal(world_text(&world, "/opt/acme/file"), "291\n");
    assert_int_equal(flags_of(&world, "/opt/acme/file"), ENTRY_IMMUTABLE);
    assert_int_equal(flags_of(&world, HELD "6"), ENTRY_APPEND);
    restore(&world, 6, 0);
    assert_string_equal(world_text(&world, "/opt/acme/file"), "290\n");
    assert_int_equal(flags_of(&world, "/opt/acme/file"), ENTRY_APPEND);
    char *out = strdup(world_path(&world, "/released"));
    world_open(&world, &place);
    assert_int_equal(quarantine_release(&place, 7, 3, out, NULL), 0);
    assert_int_equal(flags_of(&world, "/released"), ENTRY_APPEND);
    assert_int_equal(quarantine_purge(&place, 7, 2, NULL), 0);
    assert_false(world_has(&world, HELD "2"));
    place_close(&place);
    free(out);
    remove_world(&world);
}

/* ---- cuts ---- */

typedef void act(const struct world *world);

static void do_recover(const struct world *world)
{
    struct recover_result result;
    recover_world(world, &result);
}

static void do_restore(const struct world *world)
{
    struct place place;
    world_open(world, &place);
    quarantine_restore(&place, 7, 1, NULL);
    place_close(&place);
}

/* True if it was cut. */
static bool cut_at(const struct world *world, act *what, unsigned long at)
{
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        cut.on = true;
        cut.cut_at = at;
        what(world);
        _exit(0);
    }
    waitpid(child, &status, 0);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status) == CUT_STATUS;
}

static void cut_anywhere_the_flags_are_set_again(void **state)
{
    bool was_cut = true;
    (void)state;
    for (unsigned long at = 1; was_cut; at++) {
        struct world world;
        struct recover_result result;
        make_locked(&world);
        was_cut = cut_at(&world, do_recover, at);
        recover_world(&world, &result);
        assert_int_equal(result.applied, APPLIED_PUT_BACK);
        assert_recovered(&world, at);
        remove_world(&world);
    }
}

static void a_restore_cut_anywhere_sets_them_again(void **state)
{
    bool was_cut = true;
    (void)state;
    for (unsigned long at = 1; was_cut; at++) {
        struct world world;
        struct recover_result result;
        make_locked(&world);
        recover_world(&world, &result);
        lock(&world, "/opt/acme/file", ENTRY_APPEND);
        was_cut = cut_at(&world, do_restore, at);
        restore(&world, 1, 0);
        if (strcmp(world_text(&world, "/opt/acme/file"), "291\n") != 0 ||
            flags_of(&world, "/opt/acme/file") != ENTRY_IMMUTABLE ||
            flags_of(&world, HELD "6") != ENTRY_APPEND)
            fail_msg("call %lu", at);
        remove_world(&world);
    }
}

/* ---- chattr -R +i ---- */

static long time_of(const struct world *world, const char *path)
{
    struct stat st;
    return stat(world_path(world, path), &st) < 0 ? 0 : (long)st.st_mtime;
}

/* A product that locks all that it has: a new file, an altered one, one that is gone, and the
 * directory that they are in is itself another. */
static void make_whole(struct world *world)
{
    world_make(world);
    world_dirs(world, "/etc/backstop/sets.d");
    world_file(world, "/etc/backstop/sets.d/acme.conf", "[set]\nclass=content\npath=/opt/acme/**\n",
               0644);
    world_dirs(world, "/opt/acme/bin");
    world_file(world, "/opt/acme/bin/agent", "290\n", 0755);
    world_file(world, "/opt/acme/bin/gone", "290\n", 0755);
    world_file(world, "/opt/acme/bin/plain", "290\n", 0755);
    world_time(world, "/opt/acme/bin", WORLD_TIME - 50);
    world_take_good(world);
    world_file(world, "/opt/acme/bin/agent", "291\n", 0755);
    world_file(world, "/opt/acme/bin/new", "291\n", 0755);
    unlink(world_path(world, "/opt/acme/bin/gone"));
    world_run("chmod 700", world_path(world, "/opt/acme/bin"), "");
    world_run("chattr -R +i", world_path(world, "/opt/acme"), "");
}

static void assert_whole(const struct world *world, unsigned long at)
{
    static const char *const locked[] = {"/opt/acme", "/opt/acme/bin", "/opt/acme/bin/agent",
                                         "/opt/acme/bin/plain"};
    struct stat st;
    if (strcmp(world_text(world, "/opt/acme/bin/agent"), "290\n") != 0 ||
        strcmp(world_text(world, "/opt/acme/bin/gone"), "290\n") != 0 ||
        world_has(world, "/opt/acme/bin/new"))
        fail_msg("call %lu: not put back", at);
    if (stat(world_path(world, "/opt/acme/bin"), &st) < 0 || (st.st_mode & 0777) != 0755 ||
        time_of(world, "/opt/acme/bin") != WORLD_TIME - 50)
        fail_msg("call %lu: the directory is not put back", at);
    for (size_t i = 0; i < ROWS(locked); i++)
        if (flags_of(world, locked[i]) != ENTRY_IMMUTABLE)
            fail_msg("call %lu: %s is not locked again", at, locked[i]);
}

static void a_product_that_is_locked_whole_is_put_back(void **state)
{
    bool was_cut = true;
    (void)state;
    for (unsigned long at = 0; was_cut; at++) {
        struct world world;
        struct recover_result result;
        make_whole(&world);
        was_cut = at == 0 || cut_at(&world, do_recover, at);
        assert_int_equal(recover_world(&world, &result), 0);
        assert_int_equal(result.applied, APPLIED_PUT_BACK);
        assert_whole(&world, at);
        assert_int_equal(recover_world(&world, &result), 0);
        assert_whole(&world, at);
        remove_world(&world);
    }
}

/* The directory alone is locked: nothing shows it where a cut left it open. */
static void make_in_locked(struct world *world)
{
    world_make(world);
    world_dirs(world, "/etc/backstop/sets.d");
    world_file(world, "/etc/backstop/sets.d/acme.conf", "[set]\nclass=content\npath=/opt/acme/*\n",
               0644);
    world_dirs(world, "/opt/acme");
    world_file(world, "/opt/acme/file", "290\n", 0640);
    world_take_good(world);
    world_file(world, "/opt/acme/file", "291\n", 0640);
    lock(world, "/opt/acme", ENTRY_IMMUTABLE);
}

static void assert_in_locked(const struct world *world, unsigned long at)
{
    if (strcmp(world_text(world, "/opt/acme/file"), "290\n") != 0 ||
        flags_of(world, "/opt/acme") != ENTRY_IMMUTABLE)
        fail_msg("call %lu: not put back, or the directory is not locked again", at);
}

/* The run after a cut is refused what it owes: the one after that still knows of it. */
static void refused_once_more_they_are_not_forgotten(void **state)
{
    static const struct {
        void (*make)(struct world *world);
        void (*judge)(const struct world *world, unsigned long at);
    } rows[] = {{make_locked, assert_recovered},
                {make_whole, assert_whole},
                {make_in_locked, assert_in_locked}};
    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        bool was_cut = true;
        for (unsigned long at = 1; was_cut; at++) {
            struct world world;
            struct recover_result result;
            rows[i].make(&world);
            was_cut = cut_at(&world, do_recover, at);
            lenient = true;
            recover_world(&world, &result);
            lenient = false;
            recover_world(&world, &result);
            if (was_cut)
                rows[i].judge(&world, at);
            remove_world(&world);
        }
    }
}

static unsigned held_with(const struct world *world, unsigned flags)
{
    unsigned count = 0;
    for (int id = 1; id < 16; id++) {
        char path[64];
        snprintf(path, sizeof path, HELD "%d", id);
        count += world_has(world, path) && flags_of(world, path) == flags;
    }
    return count;
}

/* A set that is left whole, but for flags that are owed, is moved by the next run. */
static void owed_flags_go_with_the_file(void **state)
{
    struct world world;
    struct recover_result result;
    (void)state;
    make_locked(&world);
    stubborn = world_inode(&world, "/opt/acme/log");
    lenient = true;
    recover_world(&world, &result);
    assert_string_equal(world_text(&world, "/opt/acme/file"), "291\n");
    assert_int_equal(flags_of(&world, "/opt/acme/file"), 0);
    stubborn = 0;
    recover_world(&world, &result);
    assert_string_equal(world_text(&world, "/opt/acme/file"), "290\n");
    assert_int_equal(held_with(&world, ENTRY_IMMUTABLE) + held_with(&world, ENTRY_APPEND), 0);
    lenient = false;
    recover_world(&world, &result);
    assert_int_equal(flags_of(&world, "/opt/acme/file"), ENTRY_IMMUTABLE);
    assert_int_equal(held_with(&world, ENTRY_IMMUTABLE), 2);
    assert_int_equal(held_with(&world, ENTRY_APPEND), 1);
    remove_world(&world);
}

static void read_case(const struct world *world, struct status_case *last)
{
    struct journal journal;
    struct place place;
    world_open(world, &place);
    assert_int_equal(journal_read(&place, &journal, NULL), 0);
    status_case_of(&journal, last);
    journal_free(&journal);
    place_close(&place);
}

/* A file that came to the path of a suspect has no such flags, and the suspect's stay owed. */
static void another_file_at_the_path_gets_none(void **state)
{
    struct world world;
    struct recover_result result;
    struct status_case last;
    (void)state;
    make_locked(&world);
    lenient = true;
    recover_world(&world, &result);
    lenient = false;
    stubborn = world_inode(&world, HELD "1");
    unlink(world_path(&world, "/opt/acme/file"));
    world_file(&world, "/opt/acme/file", "292\n", 0640);
    recover_world(&world, &result);
    stubborn = 0;
    assert_string_equal(world_text(&world, "/opt/acme/file"), "290\n");
    assert_string_equal(world_text(&world, HELD "6"), "292\n");
    assert_int_equal(flags_of(&world, HELD "6"), 0);
    assert_int_equal(flags_of(&world, HELD "3"), ENTRY_APPEND);
    read_case(&world, &last);
    assert_int_equal(last.unlocked, 2); /* both names of the first suspect */
    recover_world(&world, &result);
    assert_int_equal(flags_of(&world, HELD "1"), ENTRY_IMMUTABLE);
    read_case(&world, &last);
    assert_int_equal(last.unlocked, 0);
    remove_world(&world);
}

/* Nor while there is no good generation to compare with. */
static void without_a_generation_they_are_not_forgotten(void **state)
{
    struct world world;
    struct recover_result result;
    struct status_case last;
    char store[4096];
    (void)state;
    make_locked(&world);
    lenient = true;
    recover_world(&world, &result);
    snprintf(store, sizeof store, "%s", world_path(&world, GENERATIONS));
    assert_int_equal(rename(store, world_path(&world, GENERATIONS ".away")), 0);
    recover_world(&world, &result);
    read_case(&world, &last);
    assert_int_equal(last.unlocked, 3);
    lenient = false;
    recover_world(&world, &result);
    read_case(&world, &last);
    assert_int_equal(last.unlocked, 0);
    assert_int_equal(held_with(&world, ENTRY_IMMUTABLE), 2);
    assert_int_equal(held_with(&world, ENTRY_APPEND), 1);
    remove_world(&world);
}

/* However often a set is left whole, a file of it is told once. */
static void what_is_owed_does_not_grow(void **state)
{
    struct world world;
    struct recover_result result;
    struct status_case last;
    (void)state;
    make_locked(&world);
    stubborn = world_inode(&world, "/opt/acme/log");
    lenient = true;
    for (unsigned run = 0; run < 4; run++) {
        recover_world(&world, &result);
        read_case(&world, &last);
        assert_int_equal(last.unlocked, 2);
    }
    lenient = false;
    stubborn = 0;
    remove_world(&world);
}

/* Where they can never be set again, that is written down, and no later case is about it. */
static void never_set_again_they_trouble_no_other_case(void **state)
{
    struct world world;
    struct recover_result result;
    struct status_case last;
    (void)state;
    make_locked(&world);
    lenient = true;
    for (uint32_t boot = 0; boot < 2; boot++) {
        assert_int_equal(recover_case(&world, 7, &result), 0);
        assert_int_equal(result.applied, APPLIED_PUT_BACK);
        read_case(&world, &last);
        assert_int_equal(last.number, 7);
        assert_int_equal(last.failed, 0);
        assert_int_equal(last.unlocked, 3);
    }
    lenient = false;
    assert_int_equal(recover_case(&world, 8, &result), 0);
    assert_int_equal(result.applied, APPLIED_NOTHING);
    assert_int_equal(flags_of(&world, HELD "1"), 0);
    remove_world(&world);
}

/* ---- a set is one thing ---- */

/* What cannot be unlocked stays, and with it the whole set, but no other. */
static void what_cannot_be_moved_leaves_its_set_whole(void **state)
{
    struct world world;
    struct recover_result result;
    struct journal journal;
    struct place place;
    (void)state;
    make_locked(&world);
    world_file(&world, "/opt/locked/file", "291\n", 0644);
    lock(&world, "/opt/locked", ENTRY_IMMUTABLE);
    stubborn = world_inode(&world, "/opt/locked");
    assert_int_equal(recover_world(&world, &result), -ECANCELED);
    stubborn = 0;
    assert_int_equal(result.applied, APPLIED_PUT_BACK); /* the other set */
    assert_string_equal(world_text(&world, "/opt/other/file"), "290\n");
    assert_string_equal(world_text(&world, "/opt/acme/plain"), "291\n");
    assert_string_equal(world_text(&world, "/opt/acme/file"), "291\n");
    assert_int_equal(flags_of(&world, "/opt/acme/file"), ENTRY_IMMUTABLE);
    assert_int_equal(flags_of(&world, "/opt/acme/log"), ENTRY_APPEND);
    assert_false(world_has(&world, HELD "1"));
    world_open(&world, &place);
    assert_int_equal(journal_read(&place, &journal, NULL), 0);
    struct json_object *failed =
        json_object_object_get(journal.records[journal.count - 1], "failed");
    assert_int_equal(json_object_array_length(failed), 5);
    journal_free(&journal);
    place_close(&place);
    remove_world(&world);
}

static void with_nothing_else_the_case_has_failed(void **state)
{
    struct world world;
    struct recover_result result;
    (void)state;
    make_locked(&world);
    unlink(world_path(&world, "/etc/backstop/sets.d/other.conf"));
    lock(&world, "/opt/acme", ENTRY_APPEND);
    stubborn = world_inode(&world, "/opt/acme");
    assert_true(recover_world(&world, &result) < 0);
    stubborn = 0;
    assert_int_equal(result.applied, APPLIED_FAILED);
    assert_string_equal(world_text(&world, "/opt/acme/plain"), "291\n");
    assert_int_equal(flags_of(&world, "/opt/acme/file"), ENTRY_IMMUTABLE);
    remove_world(&world);
}

/* Another user than root may not, and some file systems have no such flags. */
static bool can_lock(void)
{
    struct world world;
    world_make(&world);
    world_file(&world, "/file", "", 0644);
    bool can = io_set_flags(AT_FDCWD, world_path(&world, "/file"), ENTRY_IMMUTABLE) == 0 &&
               io_set_flags(AT_FDCWD, world_path(&world, "/file"), 0) == 0;
    world_remove(&world);
    return can;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(locked_files_are_put_back_and_held_as_they_were),
        cmocka_unit_test(cut_anywhere_the_flags_are_set_again),
        cmocka_unit_test(a_restore_cut_anywhere_sets_them_again),
        cmocka_unit_test(a_product_that_is_locked_whole_is_put_back),
        cmocka_unit_test(refused_once_more_they_are_not_forgotten),
        cmocka_unit_test(owed_flags_go_with_the_file),
        cmocka_unit_test(another_file_at_the_path_gets_none),
        cmocka_unit_test(without_a_generation_they_are_not_forgotten),
        cmocka_unit_test(what_is_owed_does_not_grow),
        cmocka_unit_test(never_set_again_they_trouble_no_other_case),
        cmocka_unit_test(what_cannot_be_moved_leaves_its_set_whole),
        cmocka_unit_test(with_nothing_else_the_case_has_failed),
    };
    if (!can_lock()) {
        puts("files cannot be made immutable here: nothing was tested");
        return 0;
    }
    return cmocka_run_group_tests_name("flags", tests, NULL, NULL);
}
