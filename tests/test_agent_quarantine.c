/*
 * The quarantine: list, restore, release, purge; restores cut and refused at every call.
 */
#include <limits.h>
#include "check.h"
#include "cut.h"
#include "journal.h"
#include "quarantine.h"
#include "recover.h"
#include "world.h"

#define CASE 7u
#define RECORDS STATE_DIR "/quarantine/7/records.jsonl"

struct machine {
    struct world world;
    struct place place;
};

static void note(const struct world *world, const char *path, const char *value)
{
    if (geteuid() == 0 &&
        setxattr(world_path(world, path), "trusted.note", value, strlen(value), 0) < 0)
        abort();
}

/* Five suspects: a file, a link, an added file, an added tree and a directory's metadata. */
static void make_world(struct world *world)
{
    world_make(world);
    world_dirs(world, "/etc/backstop/sets.d");
    world_file(world, "/etc/backstop/sets.d/acme.conf", "[set]\nclass=content\npath=/opt/acme/**\n",
               0644);
    world_dirs(world, "/opt/acme/directory");
    world_file(world, "/opt/acme/file", "290\n", 0640);
    world_link(world, "/opt/acme/link", "file");
    world_take_good(world);
    world_file(world, "/opt/acme/file", "291\n", 04755);
    note(world, "/opt/acme/file", "suspect");
    world_link(world, "/opt/acme/link", "new");
    world_file(world, "/opt/acme/new", "new\n", 0644);
    world_dirs(world, "/opt/acme/tree/below");
    world_file(world, "/opt/acme/tree/below/leaf", "leaf\n", 0600);
    chmod(world_path(world, "/opt/acme/directory"), 0700);
}

static void recover_world(const struct world *world)
{
    struct place place;
    struct recover_result result;
    struct ticket ticket = {.number = 5,
                            .case_number = CASE,
                            .failures = 3,
                            .rung = RUNG_ALL,
                            .stance = STANCE_RECOVERY,
                            .case_open = 1};
    if (place_open(&place, world->root) < 0)
        abort();
    assert_int_equal(recover(&place, &ticket, NULL, &result, NULL), 0);
    assert_int_equal(result.applied, APPLIED_PUT_BACK);
    place_close(&place);
}

static int setup(void **state)
{
    struct machine *machine = malloc(sizeof *machine);
    make_world(&machine->world);
    recover_world(&machine->world);
    world_open(&machine->world, &machine->place);
    *state = machine;
    return 0;
}

static int teardown(void **state)
{
    struct machine *machine = *state;
    place_close(&machine->place);
    world_remove(&machine->world);
    free(machine);
    return 0;
}

/* Id of the item for path in that state, the highest; 0: none. */
static uint32_t id_of(const struct place *place, const char *path, const char *item_state)
{
    struct quarantine list;
    uint32_t id = 0;
    assert_int_equal(quarantine_list(place, &list, NULL), 0);
    for (size_t i = 0; i < list.count; i++)
        if (strcmp(list.items[i].path, path) == 0 && strcmp(list.items[i].state, item_state) == 0)
            id = list.items[i].id;
    quarantine_free(&list);
    return id;
}

static void all_suspects_are_listed(void **state)
{
    static const char *const paths[] = {"/opt/acme/directory", "/opt/acme/file", "/opt/acme/link",
                                        "/opt/acme/new", "/opt/acme/tree"};
    struct machine *machine = *state;
    struct quarantine list;
    assert_int_equal(quarantine_list(&machine->place, &list, NULL), 0);
    assert_int_equal(list.count, ROWS(paths));
    for (size_t i = 0; i < list.count; i++) {
        assert_string_equal(list.items[i].path, paths[i]);
        assert_int_equal(list.items[i].id, i + 1);
        assert_string_equal(list.items[i].state, "held");
        assert_string_equal(list.items[i].set_name, "acme");
    }
    assert_non_null(list.items[1].sha256);
    assert_non_null(list.items[1].replaced_by);
    assert_int_equal(list.items[1].generation, 1);
    assert_int_equal(list.items[1].size, 4);
    assert_null(list.items[3].replaced_by);
    quarantine_free(&list);
}

