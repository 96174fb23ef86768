/* list.c - see list.h */
#include "list.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void ids_add(struct ids *ids, const char *format, ...)
{
    char *id = NULL;
    va_list more;
    va_start(more, format);
    ids->items = realloc(ids->items, (ids->count + 1) * sizeof *ids->items);
    if (!ids->items || vasprintf(&id, format, more) < 0)
        abort();
    va_end(more);
    ids->items[ids->count++] = id;
}

void ids_free(struct ids *ids)
{
    for (size_t i = 0; i < ids->count; i++)
        free(ids->items[i]);
    free(ids->items);
    *ids = (struct ids){0};
}

void ids_thin(struct ids *ids, unsigned every)
{
    size_t kept = 0;
    for (size_t i = 0; i < ids->count; i++) {
        if (i % every == 0)
            ids->items[kept++] = ids->items[i];
        else
            free(ids->items[i]);
    }
    ids->count = kept;
}

/* Of one byte there is no half. */
static bool has_half(const struct called *called)
{
    return called->size > 1;
}

void list_cuts(const struct subject *subject, struct ids *ids)
{
    for (size_t i = 0; i < subject->call_count; i++) {
        ids_add(ids, "c%zu", i + 1);
        if (has_half(&subject->calls[i]))
            ids_add(ids, "h%zu", i + 1);
    }
}

static const struct result *result_of(const struct pool *pool, const struct subject *subject,
                                      const char *id)
{
    char whole[2 * POINT_ID];
    snprintf(whole, sizeof whole, "%s/%s", subject->proof_case->name, id);
    return pool_find(pool, whole);
}

size_t list_twice(const struct subject *subject, const struct pool *pool, struct ids *ids)
{
    struct ids cuts = {0};
    size_t behind = 0;
    list_cuts(subject, &cuts);
    for (size_t i = 0; i < cuts.count; i++) {
        const struct result *result = result_of(pool, subject, cuts.items[i]);
        /* one that failed before the second run says nothing of it either */
        behind += !result || (!result->well && !result->again);
        for (unsigned k = 1; result && k <= result->again; k++)
            ids_add(ids, "%s.c%u", cuts.items[i], k);
    }
    ids_free(&cuts);
    return behind;
}

void list_faults(const struct subject *subject, struct ids *ids)
{
    for (size_t i = 0; i < subject->call_count; i++) {
        enum call_kind kind = subject->calls[i].rule->kind;
        for (size_t e = 0; e < point_error_count; e++) {
            if (!call_can_fail(kind, point_errors[e]))
                continue;
            ids_add(ids, "e%zu:%s", i + 1, error_name(point_errors[e]));
            if (point_errors[e] != EINTR) /* who asks again for ever is not to blame for ever */
                ids_add(ids, "E%zu:%s", i + 1, error_name(point_errors[e]));
        }
        if (call_can_fail(kind, 0) && has_half(&subject->calls[i])) {
            ids_add(ids, "s%zu", i + 1);
            ids_add(ids, "S%zu", i + 1);
        }
    }
}

void list_memory(const struct subject *subject, struct ids *ids)
{
    for (size_t i = 0; i < subject->request_count; i++) {
        ids_add(ids, "m%u", subject->requests[i]);
        ids_add(ids, "M%u", subject->requests[i]);
    }
}
