/*
 * test_proof_trace.c - a fault that did not befall the program is told from one that did.
 *
 * The program is perl of Debian's base: it makes a file (call 1), writes one byte (2), and eight
 * (3).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "scratch.h"
#include "trace.h"

#define CALLS 3

/* A process of its has two programs in it, and only one can be traced. */
static bool is_under_valgrind(void)
{
    const char *preload = getenv("LD_PRELOAD");
    return preload && strstr(preload, "vgpreload");
}

static struct trace_end run(struct trace_plan plan)
{
    if (is_under_valgrind())
        skip();
    char *argv[] = {(char[]){"/usr/bin/perl"}, (char[]){"-e"},
                    (char[]){"open F, '>', 'made'; syswrite F, 'x'; syswrite F, '12345678';"},
                    NULL},
         *env[] = {NULL};
    struct trace_end end = {0};
    plan.argv = argv;
    plan.env = env;
    plan.output = at("output");
    plan.directory = scratch;
    assert_int_equal(trace_run(&plan, &end), 0);
    return end;
}

static void test_strikes(void **state)
{
    static const struct {
        const char *name;
        unsigned fail_at;
        int error;
        bool struck;
    } rows[] = {
        {"none", 0, 0, false},
        {"a call is refused", 1, EIO, true},
        {"the last is refused", CALLS, ENOSPC, true},
        {"one behind the last", CALLS + 1, EIO, false},
        {"a call that is never made", 9999, EIO, false},
        {"half of one byte", 2, 0, false},
        {"half of eight", 3, 0, true},
        {"half of what writes nothing", 1, 0, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct trace_end end =
            run((struct trace_plan){.fail_at = rows[i].fail_at, .error = rows[i].error});
        if (end.struck != rows[i].struck)
            fail_msg("%s: %s", rows[i].name, end.struck ? "struck" : "did not strike");
    }
    assert_int_equal(run((struct trace_plan){0}).calls, CALLS);
}

struct seen {
    unsigned query, growth; /* the first brk(2) of each */
    uint64_t stood_at;
};

static void see(const struct call *call, void *user)
{
    struct seen *seen = user;
    if (call->rule->nr != __NR_brk)
        return;
    if (!call->args[0] && !seen->query)
        seen->query = call->number;
    else if (seen->stood_at && call->args[0] > seen->stood_at && !seen->growth)
        seen->growth = call->number;
    seen->stood_at = (uint64_t)call->result;
}

/* Asked where the break stands, the kernel has nothing to refuse. */
static void test_memory(void **state)
{
    struct seen seen = {0};
    (void)state;
    run((struct trace_plan){.memory = true, .after = see, .user = &seen});
    assert_true(seen.query && seen.growth);
    assert_false(
        run((struct trace_plan){.memory = true, .error = ENOMEM, .fail_at = seen.query}).struck);
    assert_true(
        run((struct trace_plan){.memory = true, .error = ENOMEM, .fail_at = seen.growth}).struck);
    assert_false(
        run((struct trace_plan){.memory = true, .error = ENOMEM, .fail_at = 99999}).struck);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_strikes, scratch_make, scratch_remove),
        cmocka_unit_test_setup_teardown(test_memory, scratch_make, scratch_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
