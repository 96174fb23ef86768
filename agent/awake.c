/* awake.c - see awake.h */
#include "awake.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

uint64_t awake_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

bool awake_wait(unsigned seconds, struct diag *diag)
{
    struct itimerspec limit = {.it_value.tv_sec = (time_t)seconds};
    struct pollfd wait[2] = {{.events = POLLIN}, {.events = POLLIN}};
    sigset_t ends;
    bool over = true;

    if (seconds == 0)
        return true;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    sigprocmask(SIG_BLOCK, &ends, NULL);
    wait[0].fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    wait[1].fd = signalfd(-1, &ends, SFD_CLOEXEC);
    if (wait[0].fd < 0 || wait[1].fd < 0 || timerfd_settime(wait[0].fd, 0, &limit, NULL) < 0) {
        diag_report(diag, DIAG_WARNING, "cannot wait: %s", strerror(errno));
    } else {
        while (poll(wait, 2, -1) < 0 && errno == EINTR)
            ;
        over = wait[1].revents == 0;
    }
    for (int i = 0; i < 2; i++)
        if (wait[i].fd >= 0)
            close(wait[i].fd);
    sigprocmask(SIG_UNBLOCK, &ends, NULL);
    return over;
}
