/*
 * kernel.h - whether a file is of the kernel that is running. Probe only.
 */
#ifndef BACKSTOP_AGENT_KERNEL_H
#define BACKSTOP_AGENT_KERNEL_H

#include "place.h"

#define KERNEL_RELEASE_SIZE 65

struct kernel {
    char release[KERNEL_RELEASE_SIZE]; /* "" where the running kernel is not one of the place's */
};

void kernel_probe(const struct place *place, struct kernel *kernel);
/* `path` is a module of another kernel: this boot cannot have loaded it. */
bool kernel_is_other(const struct kernel *kernel, const char *path);
/* The directory of that kernel's modules still stands. */
bool kernel_is_installed(const struct place *place, const char *path);

#endif
