#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy.h"

static enum policy_result set(struct policy *policy, const char *key, const char *value)
{
    return policy_set(policy, key, strlen(key), value, strlen(value));
}

static const char *value_of(const struct policy *policy, const char *key)
{
    static char out[32];

    for (size_t i = 0; policy_key(i) != NULL; i++) {
        if (strcmp(policy_key(i), key) == 0) {
            policy_value(policy, i, out, sizeof out);
            return out;
        }
    }
    fail_msg("no key %s", key);
    return NULL;
}

/* Key, default, and what is taken for less than the least and more than the most. */
static const struct range_row {
    const char *key;
    const char *fallback;
    const char *least;
    const char *most;
    const char *for_zero;
} ranges[] = {
    {"threshold", "3", "1", "7", "1"},
    {"step", "2", "1", "2", "1"},
    {"quiet", "3", "1", "20", "1"},
    {"hold-pause", "60", "0", "300", "0"},
    {"stage-watchdog", "300", "60", "3600", "0"},
    {"panic-timeout", "10", "1", "600", "1"},
    {"stability", "120", "0", "3600", "0"},
    {"deadline", "900", "60", "7200", "0"},
    {"generations", "3", "2", "16", "2"},
};

static const struct words_row {
    const char *key;
    const char *fallback;
} switches[] = {{"panic-on-oops", "yes"}, {"safe-network", "yes"}, {"safe-ssh", "yes"}};

static void keys_are_these(void **state)
{
    size_t count = 0;

    (void)state;
    while (policy_key(count) != NULL)
        count++;
    assert_int_equal(count, ROWS(ranges) + ROWS(switches) + 1);
    assert_null(policy_key(count + 1));
    assert_null(policy_key(SIZE_MAX));
}

static void defaults(void **state)
{
    struct policy policy;

    (void)state;
    policy_defaults(&policy);
    for (size_t i = 0; i < ROWS(ranges); i++)
        assert_string_equal(value_of(&policy, ranges[i].key), ranges[i].fallback);
    for (size_t i = 0; i < ROWS(switches); i++)
        assert_string_equal(value_of(&policy, switches[i].key), switches[i].fallback);
    assert_string_equal(value_of(&policy, "return"), "auto");
    assert_int_equal(policy.threshold, 3);
    assert_int_equal(policy.step, 2);
    assert_int_equal(policy.deadline, 900);
    assert_int_equal(policy.return_how, RETURN_AUTO);
}

static void defaults_need_no_clamping(void **state)
{
    struct policy policy;
    struct policy clamped;

    (void)state;
    memset(&policy, 0, sizeof policy);
    policy_defaults(&policy);
    clamped = policy;
    policy_clamp(&clamped);
    assert_memory_equal(&policy, &clamped, sizeof policy);
}

static void values_are_brought_into_range(void **state)
{
    struct policy policy;

    (void)state;
    policy_defaults(&policy);
    for (size_t i = 0; i < ROWS(ranges); i++) {
        const struct range_row *row = &ranges[i];
        char beyond[16];

        assert_int_equal(set(&policy, row->key, row->least), POLICY_OK);
        assert_string_equal(value_of(&policy, row->key), row->least);
        assert_int_equal(set(&policy, row->key, row->most), POLICY_OK);
        assert_string_equal(value_of(&policy, row->key), row->most);
        snprintf(beyond, sizeof beyond, "%d", atoi(row->most) + 1);
        assert_int_equal(set(&policy, row->key, beyond), POLICY_CLAMPED);
        assert_string_equal(value_of(&policy, row->key), row->most);
        assert_int_equal(set(&policy, row->key, "99999999999999999999999"), POLICY_CLAMPED);
        assert_string_equal(value_of(&policy, row->key), row->most);
        assert_int_equal(set(&policy, row->key, "0"),
                         strcmp(row->for_zero, "0") == 0 ? POLICY_OK : POLICY_CLAMPED);
        assert_string_equal(value_of(&policy, row->key), row->for_zero);
    }
}

/* Between off and the least useful value. */
static void little_is_not_off(void **state)
{
    struct policy policy;

    (void)state;
    policy_defaults(&policy);
    assert_int_equal(set(&policy, "deadline", "1"), POLICY_CLAMPED);
    assert_int_equal(policy.deadline, 60);
    assert_int_equal(set(&policy, "stage-watchdog", "59"), POLICY_CLAMPED);
    assert_int_equal(policy.stage_watchdog, 60);
}

