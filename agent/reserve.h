/*
 * reserve.h - STATE_DIR/reserve: room set aside in quiet times, so that a recovery on a full disk
 * can still write its journal and its good versions.
 */
#ifndef BACKSTOP_AGENT_RESERVE_H
#define BACKSTOP_AGENT_RESERVE_H

#include "place.h"

#define RESERVE_NAME "reserve"
#define RESERVE_SIZE (16u << 20)

/* Makes the reserve where it is missing and leaves the disk three times its size besides; else
 * -ENOSPC. Already there: 0. Called after a good generation was taken and after a recovery. */
int reserve_keep(const struct place *place);
/* Gives the room free. True if there was any to give. */
bool reserve_give_up(const struct place *place);

#endif
