/*
 * trace.h - the time that a boot spends in its initramfs, process by process.
 *
 * Read from the console of a kernel that was started with tp_printk and trace_event=
 * sched:sched_process_fork, _exec and _exit: each line has the kernel's own time.
 */
#ifndef BACKSTOP_RIG_TRACE_H
#define BACKSTOP_RIG_TRACE_H

#include "text.h"

enum trace_kind { TRACE_FORK = 0, TRACE_EXEC, TRACE_EXIT };

struct trace_event {
    long at; /* us since the kernel started */
    enum trace_kind kind;
    long pid;      /* of FORK: the child */
    char name[64]; /* EXEC: path; else what the process is called; cut */
};

/* From the start of /init to that of the system's own init, both included. */
struct trace {
    struct trace_event *items;
    size_t count;
};

/* 0, or -EBADMSG for a line that tells no such event; *event changes only on success. */
int trace_line(const char *line, struct trace_event *event);
/* 0, or -ENODATA where the log does not reach from the one init to the other. */
int trace_parse(struct trace *trace, const char *log);
void trace_free(struct trace *trace);

/* The following give us, or -ENOENT where an event is not there. */

long trace_total(const struct trace *trace);
/* Index of the first EXEC of path at or behind `from`. */
long trace_find(const struct trace *trace, size_t from, const char *path);
/* Of the process of EXEC event `index`, from its fork to its exit. */
long trace_process(const struct trace *trace, size_t index);
/* Index of that exit. */
long trace_exit(const struct trace *trace, size_t index);
/*
 * What the script of path `script` adds to a boot, all that starting and ending it takes included:
 * the time from the last event before it to the first program after it, less the time between the
 * same two in a boot without the script.
 */
long trace_added(const struct trace *with, const struct trace *without, const char *script);

#endif
