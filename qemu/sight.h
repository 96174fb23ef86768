/*
 * sight.h - what is seen of a machine that is off, and what must always hold of it.
 *
 * The rules are Backstop's promises as a person would check them from outside (README.md, *Chaos*).
 * Each compares two sights, before and after one boot, and is a function of what it is given alone.
 * It gives NULL, or what is wrong; the caller frees that.
 */
#ifndef BACKSTOP_RIG_SIGHT_H
#define BACKSTOP_RIG_SIGHT_H

#include "disk.h"
#include "due.h"

/* Listings are disk_listing()'s. */
struct sight {
    char *live;       /* what sets name: product, drivers, what decides on loading */
    char *quarantine; /* what Backstop took out */
    char *store;      /* contents of good generations */
    char *manifest;   /* the newest good generation's, or NULL */
    char *former;     /* the one before, or NULL */
    char *journal;    /* or NULL */
    size_t journal_size;
    char *names; /* every path on the root file system */
    struct record ledger, receipt;
};

/* A path is one of those that `live` lists. */
bool is_live(const char *path);
/* Reads the disk of a machine that is off; records are the caller's. */
void sight_take(struct sight *sight, const struct disk *disk);
void sight_free(struct sight *sight);

/* What this boot was, as far as the rules must know. */
struct circumstances {
    bool counted;           /* the stage stored an attempt */
    bool linux_started;     /* the kernel said something */
    bool normal;            /* the system came up with its normal target */
    bool asked;             /* somebody ended it in order while it was up */
    bool stays;             /* it would have stayed up, or on hold: the end of an incident */
    bool vendor;            /* the vendor's updater ran */
    bool disturbed;         /* a fault struck, or somebody cut the power */
    bool flash_touched;     /* variables were edited from outside since the last sight */
    struct due_facts facts; /* at its power-on */
    long writes;            /* of ours to NVRAM; negative: not known */
};

/* Every rule in turn: "NAME: what is wrong", or NULL. */
char *sight_judge(const struct sight *before, const struct sight *after,
                  const struct circumstances *boot);

#endif
