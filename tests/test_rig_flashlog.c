/* What a boot did to its flash, program by program. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../qemu/flashlog.h"
#include "../qemu/text.h"
#include "scratch.h"

#define SECTOR 512u
#define FLASH (16 * SECTOR)

static FILE *writes;
static uint8_t flash[FLASH];

static void put(uint64_t value)
{
    for (unsigned i = 0; i < 8; i++)
        fputc((int)(value >> 8 * i & 0xff), writes);
}

static void pad(size_t used)
{
    for (size_t i = used; i < SECTOR; i++)
        fputc(0, writes);
}

static void logged(uint64_t sector, uint64_t sectors, uint64_t flags)
{
    put(sector);
    put(sectors);
    put(flags);
    put(0);
    pad(32);
    if (sectors > 0)
        fwrite(flash + sector * SECTOR, 1, sectors * SECTOR, writes);
}

static void program(size_t at, uint8_t byte)
{
    flash[at] = byte;
    logged(at / SECTOR, 1, 0);
}

static void erase(size_t sector, size_t sectors)
{
    memset(flash + sector * SECTOR, 0xff, sectors * SECTOR);
    logged(sector, sectors, 0);
}

static char *path_of(const char *name)
{
    return text_format("%s/%s", scratch, name);
}

/* A flash of ones with "old" in its fourth sector, and what is done to it. */
static struct flashlog load(uint64_t beyond)
{
    TEXT_AUTO before = path_of("before");
    TEXT_AUTO path = path_of("writes");
    TEXT_AUTO reason = NULL;
    struct flashlog log;

    memset(flash, 0xff, sizeof flash);
    memcpy(flash + 3 * SECTOR, "old", 3);
    assert_int_equal(file_write(before, flash, sizeof flash), 0);
    writes = fopen(path, "w");
    put(0x6a736677736872u);
    put(1);
    put(0);
    put(SECTOR);
    pad(32);
    program(5, 'a');
    program(6, 0xff); /* changes nothing */
    logged(0, 0, 1);  /* a flush is no program */
    program(7, 'b');
    erase(2, 8);
    program(3 * SECTOR + 1, 'n');
    if (beyond > 0) {
        put(FLASH / SECTOR);
        put(beyond);
        put(0);
        put(0);
        pad(32);
        pad(0);
    }
    fclose(writes);
    if (beyond > 0) {
        assert_int_equal(flashlog_load(&log, before, path, &reason), -EBADMSG);
        assert_non_null(reason);
    } else {
        assert_int_equal(flashlog_load(&log, before, path, &reason), 0);
    }
    return log;
}

static void prefixes(void **state)
{
    struct flashlog log = load(0);
    uint8_t now[FLASH];

    (void)state;
    assert_int_equal(log.size, FLASH);
    assert_int_equal(log.count, 5);
    memcpy(now, log.start, FLASH);
    assert_int_equal(now[5], 0xff);
    flashlog_apply(&log, now, 0, 1);
    assert_int_equal(now[5], 'a');
    assert_int_equal(now[7], 0xff);
    flashlog_apply(&log, now, 1, 3);
    assert_int_equal(now[7], 'b');
    assert_memory_equal(now + 3 * SECTOR, "old", 3);
    assert_int_equal(log.programs[1].size, 0);
    assert_false(log.programs[2].erased);
    assert_true(log.programs[3].erased);
    assert_int_equal(log.programs[3].at, 3 * SECTOR); /* only "old" was not ones already */
    assert_int_equal(log.programs[3].size, 3);
    flashlog_apply(&log, now, 3, 5);
    assert_memory_equal(now, flash, FLASH);
    flashlog_free(&log);
}

static void windows(void **state)
{
    static const struct {
        size_t from, to;
        bool found;
        size_t first, last;
    } rows[] = {
        {0, 8, true, 0, 2},
        {6, 7, false, 0, 0},
        {6, 8, true, 2, 2},
        {3 * SECTOR, 4 * SECTOR, true, 3, 4},
        {3 * SECTOR + 2, 4 * SECTOR, true, 3, 3},
        {3 * SECTOR + 3, 4 * SECTOR, false, 0, 0},
        {0, FLASH, true, 0, 4},
    };
    struct flashlog log = load(0);

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t first = 0, last = 0;

        assert_int_equal(flashlog_window(&log, rows[i].from, rows[i].to, &first, &last),
                         rows[i].found);
        assert_int_equal(first, rows[i].first);
        assert_int_equal(last, rows[i].last);
    }
    flashlog_free(&log);
}

static void kept_and_read_again(void **state)
{
    struct flashlog log = load(0), again;
    TEXT_AUTO path = path_of("programs");
    uint8_t now[FLASH];
    size_t size = 0;
    TEXT_AUTO bytes = NULL;

    (void)state;
    assert_int_equal(flashlog_save(&log, path), 0);
    assert_int_equal(flashlog_read(&again, path), 0);
    assert_int_equal(again.count, log.count);
    for (size_t i = 0; i < log.count; i++) {
        assert_int_equal(again.programs[i].at, log.programs[i].at);
        assert_int_equal(again.programs[i].size, log.programs[i].size);
        assert_int_equal(again.programs[i].erased, log.programs[i].erased);
    }
    memcpy(now, again.start, FLASH);
    flashlog_apply(&again, now, 0, again.count);
    assert_memory_equal(now, flash, FLASH);
    flashlog_free(&again);

    /* what was kept in part is no log */
    bytes = file_read(path, &size);
    assert_int_equal(file_write(path, bytes, size - 1), 0);
    assert_int_equal(flashlog_read(&again, path), -EBADMSG);
    flashlog_free(&again);
    flashlog_free(&log);
}

static void a_log_of_another_drive(void **state)
{
    struct flashlog log = load(1);

    (void)state;
    flashlog_free(&log);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(prefixes),
        cmocka_unit_test(windows),
        cmocka_unit_test(kept_and_read_again),
        cmocka_unit_test(a_log_of_another_drive),
    };

    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
