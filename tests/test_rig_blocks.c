/* When a recording is one, and when states of which none failed are no proof all the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../qemu/blocks.h"
#include "../qemu/blocksrecord.h"
#include "logrows.h"

#define SECTORS 64u /* of the file system */
#define SIZE (SECTORS * DISK_SECTOR + DISK_MARGIN)

/* ---- recordings ---- */

/* The act writes twice to one place; its mark; then it is unmounted. */
static const struct row act[] = {{WRITE, 3, 2, 'a'},
                                 {FLUSH, 0, 0, 0},
                                 {WRITE, 4, 1, 'b'},
                                 {WRITE, SECTORS, 1, 'm'},
                                 {WRITE, 9, 1, 'c'}};
#define ACT (sizeof act / sizeof *act)

static void put_disk(const char *name, size_t size, const char *text)
{
    char *bytes = calloc(1, size);

    assert_non_null(bytes);
    for (size_t i = 0; text[i] != '\0'; i++)
        if (text[i] != '.')
            memset(bytes + i * DISK_SECTOR, text[i], DISK_SECTOR);
    assert_int_equal(file_write(at(name), bytes, size), 0);
    free(bytes);
}

/* The disk after the act, sector by sector; '.' is zeros. */
static char *after_act(void)
{
    char *text = text_copy("...ab....c......................................................m");

    assert_int_equal(strlen(text), SECTORS + 1);
    return text;
}

static void cut_log(size_t size)
{
    assert_int_equal(truncate(log_path(), (off_t)size), 0);
}

/* NULL: it is whole. */
static void complains(const char *wanted)
{
    char *complaint = recording_complaint(at("before"), log_path(), at("after"));

    print_message("%s\n", complaint != NULL ? complaint : "whole");
    if (wanted == NULL)
        assert_null(complaint);
    else
        assert_true(complaint != NULL && strstr(complaint, wanted) != NULL);
    free(complaint);
}

static void set_up(void)
{
    TEXT_AUTO after = after_act();

    put_disk("before", SIZE, "");
    put_disk("after", SIZE, after);
    write_log(act, ACT);
}

static void a_whole_recording(void **state)
{
    (void)state;
    set_up();
    complains(NULL);
}

/* Headers are a sector each, as is the one of the log. */
static void a_cut_log(void **state)
{
    const size_t whole = (1 + 5 + 2 + 1 + 1 + 1) * DISK_SECTOR;

    (void)state;
    for (size_t size = whole - 1; size > DISK_SECTOR; size -= 100) {
        set_up();
        cut_log(size);
        /* without the last write, and from there on without the mark */
        complains(size >= whole - 2 * DISK_SECTOR ? "sector 9 is another" : "act had ended");
    }
    cut_log(DISK_SECTOR - 1);
    complains("");
}

static void another_disk(void **state)
{
    TEXT_AUTO text = after_act();

    (void)state;
    for (size_t i = 0; i <= SECTORS; i++) {
        char former = text[i];
        TEXT_AUTO wanted = text_format("sector %zu is another", i);

        set_up();
        text[i] = 'x';
        put_disk("after", SIZE, text);
        complains(wanted);
        text[i] = former;
    }
    set_up();
    put_disk("after", SIZE - DISK_SECTOR, text);
    complains("cannot be compared");
    remove(at("after"));
    complains("cannot be compared");
}

/* A log that does lead to the disk, but of an act that did not end. */
static void no_mark(void **state)
{
    (void)state;
    put_disk("before", SIZE, "");
    put_disk("after", SIZE, "...ab");
    write_log(act, 3);
    complains("act had ended");
}

static void the_mark(void **state)
{
    static const struct {
        uint64_t sector;
        unsigned sectors;
        size_t mark;
    } rows[] = {{SECTORS, 1, 2}, {SECTORS - 1, 2, 2}, {SECTORS - 1, 1, 0}, {SECTORS + 1, 1, 0}};

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct row log[] = {{WRITE, 1, 1, 'a'},
                                  {WRITE, rows[i].sector, rows[i].sectors, 'm'}};
        struct writes writes;
        char *reason = NULL;

        write_log(log, 2);
        assert_int_equal(writes_load(&writes, log_path(), SIZE, &reason), 0);
        assert_int_equal(writes_mark(&writes, SIZE), rows[i].mark);
        writes_free(&writes);
    }
}

/* ---- verdicts ---- */

static void what_is_no_proof(void **state)
{
    static const struct {
        const char *name;
        struct block_tally tally;
        size_t least;
        const char *complaint; /* NULL: none */
    } rows[] = {
        {"enough", {1100, 1080, 20, 0}, 1000, NULL},
        {"just enough", {1000, 1000, 0, 0}, 1000, NULL},
        {"one too few", {999, 999, 0, 0}, 1000, "999 states"},
        {"half a log", {458, 458, 0, 0}, 1000, "458 states"},
        {"half a log, no time left", {458, 10, 0, 448}, 1000, "458 states"},
        {"half a log, not asked for more", {458, 458, 0, 0}, 0, NULL},
        {"on its way", {1100, 10, 0, 1090}, 1000, NULL},
        {"with those apart too few", {1030, 990, 40, 0}, 1000, "990 states"},
        {"one in twenty apart", {1100, 1045, 55, 0}, 1000, NULL},
        {"more than that", {1100, 1044, 56, 0}, 1000, "56 of 1100 states are apart"},
        {"so even where few are asked for", {20, 10, 2, 8}, 0, "2 of 20 states are apart"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        TEXT_AUTO complaint = blocks_complaint(&rows[i].tally, rows[i].least);

        print_message("%s: %s\n", rows[i].name, complaint != NULL ? complaint : "none");
        assert_int_equal(complaint == NULL, rows[i].complaint == NULL);
        if (complaint != NULL)
            assert_non_null(strstr(complaint, rows[i].complaint));
    }
}

/* What the proof promises of each file system itself. */
static void who_must_have_many(void **state)
{
    static const char *const names[] = {"ext4", "xfs", "btrfs", "vfat"};

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_int_equal(block_fs_find(names[i])->least, 1000);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_recording),  cmocka_unit_test(a_cut_log),
        cmocka_unit_test(another_disk),       cmocka_unit_test(no_mark),
        cmocka_unit_test(the_mark),           cmocka_unit_test(what_is_no_proof),
        cmocka_unit_test(who_must_have_many),
    };

    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
