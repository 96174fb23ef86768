/*
 * notify.h - entries in the system's journal, each kind with a MESSAGE_ID of its own
 * (journalctl MESSAGE_ID=...) and with BACKSTOP_ fields.
 */
#ifndef BACKSTOP_AGENT_NOTIFY_H
#define BACKSTOP_AGENT_NOTIFY_H

#include "thisboot.h"

enum notice {
    NOTICE_GOOD = 0,      /* this boot proved good */
    NOTICE_SAFE_MODE,     /* this boot is in safe mode */
    NOTICE_RETURNING,     /* good in safe mode: restarting to normal */
    NOTICE_DEADLINE,      /* not good by its deadline: receipted as failed, restarting */
    NOTICE_HEALTH_FAILED, /* a required check failed */
    NOTICE_UNCOUNTED,     /* the stage could not store the attempt, or did not run */
    NOTICE_GENERATION,    /* a good generation was taken */
    NOTICE_CASE_END,      /* a case is over: a normal boot proved good */
};
#define NOTICE_COUNT 8

const char *notice_message_id(enum notice notice); /* 32 hexadecimal digits */
int notice_priority(enum notice notice);           /* of syslog(3) */

#define NOTICE_FIELDS 9
#define NOTICE_FIELD_SIZE 512
/* "NAME=value" texts; number filled. `message` may be NULL: a usual one. Pure. */
size_t notice_fields(enum notice notice, const struct this_boot *boot, const char *message,
                     char fields[NOTICE_FIELDS][NOTICE_FIELD_SIZE]);

/* Fail open: without a journal nothing happens. */
void notify(enum notice notice, const struct this_boot *boot, const char *message);

#endif
