/*
 * point.h - one point of the proof: a case is run, something befalls it, it is run again
 * unhindered, and the end is compared with that of a run that nothing befell.
 *
 * Ids of points, N the number of a state-changing call:
 *   cN          power is cut before the call         hN          ... after half of what it writes
 *   cN.cM       cut, and the second run is cut before its call M; likewise cN.hM, hN.cM, hN.hM
 *   eN:ERROR    the call is refused once             EN:ERROR    and all after it
 *   sN          half is written and that is said     SN          and of all after it
 *   mN, MN      no memory, once and from then on; N counts the calls that are about memory
 *   rN.K, xN.K  reorder.h
 *
 * What does not strike has not ended well: a run that does not come to call N, a short write of one
 * byte, a call about memory that asks for none.
 */
#ifndef BACKSTOP_PROOF_POINT_H
#define BACKSTOP_PROOF_POINT_H

#include "cases.h"
#include "normal.h"
#include "trace.h"

#define POINT_ID 64
#define POINT_PATH 1024

struct called {
    const struct call_rule *rule;
    uint64_t size; /* of what it was to write; 0: nothing that can be halved */
};

/* A case made ready: its tree, and what an uncut run makes of it. */
struct subject {
    const struct proof_case *proof_case;
    const struct programs *programs;
    char dir[POINT_PATH - 256], before[POINT_PATH - 128];
    time_t since;
    struct tree before_tree, end_tree;
    struct lines end[2]; /* by enum form */
    int end_status;
    struct called *calls;
    size_t call_count;
    unsigned *requests; /* for memory: which of the calls about it asked for more */
    size_t request_count;
    uint64_t memory_break; /* as it stood when the last of them was made */
};

/* Names of trees in a subject's directory, all as long as that of the uncut run: paths go through
 * the heap, and requests for memory would not be those that were listed. */
#define WORK_UNCUT "uncut"
#define WORK_SHOWN "shown"
#define WORK_OF_WORKER "w%04u"

struct verdict {
    bool well;
    unsigned again; /* state-changing calls of the run after the cut */
    char *detail;   /* what was wrong, or NULL */
};

/* `dir` is an empty directory of its own. 0 or -errno; subject_free() either way. */
int subject_make(struct subject *subject, const struct proof_case *proof_case,
                 const struct programs *programs, const char *dir);
void subject_free(struct subject *subject);

/* `work` is a path at which nothing is; what is left there is removed unless `keep`. */
struct verdict point_run(const struct subject *subject, const char *id, const char *work,
                         bool keep);

/* The case on the tree at `work`, as `plan` says. 0 or -errno. */
int point_trace(const struct subject *subject, const char *work, struct trace_plan *plan,
                struct trace_end *end);
/* From a tree that a cut has left at `work` on: run again, compare. */
void point_again(const struct subject *subject, const char *work, enum form form,
                 struct verdict *verdict);
/* Nothing may be lost in the tree at `work`. */
void point_check_lost(const struct subject *subject, const char *work, enum form form,
                      struct verdict *verdict);
__attribute__((format(printf, 2, 3))) void verdict_fails(struct verdict *verdict,
                                                         const char *format, ...);

/* The errors that calls are refused with. 0: a short write. */
extern const int point_errors[];
extern const size_t point_error_count;
const char *error_name(int error);

#endif
