/*
 * diag.h - messages for people. Only verbs and mains print; everything else
 * reports through a `struct diag` that the caller gave (NULL: silent).
 *
 * An error message names the file (and line), the reason, and what to do.
 */
#ifndef BACKSTOP_AGENT_DIAG_H
#define BACKSTOP_AGENT_DIAG_H

#include <stdbool.h>
#include <stddef.h>

enum diag_level { DIAG_INFO = 0, DIAG_WARNING, DIAG_ERROR };

struct diag {
    void (*sink)(struct diag *diag, enum diag_level level,
                 const char *message); /* one line, no LF */
    void *user;
    unsigned warnings, errors; /* counted by diag_report */
    /* progress of something long; NULL: none wanted. total 0: unknown; done == total: it ended */
    void (*progress)(struct diag *diag, const char *what, unsigned long long done,
                     unsigned long long total);
    /* the stderr sink's own: when the present piece of work began and was last shown, in ms */
    long long progress_began, progress_shown;
};

/* A control character in the message (from a file's name, say) is shown as '?': one line stays one.
 */
__attribute__((format(printf, 3, 4))) void diag_report(struct diag *diag, enum diag_level level,
                                                       const char *format, ...);
void diag_progress(struct diag *diag, const char *what, unsigned long long done,
                   unsigned long long total);

/* Both set up *diag from nothing. */
/* stderr, with "backstop: warning: " before it; on a terminal, progress of what lasts over a
 * second. */
void diag_to_stderr(struct diag *diag);
/* /dev/kmsg, or stderr where that cannot be opened. For the early agent. */
void diag_to_kmsg(struct diag *diag);

#endif
