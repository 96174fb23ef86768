/*
 * kernel.h - whether a file is of the kernel that is running. Probe only.
 */
#ifndef BACKSTOP_AGENT_KERNEL_H
#define BACKSTOP_AGENT_KERNEL_H

#include "inventory.h"

#define KERNEL_RELEASE_SIZE 65

struct kernel {
    char release[KERNEL_RELEASE_SIZE]; /* "" where the running kernel is not one of the place's */
    char **linked; /* files among other kernels' modules that links of its own lead to, sorted */
    size_t linked_count;
};

void kernel_probe(const struct place *place, struct kernel *kernel);
/*
 * The running kernel loads what a link among its modules leads to, wherever that lies: in
 * weak-updates of Red Hat and SUSE, the module of the kernel that it was built for. Once for each
 * inventory whose links count. 0 or -ENOMEM.
 */
int kernel_add_links(const struct place *place, struct kernel *kernel,
                     const struct inventory *inventory);
void kernel_free(struct kernel *kernel);
/* `path` is a module of another kernel: this boot cannot have loaded it. */
bool kernel_is_other(const struct kernel *kernel, const char *path);
/* The directory of that kernel's modules still stands. */
bool kernel_is_installed(const struct place *place, const char *path);
/* `inventory` has modules of the kernel that the module `path` is of. */
bool kernel_is_known(const struct inventory *inventory, const char *path);
/* Both are modules, of whatever kernels, and have one name. */
bool kernel_same_module(const char *a, const char *b);

#endif
