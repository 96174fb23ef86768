/*
 * run.h - runs chosen scenarios.
 */
#ifndef BACKSTOP_RIG_RUN_H
#define BACKSTOP_RIG_RUN_H

#include "rig.h"

/* Exit codes of the rig. */
enum { EXIT_PASSED = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

/*
 * Prepares the states that the chosen scenarios start from and runs them, rig->jobs side by side.
 * Prints a line each, those that the budget left out, and "N passed, N failed". EXIT_PASSED, or
 * EXIT_FAILED if one failed or could not be run.
 */
int run_scenarios(struct rig *rig, const struct scenario *const *chosen, size_t count);

#endif
