/* The rig's reader and editor of EDK II's variable store, on OVMF's own empty one. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "../qemu/machine.h"
#include "../qemu/nvram.h"

/* AUTHENTICATED_VARIABLE_HEADER, EDK II: VariableFormat.h. */
#define HEADER 60u
#define ADDED 0x3fu
#define IN_DELETION 0x3eu
#define DELETED 0x3cu
#define HEADER_ONLY 0x7fu

static const uint8_t other[GUID_SIZE] = {1, 2, 3};

static struct nvram store(void)
{
    struct nvram nvram = {0};

    assert_int_equal(nvram_load(&nvram, OVMF_VARS), 0);
    return nvram;
}

static struct nvram copy_of(const struct nvram *nvram)
{
    struct nvram copy = *nvram;

    copy.bytes = malloc(nvram->size);
    assert_non_null(copy.bytes);
    memcpy(copy.bytes, nvram->bytes, nvram->size);
    return copy;
}

static size_t end_of(const struct nvram *nvram)
{
    return nvram->end - nvram_room(nvram);
}

/* Appends as the firmware does. Gives the offset of the header. */
static size_t append(struct nvram *nvram, const uint8_t *guid, const char *name, uint8_t state,
                     const void *data, size_t size)
{
    size_t at = end_of(nvram), name_size = 2 * (strlen(name) + 1);
    uint8_t *p = nvram->bytes + at;

    memset(p, 0, HEADER + name_size);
    p[0] = 0xaa;
    p[1] = 0x55;
    p[2] = state;
    p[4] = 7;
    p[36] = (uint8_t)name_size;
    p[40] = (uint8_t)(size & 0xff);
    p[41] = (uint8_t)(size >> 8);
    memcpy(p + 44, guid, GUID_SIZE);
    for (size_t i = 0; name[i] != '\0'; i++)
        p[HEADER + 2 * i] = (uint8_t)name[i];
    memcpy(p + HEADER + name_size, data, size);
    return at;
}

static void an_empty_store(void **state)
{
    struct nvram nvram = store();
    struct variable one;
    size_t offset = 0;

    (void)state;
    assert_false(nvram_next(&nvram, &offset, &one));
    assert_int_equal(nvram_count(&nvram, guid_backstop, ""), 0);
    assert_int_equal(nvram_room(&nvram), nvram.end - nvram.first);
    assert_true(nvram_room(&nvram) > 200000);
    nvram_free(&nvram);
}

/* EDK II programs a header from its first byte on, its state last: behind a half one it goes on. */
static void headers_cut_at_each_byte(void **state)
{
    (void)state;
    for (size_t cut = 2; cut < HEADER; cut++) {
        struct nvram nvram = store();
        struct variable one;
        size_t at = append(&nvram, guid_backstop, "BackstopLedger", 0xff, "lost", 4);
        uint8_t *half = nvram.bytes + at;

        memset(half + cut, 0xff, nvram.end - at - cut);
        half[2] = 0xff;
        assert_int_equal(end_of(&nvram), at + HEADER);
        append(&nvram, guid_backstop, "BackstopLedger", ADDED, "kept", 4);
        assert_true(nvram_find(&nvram, guid_backstop, "BackstopLedger", &one));
        assert_memory_equal(one.data, "kept", 4);
        assert_int_equal(nvram_count(&nvram, guid_backstop, ""), 1);
        nvram_free(&nvram);
    }
}

static void ageing_leaves_the_living(void **state)
{
    struct nvram nvram = store();
    struct variable one;

    (void)state;
    append(&nvram, guid_backstop, "BackstopLedger", ADDED, "kept", 4);
    assert_true(nvram_age(&nvram, 8000) > 10);
    assert_in_range(nvram_room(&nvram), 7900, 8000 + 80);
    assert_true(nvram_find(&nvram, guid_backstop, "BackstopLedger", &one));
    /* all but that one is collected */
    nvram_fill(&nvram, nvram.end - nvram.first - 200);
    assert_in_range(nvram_room(&nvram), nvram.end - nvram.first - 200, nvram.end - nvram.first);
    nvram_free(&nvram);
}

static void a_variable(void **state)
{
    struct nvram nvram = store();
    struct variable one;
    size_t room = nvram_room(&nvram);

    (void)state;
    append(&nvram, guid_backstop, "BackstopLedger", ADDED, "abcde", 5);
    assert_true(nvram_find(&nvram, guid_backstop, "BackstopLedger", &one));
    assert_int_equal(one.data_size, 5);
    assert_memory_equal(one.data, "abcde", 5);
    assert_int_equal(one.attributes, 7);
    assert_false(nvram_find(&nvram, guid_backstop, "Backstop", &one));
    assert_false(nvram_find(&nvram, other, "BackstopLedger", &one));
    /* header, 15 UCS-2 characters, data, to the next 4 */
    assert_int_equal(room - nvram_room(&nvram), 96);
    nvram_free(&nvram);
}

