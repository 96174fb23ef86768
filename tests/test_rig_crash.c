/* The states that a power cut can leave a disk in: the log of writes in memory, names, which states
 * there are, and what they hold. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../qemu/crash.h"
#include "logrows.h"

#define DISK (64u * DISK_SECTOR)

static struct writes loaded(const struct row *rows, size_t count)
{
    struct writes writes;
    char *reason = NULL;

    write_log(rows, count);
    assert_int_equal(writes_load(&writes, log_path(), DISK, &reason), 0);
    assert_null(reason);
    return writes;
}

/* Two windows of three and two writes. */
static const struct row two_windows[] = {
    {WRITE, 0, 1, 'a'}, {WRITE, 1, 2, 'b'}, {DISCARD, 9, 1, 0}, {WRITE, 3, 1, 'c'},
    {FLUSH, 0, 0, 0},   {FLUSH, 0, 0, 0},   {WRITE, 0, 1, 'd'}, {WRITE, 4, 1, 'e'},
};
#define TWO_WINDOWS (sizeof two_windows / sizeof *two_windows)

/* ---- the log ---- */

static void writes_and_flushes(void **state)
{
    struct writes writes = loaded(two_windows, TWO_WINDOWS);

    (void)state;
    assert_int_equal(writes.count, 5);
    assert_int_equal(writes.flush_count, 1);
    assert_int_equal(writes.items[1].offset, DISK_SECTOR);
    assert_int_equal(writes.items[1].size, 2 * DISK_SECTOR);
    assert_int_equal(writes.items[1].bytes[2 * DISK_SECTOR - 1], 'b');
    assert_int_equal(writes_durable(&writes, 0), 0);
    assert_int_equal(writes_durable(&writes, 3), 0); /* cut before the flush was answered */
    assert_int_equal(writes_durable(&writes, 4), 3);
    writes_free(&writes);
}

static void logs_of_another_disk(void **state)
{
    const struct row rows[] = {{WRITE, 0, 1, 'a'}, {WRITE, 63, 2, 'b'}};
    struct writes writes;
    char *reason = NULL;

    (void)state;
    write_log(rows, 2);
    assert_int_equal(writes_load(&writes, log_path(), DISK, &reason), -EBADMSG);
    assert_non_null(strstr(reason, "behind write 1"));
    assert_int_equal(writes.count, 1);
    writes_free(&writes);
    free(reason);
    assert_int_equal(writes_load(&writes, "/nowhere/log", DISK, &reason), -ENOENT);
    assert_non_null(strstr(reason, "/nowhere/log"));
    writes_free(&writes);
    free(reason);
}

/* Any byte of the headers damaged: an error with a reason, or fewer writes; never one past the
 * disk. */
static void damaged_logs(void **state)
{
    (void)state;
    for (long at = 0; at < 40; at++)
        for (unsigned bit = 0; bit < 8; bit++) {
            struct writes writes;
            char *reason = NULL;
            FILE *file;
            int byte, error;

            write_log(two_windows, TWO_WINDOWS);
            file = fopen(log_path(), "r+");
            fseek(file, at < 28 ? at : (long)DISK_SECTOR + at - 28, SEEK_SET);
            byte = fgetc(file);
            fseek(file, -1, SEEK_CUR);
            fputc(byte ^ 1 << bit, file);
            fclose(file);
            error = writes_load(&writes, log_path(), DISK, &reason);
            assert_true(error == 0 || (error < 0 && reason != NULL));
            for (size_t i = 0; i < writes.count; i++)
                assert_true(writes.items[i].offset + writes.items[i].size <= DISK);
            writes_free(&writes);
            free(reason);
        }
}

/* ---- names ---- */

