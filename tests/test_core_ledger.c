/* Words of ledger, receipt and reason; what counts as a failure. Layouts: test_core_record.c. */
#include "check.h"

#include <string.h>

#include "receipt.h"

static const struct outcome_row {
    enum outcome outcome;
    const char *word;
    int is_failure;
} outcomes[] = {
    {OUTCOME_NONE, "none", 0},     {OUTCOME_GOOD, "good", 0}, {OUTCOME_CLEAN, "clean", 0},
    {OUTCOME_CRASH, "crash", 1},   {OUTCOME_HANG, "hang", 1}, {OUTCOME_UNKNOWN, "unknown", 1},
    {OUTCOME_FAILED, "failed", 1},
};

static void outcomes_have_words_and_count(void **state)
{
    (void)state;
    assert_int_equal(ROWS(outcomes), OUTCOME_COUNT);
    for (size_t i = 0; i < ROWS(outcomes); i++) {
        assert_int_equal(outcomes[i].outcome, i);
        assert_string_equal(outcome_string(outcomes[i].outcome), outcomes[i].word);
        assert_int_equal(outcome_is_failure(outcomes[i].outcome), outcomes[i].is_failure);
    }
}

static void enums_have_words(void **state)
{
    static const char *const rungs[RUNG_COUNT] = {
        "normal", "targeted", "all changes", "drivers off", "last good boot files", "hold"};
    static const char *const stances[STANCE_COUNT] = {"normal", "recovery", "probation"};
    static const char *const phases[PHASE_COUNT] = {"firmware", "initramfs", "early userspace",
                                                    "booted"};
    static const char *const applied[APPLIED_COUNT] = {"none", "nothing to do", "put back",
                                                       "masked", "failed"};

    (void)state;
    for (int i = 0; i < RUNG_COUNT; i++)
        assert_string_equal(rung_string((enum rung)i), rungs[i]);
    for (int i = 0; i < STANCE_COUNT; i++)
        assert_string_equal(stance_string((enum stance)i), stances[i]);
    for (int i = 0; i < PHASE_COUNT; i++)
        assert_string_equal(phase_string((enum phase)i), phases[i]);
    for (int i = 0; i < APPLIED_COUNT; i++)
        assert_string_equal(applied_string((enum applied)i), applied[i]);
}

static void values_beyond_have_a_word_too(void **state)
{
    (void)state;
    assert_string_equal(rung_string((enum rung)RUNG_COUNT), "unknown");
    assert_string_equal(stance_string((enum stance)STANCE_COUNT), "unknown");
    assert_string_equal(phase_string((enum phase)PHASE_COUNT), "unknown");
    assert_string_equal(applied_string((enum applied)APPLIED_COUNT), "unknown");
    assert_string_equal(outcome_string((enum outcome)OUTCOME_COUNT), "unknown");
}

/* Codes are in NVRAM and journals of machines out there: this list only grows. */
static void reason_codes_never_move(void **state)
{
    (void)state;
    assert_int_equal(REASON_NONE, 0);
    assert_int_equal(REASON_FIRST_BOOT, 1);
    assert_int_equal(REASON_LEDGER_LOST, 2);
    assert_int_equal(REASON_LEDGER_DAMAGED, 3);
    assert_int_equal(REASON_LEDGER_NEWER, 4);
    assert_int_equal(REASON_FAILED_UNKNOWN, 5);
    assert_int_equal(REASON_FAILED_CRASH, 6);
    assert_int_equal(REASON_FAILED_HANG, 7);
    assert_int_equal(REASON_FAILED_DEADLINE, 8);
    assert_int_equal(REASON_THRESHOLD, 9);
    assert_int_equal(REASON_RUNG_FAILED, 10);
    assert_int_equal(REASON_PROBATION_FAILED, 11);
    assert_int_equal(REASON_NO_INITRAMFS, 12);
    assert_int_equal(REASON_RECOVERED, 13);
    assert_int_equal(REASON_RETURNED, 14);
    assert_int_equal(REASON_NOTHING_CHANGED, 15);
    assert_int_equal(REASON_CLEAN_END, 16);
    assert_int_equal(REASON_QUIET, 17);
    assert_int_equal(REASON_HELD, 18);
    assert_int_equal(REASON_COUNT, 19);
}

static void reasons_are_fragments_each_its_own(void **state)
{
    (void)state;
    for (int i = 0; i < REASON_COUNT; i++) {
        const char *text = reason_string((enum reason)i);
        size_t length = strlen(text);

        assert_true(length > 10 && length < 100);
        assert_true(text[length - 1] != '.');
        for (int j = 0; j < i; j++)
            assert_string_not_equal(text, reason_string((enum reason)j));
    }
    assert_non_null(reason_string((enum reason)REASON_COUNT));
    assert_non_null(reason_string((enum reason)255));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outcomes_have_words_and_count),
        cmocka_unit_test(enums_have_words),
        cmocka_unit_test(values_beyond_have_a_word_too),
        cmocka_unit_test(reason_codes_never_move),
        cmocka_unit_test(reasons_are_fragments_each_its_own),
    };
    return cmocka_run_group_tests_name("ledger", tests, NULL, NULL);
}
