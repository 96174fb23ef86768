/*
 * clock.h - the time that limits, budgets and the live view go by: one that nobody sets back.
 */
#ifndef BACKSTOP_RIG_CLOCK_H
#define BACKSTOP_RIG_CLOCK_H

#include <stdbool.h>

/* s since some moment before the rig began. */
double clock_now(void);
/* True once `budget` s have gone by since `start`, a clock_now(); never where the budget is 0. */
bool clock_is_over(double start, long budget);

#endif
