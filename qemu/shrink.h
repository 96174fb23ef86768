/*
 * shrink.h - makes a failing sequence short: delta debugging over its steps.
 *
 * Source: Zeller, Hildebrandt: Simplifying and Isolating Failure-Inducing Input, 2002 (ddmin).
 */
#ifndef BACKSTOP_RIG_SHRINK_H
#define BACKSTOP_RIG_SHRINK_H

#include <stdbool.h>
#include <stddef.h>

/* Does the sequence of these `count` steps (indices into the first one) still fail? */
typedef bool still_fails(void *context, const size_t *steps, size_t count);

/*
 * `steps`, which fails, becomes a shorter one that fails, and of which no step can be left out
 * unless the tries ran out first. Its new count; `tries` is what is left of them.
 */
size_t shrink(size_t *steps, size_t count, unsigned *tries, still_fails *fails, void *context);

#endif
