/* bootentry.c: BootOrder and load options as values, and what the stage is told to start. */
#include "check.h"
#include "fake_vars.h"

#include <stdio.h>
#include <strings.h>

#include "bootentry.h"
#include "vars.h"

#define ESP_UUID "01234567-89ab-cdef-0123-456789abcdef"
#define OTHER_UUID "ffffffff-89ab-cdef-0123-456789abcdef"

static const struct partition esp = {
    .partuuid = ESP_UUID, .gpt = true, .is_esp = true, .number = 1, .start = 2048, .size = 131072};

static int begin(void **state)
{
    (void)state;
    memset(&fake_vars, 0, sizeof fake_vars);
    return 0;
}

static struct boot_order order_of(const char *text)
{
    struct boot_order order = {0};

    for (; *text; text++)
        order.items[order.count++] = (uint16_t)(*text - 'a');
    return order;
}

static void assert_order(const struct boot_order *order, const char *text)
{
    assert_int_equal(order->count, strlen(text));
    for (size_t i = 0; i < order->count; i++)
        assert_int_equal(order->items[i], text[i] - 'a');
}

static void order_put_first_and_taken_out(void **state)
{
    /* 'x' is ours */
    static const struct {
        const char *name, *before, *first;
        bool changes;
        const char *out;
    } rows[] = {
        {"empty", "", "x", true, ""},
        {"others", "abc", "xabc", true, "abc"},
        {"behind others", "axbc", "xabc", true, "abc"},
        {"last", "abx", "xab", true, "ab"},
        {"first already", "xabc", "xabc", false, "abc"},
        {"alone", "x", "x", false, ""},
        {"twice", "axbx", "xab", true, "ab"},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct boot_order order = order_of(rows[i].before);

        print_message("  %s\n", rows[i].name);
        assert_int_equal(boot_order_put_first(&order, 'x' - 'a'), rows[i].changes);
        assert_order(&order, rows[i].first);
        assert_true(boot_order_holds(&order, 'x' - 'a'));
        assert_true(boot_order_remove(&order, 'x' - 'a'));
        assert_order(&order, rows[i].out);
        assert_false(boot_order_remove(&order, 'x' - 'a'));
        assert_false(boot_order_holds(&order, 'x' - 'a'));
    }
}

static void a_full_order_still_takes_us(void **state)
{
    struct boot_order order = {.count = BOOT_ORDER_MAX};

    (void)state;
    for (uint16_t i = 0; i < BOOT_ORDER_MAX; i++)
        order.items[i] = i;
    assert_true(boot_order_put_first(&order, 0x1234));
    assert_int_equal(order.count, BOOT_ORDER_MAX);
    assert_int_equal(order.items[0], 0x1234);
    assert_int_equal(order.items[1], 0);
}

static void order_bytes(void **state)
{
    static const uint8_t bytes[] = {0x01, 0x00, 0xcd, 0xab};
    static const uint8_t much[2 * BOOT_ORDER_MAX + 2];
    struct boot_order order = order_of("q");
    uint8_t out[2 * BOOT_ORDER_MAX];

    (void)state;
    assert_int_equal(boot_order_decode(&order, bytes, 3), -EBADMSG);
    assert_int_equal(boot_order_decode(&order, much, sizeof much), -E2BIG);
    assert_order(&order, "q");
    assert_int_equal(boot_order_decode(&order, bytes, 4), 0);
    assert_int_equal(order.count, 2);
    assert_int_equal(order.items[0], 1);
    assert_int_equal(order.items[1], 0xabcd);
    assert_int_equal(boot_order_encode(&order, out), 4);
    assert_memory_equal(out, bytes, 4);
}

