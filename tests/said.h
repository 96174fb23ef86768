/*
 * said.h - a diag that remembers every message, one a line, for tests to look into.
 */
#ifndef BACKSTOP_TESTS_SAID_H
#define BACKSTOP_TESTS_SAID_H

#include <stdio.h>
#include <string.h>
#include "diag.h"

struct said {
    struct diag diag;
    char text[8192];
};

static inline void said_sink(struct diag *diag, enum diag_level level, const char *message)
{
    struct said *said = diag->user;
    size_t used = strlen(said->text);

    (void)level;
    snprintf(said->text + used, sizeof said->text - used, "%s\n", message);
}

/* To be called where `said` is to stay. */
static inline struct diag *said_start(struct said *said)
{
    *said = (struct said){.diag = {.sink = said_sink, .user = said}};
    return &said->diag;
}

#endif
