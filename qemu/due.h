/*
 * due.h - how a boot must be counted, told from what lay there at its power-on.
 *
 * Written from FORMAT.md and the rules of the counting; it shares nothing with the stage.
 */
#ifndef BACKSTOP_RIG_DUE_H
#define BACKSTOP_RIG_DUE_H

#include "record.h"

struct due_facts {
    struct record ledger;  /* in NVRAM */
    struct record slot;    /* of the ledger on the ESP; a mark, as a rule */
    struct record receipt; /* the newer one of both places */
};

enum due_found { DUE_ABSENT = 0, DUE_VALID, DUE_DAMAGED }; /* the ledger in NVRAM, as in a ticket */

struct due {
    uint32_t number, failures;
    enum due_found found;
};

void due_find(const struct due_facts *facts, struct due *due);

#endif