static const struct {
    const char *name;
    uint8_t states[2]; /* of a first and a second version */
    const char *found; /* "1", "2" or NULL */
    size_t live;
} update_rows[] = {
    {"updated", {DELETED, ADDED}, "2", 1},
    {"cut before the old one went", {IN_DELETION, ADDED}, "2", 2},
    {"cut while the new one was written", {IN_DELETION, HEADER_ONLY}, "1", 1},
    {"deleted", {DELETED, DELETED & 0xfd}, NULL, 0},
};

static void updates(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof update_rows / sizeof update_rows[0]; i++) {
        struct nvram nvram = store();
        struct variable one;

        print_message("%s\n", update_rows[i].name);
        append(&nvram, guid_backstop, "BackstopReceipt", update_rows[i].states[0], "1", 1);
        append(&nvram, guid_backstop, "BackstopReceipt", update_rows[i].states[1], "2", 1);
        assert_int_equal(nvram_find(&nvram, guid_backstop, "BackstopReceipt", &one),
                         update_rows[i].found != NULL);
        if (update_rows[i].found != NULL)
            assert_memory_equal(one.data, update_rows[i].found, 1);
        assert_int_equal(nvram_count(&nvram, guid_backstop, "Backstop"), update_rows[i].live);
        nvram_free(&nvram);
    }
}

static void writes_are_counted(void **state)
{
    struct nvram before = store(), after;
    size_t first;

    (void)state;
    first = append(&before, guid_backstop, "BackstopLedger", ADDED, "1", 1);
    after = copy_of(&before);
    assert_int_equal(nvram_writes(&before, &after, guid_backstop), 0);
    after.bytes[first + 2] = DELETED;
    append(&after, guid_backstop, "BackstopLedger", ADDED, "2", 1);
    assert_int_equal(nvram_writes(&before, &after, guid_backstop), 1);
    append(&after, other, "Theirs", ADDED, "x", 1);
    assert_int_equal(nvram_writes(&before, &after, guid_backstop), 1);
    append(&after, guid_backstop, "BackstopReceipt", DELETED, "1", 1);
    append(&after, guid_backstop, "BackstopReceipt", ADDED, "2", 1);
    assert_int_equal(nvram_writes(&before, &after, guid_backstop), 3);
    nvram_free(&after);
    after = copy_of(&before);
    after.bytes[first + 2] = DELETED & 0xfd;
    assert_int_equal(nvram_writes(&before, &after, guid_backstop), 1); /* a deletion */
    after.bytes[first + HEADER] ^= 1;
    assert_int_equal(nvram_writes(&before, &after, guid_backstop), -EAGAIN); /* reclaimed */
    nvram_free(&after);
    nvram_free(&before);
}

static void edits(void **state)
{
    struct nvram nvram = store();
    struct variable one;

    (void)state;
    append(&nvram, guid_backstop, "BackstopLedger", ADDED, "\0\0\0", 3);
    append(&nvram, other, "BackstopLedger", ADDED, "x", 1);
    assert_false(nvram_damage(&nvram, guid_backstop, "BackstopLedger", 3, 0x10));
    assert_true(nvram_damage(&nvram, guid_backstop, "BackstopLedger", 2, 0x10));
    append(&nvram, guid_backstop, "BackstopLedger2", ADDED, "x", 1);
    assert_true(nvram_delete_one(&nvram, guid_backstop, "BackstopLedger2"));
    assert_false(nvram_delete_one(&nvram, guid_backstop, "BackstopLedger2"));
    assert_true(nvram_find(&nvram, guid_backstop, "BackstopLedger", &one));
    assert_memory_equal(one.data, "\0\0\x10", 3);
    assert_int_equal(nvram_delete(&nvram, guid_backstop, ""), 1);
    assert_false(nvram_find(&nvram, guid_backstop, "BackstopLedger", &one));
    assert_true(nvram_find(&nvram, other, "BackstopLedger", &one));
    assert_int_equal(nvram_delete(&nvram, guid_backstop, ""), 0);
    nvram_free(&nvram);
}

static void filling(void **state)
{
    struct nvram nvram = store();
    struct variable one;

    (void)state;
    append(&nvram, other, "Dead", DELETED, "a long gone value that takes room", 34);
    append(&nvram, other, "Theirs", ADDED, "x", 1);
    assert_true(nvram_fill(&nvram, 1000) > 20);
    assert_in_range(nvram_room(&nvram), 1000, 1100);
    nvram_fill(&nvram, 0);
    assert_true(nvram_room(&nvram) < 100);
    assert_true(nvram_find(&nvram, other, "Theirs", &one));
    assert_int_equal(one.offset,
                     nvram.first); /* the dead one before it leaves nothing to reclaim */
    assert_memory_equal(one.data, "x", 1);
    nvram_free(&nvram);
}

