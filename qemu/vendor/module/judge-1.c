/*
 * judge-1.c - driver 1.x: trusts the content's count of criteria.
 *
 * Content with more criteria than the driver has inputs makes it read past its
 * table: the fault that the rig's faulty content is about.
 */
#include "judge.h"

u32 acme_judge(struct acme_sentry *sentry)
{
    u32 count = le32_to_cpu(sentry->content->header.count);
    u32 matches = 0;
    u32 i;

    for (i = 0; i < count; i++)
        if (acme_matches(&sentry->content->criterion[i], &sentry->inputs->input[i]))
            matches++;
    return matches;
}
