#include "breakoff.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

static volatile sig_atomic_t noted;
static int event = -1;

static void note(int signal_number)
{
    int error = errno;
    uint64_t one = 1;

    noted = signal_number;
    if (write(event, &one, sizeof one) < 0)
        errno = error;
}

void breakoff_watch(void)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction action = {.sa_handler = note, .sa_flags = (int)SA_RESETHAND}, before;

    sigemptyset(&action.sa_mask);
    if (event < 0)
        event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        if (sigaction(signals[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
            sigaction(signals[i], &action, NULL);
}

int breakoff_signal(void)
{
    return noted;
}

int breakoff_fd(void)
{
    return noted == 0 ? event : -1;
}

void breakoff_end(void)
{
    if (noted == 0)
        return;
    fflush(stdout);
    signal(noted, SIG_DFL);
    raise(noted);
}
