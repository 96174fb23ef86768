/*
 * trial_out.h - the directory that one `rig try` writes to.
 *
 * It is new or empty, or holds what an earlier run left, which its mark tells. Nothing but files
 * that the rig itself writes, told by their names, is ever removed from it. One run at a time has
 * it.
 */
#ifndef BACKSTOP_RIG_TRIAL_OUT_H
#define BACKSTOP_RIG_TRIAL_OUT_H

#include <stdbool.h>

#define OUT_MARK ".rig-try"
/* What is made here before the first boot and removed then, a directory. */
#define OUT_STAGE "rig-try-stage"

struct out {
    char *path; /* absolute */
    int lock;   /* the locked mark, or -1 */
    bool taken; /* holds this run's files alone */
};

/*
 * Looks, and changes nothing; an earlier run's mark is locked. 0, or -EINVAL with a reason (caller
 * frees): it holds something else, another run has it, or it cannot be. out_close() in either case.
 */
int out_look(struct out *out, const char *dir, char **reason);
/* `path`, the caller's and given with `option`, must not lie in it, nor it in `path`. 0, or -EINVAL
 * with a reason. */
int out_apart(const struct out *out, const char *option, const char *path, char **reason);
/* Makes it, marks and locks it, and removes what an earlier run left. 0, -EINVAL as above, or
 * another -errno with a reason. */
int out_take(struct out *out, char **reason);
/* Removes the disks of a run: of what is taken, and with all that it has made for them. */
void out_thin(const struct out *out);
/* Unlocks it. */
void out_close(struct out *out);

#endif
