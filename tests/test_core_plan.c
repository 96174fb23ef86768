#include "check.h"

#include <string.h>

#include "plan.h"

#define LEAVE PLAN_LEAVE
#define BACK PLAN_PUT_BACK
#define OUT PLAN_TAKE_OUT
#define CHANGES_MAX 4

struct plan_row {
    const char *name;
    enum rung rung;
    size_t count;
    struct plan_change changes[CHANGES_MAX]; /* set, class, kind, named, has_good, never */
    enum plan_action actions[CHANGES_MAX];
    struct plan_summary summary; /* put back, taken out, unprotected, beyond help, stays */
};

#define ALTERED(set, named, has_good)                                                              \
    {                                                                                              \
        set, CLASS_CONTENT, CHANGE_ALTERED, named, has_good, 0, 0, 0                               \
    }
#define ADDED(set, named)                                                                          \
    {                                                                                              \
        set, CLASS_CONTENT, CHANGE_ADDED, named, 0, 0, 0, 0                                        \
    }
#define GONE(set, named, has_good)                                                                 \
    {                                                                                              \
        set, CLASS_CONTENT, CHANGE_GONE, named, has_good, 0, 0, 0                                  \
    }
#define NEVER(set, kind, named)                                                                    \
    {                                                                                              \
        set, CLASS_CONTENT, kind, named, 1, 1, 0, 0                                                \
    }

#define DOUBTFUL(set, kind, has_good, doubt)                                                       \
    {                                                                                              \
        set, CLASS_CONTENT, kind, 1, has_good, 0, doubt, 0                                         \
    }

#define NEEDED(how, good)                                                                          \
    {                                                                                              \
        1, CLASS_DRIVER, how, 0, good, 0, 0, 1                                                     \
    }

