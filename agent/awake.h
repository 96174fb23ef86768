/*
 * awake.h - time in which the machine was at work: CLOCK_MONOTONIC, which stands still in suspend
 * and hibernation and follows no clock that is set. What is to be proved by use is proved by it
 * alone; CLOCK_BOOTTIME goes on in sleep, by as much as the RTC says.
 */
#ifndef BACKSTOP_AGENT_AWAKE_H
#define BACKSTOP_AGENT_AWAKE_H

#include <stdbool.h>
#include <stdint.h>
#include "diag.h"

/* us since the machine started. */
uint64_t awake_us(void);
/* True when so many seconds are over; false if SIGTERM or SIGINT comes before. On a failure to
 * wait, which is reported, the time counts as over. */
bool awake_wait(unsigned seconds, struct diag *diag);

#endif
