/*
 * trace.h - runs a real program and sees each of its state-changing system calls before it is made.
 *
 * A seccomp filter in the traced process stops it at those calls alone, so that everything else
 * runs at full speed. Calls are numbered from 1. New threads are refused (EAGAIN), which every
 * caller of pthread_create() must live with: so the order of calls is the same in every run.
 */
#ifndef BACKSTOP_PROOF_TRACE_H
#define BACKSTOP_PROOF_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "jail.h"

enum call_kind {
    CALL_CREATE, /* makes a name or a file: openat with O_CREAT, mkdirat, linkat ... */
    CALL_RENAME,
    CALL_REMOVE, /* of a name */
    CALL_WRITE,  /* data, with a size that can be halved */
    CALL_SIZE,   /* ftruncate, fallocate */
    CALL_META,   /* owner, mode, times, xattrs, flags */
    CALL_SYNC,
    CALL_MEMORY, /* mmap, brk: not state-changing; in runs about memory alone */
};

struct call_rule {
    int nr;
    const char *name;
    enum call_kind kind;
    int size_arg; /* of a CALL_WRITE: which argument is the size; else -1 */
};

struct call {
    unsigned number;
    bool variable; /* it writes to one */
    const struct call_rule *rule;
    uint64_t args[6];
    pid_t pid;
    long result; /* in after() alone */
};

struct trace_plan {
    char *const *argv; /* argv[0] is a path */
    char *const *env;
    const char *output;    /* file that takes stdout and stderr */
    const char *directory; /* that it works in */
    struct jail jail;      /* or none */
    /* Directory that stands for efivarfs, as the tracer sees it, or NULL: what is written to a file
     * in it is the whole variable, and half of it is never written. */
    const char *variables;
    unsigned die_at;  /* SIGKILL before this call; 0: never */
    bool die_half;    /* ... after half of what it was to write */
    unsigned fail_at; /* this call is refused; 0: none */
    bool fail_on;     /* and all after it of which `error` is an answer */
    int error;        /* errno of it; 0: half of it is written and that is said (a short write) */
    /* Calls for memory are counted and refused, and none else: those of the program, from when the
     * dynamic loader has unmapped its cache. */
    bool memory;
    unsigned limit; /* calls after which the run is ended as one that never ends; 0: none */
    /* At each call, before and after it; either may be NULL. `user` is theirs. */
    void (*before)(const struct call *call, void *user);
    void (*after)(const struct call *call, void *user);
    void *user;
};

struct trace_end {
    unsigned calls;  /* counted */
    bool cut;        /* die_at was reached */
    bool struck;     /* fail_at was reached, and the call did not do what it was asked to */
    bool endless;    /* limit was reached */
    int status;      /* of waitpid(2), where neither */
    char where[192]; /* where a signal hit it: the mapping and the place in it */
};

/* 0 or -errno: it could not be traced. */
int trace_run(const struct trace_plan *plan, struct trace_end *end);

/* True where the kernel can answer such a call with `error`. 0 stands for a short write. */
bool call_can_fail(enum call_kind kind, int error);

/* Memory of a stopped process. False: not to be read. */
bool trace_read(pid_t pid, uint64_t address, void *bytes, size_t size);
/* A text of at most size - 1 bytes. */
bool trace_read_text(pid_t pid, uint64_t address, char *text, size_t size);

#endif
