/* Single modules of the stage: variables, and paths from device paths. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "fake_efi.h"
#include "start.h"
#include "variable.h"

static CHAR16 name[] = L"BackstopLedger";

static int setup(void **state)
{
    (void)state;
    fake_reset();
    return 0;
}

static EFI_RUNTIME_SERVICES *rt(void)
{
    return fake_table()->RuntimeServices;
}

/* ---- variables ------------------------------------------------------------------------------ */

static void same_bytes_are_not_written_again(void **state)
{
    uint8_t bytes[] = {1, 2, 3};

    (void)state;
    assert_int_equal(variable_write(rt(), name, LEDGER_ATTRIBUTES, bytes, 3), EFI_SUCCESS);
    assert_int_equal(fake_event_count("set "), 1);
    assert_int_equal(variable_write(rt(), name, LEDGER_ATTRIBUTES, bytes, 3), EFI_SUCCESS);
    assert_int_equal(fake_event_count("set "), 1);
    bytes[2] = 4;
    assert_int_equal(variable_write(rt(), name, LEDGER_ATTRIBUTES, bytes, 3), EFI_SUCCESS);
    assert_int_equal(variable_write(rt(), name, LEDGER_ATTRIBUTES, bytes, 2), EFI_SUCCESS);
    assert_int_equal(fake_event_count("set "), 3);
    assert_int_equal(fake_event_count("delete "), 0);
}

static void other_attributes_are_replaced(void **state)
{
    uint8_t bytes[] = {1, 2, 3};
    uint32_t attributes;

    (void)state;
    for (attributes = ATTRIBUTES_BS_RT; attributes <= ATTRIBUTES_NV_BS_RT; attributes++) {
        fake_variable_put(SPACE_OURS, "BackstopLedger", attributes, bytes, 3);
        assert_int_equal(variable_write(rt(), name, LEDGER_ATTRIBUTES, bytes, 3), EFI_SUCCESS);
        assert_int_equal(fake_variable(SPACE_OURS, "BackstopLedger")->attributes, ATTRIBUTES_NV_BS);
        fake_variable_remove(SPACE_OURS, "BackstopLedger");
    }
}

static void size_beyond_the_buffer_is_too_long(void **state)
{
    uint8_t bytes[RECORD_MAX_SIZE + 1] = {0};
    struct variable found;

    (void)state;
    fake_variable_put(SPACE_OURS, "BackstopLedger", ATTRIBUTES_NV_BS, bytes, RECORD_MAX_SIZE);
    assert_int_equal(variable_read(rt(), name, &found), EFI_SUCCESS);
    fake_lie(LIE(SIZE_LIES));
    assert_int_equal(variable_read(rt(), name, &found), EFI_BUFFER_TOO_SMALL);
    fake_lie(0);
    fake_variable_put(SPACE_OURS, "BackstopLedger", ATTRIBUTES_NV_BS, bytes, sizeof bytes);
    assert_int_equal(variable_read(rt(), name, &found), EFI_BUFFER_TOO_SMALL);
    assert_int_equal(found.attributes, ATTRIBUTES_NV_BS);
}

static void deleting_twice_is_success(void **state)
{
    (void)state;
    fake_variable_put(SPACE_OURS, "BackstopLedger", ATTRIBUTES_NV_BS_RT, "x", 1);
    assert_int_equal(variable_delete(rt(), name), EFI_SUCCESS);
    assert_null(fake_variable(SPACE_OURS, "BackstopLedger"));
    assert_int_equal(variable_delete(rt(), name), EFI_SUCCESS);
    assert_int_equal(fake_event_count("delete "), 1);
}

/* ---- paths ------------------------------------------------------------------------------------
 */

#define END "\x7f\xff\4\0"
#define PCI "\1\1\6\0\0\3"
#define FILE_NODE(length) "\4\4" length "\0"

struct path_row {
    const char *name;
    const char *nodes; /* device path */
    size_t size;
    const char *path;
};
#define ROW(name, nodes, path)                                                                     \
    {                                                                                              \
        name, nodes, sizeof nodes - 1, path                                                        \
    }

