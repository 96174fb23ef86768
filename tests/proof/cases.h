/*
 * cases.h - what is proven: a tree as it stands, and the real program that works on it.
 */
#ifndef BACKSTOP_PROOF_CASES_H
#define BACKSTOP_PROOF_CASES_H

#include <stdbool.h>
#include <stddef.h>

#include "jail.h"

#define WORDS_MAX 16

/* Where the programs are, backstop and backstop-early, and where proof-calls itself is, with
 * proof-blkid.so beside it. */
struct programs {
    char dir[512], prover[512];
};

struct proof_case {
    const char *name, *about;
    /* Makes the tree in `root`, an empty directory, with the real programs. False: it could not;
     * said on stderr. */
    bool (*make)(const char *root, const struct programs *programs);
    /* Words of the command: the first is "tool" or "early"; "@" stands for the root, which
     * is the working directory as well. */
    const char *words[WORDS_MAX];
    bool running;          /* the tree is the root of the running system: jail.h, machine.h */
    const char *elsewhere; /* directory that is a file system of its own, or NULL */
    bool twice;            /* small enough for the second run to be cut as well */
    bool reorder;          /* and for what a file system may reorder */
    bool spare;            /* see normal.h */
    bool other_end; /* after an error of the system it ends otherwise, and says so: then what must
                       hold at every moment is looked at, and not the end */
    bool destroys;  /* its purpose is that bytes go */
    bool always_ok; /* its exit status 0 does not say that everything was done: a boot goes on in
                       any case, and a file that cannot be kept waits for the next generation */
};

extern const struct proof_case proof_cases[];
extern const size_t proof_case_count;

/* argv and environment of a case on `root`; both to be freed by words_free(). */
char **case_argv(const struct proof_case *proof_case, const struct programs *programs,
                 const char *root);
char **case_environment(const struct proof_case *proof_case, const char *root);
/* What it is run in: no jail but for a running system. Borrows what it is given. */
struct jail case_jail(const struct proof_case *proof_case, const struct programs *programs,
                      const char *root);
void words_free(char **words);

#endif
