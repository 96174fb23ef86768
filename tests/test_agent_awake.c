/* awake.c on a machine that slept: the clocks that go on in sleep are ahead by ten days. */
#include <signal.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

#include "awake.h"

#define AT_WORK 5000         /* s */
#define ASLEEP (10 * 86400L) /* s */

static bool slept_out; /* the timer just made goes on in sleep */

/* These three stand in the C library's place. */
int clock_gettime(clockid_t clock, struct timespec *now)
{
    *now = (struct timespec){.tv_sec = AT_WORK, .tv_nsec = 7999};
    if (clock != CLOCK_MONOTONIC)
        now->tv_sec += ASLEEP;
    return 0;
}

int timerfd_create(int clock, int flags)
{
    slept_out = clock != CLOCK_MONOTONIC;
    return (int)syscall(SYS_timerfd_create, clock, flags);
}

int timerfd_settime(int fd, int flags, const struct itimerspec *limit, struct itimerspec *former)
{
    const struct itimerspec at_once = {.it_value.tv_nsec = 1};

    return (int)syscall(SYS_timerfd_settime, fd, flags, slept_out ? &at_once : limit, former);
}

static void sleep_is_no_use(void **state)
{
    (void)state;
    assert_int_equal(awake_us(), AT_WORK * UINT64_C(1000000) + 7);
}

/* A service that is told to stop within the hour has not waited for an hour, however long it slept.
 */
static void sleep_is_no_wait(void **state)
{
    sigset_t term;

    (void)state;
    signal(SIGTERM, SIG_IGN);
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    assert_int_equal(sigprocmask(SIG_BLOCK, &term, NULL), 0);
    assert_true(awake_wait(0, NULL));
    assert_int_equal(raise(SIGTERM), 0);
    assert_false(awake_wait(3600, NULL));
    assert_false(slept_out);
    signal(SIGTERM, SIG_DFL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sleep_is_no_use),
        cmocka_unit_test(sleep_is_no_wait),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
