/* Tools of the host: what is said of one that fails, and copies of files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../qemu/breakoff.h"
#include "../qemu/command.h"
#include "../qemu/text.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
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
    assert_string_equal(reason, "no-such-tool is not installed: `make deps` brings it");
    assert_int_equal(command_there("no-such-tool", &reason), -ENOENT);
    assert_string_equal(reason, "no-such-tool is not installed: `make deps` brings it");
    assert_int_equal(command_there("sh", NULL), 0);
}

/* In a process of its own: once a signal is noted, that is so to the end. */
static int break_off_in_child(void)
{
    /* It would go on for an hour after it has sent the signal. */
    const char *const argv[] = {"sh", "-c", "kill -TERM $PPID; exec sleep 3600", NULL};
    const char *const later[] = {"sh", "-c", "exit 3", NULL};
    struct output output;

    breakoff_watch();
    if (breakoff_signal() != 0 || command_run(argv, &output) != 128 + SIGTERM)
        return 1;
    output_free(&output);
    if (breakoff_signal() != SIGTERM)
        return 2;
    /* What is removed after that is removed by tools as well. */
    if (command_run(later, &output) != 3)
        return 3;
    output_free(&output);
    breakoff_end();
    return 4;
}

static void a_tool_ends_with_the_rig(void **state)
{
    pid_t pid = fork();
    int status = 0;

    (void)state;
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(break_off_in_child());
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_false(WIFEXITED(status));
    assert_int_equal(WTERMSIG(status), SIGTERM);
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
        cmocka_unit_test(a_tool_ends_with_the_rig),
        cmocka_unit_test(a_copy_keeps_bytes_and_holes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