/* EFI_LOAD_OPTION: attributes, length of the path, description. */
static void entry(struct nvram *nvram, const char *name, const char *description)
{
    uint8_t data[64] = {1};

    for (size_t i = 0; description[i] != '\0'; i++)
        data[6 + 2 * i] = (uint8_t)description[i];
    append(nvram, guid_global, name, ADDED, data, 6 + 2 * (strlen(description) + 1));
}

static void boot_entries(void **state)
{
    struct nvram nvram = store();
    char description[32];

    (void)state;
    assert_false(nvram_first_boot_entry(&nvram, description, sizeof description));
    entry(&nvram, "Boot000A", "Backstop");
    entry(&nvram, "Boot0001", "Other");
    append(&nvram, guid_global, "BootOrder", ADDED, "\x0a\0\x01\0", 4);
    assert_true(nvram_first_boot_entry(&nvram, description, sizeof description));
    assert_string_equal(description, "Backstop");
    assert_int_equal(nvram_boot_entries(&nvram, "Backstop"), 1);
    assert_int_equal(nvram_boot_entries(&nvram, "Back"), 0);
    assert_false(nvram_boot_entry_last(&nvram, "Back"));
    assert_true(nvram_boot_entry_last(&nvram, "Backstop"));
    assert_true(nvram_first_boot_entry(&nvram, description, sizeof description));
    assert_string_equal(description, "Other");
    assert_true(nvram_boot_entry_last(&nvram, "Backstop")); /* again: it stays there */
    assert_true(nvram_first_boot_entry(&nvram, description, sizeof description));
    assert_string_equal(description, "Other");
    nvram_free(&nvram);
}

/* The same bytes after a save and a load. */
static void saving(void **state)
{
    char path[] = "/tmp/test-rig-XXXXXX";
    struct nvram nvram = store(), again;
    int fd = mkstemp(path);

    (void)state;
    assert_true(fd >= 0);
    close(fd);
    append(&nvram, other, "Theirs", ADDED, "x", 1);
    assert_int_equal(nvram_save(&nvram, path), 0);
    assert_int_equal(nvram_load(&again, path), 0);
    assert_int_equal(again.size, nvram.size);
    assert_memory_equal(again.bytes, nvram.bytes, nvram.size);
    nvram_free(&again);
    nvram_free(&nvram);
    unlink(path);
}

static const struct {
    const char *name;
    size_t at;
    uint8_t flip;
} foreign_rows[] = {
    {"signature", 0x28, 1},
    {"length of the header", 0x31, 0xff},
    {"type of the store", 0x48, 1},
    {"size of the store", 0x48 + 16 + 3, 0xff},
};

static void other_files_are_refused(void **state)
{
    char path[] = "/tmp/test-rig-XXXXXX";
    int fd = mkstemp(path);

    (void)state;
    assert_true(fd >= 0);
    close(fd);
    for (size_t i = 0; i < sizeof foreign_rows / sizeof foreign_rows[0]; i++) {
        struct nvram nvram = store(), again = {.size = 77};

        print_message("%s\n", foreign_rows[i].name);
        nvram.bytes[foreign_rows[i].at] ^= foreign_rows[i].flip;
        assert_int_equal(nvram_save(&nvram, path), 0);
        assert_int_equal(nvram_load(&again, path), -EBADMSG);
        assert_int_equal(again.size, 77);
        nvram_free(&nvram);
    }
    assert_int_equal(file_write(path, "short", 5), 0);
    assert_int_equal(nvram_load(&(struct nvram){0}, path), -EBADMSG);
    unlink(path);
    assert_int_equal(nvram_load(&(struct nvram){0}, path), -ENOENT);
}

/* Sizes that lie end the walk; they are never followed out of the store. */
static void sizes_that_lie(void **state)
{
    (void)state;
    for (size_t field = 36; field < 44; field++) {
        struct nvram nvram = store();
        struct variable one;
        size_t at = append(&nvram, other, "Theirs", ADDED, "x", 1), offset = 0;

        nvram.bytes[at + field] = 0xff;
        while (nvram_next(&nvram, &offset, &one))
            assert_true(one.next <= nvram.end + 3 &&
                        one.data + one.data_size <= nvram.bytes + nvram.end);
        nvram_free(&nvram);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_store),
        cmocka_unit_test(headers_cut_at_each_byte),
        cmocka_unit_test(ageing_leaves_the_living),
        cmocka_unit_test(a_variable),
        cmocka_unit_test(updates),
        cmocka_unit_test(writes_are_counted),
        cmocka_unit_test(edits),
        cmocka_unit_test(filling),
        cmocka_unit_test(boot_entries),
        cmocka_unit_test(saving),
        cmocka_unit_test(other_files_are_refused),
        cmocka_unit_test(sizes_that_lie),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
