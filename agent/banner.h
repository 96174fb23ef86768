/*
 * banner.h - what people see at the console and at login when a boot is not a normal one. Texts
 * only.
 */
#ifndef BACKSTOP_AGENT_BANNER_H
#define BACKSTOP_AGENT_BANNER_H

#include "policy.h"
#include "thisboot.h"

#define BANNER_SIZE 1024

/* "3 boots in a row failed, the last one in a kernel panic" as one clause. */
void banner_cause(const struct this_boot *boot, char *out, size_t size);
/* "2 files were put back as they last worked" and the like, one sentence without a full stop. */
void banner_deed(const struct this_boot *boot, char *out, size_t size);
/* What happens or is to be done next, one sentence with its full stop. */
void banner_next(const struct this_boot *boot, const struct policy *policy, char *out, size_t size);
/* Whole text for motd and issue; "" in a normal boot. Backslashes are avoided: agetty expands them.
 */
void banner_text(const struct this_boot *boot, const struct policy *policy, char out[BANNER_SIZE]);

#endif
