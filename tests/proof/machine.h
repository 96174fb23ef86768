/*
 * machine.h - what of a machine lies beneath its programs: firmware's variables, boot entries, the
 * ESP, the stage; and what must hold of the variables at every moment.
 *
 * A plain directory stands for efivarfs, and trace.h makes of it what that is: a variable is what
 * the last write(2) to it wrote, wholly or not at all.
 */
#ifndef BACKSTOP_PROOF_MACHINE_H
#define BACKSTOP_PROOF_MACHINE_H

#include "decide.h"
#include "ticket.h"
#include "tree.h"

#define MACHINE_BOOT 41u /* number of this boot */
#define MACHINE_CASE 7u

void machine_ticket(const char *root, const struct ticket *ticket);
/* What the boot before has left. */
void machine_receipt(const char *root);
/* The stage that the package brings, and an ESP with loaders. */
void machine_esp(const char *root);
/* Two boot entries, of which the first was booted, and the ESP as a partition (preload/blkid.c). */
void machine_firmware(const char *root);

/* A name in efivarfs without a variable, made and not written to, is no more at the next boot. */
void variables_after_boot(const char *root, const struct tree *tree);

/*
 * Of the variables of the tree at `root`, `after`, in the course of a run from `before` to `end`:
 * each is the old one or the new one, or absent (an empty one is) only where it was or will be; and
 * every entry that BootOrder names is there. `other_end`: the first of these is asked of the
 * receipt alone, which may be another whole one. What is wrong, caller frees; NULL: nothing.
 */
char *variables_wrong(const char *root, const struct tree *before, const struct tree *end,
                      const struct tree *after, bool other_end);

#endif
