/* What follows from a ticket. Its layout: test_core_record.c. */
#include "check.h"

#include <string.h>

#include "ticket.h"

static const struct mode_row {
    uint8_t rung;
    uint8_t stance;
    enum mode mode;
    int recovers;
    int masks;
} modes[] = {
    {RUNG_NORMAL, STANCE_NORMAL, MODE_NORMAL, 0, 0},
    {RUNG_ALL, STANCE_NORMAL, MODE_NORMAL, 0, 0},
    {RUNG_HOLD, STANCE_NORMAL, MODE_NORMAL, 0, 0},
    {RUNG_TARGETED, STANCE_RECOVERY, MODE_SAFE, 1, 0},
    {RUNG_ALL, STANCE_RECOVERY, MODE_SAFE, 1, 0},
    {RUNG_DRIVERS_OFF, STANCE_RECOVERY, MODE_MINIMAL, 1, 1},
    {RUNG_BOOT_FILES, STANCE_RECOVERY, MODE_MINIMAL, 1, 1},
    {RUNG_HOLD, STANCE_RECOVERY, MODE_HOLD, 1, 1},
    {RUNG_TARGETED, STANCE_PROBATION, MODE_NORMAL, 0, 0},
    {RUNG_DRIVERS_OFF, STANCE_PROBATION, MODE_NORMAL, 0, 0},
    {RUNG_HOLD, STANCE_PROBATION, MODE_NORMAL, 0, 0},
};

static void mode_follows_from_rung_and_stance(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS(modes); i++) {
        struct ticket ticket = {.rung = modes[i].rung, .stance = modes[i].stance};

        assert_int_equal(ticket_mode(&ticket), modes[i].mode);
        assert_int_equal(ticket_wants_recovery(&ticket), modes[i].recovers);
        assert_int_equal(ticket_masks_drivers(&ticket), modes[i].masks);
    }
}

static const struct code_row {
    uint32_t case_number;
    uint8_t rung;
    uint8_t first_reason;
    const char *code;
} codes[] = {
    {7, RUNG_HOLD, REASON_FAILED_CRASH, "BS-7-H-06"},
    {0, RUNG_NORMAL, REASON_NONE, "BS-0-N-00"},
    {12, RUNG_TARGETED, REASON_FAILED_UNKNOWN, "BS-12-T-05"},
    {1, RUNG_ALL, REASON_NO_INITRAMFS, "BS-1-A-12"},
    {1000, RUNG_DRIVERS_OFF, REASON_HELD, "BS-1000-D-18"},
    {3, RUNG_BOOT_FILES, 99, "BS-3-B-99"},
    {UINT32_MAX, RUNG_HOLD, 255, "BS-4294967295-H-255"},
};

static void short_codes(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS(codes); i++) {
        struct ticket ticket = {.case_number = codes[i].case_number,
                                .rung = codes[i].rung,
                                .first_reason = codes[i].first_reason};
        char out[SHORT_CODE_SIZE];

        memset(out, 'x', sizeof out);
        ticket_short_code(&ticket, out);
        assert_string_equal(out, codes[i].code);
    }
}

static const struct clear_row {
    const char *name;
    uint8_t stance, rung, failures, unreached, last_outcome, stored;
    int clears;
} clear_rows[] = {
#define REC STANCE_RECOVERY
#define UNK OUTCOME_UNKNOWN
    {"another system chosen three times", REC, RUNG_ALL, 3, 2, UNK, STORED_NVRAM, 1},
    {"and for weeks", REC, RUNG_HOLD, 255, 255, UNK, STORED_NVRAM, 1},
    {"after a recovery", REC, RUNG_DRIVERS_OFF, 1, 1, UNK, STORED_NVRAM, 1},
    {"one of them reported", REC, RUNG_ALL, 3, 1, UNK, STORED_NVRAM, 0},
    {"the last one reported", REC, RUNG_ALL, 3, 0, UNK, STORED_NVRAM, 0},
    {"none could have reported", REC, RUNG_ALL, 1, 0, UNK, STORED_NVRAM, 0},
    {"the last one left a panic", REC, RUNG_ALL, 3, 2, OUTCOME_CRASH, STORED_NVRAM, 0},
    {"a watchdog ended the last one", REC, RUNG_ALL, 3, 2, OUTCOME_HANG, STORED_NVRAM, 0},
    {"NVRAM takes no reports", REC, RUNG_ALL, 3, 2, UNK, STORED_ESP, 0},
    {"nothing takes them", REC, RUNG_ALL, 3, 2, UNK, STORED_NOWHERE, 0},
    {"the kept boot files are called for", REC, RUNG_BOOT_FILES, 3, 2, UNK, STORED_NVRAM, 0},
    {"no recovery", STANCE_NORMAL, RUNG_ALL, 3, 2, UNK, STORED_NVRAM, 0},
};

static void silence_clears_the_sets(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS(clear_rows); i++) {
        const struct clear_row *row = &clear_rows[i];
        struct ticket ticket = {.stance = row->stance,
                                .rung = row->rung,
                                .failures = row->failures,
                                .unreached = row->unreached,
                                .last_outcome = row->last_outcome,
                                .stored = row->stored};

        if (ticket_clears_sets(&ticket) != row->clears)
            fail_msg("%s", row->name);
    }
}

static void reports_are_asked_for_out_of_the_ordinary(void **state)
{
    struct ticket ticket = {.stance = STANCE_NORMAL};

    (void)state;
    assert_false(ticket_asks_for_report(&ticket));
    ticket.failures = 1;
    assert_true(ticket_asks_for_report(&ticket));
    ticket.failures = 0;
    ticket.stance = STANCE_PROBATION;
    assert_true(ticket_asks_for_report(&ticket));
    ticket.stance = STANCE_RECOVERY;
    assert_true(ticket_asks_for_report(&ticket));
}

static void words(void **state)
{
    static const char *const modes_words[MODE_COUNT] = {"normal", "safe", "minimal", "hold"};
    static const char *const stored_words[STORED_COUNT] = {"nowhere", "NVRAM", "ESP"};

    (void)state;
    for (int i = 0; i < MODE_COUNT; i++)
        assert_string_equal(mode_string((enum mode)i), modes_words[i]);
    for (int i = 0; i < STORED_COUNT; i++)
        assert_string_equal(stored_string((enum stored)i), stored_words[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mode_follows_from_rung_and_stance),
        cmocka_unit_test(short_codes),
        cmocka_unit_test(words),
        cmocka_unit_test(silence_clears_the_sets),
        cmocka_unit_test(reports_are_asked_for_out_of_the_ordinary),
    };
    return cmocka_run_group_tests_name("ticket", tests, NULL, NULL);
}
