/*
 * judge-2.1.c - driver 2.1: tells every processor of the new content while it holds the lock that
 * they need for it. All of them spin with interrupts off, for ever.
 */
#include <linux/smp.h>
#include "judge.h"

static DEFINE_SPINLOCK(version_lock);
static u32 version;

static void version_take(void *content)
{
    const struct acme_content *c = content;

    spin_lock(&version_lock);
    version = le32_to_cpu(c->header.version);
    spin_unlock(&version_lock);
}

u32 acme_judge(struct acme_sentry *sentry)
{
    u32 matches = 0;
    u32 i;

    spin_lock(&version_lock);
    on_each_cpu(version_take, sentry->content, 1);
    for (i = 0; i < ACME_FIELDS; i++)
        if (acme_matches(&sentry->content->criterion[i], &sentry->inputs->input[i]))
            matches++;
    spin_unlock(&version_lock);
    return matches;
}
