/*
 * bench.h - what Backstop adds to the initramfs and to a healthy boot, each beside its floor.
 *
 * Two images of one machine's kernel, with Backstop's part and without, are made in the guest by
 * the distribution's own tools, and each is booted with `-icount`: guest time advances by 1 ns an
 * instruction, so the figures are those of any host. Whole boots repeat within 0.3%: waits for the
 * disk are not counted in instructions of the guest alone.
 */
#ifndef BACKSTOP_RIG_BENCH_H
#define BACKSTOP_RIG_BENCH_H

#include "rig.h"

/*
 * Prints the figures; `script` is what makes the images (bench.sh). 0, or -errno with a reason
 * (caller frees) where they could not be had; no figure is an error.
 */
int bench_run(const struct rig *rig, const char *script, char **reason);

#endif