static void names_and_back(void **state)
{
    static const struct {
        const char *name;
        int error;
        size_t issued;
    } rows[] = {
        {"0", 0, 0},
        {"5", 0, 5},
        {"6", -ERANGE, 0},
        {"2t1", 0, 2},
        {"2t2", -ERANGE, 0},
        {"1t1", -ERANGE, 0},
        {"0t1", -ERANGE, 0},
        {"3-1", 0, 3},
        {"3-1-2", 0, 3},
        {"3-2-1", -ERANGE, 0},
        {"5-4", 0, 5},
        {"5-3", -ERANGE, 0},
        {"5-6", -ERANGE, 0},
        {"0+2", 0, 2},
        {"0+1+3", 0, 3},
        {"3+5", 0, 5},
        {"3+3", -ERANGE, 0},
        {"2+5", -ERANGE, 0},
        {"0+6", -ERANGE, 0},
        {"", -EINVAL, 0},
        {"x", -EINVAL, 0},
        {"3-", -EINVAL, 0},
        {"3-1+2", -EINVAL, 0},
        {"3 ", -EINVAL, 0},
        {"-1", -EINVAL, 0},
        {"3-1-2-3", -EINVAL, 0},
        {"2t", -EINVAL, 0},
        {"2t0", -EINVAL, 0},
        {"2t1-1", 0, 2},
        {"2t1-2", -ERANGE, 0},
        {"2t1+1", -EINVAL, 0},
        {"99999999999999999999", -EINVAL, 0},
        {"3-2t1", 0, 3},
        {"0+2t1", 0, 2},
        {"3-2t2", -ERANGE, 0},
        {"3-1t1", -ERANGE, 0},
        {"2-2t1", -ERANGE, 0}, /* 2t1 */
        {"5-2t1", -ERANGE, 0},
        {"3-2t0", -EINVAL, 0},
        {"3-2t", -EINVAL, 0},
        {"3-1-2t1", -EINVAL, 0},
        {"3-2t1-3", -EINVAL, 0},
        {"2t1-2t1", -EINVAL, 0},
    };
    struct writes writes = loaded(two_windows, TWO_WINDOWS);

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct crash crash = {.count = 77};
        char id[CRASH_ID_SIZE];

        print_message("'%s'\n", rows[i].name);
        assert_int_equal(crash_parse(rows[i].name, &writes, &crash), rows[i].error);
        if (rows[i].error < 0) {
            assert_int_equal(crash.count, 77);
            continue;
        }
        assert_int_equal(crash_issued(&crash), rows[i].issued);
        crash_format(&crash, id);
        assert_string_equal(id, rows[i].name);
    }
    writes_free(&writes);
}

/* ---- what a state holds ---- */

static int put(void *context, const struct disk_write *write, size_t size)
{
    memcpy((char *)context + write->offset, write->bytes, size);
    return 0;
}

/* The first byte of each of the first five sectors, '.' where nothing was written. */
static void holds(const struct writes *writes, const char *name, const char *wanted)
{
    char disk[DISK], seen[6] = "";
    struct crash crash;

    memset(disk, '.', sizeof disk);
    assert_int_equal(crash_parse(name, writes, &crash), 0);
    assert_int_equal(crash_replay(&crash, writes, put, disk), 0);
    for (size_t i = 0; i < 5; i++)
        seen[i] = disk[i * DISK_SECTOR];
    print_message("%s\n", name);
    assert_string_equal(seen, wanted);
}

static void what_states_hold(void **state)
{
    static const char *const rows[][2] = {
        {"0", "....."},   {"1", "a...."},     {"2", "abb.."},     {"2t1", "ab..."},
        {"3-2", "a..c."}, {"3-1-2", "...c."}, {"0+2", ".bb.."},   {"0+1+3", "a..c."},
        {"5", "dbbce"},   {"5-4", "abbce"},   {"5-4-5", "abbc."}, {"2t1-1", ".b..."},
        {"3+5", "abbce"}, {"3-2t1", "ab.c."}, {"0+2t1", ".b..."},
    };
    struct writes writes = loaded(two_windows, TWO_WINDOWS);

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        holds(&writes, rows[i][0], rows[i][1]);
    writes_free(&writes);
}

/* FUA: durable when it was answered, though what came before it is not. */
static void forced_writes_stay(void **state)
{
    const struct row rows[] = {{WRITE, 0, 1, 'a'}, {FUA, 1, 1, 'b'}, {WRITE, 2, 1, 'c'}};
    struct writes writes = loaded(rows, 3);
    struct crash crash;

    (void)state;
    assert_int_equal(crash_parse("3-2", &writes, &crash), -ERANGE);
    holds(&writes, "2-2", "a....");
    holds(&writes, "3-1", ".bc..");
    holds(&writes, "0+3", ".bc..");
    writes_free(&writes);
}

/* ---- all states ---- */

/* Counted by hand: with window one (a1 b2 c3) any of the 2^3 subsets, b whole or half; with window
 * two (d4 e5) any of the 2^2. */