static const struct plan_row rows[] = {
    {"nothing changed", RUNG_ALL, 0, {{0}}, {LEAVE}, {0, 0, 0, 0, 0}},
    {"normal leaves everything",
     RUNG_NORMAL,
     3,
     {ALTERED(1, 1, 1), ADDED(1, 1), GONE(1, 1, 1)},
     {LEAVE, LEAVE, LEAVE},
     {0, 0, 0, 0, 0}},
    {"altered is put back", RUNG_ALL, 1, {ALTERED(1, 0, 1)}, {BACK}, {1, 0, 0, 0, 0}},
    {"added is taken out", RUNG_ALL, 1, {ADDED(1, 0)}, {OUT}, {0, 1, 0, 0, 0}},
    {"gone is put back", RUNG_ALL, 1, {GONE(1, 0, 1)}, {BACK}, {1, 0, 0, 0, 0}},
    {"altered, no good version: out, and without protection",
     RUNG_ALL,
     1,
     {ALTERED(1, 0, 0)},
     {OUT},
     {0, 1, 1, 0, 0}},
    {"gone, no good version: beyond help", RUNG_ALL, 1, {GONE(1, 0, 0)}, {LEAVE}, {0, 0, 0, 1, 0}},
    {"targeted takes the named set alone",
     RUNG_TARGETED,
     3,
     {ALTERED(1, 0, 1), ALTERED(2, 1, 1), ADDED(3, 0)},
     {LEAVE, BACK, LEAVE},
     {1, 0, 0, 0, 0}},
    {"a set goes back as a whole",
     RUNG_TARGETED,
     4,
     {ADDED(2, 0), ALTERED(2, 1, 1), GONE(2, 0, 1), ALTERED(1, 0, 1)},
     {OUT, BACK, BACK, LEAVE},
     {2, 1, 0, 0, 0}},
    {"targeted with nothing named",
     RUNG_TARGETED,
     2,
     {ALTERED(1, 0, 1), ADDED(2, 0)},
     {LEAVE, LEAVE},
     {0, 0, 0, 0, 0}},
    {"two sets named",
     RUNG_TARGETED,
     2,
     {ALTERED(1, 1, 1), ADDED(2, 1)},
     {BACK, OUT},
     {1, 1, 0, 0, 0}},
    {"all takes every set",
     RUNG_ALL,
     3,
     {ALTERED(1, 0, 1), ALTERED(2, 1, 1), ADDED(3, 0)},
     {BACK, BACK, OUT},
     {2, 1, 0, 0, 0}},
    {"never is never touched",
     RUNG_HOLD,
     3,
     {NEVER(1, CHANGE_ALTERED, 1), NEVER(1, CHANGE_ADDED, 1), NEVER(1, CHANGE_GONE, 1)},
     {LEAVE, LEAVE, LEAVE},
     {0, 0, 0, 0, 0}},
    {"never in a named set, its neighbour goes",
     RUNG_TARGETED,
     2,
     {NEVER(1, CHANGE_ALTERED, 0), ALTERED(1, 1, 1)},
     {LEAVE, BACK},
     {1, 0, 0, 0, 0}},
    {"added where the generation did not look: left",
     RUNG_ALL,
     2,
     {DOUBTFUL(1, CHANGE_ADDED, 0, DOUBT_UNSEEN), ADDED(1, 1)},
     {LEAVE, OUT},
     {0, 1, 0, 0, 0}},
    {"not kept, looks the same: left",
     RUNG_ALL,
     2,
     {DOUBTFUL(1, CHANGE_ALTERED, 0, DOUBT_UNKEPT), ALTERED(1, 1, 0)},
     {LEAVE, OUT},
     {0, 1, 1, 0, 0}},
    {"its file system is not mounted: left, and not beyond help",
     RUNG_ALL,
     2,
     {DOUBTFUL(1, CHANGE_GONE, 0, DOUBT_AWAY), DOUBTFUL(1, CHANGE_GONE, 1, DOUBT_AWAY)},
     {LEAVE, LEAVE},
     {0, 0, 0, 0, 0}},
    {"of another kernel: left",
     RUNG_ALL,
     3,
     {DOUBTFUL(1, CHANGE_ALTERED, 1, DOUBT_KERNEL), DOUBTFUL(1, CHANGE_ADDED, 0, DOUBT_KERNEL),
      ALTERED(1, 1, 1)},
     {LEAVE, LEAVE, BACK},
     {1, 0, 0, 0, 0}},
    {"named by nothing but what is doubtful: its neighbour goes all the same",
     RUNG_TARGETED,
     2,
     {DOUBTFUL(1, CHANGE_ALTERED, 1, DOUBT_KERNEL), ALTERED(1, 0, 1)},
     {LEAVE, BACK},
     {1, 0, 0, 0, 0}},
    {"what the root needs is not taken out, its neighbour is",
     RUNG_ALL,
     3,
     {NEEDED(CHANGE_ADDED, 0), NEEDED(CHANGE_ALTERED, 0), ADDED(1, 0)},
     {LEAVE, LEAVE, OUT},
     {0, 1, 0, 0, 2}},
    {"what the root needs is put back where there is something to put back",
     RUNG_ALL,
     2,
     {NEEDED(CHANGE_ALTERED, 1), NEEDED(CHANGE_GONE, 1)},
     {BACK, BACK},
     {2, 0, 0, 0, 0}},
    {"gone and beyond help, needed or not",
     RUNG_ALL,
     1,
     {NEEDED(CHANGE_GONE, 0)},
     {LEAVE},
     {0, 0, 0, 1, 0}},
};

static void check_row(const struct plan_row *row, enum rung rung)
{
    enum plan_action actions[CHANGES_MAX + 1];
    struct plan_summary sum = {77, 77, 77, 77, 77};

    for (size_t i = 0; i <= CHANGES_MAX; i++)
        actions[i] = (enum plan_action)99;
    plan(rung, row->changes, row->count, actions, &sum);
    for (size_t i = 0; i < row->count; i++)
        if (actions[i] != row->actions[i])
            fail_msg("%s: %zu: %s", row->name, i, plan_action_string(actions[i]));
    assert_int_equal(actions[row->count], 99);
    if (sum.put_back != row->summary.put_back || sum.taken_out != row->summary.taken_out ||
        sum.unprotected != row->summary.unprotected ||
        sum.beyond_help != row->summary.beyond_help || sum.stays != row->summary.stays)
        fail_msg("%s: %zu %zu %zu %zu", row->name, sum.put_back, sum.taken_out, sum.unprotected,
                 sum.beyond_help);
}

static void changes_and_what_is_done(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++)
        check_row(&rows[i], rows[i].rung);
}

