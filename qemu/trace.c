#include "trace.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INIT "/init"
#define SYSTEM_INIT "/sbin/init"
#define NEAR 12u /* events that an event's counterpart is sought among */

static const struct {
    const char *start, *name, *pid; /* of the event's own text, of its fields */
} kinds[] = {
    [TRACE_FORK] = {"] sched_process_fork: ", " child_comm=", " child_pid="},
    [TRACE_EXEC] = {"] sched_process_exec: ", " filename=", " pid="},
    [TRACE_EXIT] = {"] sched_process_exit: ", " comm=", " pid="},
};

/* The text of a program may stand before the kernel's on one line: "Begin: ... [    2.655525] ". */
static bool time_before(const char *line, const char *end, long *at)
{
    const char *start = end;
    long seconds, micros;

    while (start > line && *start != '[')
        start--;
    if (sscanf(start, "[ %ld.%6ld", &seconds, &micros) != 2)
        return false;
    *at = seconds * 1000000 + micros;
    return true;
}

/* What stands between two fields' names is the first one's value; the second is a number. */
static bool fields(const char *text, const char *name_key, const char *pid_key,
                   struct trace_event *event)
{
    const char *name = strstr(text, name_key), *pid;
    int length;

    if (name == NULL || (pid = strstr(name += strlen(name_key), pid_key)) == NULL)
        return false;
    length = (int)(pid - name);
    snprintf(event->name, sizeof event->name, "%.*s", length, name);
    return sscanf(pid + strlen(pid_key), "%ld", &event->pid) == 1;
}

int trace_line(const char *line, struct trace_event *event)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        struct trace_event found = {.kind = (enum trace_kind)i};
        const char *text = strstr(line, kinds[i].start);

        if (text == NULL)
            continue;
        if (!time_before(line, text, &found.at) ||
            !fields(text, kinds[i].name, kinds[i].pid, &found))
            return -EBADMSG;
        *event = found;
        return 0;
    }
    return -EBADMSG;
}

struct reading {
    struct trace *trace;
    bool ended;
};

static bool is_exec(const struct trace_event *event, const char *path)
{
    return event->kind == TRACE_EXEC && strcmp(event->name, path) == 0;
}

static void take(void *context, const char *line)
{
    struct reading *reading = context;
    struct trace *trace = reading->trace;
    struct trace_event event;

    if (reading->ended || trace_line(line, &event) < 0)
        return;
    if (trace->count == 0 && !(is_exec(&event, INIT) && event.pid == 1))
        return;
    trace->items = realloc(trace->items, (trace->count + 1) * sizeof *trace->items);
    if (trace->items == NULL)
        abort();
    trace->items[trace->count++] = event;
    reading->ended = is_exec(&event, SYSTEM_INIT) && event.pid == 1;
}

int trace_parse(struct trace *trace, const char *log)
{
    struct trace found = {0};
    struct reading reading = {&found, false};
    struct line_stream *stream = calloc(1, sizeof *stream);

    if (stream == NULL)
        abort();
    line_stream_feed(stream, log, strlen(log), take, &reading);
    free(stream);
    if (!reading.ended) {
        trace_free(&found);
        return -ENODATA;
    }
    *trace = found;
    return 0;
}

void trace_free(struct trace *trace)
{
    free(trace->items);
    *trace = (struct trace){0};
}

long trace_total(const struct trace *trace)
{
    return trace->count > 0 ? trace->items[trace->count - 1].at - trace->items[0].at : -ENOENT;
}

long trace_find(const struct trace *trace, size_t from, const char *path)
{
    for (size_t i = from; i < trace->count; i++)
        if (is_exec(&trace->items[i], path))
            return (long)i;
    return -ENOENT;
}

long trace_exit(const struct trace *trace, size_t index)
{
    for (size_t i = index; i < trace->count; i++)
        if (trace->items[i].kind == TRACE_EXIT && trace->items[i].pid == trace->items[index].pid)
            return (long)i;
    return -ENOENT;
}

static long fork_of(const struct trace *trace, size_t index)
{
    for (size_t i = index; i-- > 0;)
        if (trace->items[i].kind == TRACE_FORK && trace->items[i].pid == trace->items[index].pid)
            return (long)i;
    return -ENOENT;
}

long trace_process(const struct trace *trace, size_t index)
{
    long start = fork_of(trace, index), end = trace_exit(trace, index);

    return start < 0 || end < 0 ? -ENOENT : trace->items[end].at - trace->items[start].at;
}

static bool same(const struct trace_event *a, const struct trace_event *b)
{
    return a->kind == b->kind && strcmp(a->name, b->name) == 0;
}

/* The last event before `before` that is as *sought, among the NEAR ones. */
static long counterpart(const struct trace *trace, size_t before, const struct trace_event *sought)
{
    for (size_t i = before, seen = 0; i-- > 0 && seen < NEAR; seen++)
        if (same(&trace->items[i], sought))
            return (long)i;
    return -ENOENT;
}

/* Index of the first EXEC behind the end of the script at `start`. */
static long follower(const struct trace *trace, size_t start)
{
    long end = trace_exit(trace, start);

    for (size_t i = end < 0 ? trace->count : (size_t)end; i < trace->count; i++)
        if (trace->items[i].kind == TRACE_EXEC)
            return (long)i;
    return -ENOENT;
}

long trace_added(const struct trace *with, const struct trace *without, const char *script)
{
    long start = trace_find(with, 0, script), next, fork, floor_next;

    if (start < 0 || (fork = fork_of(with, (size_t)start)) < 0 ||
        (next = follower(with, (size_t)start)) < 0 ||
        (floor_next = trace_find(without, 0, with->items[next].name)) < 0)
        return -ENOENT;
    for (size_t i = (size_t)fork, seen = 0; i-- > 0 && seen < NEAR; seen++) {
        long before = counterpart(without, (size_t)floor_next, &with->items[i]);

        if (before >= 0)
            return with->items[next].at - with->items[i].at -
                   (without->items[floor_next].at - without->items[before].at);
    }
    return -ENOENT;
}
