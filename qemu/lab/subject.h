/*
 * subject.h - what is done to a file system while power may go, and what must be so afterwards.
 *
 * Each function gives NULL, or a complaint that the caller frees. The file system is at `root`.
 */
#ifndef BACKSTOP_LAB_SUBJECT_H
#define BACKSTOP_LAB_SUBJECT_H

#include "text.h"

struct subject {
    char *(*prepare)(const char *root); /* a new file system: what is there before */
    char *(*act)(const char *root, bool again);
    /* In the replay, on the base: what was there before, and then, after act(), what is the end. */
    char *(*learn_start)(const char *root);
    char *(*learn_end)(const char *root);
    /* After the cut, as firmware reads it, which repairs nothing; NULL: no firmware does. */
    char *(*check_unrepaired)(const char *root, bool done);
    /* After the cut and the repair, before anything has run. `done`: act() had ended when power
     * went. */
    char *(*check_cut)(const char *root, bool done);
    /* After act() has run again. */
    char *(*check_end)(const char *root);
};

/* Recovery by backstop-early on the root file system. */
extern const struct subject subject_root;
/* ... after an update that deletes nothing: what has gone is made anew with a sync of its own. */
extern const struct subject subject_root_kept;
/* The stage put on the ESP anew, and a receipt written there. */
extern const struct subject subject_esp;
/* The stage taken off the ESP, and the loader put back in whose place it stood. */
extern const struct subject subject_esp_uninstall;

/* lab.c: runs a program of the lab; NULL if its exit code is at most `most`. */
char *lab_run(const char *const argv[], int most, char **out);

#endif