/* An option as UEFI 2.10 has it in 3.1.3 and 10.3.5, put together by hand. */
static const uint8_t by_hand[] = {
    1,           0,    0,    0,                         /* attributes: active */
    42 + 26 + 4, 0,                                     /* length of the path list */
    'B',         0,    'x',  0,    0,    0,             /* description */
    4,           1,    42,   0,                         /* media, hard drive, 42 bytes */
    1,           0,    0,    0,                         /* partition 1 */
    0x00,        0x08, 0,    0,    0,    0,    0,    0, /* start 2048 */
    0x00,        0x00, 2,    0,    0,    0,    0,    0, /* size 131072 */
    0x67,        0x45, 0x23, 0x01, 0xab, 0x89, 0xef, 0xcd, 0x01, 0x23, 0x45, 0x67, 0x89,
    0xab,        0xcd, 0xef, 2,    2, /* GPT, GUID */
    4,           4,    26,   0,       /* media, file, 26 bytes */
    '\\',        0,    'E',  0,    'F',  0,    'I',  0,    '\\', 0,    'a',  0,    '.',
    0,           'e',  0,    'f',  0,    'i',  0,    0,    0,    0x7f, 0xff, 4,    0, /* end */
    0xde,        0xad, /* optional data */
};

static void an_option_is_made_as_specified(void **state)
{
    static const uint8_t options[] = {0xde, 0xad};
    uint8_t *bytes = NULL;
    size_t size = 0;

    (void)state;
    assert_int_equal(boot_entry_make(&esp, "Bx", "\\EFI\\a.efi", options, 2, &bytes, &size), 0);
    assert_int_equal(size, sizeof by_hand);
    assert_memory_equal(bytes, by_hand, sizeof by_hand);
    free(bytes);
}

static void an_option_without_a_partition_is_refused(void **state)
{
    struct partition none = {0};
    uint8_t *bytes = NULL;
    size_t size = 0;

    (void)state;
    assert_int_equal(boot_entry_make(&none, "Bx", "\\EFI\\a.efi", NULL, 0, &bytes, &size), -EINVAL);
    assert_null(bytes);
}

static void an_option_is_read(void **state)
{
    struct boot_entry entry = {.number = 3};

    (void)state;
    assert_int_equal(boot_entry_parse(by_hand, sizeof by_hand, &entry), 0);
    assert_int_equal(entry.number, 3);
    assert_int_equal(entry.attributes, 1);
    assert_string_equal(entry.description, "Bx");
    assert_string_equal(entry.partuuid, ESP_UUID);
    assert_string_equal(entry.path, "\\EFI\\a.efi");
    assert_int_equal(entry.options_size, 2);
    assert_memory_equal(entry.options, "\xde\xad", 2);
    boot_entry_free(&entry);
}

/* Whatever is cut or flipped, nothing is read past the end (the sanitizers watch) and nothing
 * leaks. */
static void hostile_options_do_no_harm(void **state)
{
    (void)state;
    for (size_t size = 0; size <= sizeof by_hand; size++) {
        uint8_t *exact = malloc(size ? size : 1);
        struct boot_entry entry = {0};

        memcpy(exact, by_hand, size);
        if (boot_entry_parse(exact, size, &entry) == 0)
            assert_true(size >= sizeof by_hand - 2);
        boot_entry_free(&entry);
        free(exact);
    }
    for (size_t i = 0; i < sizeof by_hand; i++) {
        static const uint8_t values[] = {0, 1, 3, 4, 0x7f, 0x80, 0xff};

        for (size_t v = 0; v < sizeof values; v++) {
            uint8_t *copy = malloc(sizeof by_hand);
            struct boot_entry entry = {0};

            memcpy(copy, by_hand, sizeof by_hand);
            copy[i] = values[v];
            if (boot_entry_parse(copy, sizeof by_hand, &entry) == 0) {
                assert_true(strlen(entry.path) < sizeof entry.path);
                assert_true(entry.options_size < sizeof by_hand);
            }
            boot_entry_free(&entry);
            free(copy);
        }
    }
}

static void marks_of_firmware_are_known(void **state)
{
    static uint8_t edk2[] = {0x4e, 0xac, 0x08, 0x81, 0x11, 0x9f, 0x59, 0x4d,
                             0x85, 0x0e, 0xe2, 0x1a, 0x52, 0x2c, 0x59, 0xb2};
    static uint8_t ami[] = {0, 0, 'B', 'O'};

    (void)state;
    assert_true(
        boot_entry_options_are_marks(&(struct boot_entry){.options = edk2, .options_size = 16}));
    assert_true(
        boot_entry_options_are_marks(&(struct boot_entry){.options = ami, .options_size = 4}));
    assert_false(
        boot_entry_options_are_marks(&(struct boot_entry){.options = edk2, .options_size = 4}));
    assert_false(boot_entry_options_are_marks(&(struct boot_entry){0}));
}

