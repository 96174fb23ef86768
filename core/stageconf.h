/*
 * stageconf.h - \EFI\backstop\stage.conf: what the stage starts next, and policy.
 *
 * Plain ASCII text, lines of key=value, '#' or ';' comments, LF or CRLF. A line
 * that cannot be used is passed over and counted; it never makes the rest unusable.
 * A value out of range is clamped and not counted; of a key given twice the last holds.
 *
 *   next=\EFI\debian\shimx64.efi     up to STAGECONF_NEXT_MAX times, tried in this order
 *   threshold=3                      any key of policy.h
 *   retire=yes                       written by `backstop uninstall` alone, for one last start: the
 *                                    stage deletes its variables, its Boot#### entry and its files,
 *                                    counts nothing, publishes no ticket, starts the next loader
 */
#ifndef BACKSTOP_CORE_STAGECONF_H
#define BACKSTOP_CORE_STAGECONF_H

#include "policy.h"

#define STAGECONF_MAX_SIZE 4096u /* bytes; of a longer file the stage reads nothing */
#define STAGECONF_NEXT_MAX 4u
#define STAGECONF_PATH_MAX 256u /* with NUL */

struct stageconf {
    struct policy policy;
    size_t next_count;
    char next[STAGECONF_NEXT_MAX][STAGECONF_PATH_MAX]; /* absolute, backslashes, printable ASCII */
    uint8_t retire;          /* retire=yes: uninstalled; the stage cleans up after itself, once */
    unsigned bad_lines;      /* lines passed over */
    unsigned first_bad_line; /* from 1; 0: none */
};

/* Fills conf from text; with size 0 or over STAGECONF_MAX_SIZE it holds defaults and no next. What
 * next[] holds from next_count on is empty strings. */
void stageconf_parse(struct stageconf *conf, const char *text, size_t size);

/* 1 if path (NUL-terminated) may stand behind next=: absolute, no "..", no empty part, ASCII. */
int stageconf_path_is_safe(const char *path);

#endif
