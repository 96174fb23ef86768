/* A child of the rig ends with it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../qemu/child.h"

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE_MS 20000

/* A process whose child would wait for ever with the pipe's end in hand, and that ends itself. */
static void begin_and_end(int held)
{
    pid_t child = child_fork();

    if (child == 0) {
        alarm(2 * PATIENCE_MS / 1000); /* that a failure leaves nothing behind */
        pause();
    }
    _exit(child > 0 && write(held, "c", 1) == 1 ? 0 : 1);
}

static void no_child_outlives_its_parent(void **state)
{
    int ends[2], status = 0;
    struct pollfd end;
    char byte;
    pid_t parent;

    (void)state;
    assert_int_equal(pipe(ends), 0);
    parent = fork();
    if (parent == 0)
        begin_and_end(ends[1]);
    close(ends[1]);
    assert_int_equal(waitpid(parent, &status, 0), parent);
    assert_int_equal(status, 0);
    assert_int_equal(read(ends[0], &byte, 1), 1);
    /* Nobody writes more: only the end of the last holder makes this ready. */
    end = (struct pollfd){.fd = ends[0], .events = POLLIN};
    assert_int_equal(poll(&end, 1, PATIENCE_MS), 1);
    assert_int_equal(read(ends[0], &byte, 1), 0);
    close(ends[0]);
}

static void a_child_runs_while_its_parent_does(void **state)
{
    int status = 0;
    pid_t child = child_fork();

    (void)state;
    if (child == 0)
        _exit(5);
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_child_outlives_its_parent),
        cmocka_unit_test(a_child_runs_while_its_parent_does),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
