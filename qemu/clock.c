/* clock.c - see clock.h */
#include "clock.h"

#include <time.h>

double clock_now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

bool clock_is_over(double start, long budget)
{
    return budget > 0 && clock_now() - start >= (double)budget;
}
