/* The rig's reader of the kernel's trace of processes. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "../qemu/trace.h"

#define FORK(at, pid)                                                                              \
    "[    " at "] sched_process_fork: comm=sh pid=1 child_comm=sh child_pid=" pid "\n"
#define EXEC(at, path, pid)                                                                        \
    "[    " at "] sched_process_exec: filename=" path " pid=" pid " old_pid=" pid "\n"
#define EXIT(at, name, pid) "[    " at "] sched_process_exit: comm=" name " pid=" pid " prio=120\n"

static const struct {
    const char *name, *line;
    int result;
    struct trace_event event;
} line_rows[] = {
    {"exec",
     "[    2.026483] sched_process_exec: filename=/init pid=1 old_pid=1",
     0,
     {2026483, TRACE_EXEC, 1, "/init"}},
    {"exit",
     "[   12.000001] sched_process_exit: comm=modprobe pid=101 prio=120",
     0,
     {12000001, TRACE_EXIT, 101, "modprobe"}},
    {"fork: the child",
     "[    0.500000] sched_process_fork: comm=init pid=7 child_comm=sh child_pid=8",
     0,
     {500000, TRACE_FORK, 8, "sh"}},
    {"a blank in the name",
     "[    1.000000] sched_process_exit: comm=a b pid=3 prio=120",
     0,
     {1000000, TRACE_EXIT, 3, "a b"}},
    {"behind a program's text",
     "Begin: [x] Loading ... [    2.655525] sched_process_exit: comm=init pid=123 prio=120",
     0,
     {2655525, TRACE_EXIT, 123, "init"}},
    {"another event", "[    2.0] sched_switch: comm=a pid=1", -EBADMSG, {0}},
    {"a line of the kernel", "[    2.026217] Run /init as init process", -EBADMSG, {0}},
    {"no time", "] sched_process_exit: comm=init pid=123 prio=120", -EBADMSG, {0}},
    {"no number", "[    2.655525] sched_process_exit: comm=init pid=x prio=120", -EBADMSG, {0}},
    {"cut", "[    2.655525] sched_process_exit: comm=in", -EBADMSG, {0}},
};

static void lines(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof line_rows / sizeof line_rows[0]; i++) {
        struct trace_event event = {0};

        print_message("%s\n", line_rows[i].name);
        assert_int_equal(trace_line(line_rows[i].line, &event), line_rows[i].result);
        assert_int_equal(event.at, line_rows[i].event.at);
        assert_int_equal(event.kind, line_rows[i].event.kind);
        assert_int_equal(event.pid, line_rows[i].event.pid);
        assert_string_equal(event.name, line_rows[i].event.name);
    }
}

/*
 * One boot with the script /s, which runs /p; the other without, and later by 5 s. In both, what
 * comes after the mount takes 300 us to start where the script is not there.
 */
static const char with_text[] = EXEC("0.500000", "/init", "9") /* not the first process */
    EXEC("1.000000", "/init", "1") EXIT("1.000100", "mount", "2") FORK("1.000200", "3")
        EXEC("1.000300", "/s", "3") FORK("1.000400", "4") EXEC("1.000500", "/p", "4")
            EXIT("1.000900", "p", "4") EXIT("1.001000", "s", "3") FORK("1.001100", "5")
                EXEC("1.001200", "/next", "5") EXIT("1.001300", "next", "5")
                    EXEC("1.002000", "/sbin/init", "1") EXEC("1.003000", "/p", "6");
static const char without_text[] = EXEC("6.000000", "/init", "1") EXIT("6.000100", "mount", "2")
    FORK("6.000250", "3") EXEC("6.000400", "/next", "3") EXIT("6.000500", "next", "3")
        EXEC("6.001200", "/sbin/init", "1");

static void times(void **state)
{
    struct trace with = {0}, without = {0};
    long script, program;

    (void)state;
    assert_int_equal(trace_parse(&with, with_text), 0);
    assert_int_equal(trace_parse(&without, without_text), 0);
    assert_int_equal(trace_total(&with), 2000);
    assert_int_equal(trace_total(&without), 1200);
    script = trace_find(&with, 0, "/s");
    program = trace_find(&with, 0, "/p");
    assert_in_range(script, 0, with.count - 1);
    assert_in_range(program, 0, with.count - 1);
    assert_int_equal(trace_process(&with, (size_t)script), 1000 - 200);
    assert_int_equal(trace_process(&with, (size_t)program), 900 - 400);
    assert_int_equal(trace_find(&with, (size_t)program + 1, "/p"), -ENOENT);
    /* From mount's exit to /next: 1100 us with the script, 300 us without. */
    assert_int_equal(trace_added(&with, &without, "/s"), 1100 - 300);
    assert_int_equal(trace_added(&with, &without, "/none"), -ENOENT);
    assert_int_equal(trace_added(&without, &with, "/s"), -ENOENT);
    trace_free(&with);
    trace_free(&without);
    assert_int_equal(trace_total(&with), -ENOENT);
}

static void log_that_is_not_whole(void **state)
{
    struct trace trace = {0};

    (void)state;
    assert_int_equal(trace_parse(&trace, ""), -ENODATA);
    assert_int_equal(trace_parse(&trace, EXEC("1.000000", "/init", "1")), -ENODATA);
    assert_int_equal(trace_parse(&trace, EXEC("1.000000", "/sbin/init", "1")), -ENODATA);
    assert_int_equal(trace.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines),
        cmocka_unit_test(times),
        cmocka_unit_test(log_that_is_not_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