static const struct set_row {
    const char *key;
    const char *value;
    enum policy_result result;
    const char *after;
} set_rows[] = {
    {"stability", "90s", POLICY_OK, "90"},
    {"stability", "2m", POLICY_OK, "120"},
    {"deadline", "1h", POLICY_OK, "3600"},
    {"deadline", "3h", POLICY_CLAMPED, "7200"},
    {"deadline", "9999999999h", POLICY_CLAMPED, "7200"},
    {"deadline", "0m", POLICY_OK, "0"},
    {"deadline", "007m", POLICY_OK, "420"},
    {"deadline", "m", POLICY_BAD_VALUE, NULL},
    {"deadline", "5d", POLICY_BAD_VALUE, NULL},
    {"deadline", "5 m", POLICY_BAD_VALUE, NULL},
    {"deadline", "5mm", POLICY_BAD_VALUE, NULL},
    {"deadline", "", POLICY_BAD_VALUE, NULL},
    {"deadline", "-1", POLICY_BAD_VALUE, NULL},
    {"deadline", "+1", POLICY_BAD_VALUE, NULL},
    {"deadline", "0x10", POLICY_BAD_VALUE, NULL},
    {"deadline", "1.5h", POLICY_BAD_VALUE, NULL},
    {"deadline", "off", POLICY_BAD_VALUE, NULL},
    {"threshold", "3s", POLICY_BAD_VALUE, NULL},
    {"threshold", "three", POLICY_BAD_VALUE, NULL},
    {"threshold", "5", POLICY_OK, "5"},
    {"return", "hand", POLICY_OK, "hand"},
    {"return", "auto", POLICY_OK, "auto"},
    {"return", "1", POLICY_BAD_VALUE, NULL},
    {"return", "Hand", POLICY_BAD_VALUE, NULL},
    {"return", "han", POLICY_BAD_VALUE, NULL},
    {"return", "handy", POLICY_BAD_VALUE, NULL},
    {"safe-ssh", "no", POLICY_OK, "no"},
    {"safe-ssh", "yes", POLICY_OK, "yes"},
    {"safe-ssh", "0", POLICY_OK, "no"},
    {"safe-ssh", "1", POLICY_OK, "yes"},
    {"safe-ssh", "2", POLICY_BAD_VALUE, NULL},
    {"safe-ssh", "auto", POLICY_BAD_VALUE, NULL},
    {"safe_ssh", "no", POLICY_UNKNOWN_KEY, NULL},
    {"Threshold", "3", POLICY_UNKNOWN_KEY, NULL},
    {"threshol", "3", POLICY_UNKNOWN_KEY, NULL},
    {"thresholds", "3", POLICY_UNKNOWN_KEY, NULL},
    {"", "3", POLICY_UNKNOWN_KEY, NULL},
    {"next", "3", POLICY_UNKNOWN_KEY, NULL},
};

static void values_are_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS(set_rows); i++) {
        const struct set_row *row = &set_rows[i];
        struct policy policy;
        struct policy before;

        memset(&policy, 0, sizeof policy);
        policy_defaults(&policy);
        before = policy;
        if (set(&policy, row->key, row->value) != row->result)
            fail_msg("%s=%s: result", row->key, row->value);
        if (row->after != NULL)
            assert_string_equal(value_of(&policy, row->key), row->after);
        else
            assert_memory_equal(&policy, &before, sizeof policy);
    }
}

static void lengths_are_kept_to(void **state)
{
    struct policy policy;

    (void)state;
    policy_defaults(&policy);
    assert_int_equal(policy_set(&policy, "thresholdXX", 9, "54321", 1), POLICY_OK);
    assert_int_equal(policy.threshold, 5);
    assert_int_equal(policy_set(&policy, "step\0x", 6, "1", 1), POLICY_UNKNOWN_KEY);
    assert_int_equal(policy_set(&policy, "step", 4, "1\0", 2), POLICY_BAD_VALUE);
}

static const struct clamp_row {
    const char *name;
    uint8_t threshold, step;
    uint16_t stability, deadline;
    uint8_t return_how;
    uint8_t threshold_after, step_after;
    uint16_t stability_after, deadline_after;
} clamp_rows[] = {
    {"defaults", 3, 2, 120, 900, RETURN_AUTO, 3, 2, 120, 900},
    {"as many as fit with step 2", 3, 2, 0, 0, RETURN_AUTO, 3, 2, 0, 0},
    {"one more: step gives way", 4, 2, 0, 0, RETURN_BY_HAND, 4, 1, 0, 0},
    {"the most", 7, 1, 0, 0, RETURN_BY_HAND, 7, 1, 0, 0},
    {"both too high", 200, 200, 0, 0, RETURN_BY_HAND, 7, 1, 0, 0},
    {"both too low", 0, 0, 0, 0, RETURN_AUTO, 1, 1, 0, 0},
    {"stability has no time", 3, 2, 900, 900, RETURN_AUTO, 3, 2, 450, 900},
    {"stability has hardly time", 3, 2, 899, 900, RETURN_AUTO, 3, 2, 899, 900},
    {"stability without deadline", 3, 2, 3600, 0, RETURN_AUTO, 3, 2, 3600, 0},
    {"deadline between off and least", 3, 2, 120, 5, RETURN_AUTO, 3, 2, 30, 60},
    {"both beyond", 3, 2, 65535, 65535, RETURN_AUTO, 3, 2, 3600, 7200},
    {"returning by itself leaves room for probations", 7, 1, 0, 0, RETURN_AUTO, 3, 1, 0, 0},
    {"and for the steps", 4, 2, 0, 0, RETURN_AUTO, 3, 2, 0, 0},
};

