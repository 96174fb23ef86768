/*
 * test_proof_reorder.c - what the listing of reordered states leaves out is counted.
 *
 * Hand-made recordings: call N sets one name, and nothing is synced. With all names in one
 * directory a first part of them is there after a cut: N + 1 sets after call N. With each in a
 * directory of its own they are independent: 2 to the power of N.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "reorder.h"

#define CALLS_MAX 80
#define ROOT 1
#define FILE_INODE 2
#define FIRST_DIRECTORY 10

struct fixture {
    struct reorder reorder;
    struct node nodes[CALLS_MAX + 2];
    struct version directory, file;
    struct change names[CALLS_MAX];
    struct op ops[CALLS_MAX];
    bool fleeting[CALLS_MAX + 2];
    char texts[CALLS_MAX][16];
};

static void make(struct fixture *f, unsigned calls, unsigned directories)
{
    struct recording *recording = &f->reorder.recording;
    memset(f, 0, sizeof *f);
    f->directory.st.st_mode = S_IFDIR | 0755;
    f->file.st.st_mode = S_IFREG | 0644;
    f->nodes[0] = (struct node){ROOT, &f->directory, 1, FS_ROOT};
    f->nodes[1] = (struct node){FILE_INODE, &f->file, 1, FS_ROOT};
    for (unsigned i = 0; i < CALLS_MAX; i++)
        snprintf(f->texts[i], sizeof f->texts[i], "%u", i);
    for (unsigned i = 0; i < directories; i++) {
        f->nodes[2 + i] = (struct node){FIRST_DIRECTORY + i, &f->directory, 1, FS_ROOT};
        f->names[i] = (struct change){ROOT, f->texts[i], FIRST_DIRECTORY + i};
    }
    for (unsigned i = 0; i < calls; i++)
        f->ops[i] = (struct op){
            .call = i + 1,
            .kind = OP_NAMES,
            .changes = {{FIRST_DIRECTORY + i % directories, f->texts[i], FILE_INODE}},
            .change_count = 1,
        };
    *recording = (struct recording){
        .root_inode = ROOT,
        .nodes = f->nodes,
        .node_count = 2 + directories,
        .names = f->names,
        .name_count = directories,
        .ops = f->ops,
        .op_count = calls,
    };
    f->reorder.fleeting = f->fleeting;
    f->reorder.calls = calls;
}

static void count_one(const char *id, void *user)
{
    assert_non_null(strchr("rx", *id));
    ++*(size_t *)user;
}

struct row {
    const char *name;
    unsigned calls, directories;
    bool any_order;
    time_t until;
    size_t listed;
    struct unlisted unlisted;
};

#define MANY SIZE_MAX

/* Listed: each set that differs from all before, since the files are the same in all. After call 10
 * of the second row the 512 are those with the first name; half of them have the tenth as well.
 * What of those is left out, any order lists where two names are missing or alone there. */
static const struct row rows[] = {
    {"nothing is left out", 8, 8, false, 0, 256, {0, 0, 0}},
    {"512 sets after call 9, 1,024 after call 10", 10, 10, false, 0, 512 + 256, {512, 0, 0}},
    {"any order leaves out no sets", 10, 10, true, 0, 9 + 9, {0, 0, 0}},
    {"64 changes in one directory", 64, 1, false, 0, 65, {0, 0, 0}},
    {"65 after call 65, 66 after call 66", 66, 1, false, 0, 3 * 65, {0, 1 + 2, 0}},
    {"and of any order", 66, 1, true, 0, MANY, {0, 1 + 2, 0}},
    {"time is up before the first call", 8, 8, false, 1, 0, {0, 0, 9}},
    {"time is up, any order", 8, 8, true, 1, 0, {0, 0, 9}},
};

static void what_is_not_listed_is_counted(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct row *row = &rows[i];
        struct fixture fixture;
        size_t listed = 0;
        make(&fixture, row->calls, row->directories);
        struct unlisted unlisted =
            reorder_list(&fixture.reorder, row->any_order, row->until, count_one, &listed);
        print_message("  %s: %zu listed, not: %zu sets, %zu changes, %u calls\n", row->name, listed,
                      unlisted.sets, unlisted.changes, unlisted.calls);
        if (row->listed != MANY)
            assert_int_equal(listed, row->listed);
        assert_int_equal(unlisted.sets, row->unlisted.sets);
        assert_int_equal(unlisted.changes, row->unlisted.changes);
        assert_int_equal(unlisted.calls, row->unlisted.calls);
    }
}

/* A name is set, a file system is synced, another name is set in another directory: the second
 * without the first is a state only where the sync was not that of their file system. */
static void a_sync_covers_its_file_system(void **state)
{
    static const struct {
        const char *name;
        enum file_system fs, synced;
        size_t listed;
    } file_systems[] = {
        {"their own", FS_ROOT, FS_ROOT, 3},
        {"each", FS_ELSEWHERE, FS_ALL, 3},
        {"another", FS_ROOT, FS_ELSEWHERE, 4},
        {"that of the root, for the ESP", FS_ESP, FS_ROOT, 4},
        {"variables need none", FS_VARIABLES, FS_ROOT, 3},
    };
    (void)state;
    for (size_t i = 0; i < sizeof file_systems / sizeof *file_systems; i++) {
        struct fixture fixture;
        make(&fixture, 2, 2);
        for (size_t k = 0; k < 2; k++)
            fixture.nodes[2 + k].fs = file_systems[i].fs;
        fixture.ops[2] = fixture.ops[1];
        fixture.ops[2].call = 3;
        fixture.ops[1] = (struct op){.call = 2, .kind = OP_SYNC_ALL, .fs = file_systems[i].synced};
        fixture.reorder.recording.op_count = fixture.reorder.calls = 3;
        size_t listed = 0;
        reorder_list(&fixture.reorder, false, 0, count_one, &listed);
        print_message("  %s: %zu\n", file_systems[i].name, listed);
        assert_int_equal(listed, file_systems[i].listed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_is_not_listed_is_counted),
                                       cmocka_unit_test(a_sync_covers_its_file_system)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
