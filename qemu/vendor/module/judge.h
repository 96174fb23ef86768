/*
 * judge.h - the comparison that all versions of the driver share.
 */
#ifndef ACME_JUDGE_H
#define ACME_JUDGE_H

#include <linux/string.h>
#include "acme_sentry.h"

static inline bool acme_matches(const struct acme_criterion *criterion,
                                const struct acme_input *input)
{
    size_t length = min_t(size_t, criterion->length, sizeof(criterion->pattern));

    if (length == 0)
        return true;
    return input->kind == criterion->kind && input->length >= length &&
           memcmp(input->value, criterion->pattern, length) == 0;
}

#endif