static void restored_it_is_as_it_was(void **state)
{
    static const char *const paths[] = {"/opt/acme/directory", "/opt/acme/file", "/opt/acme/link",
                                        "/opt/acme/new", "/opt/acme/tree"};
    struct machine *machine = *state;
    struct world before;
    make_world(&before);
    ino_t good = world_inode(&machine->world, "/opt/acme/file");
    for (size_t i = 0; i < ROWS(paths); i++) {
        uint32_t id = id_of(&machine->place, paths[i], "held");
        assert_int_equal(quarantine_restore(&machine->place, CASE, id, NULL), 0);
        assert_int_equal(quarantine_restore(&machine->place, CASE, id, NULL), 0);
        assert_int_equal(id_of(&machine->place, paths[i], "restored"), id);
    }
    char *wanted = world_seen(&before, "/opt", NULL);
    char *seen = world_seen(&machine->world, "/opt", NULL);
    assert_string_equal(seen, wanted);
    free(wanted);
    free(seen);

    /* the good versions are held now, and go back in the same way */
    uint32_t displaced = id_of(&machine->place, "/opt/acme/file", "held");
    assert_true(displaced > 5);
    assert_int_equal(quarantine_restore(&machine->place, CASE, displaced, NULL), 0);
    assert_int_equal(world_inode(&machine->world, "/opt/acme/file"), good);
    displaced = id_of(&machine->place, "/opt/acme/directory", "held");
    assert_int_equal(quarantine_restore(&machine->place, CASE, displaced, NULL), 0);
    struct stat st;
    assert_int_equal(stat(world_path(&machine->world, "/opt/acme/directory"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0755);
    world_remove(&before);
}

static void restored_where_the_directory_went_missing(void **state)
{
    struct machine *machine = *state;
    world_run("rm -rf", world_path(&machine->world, "/opt"), "");
    uint32_t id = id_of(&machine->place, "/opt/acme/file", "held");
    assert_int_equal(quarantine_restore(&machine->place, CASE, id, NULL), 0);
    assert_string_equal(world_text(&machine->world, "/opt/acme/file"), "291\n");
}

static void a_link_in_the_way_is_not_followed(void **state)
{
    struct machine *machine = *state;
    world_dirs(&machine->world, "/elsewhere");
    world_run("rm -rf", world_path(&machine->world, "/opt/acme"), "");
    world_link(&machine->world, "/opt/acme", "/elsewhere");
    uint32_t id = id_of(&machine->place, "/opt/acme/file", "held");
    assert_int_equal(quarantine_restore(&machine->place, CASE, id, NULL), -ELOOP);
    assert_false(world_has(&machine->world, "/elsewhere/file"));
    assert_int_equal(id_of(&machine->place, "/opt/acme/file", "held"), id);
}

static void what_is_not_there_is_said(void **state)
{
    struct machine *machine = *state;
    assert_int_equal(quarantine_restore(&machine->place, CASE, 99, NULL), -ENOENT);
    assert_int_equal(quarantine_restore(&machine->place, 8, 1, NULL), -ENOENT);
    assert_int_equal(quarantine_purge(&machine->place, 8, 0, NULL), -ENOENT);
    assert_int_equal(quarantine_release(&machine->place, 8, 1, "/tmp/none", NULL), -ENOENT);
}

/* A record on a hostile or damaged disk leads nowhere but to a yard, and by no link. */
static void a_record_leads_to_a_yard_alone(void **state)
{
    static const char *const places[] = {
        "/photos/2",
        STATE_DIR "/quarantine/link/2",
        STATE_DIR "/quarantine/link/photos/7/2",
        "/photos/.backstop-quarantine/8/2",
    };
    struct machine *machine = *state;
    char *records = strdup(world_text(&machine->world, RECORDS));
    char *at_field = strstr(records, STATE_DIR "/quarantine/7/2\"");
    assert_non_null(at_field);
    world_dirs(&machine->world, "/photos/7");
    world_file(&machine->world, "/photos/2", "mine\n", 0600);
    world_file(&machine->world, "/photos/7/2", "mine\n", 0600);
    world_link(&machine->world, STATE_DIR "/quarantine/link", machine->world.root);
    for (size_t i = 0; i < ROWS(places); i++) {
        char text[4096];
        snprintf(text, sizeof text, "%.*s%s%s", (int)(at_field - records), records, places[i],
                 strchr(at_field, '"'));
        world_file(&machine->world, RECORDS, text, 0600);
        if (quarantine_purge(&machine->place, CASE, 2, NULL) != -EBADMSG)
            fail_msg("%s was taken for a yard", places[i]);
        assert_int_equal(quarantine_restore(&machine->place, CASE, 2, NULL), -EBADMSG);
    }
    assert_string_equal(world_text(&machine->world, "/photos/2"), "mine\n");
    assert_string_equal(world_text(&machine->world, "/photos/7/2"), "mine\n");
    free(records);
}

/* The case's own directory as a link: out of the root, or elsewhere in it. */
static void a_yard_is_reached_by_no_link(void **state)
{
    struct machine *machine = *state;
    char from[256];
    snprintf(from, sizeof from, "%s", world_path(&machine->world, STATE_DIR "/quarantine"));
    assert_int_equal(rename(from, world_path(&machine->world, "/moved")), 0);
    world_link(&machine->world, STATE_DIR "/quarantine", world_path(&machine->world, "/moved"));
    assert_true(quarantine_purge(&machine->place, CASE, 2, NULL) < 0);
    assert_true(world_has(&machine->world, "/moved/7/2"));
}

static void released_for_study(void **state)
{
    struct machine *machine = *state;
    uint32_t id = id_of(&machine->place, "/opt/acme/file", "held");
    char *there = world_path(&machine->world, "/opt/acme/link");
    assert_int_equal(quarantine_release(&machine->place, CASE, id, there, NULL), -EEXIST);
    there = world_path(&machine->world, "/no-such-directory/x");
    assert_int_equal(quarantine_release(&machine->place, CASE, id, there, NULL), -ENOENT);
    assert_int_equal(id_of(&machine->place, "/opt/acme/file", "held"), id);
    there = world_path(&machine->world, "/study");
    assert_int_equal(quarantine_release(&machine->place, CASE, id, there, NULL), 0);
    assert_string_equal(world_text(&machine->world, "/study"), "291\n");
    assert_string_equal(world_text(&machine->world, "/opt/acme/file"), "290\n");
    assert_int_equal(id_of(&machine->place, "/opt/acme/file", "released"), id);
    assert_int_equal(quarantine_restore(&machine->place, CASE, id, NULL), -ENOENT);
}

static void purged_for_good(void **state)
{
    struct machine *machine = *state;
    struct quarantine list;
    uint32_t tree = id_of(&machine->place, "/opt/acme/tree", "held");
    assert_int_equal(quarantine_purge(&machine->place, CASE, tree, NULL), 0);
    assert_int_equal(quarantine_purge(&machine->place, CASE, tree, NULL), 0);
    assert_int_equal(id_of(&machine->place, "/opt/acme/tree", "purged"), tree);
    assert_int_equal(quarantine_restore(&machine->place, CASE, tree, NULL), -ENOENT);
    assert_int_equal(quarantine_purge(&machine->place, CASE, 0, NULL), 0);
    assert_int_equal(quarantine_list(&machine->place, &list, NULL), 0);
    assert_int_equal(list.count, 5);
    for (size_t i = 0; i < list.count; i++) {
        assert_string_equal(list.items[i].state, "purged");
        assert_int_equal(world_inode(&machine->world, list.items[i].held_at), 0);
    }
    quarantine_free(&list);
    assert_string_equal(world_text(&machine->world, "/opt/acme/file"), "290\n");
}

/* Nor is it thrown away when another is written. */
static void a_damaged_record_hides_no_other(void **state)
{
    struct machine *machine = *state;
    struct quarantine list;
    for (int round = 0; round < 2; round++) {
        struct diag diag = {0};
        if (round == 0)
            world_run("sed -i '2s/.*/{\"case\":7/'", world_path(&machine->world, RECORDS), "");
        else
            assert_int_equal(quarantine_purge(&machine->place, CASE, 4, NULL), 0);
        assert_int_equal(quarantine_list(&machine->place, &list, &diag), 0);
        assert_int_equal(list.count, 4);
        assert_int_equal(diag.warnings, 1);
        quarantine_free(&list);
    }
    assert_non_null(strstr(world_text(&machine->world, RECORDS), "\n{\"case\":7\n"));
    assert_true(world_has(&machine->world, STATE_DIR "/quarantine/7/2"));
    assert_int_equal(quarantine_purge(&machine->place, CASE, 2, NULL), -EBADMSG);
}

static void every_act_is_in_the_journal(void **state)
{
    struct machine *machine = *state;
    struct journal journal;
    size_t acts = 0;
    assert_int_equal(quarantine_restore(&machine->place, CASE, 2, NULL), 0);
    assert_int_equal(quarantine_purge(&machine->place, CASE, 4, NULL), 0);
    assert_int_equal(
        quarantine_release(&machine->place, CASE, 5, world_path(&machine->world, "/study"), NULL),
        0);
    assert_int_equal(journal_read(&machine->place, &journal, NULL), 0);
    assert_int_equal(journal.broken_line, 0);
    static const char *const events[] = {"restore", "purge", "release"};
    for (size_t i = 0; i < journal.count; i++) {
        const char *event = journal_text(journal.records[i], "event");
        if (acts < 6 && strcmp(event, events[acts / 2]) == 0) {
            assert_string_equal(journal_text(journal.records[i], "step"),
                                acts % 2 ? "done" : "intent");
            acts++;
        }
    }
    assert_int_equal(acts, 6);
    journal_free(&journal);
}

/* ---- cuts ---- */

enum act { ACT_RESTORE, ACT_RELEASE, ACT_PURGE };

static int act(const struct world *world, enum act what, uint32_t id, bool with_cuts)
{
    struct place place;
    int err = 0;
    world_open(world, &place);
    cut.on = with_cuts;
    switch (what) {
    case ACT_RESTORE:
        err = quarantine_restore(&place, CASE, id, NULL);
        break;
    case ACT_RELEASE:
        err = quarantine_release(&place, CASE, id, world_path(world, "/study"), NULL);
        break;
    case ACT_PURGE:
        err = quarantine_purge(&place, CASE, id, NULL);
        break;
    }
    cut.on = false;
    place_close(&place);
    return err;
}

struct cut_row {
    const char *name;
    enum act what;
    uint32_t id;
    unsigned lies;
    int fail_with;
};

/* Exit status of the child; *calls where it was not cut. */
static int act_in_child(const struct world *world, const struct cut_row *row, unsigned long at,
                        unsigned long *calls)
{
    int ends[2], status;
    if (pipe(ends) < 0)
        abort();
    pid_t child = fork();
    if (child == 0) {
        cut.lies = row->lies;
        cut.fail_with = row->fail_with;
        cut.cut_at = row->fail_with ? 0 : at;
        cut.fail_at = row->fail_with ? at : 0;
        int err = act(world, row->what, row->id, true);
        if (write(ends[1], &cut.calls, sizeof cut.calls) < 0)
            abort();
        _exit(err < 0 ? 1 : 0);
    }
    close(ends[1]);
    waitpid(child, &status, 0);
    if (read(ends[0], calls, sizeof *calls) < 0)
        abort();
    close(ends[0]);
    if (!WIFEXITED(status))
        fail_msg("%s, call %lu: the child ended with status %x", row->name, at, (unsigned)status);
    return WEXITSTATUS(status);
}

static char *listing(const struct world *world)
{
    struct place place;
    struct quarantine list;
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    world_open(world, &place);
    assert_int_equal(quarantine_list(&place, &list, NULL), 0);
    for (size_t i = 0; i < list.count; i++)
        fprintf(out, "%u %s %s %s\n", list.items[i].id, list.items[i].path, list.items[i].state,
                list.items[i].held_at);
    quarantine_free(&list);
    place_close(&place);
    fclose(out);
    return text;
}

static void cut_anywhere_it_ends_the_same(void **state)
{
    static const struct cut_row rows[] = {
        {"restore a directory's metadata", ACT_RESTORE, 1, LOSE_UNSYNCED, 0},
        {"restore a file", ACT_RESTORE, 2, LOSE_UNSYNCED, 0},
        {"restore a file, no exchange", ACT_RESTORE, 2, LOSE_UNSYNCED | NO_EXCHANGE, 0},
        {"restore a link", ACT_RESTORE, 3, LOSE_UNSYNCED, 0},
        {"restore what was added", ACT_RESTORE, 4, LOSE_UNSYNCED, 0},
        {"restore a tree", ACT_RESTORE, 5, LOSE_UNSYNCED, 0},
        {"restore a file, EIO once", ACT_RESTORE, 2, 0, EIO},
        {"release a file", ACT_RELEASE, 2, LOSE_UNSYNCED, 0},
        {"release a tree", ACT_RELEASE, 5, LOSE_UNSYNCED, 0},
        {"release a file, EIO once", ACT_RELEASE, 2, 0, EIO},
        {"purge a file", ACT_PURGE, 2, LOSE_UNSYNCED, 0},
        {"purge a tree", ACT_PURGE, 5, LOSE_UNSYNCED, 0},
        {"purge the case", ACT_PURGE, 0, LOSE_UNSYNCED, 0},
        {"purge the case, EIO once", ACT_PURGE, 0, 0, EIO},
    };
    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct world world;
        unsigned long calls = 0, ignored;
        make_world(&world); /* anew each time: inodes of a copy are not those written down */
        recover_world(&world);
        assert_int_equal(act_in_child(&world, &rows[i], 0, &calls), 0);
        char *wanted = world_seen(&world, "/opt", NULL), *wanted_list = listing(&world);
        world_remove(&world);
        for (unsigned long at = 1; at <= calls; at += getenv("MODEL_QUICK") ? 7 : 1) {
            make_world(&world);
            recover_world(&world);
            int status = act_in_child(&world, &rows[i], at, &ignored);
            if (!rows[i].fail_with && status != CUT_STATUS)
                fail_msg("%s was not cut at call %lu", rows[i].name, at);
            if (act(&world, rows[i].what, rows[i].id, false) < 0)
                fail_msg("%s: not finished after call %lu", rows[i].name, at);
            char *seen = world_seen(&world, "/opt", NULL), *list = listing(&world);
            if (strcmp(seen, wanted) != 0 || strcmp(list, wanted_list) != 0) {
                fprintf(stderr, "%s, call %lu\n--- found\n%s%s--- wanted\n%s%s", rows[i].name, at,
                        seen, list, wanted, wanted_list);
                fail();
            }
            free(seen);
            free(list);
            world_remove(&world);
        }
        free(wanted);
        free(wanted_list);
    }
}

/* Whole or not at all: what a cut purge left of a tree does not go back. */
static void a_cut_purge_gives_back_no_half(void **state)
{
    static const struct cut_row row = {"purge a tree", ACT_PURGE, 5, LOSE_UNSYNCED, 0};
    unsigned long calls = ULONG_MAX, refused_at = 0;
    (void)state;
    for (unsigned long at = 1; at <= calls; at++) {
        struct world world;
        make_world(&world);
        char *whole = world_seen(&world, "/opt/acme/tree", NULL);
        recover_world(&world);
        if (act_in_child(&world, &row, at, &calls) == CUT_STATUS)
            calls = ULONG_MAX;
        if (act(&world, ACT_RESTORE, 5, false) < 0) {
            refused_at = at;
            assert_false(world_has(&world, "/opt/acme/tree"));
        } else {
            char *seen = world_seen(&world, "/opt/acme/tree", NULL);
            assert_string_equal(seen, whole);
            free(seen);
        }
        free(whole);
        world_remove(&world);
    }
    assert_true(refused_at > 1);
}

/* One takes an id for what it displaces while another waits, and not the same. */
static void two_restores_at_once_share_no_id(void **state)
{
    struct machine *machine = *state;
    for (int round = 0; round < 5; round++) {
        pid_t child = fork();
        uint32_t file = id_of(&machine->place, "/opt/acme/file", "held");
        uint32_t link = id_of(&machine->place, "/opt/acme/link", "held");
        if (child == 0)
            _exit(act(&machine->world, ACT_RESTORE, file, false) < 0);
        int status, err = act(&machine->world, ACT_RESTORE, link, false);
        waitpid(child, &status, 0);
        assert_int_equal(err, 0);
        assert_int_equal(status, 0);
        assert_int_not_equal(id_of(&machine->place, "/opt/acme/file", "held"), 0);
        assert_int_not_equal(id_of(&machine->place, "/opt/acme/link", "held"), 0);
    }
}

#define WITH_MACHINE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_MACHINE(all_suspects_are_listed),
        WITH_MACHINE(restored_it_is_as_it_was),
        WITH_MACHINE(restored_where_the_directory_went_missing),
        WITH_MACHINE(a_link_in_the_way_is_not_followed),
        WITH_MACHINE(what_is_not_there_is_said),
        WITH_MACHINE(a_record_leads_to_a_yard_alone),
        WITH_MACHINE(a_yard_is_reached_by_no_link),
        WITH_MACHINE(released_for_study),
        WITH_MACHINE(purged_for_good),
        WITH_MACHINE(a_damaged_record_hides_no_other),
        WITH_MACHINE(every_act_is_in_the_journal),
        cmocka_unit_test(cut_anywhere_it_ends_the_same),
        cmocka_unit_test(a_cut_purge_gives_back_no_half),
        WITH_MACHINE(two_restores_at_once_share_no_id),
    };
    cmocka_set_test_filter(getenv("TEST_FILTER"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