/* Each rung includes what the ones before it do. */
static void higher_rungs_do_what_all_does(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++)
        for (int rung = RUNG_ALL; rows[i].rung == RUNG_ALL && rung <= RUNG_HOLD; rung++)
            check_row(&rows[i], (enum rung)rung);
}

/* Every pair of changes at every rung, against what must always hold. */
static void check_pair(enum rung rung, const struct plan_change pair[2])
{
    enum plan_action actions[2];
    struct plan_summary sum;

    plan(rung, pair, 2, actions, &sum);
    for (int i = 0; i < 2; i++) {
        const struct plan_change *change = &pair[i];

        assert_true(!change->never || actions[i] == LEAVE);
        assert_true(!change->doubt || actions[i] == LEAVE);
        assert_true(rung != RUNG_NORMAL || actions[i] == LEAVE);
        assert_true(actions[i] != BACK || (change->has_good && change->kind != CHANGE_ADDED));
        assert_true(actions[i] != OUT || change->kind != CHANGE_GONE);
        assert_true(actions[i] != OUT || !change_must_stay(change));
        assert_true(actions[i] != OUT || change->kind == CHANGE_ADDED || !change->has_good);
        if (rung >= RUNG_ALL && !change->never && !change->doubt && change->kind != CHANGE_GONE &&
            !change_must_stay(change))
            assert_true(actions[i] != LEAVE);
    }
    assert_int_equal(sum.put_back, (actions[0] == BACK) + (actions[1] == BACK));
    assert_int_equal(sum.taken_out, (actions[0] == OUT) + (actions[1] == OUT));
    assert_true(sum.unprotected <= sum.taken_out);
}

static struct plan_change change_of(unsigned code)
{
    struct plan_change change = {
        .set = code & 1, .named = code >> 1 & 1, .has_good = code >> 2 & 1};

    change.never = code >> 3 & 1;
    change.kind = (uint8_t)(code >> 4) % 3;
    change.needed = code / 48 == 2;
    change.doubt = code / 48 == 1 ? DOUBT_UNSEEN : DOUBT_NONE;
    change.set_class = CLASS_DRIVER;
    return change;
}

static void every_pair_of_changes(void **state)
{
    (void)state;
    for (int rung = 0; rung < RUNG_COUNT; rung++) {
        for (unsigned a = 0; a < 144; a++) {
            for (unsigned b = 0; b < 144; b++) {
                const struct plan_change pair[2] = {change_of(a), change_of(b)};

                check_pair((enum rung)rung, pair);
            }
        }
    }
}

static void words(void **state)
{
    static const char *const classes[CLASS_COUNT] = {"content", "driver", "firmware", "policy",
                                                     "loading"};

    (void)state;
    for (int i = 0; i < CLASS_COUNT; i++) {
        assert_string_equal(set_class_string((enum set_class)i), classes[i]);
        assert_int_equal(set_class_from_string(classes[i]), i);
    }
    assert_int_equal(set_class_from_string(""), -1);
    assert_int_equal(set_class_from_string("drive"), -1);
    assert_int_equal(set_class_from_string("drivers"), -1);
    assert_int_equal(set_class_from_string("Driver"), -1);
    assert_int_equal(set_class_from_string("unknown"), -1);
    assert_string_equal(change_kind_string(CHANGE_ADDED), "added");
    assert_string_equal(change_kind_string(CHANGE_ALTERED), "altered");
    assert_string_equal(change_kind_string(CHANGE_GONE), "gone");
    assert_string_equal(change_doubt_string(DOUBT_NONE), "");
    for (int i = 1; i < DOUBT_COUNT; i++)
        assert_true(strlen(change_doubt_string((enum change_doubt)i)) > 10);
    assert_string_equal(plan_action_string(PLAN_LEAVE), "leave");
    assert_string_equal(plan_action_string(PLAN_PUT_BACK), "put back");
    assert_string_equal(plan_action_string(PLAN_TAKE_OUT), "take out");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(changes_and_what_is_done),
        cmocka_unit_test(higher_rungs_do_what_all_does),
        cmocka_unit_test(every_pair_of_changes),
        cmocka_unit_test(words),
    };
    return cmocka_run_group_tests_name("plan", tests, NULL, NULL);
}
