/*
 * good_wounds.h - sets of which a recovery took something out that nothing stands for, for
 * good_take() alone. Such a set is carried over whole: no boot has proven that the machine runs
 * well without what it lost.
 */
#ifndef BACKSTOP_AGENT_GOOD_WOUNDS_H
#define BACKSTOP_AGENT_GOOD_WOUNDS_H

#include "inventory.h"
#include "lost.h"

/* What stands; arrays go by entry of `now`. All of it is the caller's. */
struct standing {
    const struct inventory *now;
    const struct inventory *newest;    /* the newest good generation */
    const struct entry *const *former; /* its entry of that path, or NULL */
    const bool *proven;                /* this boot ran with it */
    bool by_hand;                      /* a person takes all as it stands: nothing is lost then */
};

struct wounds {
    struct lost lost; /* what is lost still */
    bool fewer;       /* than the journal has */
    bool *sets;       /* by set of `now`, and one behind the last that is false */
};

/*
 * Reads the journal. Lost is what the newest generation has, does not stand proven, and is of a set
 * that nothing was delivered to since. The first of them is reported. A journal that cannot be read
 * is reported and tells of nothing lost. *wounds is zero before. 0 or -ENOMEM.
 */
int wounds_find(struct wounds *wounds, const struct place *place, const struct standing *standing,
                struct diag *diag);
void wounds_free(struct wounds *wounds);

#endif