/* ---- what to start next ---- */

#define SHIM "\\EFI\\debian\\shim" EFI_ARCH ".efi"
#define GRUB "\\EFI\\debian\\grub" EFI_ARCH ".efi"
#define SDBOOT "\\EFI\\systemd\\systemd-boot" EFI_ARCH ".efi"
#define WINDOWS "\\EFI\\Microsoft\\Boot\\bootmgfw.efi"

static bool listed(const char *path, void *user)
{
    const char *const *paths = user;

    for (; *paths; paths++)
        if (strcasecmp(*paths, path) == 0)
            return true;
    return false;
}

static void what_to_start_next(void **state)
{
    static const struct {
        const char *name;
        struct boot_entry entries[4];
        size_t count;
        bool booted;
        const char *former;
        const char *there[8];
        const char *next[5];
    } rows[] = {
        {"the one that booted",
         {{.path = GRUB, .partuuid = ESP_UUID}},
         1,
         true,
         NULL,
         {SHIM, GRUB, NULL},
         {GRUB, SHIM, NULL}},
        {"in the spelling of the firmware",
         {{.path = "\\EFI\\DEBIAN\\GRUBX64.EFI"}},
         1,
         true,
         NULL,
         {GRUB, NULL},
         {"\\EFI\\DEBIAN\\GRUBX64.EFI", NULL}},
        {"nothing known",
         {{0}},
         0,
         false,
         NULL,
         {REMOVABLE_PATH, SDBOOT, NULL},
         {SDBOOT, REMOVABLE_PATH, NULL}},
        {"a bare disk booted",
         {{.partuuid = ""}},
         1,
         true,
         NULL,
         {SHIM, REMOVABLE_PATH, NULL},
         {REMOVABLE_PATH, SHIM, NULL}},
        {"a bare disk in the order only",
         {{.partuuid = ""}},
         1,
         false,
         NULL,
         {SHIM, REMOVABLE_PATH, NULL},
         {SHIM, REMOVABLE_PATH, NULL}},
        {"on another disk",
         {{.path = GRUB, .partuuid = OTHER_UUID}, {.path = SDBOOT}},
         2,
         true,
         NULL,
         {SHIM, GRUB, SDBOOT, NULL},
         {SDBOOT, SHIM, GRUB, NULL}},
        {"gone from the ESP",
         {{.path = WINDOWS, .partuuid = ESP_UUID}},
         1,
         true,
         NULL,
         {SHIM, NULL},
         {SHIM, NULL}},
        {"never ourselves",
         {{.path = STAGE_PATH}, {.path = "\\efi\\BACKSTOP\\x.efi"}},
         2,
         true,
         NULL,
         {STAGE_PATH, "\\EFI\\backstop\\x.efi", SHIM, NULL},
         {SHIM, NULL}},
        {"ourselves is all there is",
         {{.path = STAGE_PATH}},
         1,
         true,
         NULL,
         {STAGE_PATH, NULL},
         {NULL}},
        {"no more than four",
         {{.path = WINDOWS}, {.path = SDBOOT}},
         2,
         true,
         NULL,
         {WINDOWS, SDBOOT, SHIM, GRUB, REMOVABLE_PATH, NULL},
         {WINDOWS, SDBOOT, SHIM, GRUB, NULL}},
        {"a path that stage.conf cannot hold",
         {{.path = "\\EFI\\..\\x.efi"}},
         1,
         true,
         NULL,
         {"\\EFI\\..\\x.efi", SHIM, NULL},
         {SHIM, NULL}},
        {"in place of the removable path",
         {{.path = REMOVABLE_PATH}},
         1,
         true,
         FORMER_PATH,
         {REMOVABLE_PATH, FORMER_PATH, SHIM, NULL},
         {FORMER_PATH, SHIM, NULL}},
        {"removable, nothing was there before",
         {{0}},
         0,
         false,
         FORMER_PATH,
         {REMOVABLE_PATH, SHIM, NULL},
         {SHIM, NULL}},
        {"the former, remembered",
         {{.path = FORMER_PATH}},
         1,
         false,
         FORMER_PATH,
         {REMOVABLE_PATH, FORMER_PATH, NULL},
         {FORMER_PATH, NULL}},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        const char *there[8];
        struct next_list next;
        struct next_query query = {.entries = rows[i].entries,
                                   .count = rows[i].count,
                                   .first_booted = rows[i].booted,
                                   .partuuid = ESP_UUID,
                                   .former = rows[i].former,
                                   .exists = listed,
                                   .user = there};
        size_t n = 0;

        memcpy(there, rows[i].there, sizeof there);
        print_message("  %s\n", rows[i].name);
        boot_choose_next(&query, &next);
        for (; rows[i].next[n]; n++) {
            assert_true(n < next.count);
            assert_string_equal(next.paths[n], rows[i].next[n]);
        }
        assert_int_equal(next.count, n);
    }
}

