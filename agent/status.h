/*
 * status.h - how the machine stands, in words that a tired engineer reads once: what state, what
 * broke, what was done, what to do next. At most ten lines; two or three where all is well.
 */
#ifndef BACKSTOP_AGENT_STATUS_H
#define BACKSTOP_AGENT_STATUS_H

#include <stdio.h>
#include "policy.h"
#include "thisboot.h"

#define STATUS_SETS_MAX 8

/* The last case that our journal tells of. */
struct status_case {
    uint32_t number; /* 0: never any */
    uint32_t boot;   /* in which it was acted on last */
    unsigned failures;
    char reason[160];
    char rung[32];
    size_t moved, put_back, taken_out, unprotected, beyond_help, failed;
    size_t unlocked;     /* without attributes of chattr's that they, or their directories, had */
    uint32_t generation; /* that good versions came from */
    char sets[STATUS_SETS_MAX][64];
    size_t set_count;
    char path[256]; /* first one that came or was altered, else first one that went */
    bool path_gone;
    size_t paths;
    size_t left; /* files that the last run left, as nobody can say whether they changed */
    char left_set[64], left_why[96]; /* of the first */
};

struct status {
    bool live;      /* this system is running; else only what lies on its disk is known */
    bool installed; /* install.json says so, or the stage started this boot */
    struct this_boot boot;
    struct policy policy;
    uint32_t generation; /* newest good; 0: none */
    size_t generations;
    struct status_case last;
    size_t held; /* suspects in quarantine */
    /* that a recovery left without a good version, with nothing there since: without protection */
    size_t lost;
    char lost_set[64], lost_path[256]; /* of the first */
    /* initramfs images that were not made anew after a recovery, and still could not be */
    size_t images_left;
    char image_kernel[64], image_module[64]; /* of the first */
    size_t journal_broken_line;
    bool receipt_good; /* this boot has proved good */
};

int status_probe(const struct place *place, const char *run_dir, struct status *status,
                 struct diag *diag);
/* From the records of the journal alone. */
struct journal;
void status_case_of(const struct journal *journal, struct status_case *last);

void status_print(const struct status *status, FILE *out);
struct json_object;
struct json_object *status_json(const struct status *status);
/* True where somebody should look: not in the normal state, or a part without protection. */
bool status_wants_attention(const struct status *status);

#endif
