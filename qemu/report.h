/*
 * report.h - what runs left behind, as one page, as JUnit XML and as JSON.
 *
 * Reads directories alone: result.json and the files it names, and the points of the proofs. A
 * directory with a timeline and no result is one that a run did not finish. Everything is shown as
 * found; nothing is run, and what guests said is escaped.
 */
#ifndef BACKSTOP_RIG_REPORT_H
#define BACKSTOP_RIG_REPORT_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include "how.h"

enum verdict { VERDICT_PASSED = 0, VERDICT_FAILED, VERDICT_UNFINISHED };
/* "passed", "failed", "unfinished" */
const char *verdict_string(enum verdict verdict);

/* One directory of a run. */
struct result {
    char *name; /* its path below the results, or of a state */
    char *id;   /* for links: letters, digits and '-', unique in the report */
    char *dir;
    enum verdict verdict;
    bool is_state;             /* made for others to start from */
    char *when;                /* UTC, of the result's file */
    struct json_object *json;  /* of result.json; an empty object where there is none */
    struct json_object *trial; /* of try.json, or NULL: an update that did harm has failed */
};

/* What a proof's points-*.jsonl say; a later line on a point takes the place of an earlier. */
#define LAYER_FAILURES_MAX 200u
struct layer {
    char *name;
    size_t points, passed, failed;
    size_t apart;                 /* at which the firmware or file system itself does not come up */
    struct json_object *failures; /* array of their lines, at most LAYER_FAILURES_MAX */
};

struct report {
    struct result *results; /* scenarios that failed, others, states; by name */
    size_t count;
    struct layer *layers;
    size_t layer_count;
    char *made; /* UTC */
};

/*
 * Reads `results` (searched three levels deep), states in `states` and proofs in `proofs`; either
 * may be NULL or absent. Where `results` itself is the directory of one run, that run alone is
 read. 0, or -errno with a reason (caller frees). report_free() in either case.
 */
int report_read(struct report *report, const char *results, const char *states, const char *proofs,
                char **reason);
void report_free(struct report *report);
/* Why it did not pass, in words. */
const char *result_reason(const struct result *result);
size_t report_verdicts(const struct report *report, enum verdict verdict, bool states);

/* Writes report.html, junit.xml and report.json into dir, each as a whole. 0, or -errno with a
 * reason. */
int report_write(const struct report *report, const char *dir, char **reason);

/*
 * All of the above for the rig: results, RIG's states, proofs beside RIG; says on stdout where the
 * page is. 0, or -errno told on stderr.
 */
struct rig;
int report_make(const struct rig *rig, const char *results, const char *out);

/* report_layer.c: the points of one proof, in dir/points-*.jsonl. False where there are none. */
bool layer_read(struct layer *layer, const char *name, const char *dir);
void layer_free(struct layer *layer);

/* Writers of the three. */
void report_html(FILE *file, const struct report *report);
void report_junit(FILE *file, const struct report *report);
void report_json(FILE *file, const struct report *report);
/* Parts of the page: a scenario's timeline as SVG, its boots, its evidence. */
void report_svg(FILE *file, const struct result *result);
void report_boots(FILE *file, const struct result *result);
void report_evidence(FILE *file, const struct result *result);

/* report_journal.c: records of the journal that the boot of this ledger number wrote, as notes. */

#define NOTES_MAX 8u
#define NOTE_LENGTH 120u
struct notes {
    char text[NOTES_MAX][NOTE_LENGTH * 2];
    size_t count;
};
/* What boot `index` did, a line each: its fault, what it put away, what it put back, its receipt.
 */
void journal_notes(const struct result *result, size_t index, struct notes *notes);
/* A line of the journal, parsed (caller puts it), or NULL. */
struct json_object *journal_line(const struct result *result, size_t index);

/* report_style.c, made from report/style.css */
extern const char report_style[];

#endif