/* ---- variables ---- */

static void put_entry(const char *name, const struct partition *partition, const char *path)
{
    uint8_t *bytes = NULL;
    size_t size = 0;

    assert_int_equal(boot_entry_make(partition, "x", path, NULL, 0, &bytes, &size), 0);
    fake_put(EFI_GLOBAL_GUID, name, bytes, size, VAR_NV_BS_RT);
    free(bytes);
}

static void our_entry_is_found(void **state)
{
    struct partition other = esp;
    struct boot_entry entry = {0};
    uint16_t number = 0xffff;

    (void)state;
    strcpy(other.partuuid, OTHER_UUID);
    assert_int_equal(boot_entry_find_ours(ESP_UUID, &entry), -ENOENT);
    assert_int_equal(boot_entry_free_number(&number), 0);
    assert_int_equal(number, 0);

    put_entry("Boot0000", &esp, SHIM);
    put_entry("Boot0001", &other, STAGE_PATH);
    put_entry("Boot000A", &esp, "\\EFI\\Backstop\\BACKSTOP" EFI_ARCH ".EFI");
    fake_put(EFI_GLOBAL_GUID, "Boot0002", "rubbish", 7, VAR_NV_BS_RT);
    fake_put(EFI_GLOBAL_GUID, "BootOrder", "\0\0\3\0", 4, VAR_NV_BS_RT);
    fake_put(EFI_GLOBAL_GUID, "Bootxyzw", "\0\0", 2, VAR_NV_BS_RT);
    assert_int_equal(boot_entry_find_ours(ESP_UUID, &entry), 0);
    assert_int_equal(entry.number, 0x000a);
    boot_entry_free(&entry);
    assert_int_equal(boot_entry_find_ours("", &entry),
                     0); /* any of ours, where the ESP is unknown */
    assert_int_equal(entry.number, 1);
    boot_entry_free(&entry);
    assert_int_equal(boot_entry_free_number(&number), 0);
    assert_int_equal(number, 4); /* 3 has a place in BootOrder, though no entry just now */
}

static void an_empty_order_is_no_variable(void **state)
{
    struct boot_order order = order_of("ab");

    (void)state;
    assert_int_equal(boot_order_write(&order), 0);
    assert_memory_equal(fake_find(EFI_GLOBAL_GUID, "BootOrder")->bytes, "\0\0\1\0", 4);
    order.count = 0;
    assert_int_equal(boot_order_write(&order), 0);
    assert_null(fake_find(EFI_GLOBAL_GUID, "BootOrder"));
    assert_int_equal(boot_order_read(&order), -ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order_put_first_and_taken_out),
        cmocka_unit_test(a_full_order_still_takes_us),
        cmocka_unit_test(order_bytes),
        cmocka_unit_test(an_option_is_made_as_specified),
        cmocka_unit_test(an_option_without_a_partition_is_refused),
        cmocka_unit_test(an_option_is_read),
        cmocka_unit_test(hostile_options_do_no_harm),
        cmocka_unit_test(marks_of_firmware_are_known),
        cmocka_unit_test(what_to_start_next),
        cmocka_unit_test_setup(our_entry_is_found, begin),
        cmocka_unit_test_setup(an_empty_order_is_no_variable, begin),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
