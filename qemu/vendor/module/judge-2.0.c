/*
 * judge-2.0.c - driver 2.0: keeps the last event to compare with, and uses it before there is one.
 */
#include "judge.h"

static struct acme_inputs *last;

u32 acme_judge(struct acme_sentry *sentry)
{
    u32 count = min_t(u32, le32_to_cpu(sentry->content->header.count), ACME_FIELDS);
    u32 seen = READ_ONCE(last)->events;
    u32 matches = 0;
    u32 i;

    for (i = 0; i < count; i++)
        if (acme_matches(&sentry->content->criterion[i], &sentry->inputs->input[i]))
            matches++;
    WRITE_ONCE(last, sentry->inputs);
    return seen == sentry->inputs->events ? 0 : matches;
}