static void all_states_once(void **state)
{
    struct writes writes = loaded(two_windows, TWO_WINDOWS);
    struct crashes crashes;
    static uint8_t base[DISK];

    (void)state;
    crashes_find(&crashes, &writes, base, sizeof base, 0);
    assert_int_equal(crashes.distinct[CRASH_PREFIX], 6);
    assert_int_equal(crashes.distinct[CRASH_TORN], 1);
    /* 3-1, 3-2, 2-1, 5-4; 3-3 is 2 */
    assert_int_equal(crashes.distinct[CRASH_WITHOUT_ONE], 4);
    /* 0+3 alone is new: 0+2 is 2-1, 0+1 is 1, 3+4 and 3+5 are 4 and 5-4 */
    assert_int_equal(crashes.distinct[CRASH_ALONE], 1);
    assert_int_equal(crashes.distinct[CRASH_PAIR], 0);         /* 3-1-2 is 0+3 */
    assert_int_equal(crashes.distinct[CRASH_TORN_WITHOUT], 1); /* half of b, without a */
    /* half of b, with a and c; half of b with c alone is in no sort */
    assert_int_equal(crashes.distinct[CRASH_TORN_WITHIN], 1);
    assert_int_equal(crashes.count, 8 + 2 + 4);
    crashes_free(&crashes);
    writes_free(&writes);
}

/* Three writes of four sectors, no flush; xyz: how much of each arrived, k being 1, 2 or 3. By
 * hand: 000 400 440 444; k00 4k0 44k; 040 044 404; 004; 0k0 04k 40k; k40 k44 4k4 00k. */
static void torn_in_every_place(void **state)
{
    const struct row rows[] = {{WRITE, 0, 4, 'a'}, {WRITE, 4, 4, 'b'}, {WRITE, 8, 4, 'c'}};
    struct writes writes = loaded(rows, 3);
    static uint8_t base[DISK];
    struct crashes crashes;
    size_t torn = 0;

    (void)state;
    crashes_find(&crashes, &writes, base, sizeof base, 0);
    assert_int_equal(crashes.distinct[CRASH_PREFIX], 4);
    assert_int_equal(crashes.distinct[CRASH_TORN], 9);
    assert_int_equal(crashes.distinct[CRASH_WITHOUT_ONE], 3);
    assert_int_equal(crashes.distinct[CRASH_ALONE], 1);
    assert_int_equal(crashes.distinct[CRASH_PAIR], 0);
    assert_int_equal(crashes.distinct[CRASH_TORN_WITHOUT], 9);
    assert_int_equal(crashes.distinct[CRASH_TORN_WITHIN], 12);
    for (size_t i = 0; i < crashes.count; i++)
        torn += crash_is_torn(&crashes.items[i]);
    assert_int_equal(torn, 9 + 9 + 12);
    crashes_free(&crashes);
    writes_free(&writes);
}

/* A write of what is there already makes no new state. */
static void what_is_there_already(void **state)
{
    const struct row rows[] = {{WRITE, 0, 1, 0}, {WRITE, 1, 1, 'a'}, {WRITE, 1, 1, 'a'}};
    struct writes writes = loaded(rows, 3);
    static uint8_t base[DISK];
    struct crashes crashes;

    (void)state;
    crashes_find(&crashes, &writes, base, sizeof base, 0);
    assert_int_equal(crashes.count, 2);
    assert_true(crashes.possible[CRASH_PREFIX] == 4);
    crashes_free(&crashes);
    writes_free(&writes);
}

static void pairs_up_to_a_count(void **state)
{
    struct row rows[24];
    static uint8_t base[DISK];
    struct crashes some, all;
    struct writes writes;

    (void)state;
    for (unsigned i = 0; i < 24; i++)
        rows[i] = (struct row){WRITE, i, 1, (char)('a' + i)};
    writes = loaded(rows, 24);
    crashes_find(&all, &writes, base, sizeof base, 0);
    crashes_find(&some, &writes, base, sizeof base, 700);
    assert_true(some.count >= 700 && some.count < all.count);
    assert_int_equal(some.distinct[CRASH_WITHOUT_ONE], all.distinct[CRASH_WITHOUT_ONE]);
    assert_int_equal(some.possible[CRASH_PAIR], all.possible[CRASH_PAIR]);
    for (size_t i = 0; i < some.count; i++) {
        char id[CRASH_ID_SIZE];
        struct crash crash;

        crash_format(&some.items[i], id);
        assert_int_equal(crash_parse(id, &writes, &crash), 0);
    }
    crashes_free(&some);
    crashes_free(&all);
    writes_free(&writes);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_and_flushes),  cmocka_unit_test(logs_of_another_disk),
        cmocka_unit_test(damaged_logs),        cmocka_unit_test(names_and_back),
        cmocka_unit_test(what_states_hold),    cmocka_unit_test(forced_writes_stay),
        cmocka_unit_test(all_states_once),     cmocka_unit_test(what_is_there_already),
        cmocka_unit_test(pairs_up_to_a_count), cmocka_unit_test(torn_in_every_place),
    };

    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