static void figures_are_clamped_together(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS(clamp_rows); i++) {
        const struct clamp_row *row = &clamp_rows[i];
        struct policy policy;

        policy_defaults(&policy);
        policy.threshold = row->threshold;
        policy.step = row->step;
        policy.stability = row->stability;
        policy.deadline = row->deadline;
        policy.return_how = row->return_how;
        policy_clamp(&policy);
        if (policy.threshold != row->threshold_after || policy.step != row->step_after ||
            policy.stability != row->stability_after || policy.deadline != row->deadline_after)
            fail_msg("%s: %u %u %u %u", row->name, policy.threshold, policy.step, policy.stability,
                     policy.deadline);
    }
}

/* Whatever the bytes: within every range, within the bound, and clamping again changes nothing. */
static void any_bytes_can_be_clamped(void **state)
{
    struct policy policy;
    struct policy again;

    (void)state;
    for (unsigned fill = 0; fill < 256; fill++) {
        memset(&policy, (int)fill, sizeof policy);
        policy_clamp(&policy);
        assert_in_range(policy.threshold, 1, policy.return_how == RETURN_AUTO ? 3 : 7);
        assert_in_range(policy.step, 1, 2);
        assert_true(policy.threshold + 4u * policy.step < BOOT_BOUND);
        assert_in_range(policy.quiet, 1, 20);
        assert_in_range(policy.return_how, 0, 1);
        assert_in_range(policy.panic_on_oops, 0, 1);
        assert_in_range(policy.safe_network, 0, 1);
        assert_in_range(policy.safe_ssh, 0, 1);
        assert_in_range(policy.generations, 2, 16);
        assert_true(policy.deadline == 0 || policy.stability < policy.deadline);
        again = policy;
        policy_clamp(&again);
        assert_memory_equal(&again, &policy, sizeof policy);
    }
}

static void values_are_cut_at_size(void **state)
{
    struct policy policy;
    char out[8];

    (void)state;
    policy_defaults(&policy);
    for (size_t i = 0; policy_key(i) != NULL; i++) {
        size_t length = policy_value(&policy, i, out, sizeof out);

        assert_int_equal(length, strlen(out));
        memset(out, 'x', sizeof out);
        assert_int_equal(policy_value(&policy, i, out, 2), length);
        assert_int_equal(strlen(out), length < 1 ? length : 1);
        assert_int_equal(out[2], 'x');
        assert_int_equal(policy_value(&policy, i, NULL, 0), length);
    }
    assert_int_equal(policy_value(&policy, 1000, out, sizeof out), 0);
    assert_string_equal(out, "");
}

/* What is printed reads back as the same. */
static void printed_values_read_back(void **state)
{
    struct policy policy;
    struct policy back;
    char out[32];

    (void)state;
    for (unsigned fill = 0; fill < 256; fill++) {
        memset(&policy, (int)fill, sizeof policy);
        policy_clamp(&policy);
        back = policy;
        policy_defaults(&back);
        for (size_t i = 0; policy_key(i) != NULL; i++) {
            policy_value(&policy, i, out, sizeof out);
            assert_int_equal(set(&back, policy_key(i), out), POLICY_OK);
        }
        assert_memory_equal(&back, &policy, sizeof policy);
    }
}

static void results_have_words(void **state)
{
    (void)state;
    for (int i = POLICY_OK; i <= POLICY_BAD_VALUE; i++)
        assert_string_not_equal(policy_result_string((enum policy_result)i), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_these),
        cmocka_unit_test(defaults),
        cmocka_unit_test(defaults_need_no_clamping),
        cmocka_unit_test(values_are_brought_into_range),
        cmocka_unit_test(little_is_not_off),
        cmocka_unit_test(values_are_read),
        cmocka_unit_test(lengths_are_kept_to),
        cmocka_unit_test(figures_are_clamped_together),
        cmocka_unit_test(any_bytes_can_be_clamped),
        cmocka_unit_test(values_are_cut_at_size),
        cmocka_unit_test(printed_values_read_back),
        cmocka_unit_test(results_have_words),
    };
    return cmocka_run_group_tests_name("policy", tests, NULL, NULL);
}
