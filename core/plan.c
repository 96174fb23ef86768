/*
 * plan.c - which changes a recovery puts back.
 */
#include "plan.h"

/* One set is one thing: a symlink and the versioned tree behind it go back together. */
static int set_is_named(uint32_t set, const struct plan_change *changes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (changes[i].set == set && changes[i].named)
            return 1;
    return 0;
}

static int change_is_suspect(enum rung rung, const struct plan_change *change,
                             const struct plan_change *changes, size_t count)
{
    if (change->never || change->doubt != DOUBT_NONE)
        return 0;
    switch (rung) {
    case RUNG_NORMAL:
        return 0;
    case RUNG_TARGETED:
        return change->named || set_is_named(change->set, changes, count);
    case RUNG_ALL:
    case RUNG_DRIVERS_OFF:
    case RUNG_BOOT_FILES:
    case RUNG_HOLD:
        break;
    }
    return 1;
}

static enum plan_action action_for(const struct plan_change *change)
{
    if (change->kind == CHANGE_ADDED)
        return PLAN_TAKE_OUT;
    if (change->has_good)
        return PLAN_PUT_BACK;
    return change->kind == CHANGE_ALTERED ? PLAN_TAKE_OUT : PLAN_LEAVE;
}

int change_must_stay(const struct plan_change *change)
{
    return change->needed;
}

static void summary_add(struct plan_summary *summary, const struct plan_change *change,
                        enum plan_action action)
{
    switch (action) {
    case PLAN_PUT_BACK:
        summary->put_back++;
        return;
    case PLAN_TAKE_OUT:
        summary->taken_out++;
        if (change->kind == CHANGE_ALTERED)
            summary->unprotected++;
        return;
    case PLAN_LEAVE:
        summary->beyond_help++;
        return;
    }
}

void plan(enum rung rung, const struct plan_change *changes, size_t count,
          enum plan_action *actions, struct plan_summary *summary)
{
    summary->put_back = 0;
    summary->taken_out = 0;
    summary->unprotected = 0;
    summary->beyond_help = 0;
    summary->stays = 0;
    for (size_t i = 0; i < count; i++) {
        actions[i] = PLAN_LEAVE;
        if (!change_is_suspect(rung, &changes[i], changes, count))
            continue;
        if (action_for(&changes[i]) == PLAN_TAKE_OUT && change_must_stay(&changes[i])) {
            summary->stays++;
            continue;
        }
        actions[i] = action_for(&changes[i]);
        summary_add(summary, &changes[i], actions[i]);
    }
}

const char *set_class_string(enum set_class set_class)
{
    switch (set_class) {
    case CLASS_CONTENT:
        return "content";
    case CLASS_DRIVER:
        return "driver";
    case CLASS_FIRMWARE:
        return "firmware";
    case CLASS_POLICY:
        return "policy";
    case CLASS_LOADING:
        return "loading";
    }
    return "unknown";
}

static int texts_are_equal(const char *a, const char *b)
{
    while (*a && *a == *b) {
        a++;
        b++;
    }
    return *a == *b;
}

int set_class_from_string(const char *text)
{
    for (int i = 0; i < CLASS_COUNT; i++)
        if (texts_are_equal(text, set_class_string((enum set_class)i)))
            return i;
    return -1;
}

const char *change_kind_string(enum change_kind kind)
{
    switch (kind) {
    case CHANGE_ADDED:
        return "added";
    case CHANGE_ALTERED:
        return "altered";
    case CHANGE_GONE:
        return "gone";
    }
    return "unknown";
}

const char *change_doubt_string(enum change_doubt doubt)
{
    switch (doubt) {
    case DOUBT_NONE:
        return "";
    case DOUBT_UNSEEN:
        return "the good generation did not look there";
    case DOUBT_UNKEPT:
        return "its content was not kept, and it looks the same";
    case DOUBT_AWAY:
        return "its file system is not mounted";
    case DOUBT_KERNEL:
        return "of a kernel that is not running";
    }
    return "unknown";
}

const char *plan_action_string(enum plan_action action)
{
    switch (action) {
    case PLAN_LEAVE:
        return "leave";
    case PLAN_PUT_BACK:
        return "put back";
    case PLAN_TAKE_OUT:
        return "take out";
    }
    return "unknown";
}
