/*
 * dropins.h - directories of *.conf in systemd's manner: NAME.conf in the local directory hides
 * NAME.conf in the vendor's; a link to /dev/null or an empty file there switches it off.
 */
#ifndef BACKSTOP_AGENT_DROPINS_H
#define BACKSTOP_AGENT_DROPINS_H

#include "place.h"

#define DROPIN_MAX_SIZE (1024u * 1024)

struct dropin {
    char *name; /* with .conf */
    char *path; /* beneath the place's root */
    char *text;
    size_t size;
    int error; /* -errno: could not be read, and text is NULL */
};

struct dropins {
    struct dropin *items; /* sorted by name without .conf */
    size_t count;
};

/* A directory that is not there is an empty one. 0 or -errno. */
int dropins_read(const struct place *place, const char *vendor, const char *local,
                 struct dropins *dropins);
void dropins_free(struct dropins *dropins);

#endif
