/* Tools of the host: what is said of one that fails, and copies of files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../qemu/command.h"
#include "../qemu/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void a_tool_that_succeeds_gives_no_reason(void **state)
{
    const char *const argv[] = {"sh", "-c", "echo out; echo err >&2", NULL};
    TEXT_AUTO reason = NULL;

    (void)state;
    assert_int_equal(command_must(argv, &reason), 0);
    assert_null(reason);
}

static void a_tool_that_fails_is_quoted(void **state)
{
    const char *const argv[] = {"sh", "-c", "echo out; echo err >&2; exit 3", NULL};
    TEXT_AUTO reason = text_copy("of before");

    (void)state;
    assert_int_equal(command_must(argv, &reason), -EIO);
    assert_string_equal(reason, "sh: exit code 3: err\nout\n");
    assert_int_equal(command_must(argv, NULL), -EIO);
}

static void a_tool_that_is_not_there_is_named(void **state)
{
    const char *const argv[] = {"no-such-tool", NULL};
    TEXT_AUTO reason = NULL;

    (void)state;
    assert_int_equal(command_must(argv, &reason), -EIO);
    assert_string_equal(reason, "no-such-tool: No such file or directory: `make deps` installs it");
}

static void a_copy_keeps_bytes_and_holes(void **state)
{
    char from[] = "/tmp/rig-test-XXXXXX";
    TEXT_AUTO to = NULL;
    TEXT_AUTO reason = NULL;
    TEXT_AUTO bytes = NULL;
    size_t size = 0;
    struct stat st;

    (void)state;
    assert_int_equal(file_write_temporary(from, "head", 4), 0);
    assert_int_equal(truncate(from, 1048576), 0);
    to = text_format("%s.copy", from);
    assert_int_equal(file_copy(from, to, &reason), 0);
    bytes = file_read(to, &size);
    assert_int_equal(size, 1048576);
    assert_memory_equal(bytes, "head\0\0", 6);
    assert_int_equal(stat(to, &st), 0);
    assert_true(st.st_blocks * 512 < 1048576);
    unlink(from);
    assert_int_equal(file_copy(from, to, &reason), -EIO);
    assert_non_null(strstr(reason, from));
    unlink(to);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tool_that_succeeds_gives_no_reason),
        cmocka_unit_test(a_tool_that_fails_is_quoted),
        cmocka_unit_test(a_tool_that_is_not_there_is_named),
        cmocka_unit_test(a_copy_keeps_bytes_and_holes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