static const struct path_row path_rows[] = {
    ROW("one node", FILE_NODE("\x0c") "\\\0a\0b\0\0\0" END, "\\ab"),
    ROW("after hardware", PCI FILE_NODE("\x0a") "\\\0a\0\0\0" END, "\\a"),
    ROW("two nodes", FILE_NODE("\x0a") "\\\0a\0\0\0" FILE_NODE("\x08") "b\0\0\0" END, "\\a\\b"),
    ROW("two nodes, both with backslash",
        FILE_NODE("\x0c") "\\\0a\0\\\0\0\0" FILE_NODE("\x0a") "\\\0b\0\0\0" END, "\\a\\b"),
    ROW("no backslash", FILE_NODE("\x08") "a\0\0\0" END, "\\a"),
    ROW("no NUL in the node", FILE_NODE("\x08") "\\\0a\0" END, "\\a"),
    ROW("odd length", FILE_NODE("\x09") "\\\0a\0x" END, "\\a"),
    ROW("empty", END, ""),
    ROW("no file", PCI END, ""),
    ROW("not ASCII", FILE_NODE("\x0a") "\\\0a\1\0\0" END, ""),
    ROW("node without length", "\4\4\0\0" END, ""),
    ROW("node shorter than its head", "\4\4\3\0" END, ""),
    ROW("node longer than any", "\4\4\xff\xff" END, ""),
};

static void path_of_device_path(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof path_rows / sizeof path_rows[0]; i++) {
        uint8_t nodes[2048] = {0};
        char path[STAGECONF_PATH_MAX] = "before";

        memcpy(nodes, path_rows[i].nodes, path_rows[i].size);
        start_path_of((const EFI_DEVICE_PATH *)(const void *)nodes, path);
        if (strcmp(path, path_rows[i].path) != 0)
            fail_msg("%s: '%s'", path_rows[i].name, path);
    }
}

static void path_that_is_too_long_is_none(void **state)
{
    char path[STAGECONF_PATH_MAX];
    uint8_t nodes[4 + 2 * 300 + 4];

    (void)state;
    for (size_t length = 250; length < 260; length++) {
        size_t node = 4 + 2 * (length + 1);

        memset(nodes, 0, sizeof nodes);
        memcpy(nodes, "\4\4", 2);
        nodes[2] = (uint8_t)(node & 0xff);
        nodes[3] = (uint8_t)(node >> 8);
        nodes[4] = '\\';
        for (size_t i = 1; i < length; i++)
            nodes[4 + 2 * i] = 'a';
        memcpy(nodes + node, END, 4);
        start_path_of((const EFI_DEVICE_PATH *)(const void *)nodes, path);
        assert_true(strlen(path) == length || path[0] == '\0');
        assert_true(path[0] != '\0' || length + 2 > STAGECONF_PATH_MAX - 1);
    }
}

static void nodes_without_end_are_none(void **state)
{
    char path[STAGECONF_PATH_MAX];
    uint8_t nodes[1024];

    (void)state;
    for (size_t i = 0; i < sizeof nodes; i += 4)
        memcpy(nodes + i, "\1\1\4\0", 4);
    start_path_of((const EFI_DEVICE_PATH *)(const void *)nodes, path);
    assert_string_equal(path, "");
    start_path_of(NULL, path);
    assert_string_equal(path, "");
}

static void usual_loaders_are_safe_paths(void **state)
{
    size_t count = 0;

    (void)state;
    for (; start_usual(count) != NULL; count++)
        assert_true(stageconf_path_is_safe(start_usual(count)));
    assert_int_equal(count, 8);
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup(test, setup)
    const struct CMUnitTest tests[] = {
        TEST(same_bytes_are_not_written_again),
        TEST(other_attributes_are_replaced),
        TEST(size_beyond_the_buffer_is_too_long),
        TEST(deleting_twice_is_success),
        TEST(path_of_device_path),
        TEST(path_that_is_too_long_is_none),
        TEST(nodes_without_end_are_none),
        TEST(usual_loaders_are_safe_paths),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
