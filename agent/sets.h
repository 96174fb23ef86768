/*
 * sets.h - set definitions: named groups of files that one updater replaces.
 *
 * Drop-ins in systemd's manner: NAME.conf in SETS_DIR_LOCAL hides NAME.conf in
 * SETS_DIR_VENDOR; a link to /dev/null or an empty file switches the set off.
 *
 *   [set]
 *   description=ACME sensor content
 *   class=content                 content|driver|firmware|policy|loading; required
 *   detect=/opt/acme              absolute glob; set is silent unless this exists (no '**');
 *                                 may repeat (any)
 *   path=/opt/acme/channel-*.bin  absolute glob, required, may repeat
 *   never=/opt/acme/identity*     glob of what is never touched, with all beneath it, whichever
 *                                 set holds it; may repeat
 *   driver=acme_sensor            kernel modules (consumers) masked at drivers-off; may repeat
 *   comm=acme-sensor              process names (15 characters) seen in its crashes; may repeat
 *   soak=24h                      in use that long within a boot counts as proven (s, m, h or d);
 *                                 default 0: never
 *   max-size=2G                   content over this in total is listed, not kept (K, M, G or T);
 *                                 default 4G
 *
 * In a glob '*' and '?' and [...] stay within a name, and a backslash takes the next character as
 * it is. '**' as a whole name crosses directories: at the end it stands for everything beneath,
 * directories included; before the end for no directory or any number of them. Symbolic links are
 * followed only in the part before the first name with a pattern in it, the literal prefix, and
 * only beneath the root; mount points are crossed only there, too. A set may not hold the root
 * itself, Backstop's state, or anything of /proc, /sys, /dev and /run.
 *
 * A bad file is reported with file, line, reason and remedy and skipped whole;
 * the other sets are used.
 */
#ifndef BACKSTOP_AGENT_SETS_H
#define BACKSTOP_AGENT_SETS_H

#include <stdint.h>
#include "diag.h"
#include "glob.h"
#include "place.h"
#include "plan.h"

struct strings {
    char **items;
    size_t count;
};

/* A copy of text, behind the others. 0 or -ENOMEM. */
int strings_add(struct strings *strings, const char *text);
void strings_free(struct strings *strings);

struct set {
    char *name; /* file name without .conf: [a-z0-9][a-z0-9-]* */
    char *file; /* path it came from, for messages */
    char *description;
    enum set_class set_class;
    struct strings detect, paths, never, drivers, comms;
    uint64_t soak;     /* s; 0: never by time alone */
    uint64_t max_size; /* bytes */
    bool present;      /* detect matched, or none given */
};

struct sets {
    struct set *items; /* sorted by name */
    size_t count;
    size_t bad_files;   /* skipped whole */
    struct strings bad; /* their names: what was good of them stays as it is (good.h) */
};

/* 0 or -errno; bad files are no error but are counted and reported. */
int sets_load(const struct place *place, struct sets *sets, struct diag *diag);
/*
 * One file's text, for tests, fuzzing and `sets check FILE`: 0, or -EINVAL after reporting.
 * `present` is left false: nothing is looked for.
 */
int set_parse(const char *name, const char *file, const char *text, size_t size, struct set *set,
              struct diag *diag);
void set_free(struct set *set);
void sets_free(struct sets *sets);
/* Where no set may reach, up to NULL: putting files back there would be wrong or without meaning.
 */
extern const char *const set_forbidden_places[];
/* Index of a set by name, or -1. */
int sets_find(const struct sets *sets, const char *name);

#endif
