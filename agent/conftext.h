/*
 * conftext.h - configuration texts: [section], key=value, '#' and ';' comments (inih), with the
 * file and line of whatever is wrong.
 */
#ifndef BACKSTOP_AGENT_CONFTEXT_H
#define BACKSTOP_AGENT_CONFTEXT_H

#include <stdbool.h>
#include "diag.h"

/* Where in a text its reader is. */
struct conftext {
    const char *file;      /* for messages */
    unsigned line;         /* from 1 */
    unsigned faults;       /* reported so far */
    enum diag_level level; /* that faults are reported at */
    void *user;
    struct diag *diag;
    const char *at, *end; /* private */
};

/* One key=value. Reports what is wrong with it by conftext_fault. */
typedef void conftext_handler(struct conftext *text, const char *section, const char *key,
                              const char *value);

/* "FILE:LINE: REASON; REMEDY" */
__attribute__((format(printf, 3, 4))) void conftext_fault(struct conftext *text, const char *remedy,
                                                          const char *format, ...);
/*
 * Calls the handler for each key=value in order. Lines that are none, longer than inih takes, or
 * hold a NUL are faults; reading goes on after them. 0, or -EINVAL if there was any fault.
 */
int conftext_read(struct conftext *text, const char *bytes, size_t size, conftext_handler *handler);

#endif
