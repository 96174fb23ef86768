/* The rig's reader of a drive's log of writes. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../qemu/writelog.h"
#include "scratch.h"

#define SECTOR 512u

struct image {
    uint8_t bytes[64 * SECTOR];
    size_t size;
};

static void put(uint8_t *at, uint64_t value)
{
    for (unsigned i = 0; i < 8; i++)
        at[i] = (uint8_t)(value >> 8 * i & 0xff);
}

/* dm-log-writes.c: struct log_write_super. */
static struct image begin(uint32_t sector)
{
    static const uint8_t magic[] = "rhswfsj";
    struct image image = {.size = sector};

    memcpy(image.bytes, magic, 7);
    put(image.bytes + 8, 1);
    put(image.bytes + 16, 0); /* stale */
    put(image.bytes + 24, sector);
    return image;
}

/* dm-log-writes.c: struct log_write_entry. */
static void add(struct image *image, uint64_t at, uint64_t sectors, uint64_t flags, uint64_t length)
{
    put(image->bytes + image->size, at);
    put(image->bytes + image->size + 8, sectors);
    put(image->bytes + image->size + 16, flags);
    put(image->bytes + image->size + 24, length);
    image->size += SECTOR;
}

static void add_data(struct image *image, uint8_t byte)
{
    memset(image->bytes + image->size, byte, SECTOR);
    image->size += SECTOR;
}

static struct writelog *opened(const struct image *image, size_t size)
{
    char path[128];
    FILE *file;

    snprintf(path, sizeof path, "%s/log", scratch);
    file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(image->bytes, 1, size, file), size);
    fclose(file);
    return writelog_open(path);
}

static void takes(struct writelog *log, uint64_t offset, uint64_t size, int byte)
{
    struct writelog_entry entry;

    assert_int_equal(writelog_next(log, &entry), 1);
    assert_int_equal(entry.offset, offset);
    assert_int_equal(entry.size, size);
    if (byte < 0) {
        assert_null(entry.data);
        return;
    }
    for (uint64_t i = 0; i < size; i++)
        assert_int_equal(entry.data[i], byte);
}

static void writes_flushes_and_discards(void **state)
{
    struct image image = begin(SECTOR);
    struct writelog_entry entry;
    struct writelog *log;

    (void)state;
    add(&image, 7, 2, 0, 0);
    add_data(&image, 'a');
    add_data(&image, 'a');
    add(&image, 3, 1, 2, 0);
    add_data(&image, 'b');
    add(&image, 0, 0, 1, 0);
    add(&image, 8, 4, 4, 0); /* no data behind it */
    add(&image, 0, 0, 8, 5);
    add_data(&image, 'm');
    add(&image, 1, 1, 16, 0); /* metadata, as Linux marks it */
    add_data(&image, 'c');
    log = opened(&image, image.size);
    assert_non_null(log);
    takes(log, 7 * SECTOR, 2 * SECTOR, 'a');
    assert_int_equal(writelog_next(log, &entry), 1);
    assert_true(entry.fua && !entry.flush && entry.data[0] == 'b');
    assert_int_equal(writelog_next(log, &entry), 1);
    assert_true(entry.flush && entry.size == 0 && entry.data == NULL);
    assert_int_equal(writelog_next(log, &entry), 1);
    assert_true(entry.discard && entry.offset == 8 * SECTOR && entry.size == 4 * SECTOR);
    assert_null(entry.data);
    assert_int_equal(writelog_next(log, &entry), 1);
    assert_true(entry.mark && entry.size == 5 && entry.data[4] == 'm');
    takes(log, SECTOR, SECTOR, 'c');
    assert_int_equal(writelog_next(log, &entry), 0);
    writelog_close(log);
}

/* QEMU was killed; what it had written whole counts. */
static void a_cut_log(void **state)
{
    struct image image = begin(SECTOR);
    size_t first;

    (void)state;
    add(&image, 1, 1, 0, 0);
    add_data(&image, 'a');
    first = image.size;
    add(&image, 2, 1, 0, 0);
    add_data(&image, 'b');
    for (size_t size = SECTOR; size <= image.size; size++) {
        struct writelog *log = opened(&image, size);
        struct writelog_entry entry;

        assert_non_null(log);
        for (int whole = (size >= first) + (size >= image.size); whole > 0; whole--)
            assert_int_equal(writelog_next(log, &entry), 1);
        assert_int_equal(writelog_next(log, &entry), 0);
        writelog_close(log);
    }
}

static void a_place_taken_and_not_written(void **state)
{
    struct image image = begin(SECTOR);
    struct writelog_entry entry;
    struct writelog *log;

    (void)state;
    add(&image, 0, 0, 0, 0);
    add_data(&image, 0);
    add(&image, 2, 1, 0, 0);
    add_data(&image, 'b');
    log = opened(&image, image.size);
    assert_int_equal(writelog_next(log, &entry), 0);
    writelog_close(log);
}

static void sectors_of_another_size(void **state)
{
    struct image image = begin(4096);
    struct writelog *log;

    (void)state;
    add(&image, 5, 1, 0, 0);
    image.size += 4096 - SECTOR;
    for (unsigned i = 0; i < 8; i++)
        add_data(&image, 'a');
    log = opened(&image, image.size);
    assert_non_null(log);
    takes(log, 5 * 4096, 4096, 'a');
    writelog_close(log);
}

static void no_log(void **state)
{
    struct image good = begin(SECTOR), bad;

    (void)state;
    assert_null(writelog_open("/nowhere/log"));
    assert_int_equal(errno, ENOENT);
    assert_null(opened(&good, 20));
    assert_int_equal(errno, EBADMSG);
    bad = good;
    bad.bytes[0] ^= 1;
    assert_null(opened(&bad, bad.size));
    bad = good;
    bad.bytes[8] = 2;
    assert_null(opened(&bad, bad.size));
    for (uint32_t sector = 0; sector < 3; sector++) {
        bad = begin(sector == 2 ? 1u << 30 : sector == 1 ? 768u : 0u);
        assert_null(opened(&bad, SECTOR));
        assert_int_equal(errno, EBADMSG);
    }
}

static void entries_that_cannot_be(void **state)
{
    static const struct {
        const char *name;
        uint64_t at, sectors, flags, length;
    } rows[] = {
        {"unknown flag", 0, 1, 32, 0},
        {"more than a drive takes", 0, 1u << 30, 0, 0},
        {"size past 64 bits", 0, UINT64_MAX, 0, 0},
        {"offset past 64 bits", UINT64_MAX, 1, 0, 0},
        {"a discard past 64 bits", 0, UINT64_MAX, 4, 0},
        {"a mark's name past 64 bits", 0, 0, 8, UINT64_MAX},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct image image = begin(SECTOR);
        struct writelog_entry entry = {.offset = 77};
        struct writelog *log;

        print_message("%s\n", rows[i].name);
        add(&image, rows[i].at, rows[i].sectors, rows[i].flags, rows[i].length);
        add_data(&image, 'a');
        log = opened(&image, image.size);
        assert_int_equal(writelog_next(log, &entry), -EBADMSG);
        writelog_close(log);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_flushes_and_discards),
        cmocka_unit_test(a_cut_log),
        cmocka_unit_test(a_place_taken_and_not_written),
        cmocka_unit_test(sectors_of_another_size),
        cmocka_unit_test(no_log),
        cmocka_unit_test(entries_that_cannot_be),
    };

    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
