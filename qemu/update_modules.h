/*
 * update_modules.h - kernels that a tree, a tar or a package has modules for.
 */
#ifndef BACKSTOP_RIG_UPDATE_MODULES_H
#define BACKSTOP_RIG_UPDATE_MODULES_H

#include <stddef.h>
#include "update.h"

/*
 * Takes from a list of paths, one a line and relative to /: the releases that lib/modules has
 * modules for, and those that a kernel comes for; each followed by a blank, those before them kept.
 */
void modules_listed(const char *paths, char **modules, char **kernels);

/*
 * 0; -EINVAL with a reason (caller frees) where an update has modules for kernels alone that are
 * neither among `kernels` (each followed by a blank) nor brought by any of the updates: nothing
 * would load them. A bare module is not looked at here.
 */
int update_modules_fit(const struct update *updates, size_t count, const char *kernels,
                       char **reason);

#endif
