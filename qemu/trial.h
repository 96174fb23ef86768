/*
 * trial.h - `rig try`: what somebody's update does to the boots of a machine.
 *
 * The image is copied, never written to; the machine has no network. All that was brought is looked
 * at before anything is made, as far as that goes without a copy of the image. See README.md,
 * "Bring your own update".
 */
#ifndef BACKSTOP_RIG_TRIAL_H
#define BACKSTOP_RIG_TRIAL_H

#include "image.h"
#include "rig.h"
#include "trial_out.h"
#include "update.h"
#include "verdict.h"

enum wish { WISH_IF_POSSIBLE = 0, WISH_INSISTED, WISH_NOT };

#define TRIAL_FILES 16

struct trial_files {
    const char *paths[TRIAL_FILES];
    size_t count;
};

struct trial_options {
    const char *image; /* NULL: the rig's own */
    struct trial_files updates, sets, checks;
    const char *command;
    enum wish backstop;
    long boots;        /* good ones that make "boots well" */
    long watch;        /* guest's s for which a boot is watched after it was good */
    long silence;      /* host's s without any event after which a machine hangs */
    long update_limit; /* guest's s within which updates, and the command, must end */
    const char *out;
    bool keep, json, live, help;
};

/*
 * argv[0] is the verb. 0, or -EINVAL with a reason (caller frees): an unknown option, a number out
 * of range, a file that is not there, nothing to try.
 */
int trial_parse(struct trial_options *options, int argc, char *const argv[], char **reason);
extern const char trial_usage[];

/* One run. */
struct trial {
    struct rig *rig;
    const struct trial_options *options;
    struct update updates[TRIAL_FILES];
    struct image image;
    struct out out;
    struct scenario scenario; /* what the session says that it plays */
    struct session session;
    char *seed;    /* NoCloud disk, or NULL */
    bool backstop; /* is installed */
    char *without; /* why it is not, or NULL */
    char *itself;  /* "the update itself rebooted the machine", or NULL */
    struct trial_boot boots[TRIAL_BOOTS_MAX];
    size_t count;
};

/* trial_look.c: looks at what was brought, and has `make try-ready` run. 0; -EINVAL: something does
 * not serve; another -errno: the rig failed; with a reason. */
int trial_look(struct trial *trial, char **reason);
/* trial_stage.c: whether the updates fit the image, as far as can be seen from outside. 0, or
 * -EINVAL with a reason. */
int trial_fits(const struct trial *trial, const struct image *image, char **reason);
/* What is made before the first boot: disk, variables, payload, a way in. 0;
 * -EINVAL, another -errno as above. */
int trial_stage(struct trial *trial, char **reason);
/* trial_boots.c: makes the machine ready and updates it. 0; -EINVAL or -EPROTO with a reason. */
int trial_prepare(struct trial *trial, char **reason);
/* Boots it once more after the update. 0, or -EPROTO with a reason. */
int trial_boot(struct trial *trial, char **reason);

/* trial.c: the verb. words are behind its name. The exit code. */
int trial_run(struct rig *rig, char *const words[]);

#endif
