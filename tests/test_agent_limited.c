/* limited.c: what does not come to its end is left behind in time, even where no signal ends it. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "awake.h"
#include "check.h"
#include "limited.h"

/* A process that hangs in the kernel takes no signal: this kill() stands in for it. */
static bool no_kill;
static pid_t not_killed;

int kill(pid_t pid, int sig)
{
    if (no_kill) {
        not_killed = pid;
        return 0;
    }
    return (int)syscall(SYS_kill, pid, sig);
}

static unsigned seconds_of(uint64_t begun)
{
    return (unsigned)((awake_us() - begun) / 1000000u);
}

static int end_with(void *status)
{
    return *(int *)status;
}

static int be_killed(void *argument)
{
    (void)argument;
    raise(SIGKILL);
    return 0;
}

static int hang(void *argument)
{
    (void)argument;
    pause();
    return 0;
}

static void calls(void **state)
{
    int three = 3, zero = 0;
    uint64_t begun;

    (void)state;
    assert_int_equal(limited_call(end_with, &three, 30), 3);
    assert_int_equal(limited_call(end_with, &zero, 30), 0);
    assert_int_equal(limited_call(be_killed, NULL, 30), -ECANCELED);
    begun = awake_us();
    assert_int_equal(limited_call(hang, NULL, 1), -ETIMEDOUT);
    assert_in_range(seconds_of(begun), 1, 20);
}

static void what_a_command_prints(void **state)
{
    static const struct {
        const char *name, *command;
        int result;
        const char *text;
    } rows[] = {
        {"two lines", "echo a; echo b", 0, "a\nb\n"},
        {"nothing", "true", 0, ""},
        {"its status is its own affair", "echo a; exit 3", 0, "a\n"},
        {"no such program", "/nowhere/program 2>/dev/null", 0, ""},
        {"more than there is room for", "yes 1234567", 0, "1234567\n1234567"},
        {"it hangs before it says anything", "sleep 60", -ETIMEDOUT, NULL},
        {"it hangs in the middle", "echo a; sleep 60", -ETIMEDOUT, NULL},
        {"it has said all, and hangs", "echo a; exec sleep 60 >/dev/null", -ETIMEDOUT, NULL},
        {"what it began keeps the pipe", "echo a; sleep 60 &", -ETIMEDOUT, NULL},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        uint64_t begun = awake_us();
        char text[16];

        print_message("  %s\n", rows[i].name);
        assert_int_equal(
            limited_read(rows[i].command, rows[i].result < 0 ? 1 : 30, text, sizeof text),
            rows[i].result);
        if (rows[i].text)
            assert_string_equal(text, rows[i].text);
        assert_in_range(seconds_of(begun), 0, 20);
    }
}

static void one_that_takes_no_signal_is_left_behind(void **state)
{
    uint64_t begun = awake_us();
    char text[16];

    (void)state;
    no_kill = true;
    assert_int_equal(limited_call(hang, NULL, 1), -ETIMEDOUT);
    syscall(SYS_kill, not_killed, SIGKILL);
    assert_int_equal(limited_read("exec sleep 60", 1, text, sizeof text), -ETIMEDOUT);
    syscall(SYS_kill, not_killed, SIGKILL);
    no_kill = false;
    assert_in_range(seconds_of(begun), 2, 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls),
        cmocka_unit_test(what_a_command_prints),
        cmocka_unit_test(one_that_takes_no_signal_is_left_behind),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
