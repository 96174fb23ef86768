/*
 * The stage from its entry to the next loader, on a firmware that is honest or lies in one way.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "decide.h"
#include "fake_efi.h"
#include "slots.h"
#include "stageconf.h"

#define ERROR(code) (UINT64_C(0x8000000000000000) | (code))
#define NOT_FOUND ERROR(14)
#define ALREADY_STARTED ERROR(20)
#define ABORTED ERROR(21)

/* ---- what a test looks at ------------------------------------------------------------------- */

static int setup(void **state)
{
    (void)state;
    fake_reset();
    return 0;
}

static struct ledger nvram_ledger(void)
{
    struct fake_variable *variable = fake_variable(SPACE_OURS, LEDGER_VARIABLE);
    struct ledger ledger = {0};

    assert_non_null(variable);
    assert_int_equal(variable->attributes, ATTRIBUTES_NV_BS);
    assert_int_equal(ledger_decode(&ledger, variable->bytes, variable->size, 0), RECORD_VALID);
    return ledger;
}

static enum record_state slot_ledger(struct ledger *ledger)
{
    struct fake_file *file = fake_file(FAKE_LEDGER_SLOTS);
    unsigned slot;

    assert_non_null(file);
    return slots_newest_ledger(ledger, file->bytes, file->size, &slot);
}

static struct ticket ticket_now(void)
{
    struct fake_variable *variable = fake_variable(SPACE_OURS, TICKET_VARIABLE);
    struct ticket ticket = {0};

    assert_non_null(variable);
    assert_int_equal(variable->attributes, ATTRIBUTES_BS_RT);
    assert_int_equal(ticket_decode(&ticket, variable->bytes, variable->size), RECORD_VALID);
    return ticket;
}

static void ledger_put(const struct ledger *ledger, uint32_t attributes)
{
    uint8_t bytes[LEDGER_SIZE];

    ledger_encode(ledger, bytes);
    fake_variable_put(SPACE_OURS, LEDGER_VARIABLE, attributes, bytes, sizeof bytes);
}

static void receipt_put(uint32_t number, enum outcome outcome)
{
    struct receipt receipt = {.number = number, .outcome = (uint8_t)outcome, .phase = PHASE_BOOTED};
    uint8_t bytes[RECEIPT_SIZE];

    receipt_encode(&receipt, bytes);
    fake_variable_put(SPACE_OURS, RECEIPT_VARIABLE, ATTRIBUTES_NV_BS_RT, bytes, sizeof bytes);
}

/* A boot that ends so; the agent's part is played here. */
static void boot_that_ends(enum outcome outcome)
{
    assert_true(fake_boot());
    if (outcome == OUTCOME_GOOD || outcome == OUTCOME_CLEAN)
        receipt_put(ticket_now().number, outcome);
}

/* ---- rows ----------------------------------------------------------------------------------- */

static void first_boot_is_stored_marked_told_and_started(void **state)
{
    struct ledger mark = {0};

    (void)state;
    assert_true(fake_boot());
    assert_string_equal(fake_started(), FAKE_NEXT);
    assert_int_equal(nvram_ledger().number, 1);
    assert_int_equal(slot_ledger(&mark), RECORD_VALID);
    assert_int_equal(mark.mark, 1);
    assert_int_equal(mark.number, 1 + MARK_AHEAD);
    assert_int_equal(ticket_now().number, 1);
    assert_int_equal(ticket_now().stored, STORED_NVRAM);
    assert_int_equal(ticket_now().last_reason, REASON_FIRST_BOOT);
    assert_int_equal(ticket_now().conf_found, 1);
    assert_int_equal(ticket_now().store_error, 0);
    assert_string_equal(fake_printed(), "");
    assert_string_equal(fake_options(), "quiet");
    assert_int_equal(fake_watchdog(), 300);
    assert_int_equal(fake_open_files(), 0);
}

static void events_come_in_the_order_that_is_safe(void **state)
{
    static const char *const expected[] = {
        "set BackstopLedger",
        "set BackstopTicket",
        "load " FAKE_NEXT,
        "start " FAKE_NEXT,
    };

    (void)state;
    boot_that_ends(OUTCOME_GOOD);
    boot_that_ends(OUTCOME_GOOD);
    assert_int_equal(fake_events(), sizeof expected / sizeof expected[0]);
    for (size_t i = 0; i < fake_events(); i++)
        assert_string_equal(fake_event(i), expected[i]);
}

static void healthy_boots_write_the_slot_once_in_mark_ahead(void **state)
{
    unsigned writes = 0;

    (void)state;
    boot_that_ends(OUTCOME_GOOD);
    for (unsigned i = 0; i < 2 * MARK_AHEAD; i++) {
        boot_that_ends(OUTCOME_GOOD);
        writes += fake_event_count("write ");
        assert_int_equal(fake_event_count("set BackstopLedger"), 1);
        assert_int_equal(fake_event_count("set "), 2);
        assert_string_equal(fake_printed(), "");
    }
    assert_in_range(writes, 1, 2);
    assert_int_equal(nvram_ledger().number, 1 + 2 * MARK_AHEAD);
}

static void third_failure_recovers_and_says_so(void **state)
{
    (void)state;
    boot_that_ends(OUTCOME_GOOD);
    for (unsigned failures = 0; failures < 3; failures++) {
        boot_that_ends(OUTCOME_UNKNOWN);
        assert_int_equal(ticket_now().failures, failures);
        assert_int_equal(ticket_now().stance, STANCE_NORMAL);
        assert_string_equal(fake_printed(), "");
    }
    boot_that_ends(OUTCOME_UNKNOWN);
    assert_int_equal(ticket_now().failures, 3);
    assert_int_equal(ticket_now().stance, STANCE_RECOVERY);
    assert_int_equal(ticket_now().rung, RUNG_ALL);
    assert_non_null(strstr(fake_printed(), "3 failed boots in a row"));
    assert_non_null(strstr(fake_printed(), "case 1, code BS-1-A-05"));
    assert_string_equal(fake_started(), FAKE_NEXT);
}

static void new_dumps_make_it_a_crash(void **state)
{
    (void)state;
    boot_that_ends(OUTCOME_GOOD);
    boot_that_ends(OUTCOME_UNKNOWN);
    fake_panic(14, 1, 1700000000);
    boot_that_ends(OUTCOME_UNKNOWN);
    assert_int_equal(ticket_now().last_outcome, OUTCOME_CRASH);
    assert_int_equal(ticket_now().dumps, 14);
    assert_int_equal(nvram_ledger().dumps, 14);
    boot_that_ends(OUTCOME_UNKNOWN);
    assert_int_equal(ticket_now().last_outcome, OUTCOME_UNKNOWN);
}

/* Each row: what the running system archived, and how many parts its panic left. */
static void panic_shows_where_records_were_archived(void **state)
{
    static const struct {
        unsigned archived, parts;
        enum outcome outcome;
    } rows[] = {
        {14, 14, OUTCOME_CRASH}, {14, 13, OUTCOME_CRASH}, {14, 4, OUTCOME_CRASH},
        {14, 15, OUTCOME_CRASH}, {10, 10, OUTCOME_CRASH}, {14, 0, OUTCOME_UNKNOWN},
        {3, 0, OUTCOME_UNKNOWN}, {0, 0, OUTCOME_UNKNOWN},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        fake_reset();
        fake_panic(14, 1, 1700000000);
        boot_that_ends(OUTCOME_UNKNOWN);
        assert_int_equal(nvram_ledger().dumps, 14);
        fake_dumps_archive(rows[i].archived);
        fake_panic(rows[i].parts, 1, 1700000060);
        assert_true(fake_boot());
        assert_int_equal(ticket_now().last_outcome, rows[i].outcome);
        assert_int_equal(ticket_now().dumps, 14 - rows[i].archived + rows[i].parts);
    }
}

static void ledger_of_a_stage_that_only_counted_tells_no_crash(void **state)
{
    struct ledger older = {.number = 9, .dumps = 14};

    (void)state;
    ledger_put(&older, ATTRIBUTES_NV_BS);
    fake_panic(14, 1, 1700000000);
    assert_true(fake_boot());
    assert_int_equal(ticket_now().last_outcome, OUTCOME_UNKNOWN);
    fake_dumps_archive(14);
    fake_panic(14, 1, 1700000060);
    assert_true(fake_boot());
    assert_int_equal(ticket_now().last_outcome, OUTCOME_CRASH);
}

static void held_machine_is_started_after_a_pause(void **state)
{
    struct ledger held = {.number = 9,
                          .case_number = 2,
                          .failures = 9,
                          .rung = RUNG_HOLD,
                          .stance = STANCE_RECOVERY,
                          .case_open = 1,
                          .first_reason = REASON_FAILED_CRASH};

    (void)state;
    ledger_put(&held, ATTRIBUTES_NV_BS);
    fake_conf_put("next=" FAKE_NEXT "\nhold-pause=300\nstage-watchdog=60\n");
    assert_true(fake_boot());
    assert_int_equal(ticket_now().rung, RUNG_HOLD);
    assert_int_equal(fake_seconds(), 300);
    assert_false(fake_was_reset());
    assert_int_equal(fake_watchdog(), 60);
    assert_true(fake_event_first("set BackstopLedger") < fake_event_first("start "));
    assert_non_null(strstr(fake_printed(), "BS-2-H-06"));
    assert_non_null(strstr(fake_printed(), "in 300 s"));
}

static void held_machine_that_ended_in_order_is_not_kept_waiting(void **state)
{
    struct ledger held = {.number = 9,
                          .case_number = 2,
                          .failures = 9,
                          .rung = RUNG_HOLD,
                          .stance = STANCE_RECOVERY,
                          .case_open = 1,
                          .first_reason = REASON_FAILED_CRASH};

    (void)state;
    ledger_put(&held, ATTRIBUTES_NV_BS);
    receipt_put(9, OUTCOME_CLEAN);
    assert_true(fake_boot());
    assert_int_equal(ticket_now().rung, RUNG_HOLD);
    assert_int_equal(fake_seconds(), 0);
    assert_non_null(strstr(fake_printed(), "BS-2-H-06"));
}

static void watchdog_of_the_firmware_stays_where_ours_is_off(void **state)
{
    (void)state;
    fake_conf_put("next=" FAKE_NEXT "\nstage-watchdog=0\n");
    assert_true(fake_boot());
    assert_int_equal(fake_watchdog(), 300);
    fake_conf_put("next=" FAKE_NEXT "\nstage-watchdog=600\n");
    assert_true(fake_boot());
    assert_int_equal(fake_watchdog(), 600);
}

static void next_loader_has_the_whole_watchdog(void **state)
{
    (void)state;
    fake_lie(LIE(VARIABLE_WRITE_SLOW));
    assert_true(fake_boot());
    assert_true(fake_seconds() > 0);
    assert_int_equal(fake_watchdog_left(), 300);
}

/* ---- NVRAM that will not ----------------------------------------------------------------------
 */

static void full_of_dumps_loses_the_oldest_and_no_more(void **state)
{
    (void)state;
    boot_that_ends(OUTCOME_UNKNOWN);
    fake_panic(4, 1, 1700000000);
    fake_panic(4, 2, 1700000100);
    fake_variable_put(SPACE_CRASH, "dump-typeless", ATTRIBUTES_NV_BS_RT, "?", 1);
    fake_variable_put(SPACE_GLOBAL, "dump-type0-1-1-1-C", ATTRIBUTES_NV_BS_RT, "?", 1);
    fake_lie(LIE(NVRAM_FULL_OF_DUMPS));
    assert_true(fake_boot());
    assert_int_equal(ticket_now().stored, STORED_NVRAM);
    assert_int_equal(ticket_now().dumps, 9);
    assert_int_equal(ticket_now().dumps_cleared, 3);
    assert_int_equal(fake_dumps(), 6);
    assert_null(fake_variable(SPACE_CRASH, "dump-type0-4-1-1700000000-C"));
    assert_null(fake_variable(SPACE_CRASH, "dump-type0-3-1-1700000000-C"));
    assert_null(fake_variable(SPACE_CRASH, "dump-type0-2-1-1700000000-C"));
    assert_non_null(fake_variable(SPACE_CRASH, "dump-type0-1-1-1700000000-C"));
    assert_non_null(fake_variable(SPACE_CRASH, "dump-typeless"));
    assert_non_null(fake_variable(SPACE_GLOBAL, "dump-type0-1-1-1-C"));
    assert_int_equal(nvram_ledger().number, 2);
    assert_int_equal(nvram_ledger().dumps, 6);
    fake_lie(0);
    assert_true(fake_boot());
    assert_int_equal(ticket_now().last_outcome, OUTCOME_UNKNOWN);
}

static void full_for_good_keeps_all_but_a_bounded_number_of_dumps(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++)
        fake_panic(14, i, 1700000000 + i);
    fake_lie(LIE(NVRAM_FULL));
    assert_true(fake_boot());
    assert_int_equal(ticket_now().stored, STORED_ESP);
    assert_int_equal(ticket_now().dumps_cleared, 32);
    assert_int_equal(fake_dumps(), 56 - 32);
}

static void dumps_stay_where_room_is_not_what_is_missing(void **state)
{
    (void)state;
    fake_panic(14, 1, 1700000000);
    fake_lie(LIE(WRITE_PROTECTED));
    assert_true(fake_boot());
    assert_int_equal(fake_event_count("delete "), 0);
    assert_int_equal(ticket_now().dumps_cleared, 0);
    assert_int_equal(ticket_now().stored, STORED_ESP);
    assert_int_equal(ticket_now().store_error, 8);
}

struct refusal {
    const char *name;
    uint64_t lies;
    enum stored stored;
    uint32_t store_error;
};

static const struct refusal refusals[] = {
    {"honest", 0, STORED_NVRAM, 0},
    {"full", LIE(NVRAM_FULL), STORED_ESP, 9},
    {"write-protected", LIE(WRITE_PROTECTED), STORED_ESP, 8},
    {"torn", LIE(TORN_WRITE), STORED_ESP, 33},
    {"reads back old", LIE(READS_BACK_OLD), STORED_ESP, 33},
    {"lying success", LIE(LYING_SUCCESS), STORED_ESP, 33},
    {"slow", LIE(VARIABLE_WRITE_SLOW), STORED_NVRAM, 0},
    {"ESP missing", LIE(ESP_READ_ONLY), STORED_NVRAM, 0},
    {"ESP unreadable", LIE(ESP_UNREADABLE), STORED_NVRAM, 0},
    {"full, ESP read-only", LIE(NVRAM_FULL) | LIE(ESP_READ_ONLY), STORED_NOWHERE, 9},
    {"full, ESP unreadable", LIE(NVRAM_FULL) | LIE(ESP_UNREADABLE), STORED_NOWHERE, 9},
    {"full, ESP torn", LIE(NVRAM_FULL) | LIE(ESP_FULL_SECTOR_TORN), STORED_NOWHERE, 9},
    {"full, ESP loses writes", LIE(NVRAM_FULL) | LIE(ESP_WRITE_LOST), STORED_NOWHERE, 9},
};

static void refusal_row(const struct refusal *row)
{
    fake_reset();
    boot_that_ends(OUTCOME_GOOD);
    boot_that_ends(OUTCOME_UNKNOWN);
    fake_lie(row->lies);
    assert_true(fake_boot());
    if (ticket_now().stored != (int)row->stored || ticket_now().store_error != row->store_error)
        fail_msg("%s: stored %u, error %u", row->name, ticket_now().stored,
                 ticket_now().store_error);
    assert_int_equal(ticket_now().number, 3);
    assert_int_equal(ticket_now().failures, 1);
}

static void refused_ledger_goes_to_the_slot_or_is_told_uncounted(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++)
        refusal_row(&refusals[i]);
}

static void slots_alone_carry_the_count_to_recovery_and_back(void **state)
{
    (void)state;
    fake_lie(LIE(WRITE_PROTECTED));
    for (unsigned i = 1; i <= 4; i++) {
        assert_true(fake_boot());
        assert_int_equal(fake_event_count(i % 2 != 0 ? "write " FAKE_LEDGER_SLOTS "@0"
                                                     : "write " FAKE_LEDGER_SLOTS "@4096"),
                         1);
        assert_int_equal(fake_event_count("write "), 1);
        assert_int_equal(ticket_now().number, i);
        assert_int_equal(ticket_now().stored, STORED_ESP);
    }
    assert_int_equal(ticket_now().stance, STANCE_RECOVERY);
    receipt_put(4, OUTCOME_GOOD);
    assert_true(fake_boot());
    assert_int_equal(ticket_now().stance, STANCE_PROBATION);
    assert_int_equal(ticket_now().failures, 0);
    fake_lie(0);
    receipt_put(5, OUTCOME_GOOD);
    assert_true(fake_boot());
    assert_int_equal(ticket_now().number, 6);
    assert_int_equal(ticket_now().stored, STORED_NVRAM);
}

static void receipt_on_the_esp_counts_as_well(void **state)
{
    struct receipt receipt = {.number = 1, .outcome = OUTCOME_GOOD, .phase = PHASE_BOOTED};

    (void)state;
    assert_true(fake_boot());
    receipt_encode(&receipt, fake_file(FAKE_RECEIPT_SLOTS)->bytes + SLOT_STRIDE);
    assert_true(fake_boot());
    assert_int_equal(ticket_now().last_outcome, OUTCOME_GOOD);
    assert_int_equal(ticket_now().failures, 0);
}

/* ---- records that are not what they should be ---------------------------------------------------
 */

static void damaged_ledger_is_one_short_of_the_threshold(void **state)
{
    struct ledger slot;

    (void)state;
    boot_that_ends(OUTCOME_GOOD);
    fake_variable(SPACE_OURS, LEDGER_VARIABLE)->bytes[20] ^= 0x10;
    assert_true(fake_boot());
    assert_int_equal(ticket_now().ledger_found, RECORD_DAMAGED);
    assert_int_equal(ticket_now().last_reason, REASON_LEDGER_DAMAGED);
    assert_int_equal(ticket_now().failures, 2);
    assert_int_equal(slot_ledger(&slot), RECORD_VALID);
    assert_int_equal(slot.mark, 0);
    assert_true(fake_boot());
    assert_int_equal(ticket_now().stance, STANCE_RECOVERY);
}

static void planted_ledger_is_not_believed_and_is_replaced(void **state)
{
    struct ledger planted = {.number = 70, .failures = 0, .rung = RUNG_NORMAL};

    (void)state;
    ledger_put(&planted, ATTRIBUTES_NV_BS_RT);
    assert_true(fake_boot());
    assert_int_equal(ticket_now().ledger_found, RECORD_DAMAGED);
    assert_int_equal(ticket_now().stored, STORED_NVRAM);
    assert_int_equal(nvram_ledger().failures, 2);
    assert_int_equal(fake_event_count("delete BackstopLedger"), 1);
}

static void planted_ticket_is_replaced_and_does_not_stop_the_count(void **state)
{
    struct ticket planted = {.number = 5};
    uint8_t bytes[TICKET_SIZE];

    (void)state;
    ticket_encode(&planted, bytes);
    fake_variable_put(SPACE_OURS, TICKET_VARIABLE, ATTRIBUTES_NV_BS_RT, bytes, sizeof bytes);
    assert_true(fake_boot());
    assert_int_equal(ticket_now().number, 1);
    assert_int_equal(nvram_ledger().number, 1);
}

static void oversized_ledger_is_damaged(void **state)
{
    uint8_t bytes[RECORD_MAX_SIZE + 1] = {0};

    (void)state;
    fake_variable_put(SPACE_OURS, LEDGER_VARIABLE, ATTRIBUTES_NV_BS, bytes, sizeof bytes);
    assert_true(fake_boot());
    assert_int_equal(ticket_now().ledger_found, RECORD_DAMAGED);
    assert_int_equal(nvram_ledger().number, 1);
}

static void empty_ledger_is_absent(void **state)
{
    (void)state;
    fake_variable_put(SPACE_OURS, LEDGER_VARIABLE, ATTRIBUTES_NV_BS, NULL, 0);
    assert_true(fake_boot());
    assert_int_equal(ticket_now().ledger_found, RECORD_ABSENT);
    assert_int_equal(ticket_now().last_reason, REASON_FIRST_BOOT);
    assert_int_equal(nvram_ledger().number, 1);
}

static void lost_ledger_is_not_recreated_at_once(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++)
        boot_that_ends(OUTCOME_GOOD);
    fake_variable_remove(SPACE_OURS, LEDGER_VARIABLE);
    assert_true(fake_boot());
    assert_int_equal(ticket_now().last_reason, REASON_LEDGER_LOST);
    assert_int_equal(ticket_now().stored, STORED_ESP);
    assert_null(fake_variable(SPACE_OURS, LEDGER_VARIABLE));
}

static void newer_ledger_is_never_touched(void **state)
{
    struct ledger ledger = {.number = 7};
    uint8_t bytes[LEDGER_SIZE];
    struct fake_variable before;
    uint32_t crc;

    (void)state;
    ledger_encode(&ledger, bytes);
    record_seal(bytes, LEDGER_SIZE, LEDGER_MAGIC);
    bytes[4] = RECORD_VERSION + 1;
    memset(bytes + 8, 0, 4);
    crc = crc32_of(bytes, LEDGER_SIZE);
    for (unsigned i = 0; i < 4; i++)
        bytes[8 + i] = (uint8_t)(crc >> (8 * i));
    before = *fake_variable_put(SPACE_OURS, LEDGER_VARIABLE, ATTRIBUTES_NV_BS, bytes, sizeof bytes);
    assert_true(fake_boot());
    assert_int_equal(ticket_now().ledger_found, RECORD_NEWER);
    assert_memory_equal(fake_variable(SPACE_OURS, LEDGER_VARIABLE), &before, sizeof before);
    assert_int_equal(ticket_now().stored, STORED_ESP);
    fake_file_remove(FAKE_LEDGER_SLOTS);
    assert_true(fake_boot());
    assert_memory_equal(fake_variable(SPACE_OURS, LEDGER_VARIABLE), &before, sizeof before);
    assert_int_equal(ticket_now().stored, STORED_NOWHERE);
}

static void slot_file_of_another_size_is_never_written(void **state)
{
    static const size_t sizes[] = {0, 512, SLOTS_SIZE - 1, SLOTS_SIZE + 1};

    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        fake_reset();
        fake_file_put(FAKE_LEDGER_SLOTS, KIND_DATA, NULL, sizes[i]);
        fake_lie(LIE(NVRAM_FULL));
        assert_true(fake_boot());
        assert_int_equal(fake_event_count("write "), 0);
        assert_int_equal(ticket_now().stored, STORED_NOWHERE);
        assert_int_equal(fake_file(FAKE_LEDGER_SLOTS)->size, sizes[i]);
    }
}

/* ---- what is started
 * ------------------------------------------------------------------------------ */

struct choice {
    const char *name;
    const char *conf;
    const char *loaders[4];
    const char *stage;
    const char *started; /* "": back to firmware */
};

#define DEBIAN_GRUB "\\EFI\\debian\\grubx64.efi"
#define UBUNTU_SHIM "\\EFI\\ubuntu\\shimx64.efi"
#define SYSTEMD "\\EFI\\systemd\\systemd-bootx64.efi"
#define FALLBACK "\\EFI\\BOOT\\BOOTX64.EFI"
#define OTHER "\\EFI\\acme\\acme.efi"

static const struct choice choices[] = {
    {"first of two", "next=" OTHER "\nnext=" SYSTEMD "\n", {OTHER, SYSTEMD}, FAKE_STAGE, OTHER},
    {"second, first missing", "next=" OTHER "\nnext=" SYSTEMD "\n", {SYSTEMD}, FAKE_STAGE, SYSTEMD},
    {"named before usual", "next=" OTHER "\n", {OTHER, FAKE_NEXT}, FAKE_STAGE, OTHER},
    {"named gone, usual there", "next=" OTHER "\n", {DEBIAN_GRUB}, FAKE_STAGE, DEBIAN_GRUB},
    {"nothing named", "", {UBUNTU_SHIM, FALLBACK}, FAKE_STAGE, UBUNTU_SHIM},
    {"shim before grub", "threshold=3\n", {DEBIAN_GRUB, FAKE_NEXT}, FAKE_STAGE, FAKE_NEXT},
    {"fallback last", "nonsense", {FALLBACK, SYSTEMD}, FAKE_STAGE, SYSTEMD},
    {"only fallback", "nonsense", {FALLBACK}, FAKE_STAGE, FALLBACK},
    {"climbing out of root",
     "next=\\EFI\\..\\secret.efi\n",
     {SYSTEMD, "\\EFI\\..\\secret.efi"},
     FAKE_STAGE,
     SYSTEMD},
    {"itself named",
     "next=\\efi\\BACKSTOP\\backstopx64.EFI\nnext=" SYSTEMD "\n",
     {SYSTEMD},
     FAKE_STAGE,
     SYSTEMD},
    {"itself the fallback", "next=" FALLBACK "\n", {SYSTEMD}, FALLBACK, SYSTEMD},
    {"nothing at all", "next=" OTHER "\n", {NULL}, FAKE_STAGE, ""},
};

static void choice_row(const struct choice *row)
{
    fake_reset();
    fake_file_remove(FAKE_NEXT);
    fake_conf_put(row->conf);
    for (size_t i = 0; i < 4 && row->loaders[i] != NULL; i++)
        fake_file_put(row->loaders[i], KIND_LOADER, NULL, 8);
    fake_file_put(row->stage, KIND_STAGE, NULL, 8);
    assert_int_equal(fake_run(row->stage), row->started[0] != '\0');
    if (strcmp(fake_started(), row->started) != 0)
        fail_msg("%s: started '%s'", row->name, fake_started());
    if (row->started[0] == '\0')
        assert_int_equal(fake_status(), NOT_FOUND);
}

static void the_right_loader_is_started(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof choices / sizeof choices[0]; i++)
        choice_row(&choices[i]);
}

static void conf_of_any_kind_starts_a_loader(void **state)
{
    static char text[FAKE_FILE_MAX];

    (void)state;
    memset(text, '#', sizeof text);
    fake_file_remove(FAKE_CONF);
    assert_true(fake_boot());
    assert_int_equal(ticket_now().conf_found, 0);
    fake_file_put(FAKE_CONF, KIND_DIRECTORY, NULL, 0);
    assert_true(fake_boot());
    fake_file_put(FAKE_CONF, KIND_DATA, text, STAGECONF_MAX_SIZE + 1);
    assert_true(fake_boot());
    assert_int_equal(ticket_now().conf_found, 0);
    memset(text, '\n', sizeof text);
    memset(text, 'x', 2);
    for (size_t i = 0; i < 3000; i += 5)
        memcpy(text + i, "a=b\r\n", 5);
    fake_file_put(FAKE_CONF, KIND_DATA, text, 3000);
    assert_true(fake_boot());
    assert_int_equal(ticket_now().conf_bad_lines, 255);
    fake_conf_put("next=" OTHER "\nnext=" FAKE_NEXT);
    fake_lie(LIE(ESP_SHORT_READ));
    assert_true(fake_boot());
    assert_int_equal(ticket_now().conf_found, 0);
    assert_string_equal(fake_started(), FAKE_NEXT);
}

static void what_comes_back_is_followed_by_the_next(void **state)
{
    (void)state;
    fake_conf_put("next=" OTHER "\nnext=" SYSTEMD "\n");
    fake_file_put(OTHER, KIND_LOADER, NULL, 8);
    fake_file_put(SYSTEMD, KIND_LOADER, NULL, 8);
    fake_lie(LIE(START_RETURNS));
    assert_false(fake_boot());
    assert_int_equal(fake_status(), ABORTED);
    assert_int_equal(fake_event_count("start "), 3);
    assert_true(fake_event_first("start " OTHER) < fake_event_first("start " SYSTEMD));
    assert_true(fake_event_first("start " SYSTEMD) < fake_event_first("start " FAKE_NEXT));
}

static void refused_images_are_unloaded(void **state)
{
    (void)state;
    fake_lie(LIE(LOAD_VIOLATES));
    assert_false(fake_boot());
    assert_int_equal(fake_event_count("unload"), 1);
    assert_int_equal(fake_event_count("start "), 0);
    fake_lie(LIE(START_VIOLATES));
    assert_false(fake_boot());
    assert_int_equal(fake_event_count("unload"), 1);
}

static void copy_of_the_stage_as_fallback_does_not_go_round(void **state)
{
    (void)state;
    fake_file_remove(FAKE_NEXT);
    fake_file_put(FALLBACK, KIND_STAGE, NULL, 8);
    fake_conf_put("next=" FALLBACK "\nnext=\\EFI\\backstop\\BACKSTOPX64.EFI\n");
    assert_false(fake_boot());
    assert_int_equal(fake_status(), ALREADY_STARTED);
    assert_int_equal(fake_event_count("start "), 1);
    assert_int_equal(fake_event_count("set BackstopLedger"), 1);
}

static void second_start_in_one_boot_is_not_counted_again(void **state)
{
    (void)state;
    fake_file_remove(FAKE_NEXT);
    assert_false(fake_boot());
    assert_int_equal(nvram_ledger().number, 1);
    fake_file_put(FAKE_NEXT, KIND_LOADER, NULL, 8);
    assert_true(fake_run(FAKE_STAGE));
    assert_string_equal(fake_started(), FAKE_NEXT);
    assert_int_equal(nvram_ledger().number, 1);
    assert_int_equal(ticket_now().number, 1);
    assert_true(fake_boot());
    assert_int_equal(nvram_ledger().number, 2);
}

/* ---- names in NVRAM ----------------------------------------------------------------------------
 */

static void bad_names_leave_the_count_of_dumps_as_it_was(void **state)
{
    static const enum fake_lie bad[] = {LOOPING_NAMES, ENDLESS_NAMES, NAME_WITHOUT_END};
    uint32_t seen;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        fake_reset();
        fake_panic(5, 1, 1700000000);
        boot_that_ends(OUTCOME_UNKNOWN);
        seen = nvram_ledger().dumps_seen;
        fake_panic(5, 2, 1700000100);
        fake_lie(LIE(bad[i]));
        assert_true(fake_boot());
        assert_int_equal(ticket_now().dumps, 5);
        assert_int_equal(ticket_now().last_outcome, OUTCOME_UNKNOWN);
        assert_int_equal(nvram_ledger().dumps_seen, seen);
        assert_in_range(fake_calls(), 1, 4200);
        if (bad[i] == LOOPING_NAMES)
            assert_in_range(fake_calls(), 1, 100);
    }
}

/* ---- retiring -----------------------------------------------------------------------------------
 */

static void boot_option_put(const char *name, const char *path)
{
    uint8_t option[600] = {1, 0, 0, 0};
    size_t at = 6;
    size_t list;

    memcpy(option + at, "B\0a\0\0", 6);
    at += 6;
    list = at;
    memcpy(option + at, "\1\1\6\0\0\3", 6);
    at += 6;
    option[at] = option[at + 1] = 4;
    option[at + 2] = (uint8_t)(4 + 2 * (strlen(path) + 1));
    at += 4;
    for (size_t i = 0; i <= strlen(path); i++, at += 2)
        option[at] = (uint8_t)path[i];
    memcpy(option + at, "\x7f\xff\4\0", 4);
    at += 4;
    option[4] = (uint8_t)(at - list);
    fake_variable_put(SPACE_GLOBAL, name, ATTRIBUTES_NV_BS_RT, option, at);
}

static void retire_prepare(const char *entry_path)
{
    fake_reset();
    boot_that_ends(OUTCOME_GOOD);
    fake_power_on();
    fake_conf_put("retire=yes\nnext=" FAKE_NEXT "\n");
    fake_variable_put(SPACE_GLOBAL, "BootOrder", ATTRIBUTES_NV_BS_RT, "\x0a\0\1\0\2\0", 6);
    fake_variable_put(SPACE_GLOBAL, "BootCurrent", ATTRIBUTES_BS_RT, "\x0a", 2);
    boot_option_put("Boot000A", entry_path);
    boot_option_put("Boot0001", "\\EFI\\debian\\shimx64.efi");
}

static void retired_stage_leaves_nothing_behind(void **state)
{
    (void)state;
    retire_prepare(FAKE_STAGE);
    assert_true(fake_run(FAKE_STAGE));
    assert_string_equal(fake_started(), FAKE_NEXT);
    assert_null(fake_variable(SPACE_OURS, LEDGER_VARIABLE));
    assert_null(fake_variable(SPACE_OURS, RECEIPT_VARIABLE));
    assert_null(fake_variable(SPACE_OURS, TICKET_VARIABLE));
    assert_null(fake_variable(SPACE_GLOBAL, "Boot000A"));
    assert_non_null(fake_variable(SPACE_GLOBAL, "Boot0001"));
    assert_int_equal(fake_variable(SPACE_GLOBAL, "BootOrder")->size, 4);
    assert_memory_equal(fake_variable(SPACE_GLOBAL, "BootOrder")->bytes, "\1\0\2\0", 4);
    assert_null(fake_file(FAKE_CONF));
    assert_null(fake_file(FAKE_STAGE));
    assert_null(fake_file(FAKE_LEDGER_SLOTS));
    assert_null(fake_file(FAKE_RECEIPT_SLOTS));
    assert_null(fake_file("\\EFI\\backstop"));
    assert_non_null(fake_file(FAKE_NEXT));
}

static void retired_stage_leaves_what_is_not_its_own(void **state)
{
    (void)state;
    retire_prepare("\\EFI\\debian\\grubx64.efi");
    fake_file_put("\\EFI\\backstop\\notes.txt", KIND_DATA, "x", 1);
    assert_true(fake_run(FAKE_STAGE));
    assert_non_null(fake_variable(SPACE_GLOBAL, "Boot000A"));
    assert_int_equal(fake_variable(SPACE_GLOBAL, "BootOrder")->size, 6);
    assert_non_null(fake_file("\\EFI\\backstop\\notes.txt"));
    assert_non_null(fake_file("\\EFI\\backstop"));

    retire_prepare(FAKE_STAGE);
    fake_file_put(FALLBACK, KIND_STAGE, NULL, 8);
    assert_true(fake_run(FALLBACK));
    assert_non_null(fake_file(FALLBACK));
    assert_non_null(fake_file(FAKE_CONF));
    assert_null(fake_variable(SPACE_OURS, LEDGER_VARIABLE));
}

static void retiring_may_be_cut_anywhere(void **state)
{
    (void)state;
    for (unsigned cut = 1;; cut++) {
        retire_prepare(FAKE_STAGE);
        fake_fail_from(cut);
        fake_run(FAKE_STAGE);
        if (fake_calls() < cut)
            break;
        fake_fail_from(0);
        fake_power_on();
        fake_variable_put(SPACE_GLOBAL, "BootCurrent", ATTRIBUTES_BS_RT, "\x0a", 2);
        if (fake_file(FAKE_STAGE) == NULL)
            continue;
        assert_true(fake_run(FAKE_STAGE));
        if (fake_file(FAKE_CONF) != NULL)
            fail_msg("stage.conf is left after a cut at call %u", cut);
    }
}

int main(void)
{
#define ROW(test) cmocka_unit_test_setup(test, setup)
    const struct CMUnitTest tests[] = {
        ROW(first_boot_is_stored_marked_told_and_started),
        ROW(events_come_in_the_order_that_is_safe),
        ROW(healthy_boots_write_the_slot_once_in_mark_ahead),
        ROW(third_failure_recovers_and_says_so),
        ROW(new_dumps_make_it_a_crash),
        ROW(panic_shows_where_records_were_archived),
        ROW(ledger_of_a_stage_that_only_counted_tells_no_crash),
        ROW(held_machine_is_started_after_a_pause),
        ROW(held_machine_that_ended_in_order_is_not_kept_waiting),
        ROW(watchdog_of_the_firmware_stays_where_ours_is_off),
        ROW(next_loader_has_the_whole_watchdog),
        ROW(full_of_dumps_loses_the_oldest_and_no_more),
        ROW(full_for_good_keeps_all_but_a_bounded_number_of_dumps),
        ROW(dumps_stay_where_room_is_not_what_is_missing),
        ROW(refused_ledger_goes_to_the_slot_or_is_told_uncounted),
        ROW(slots_alone_carry_the_count_to_recovery_and_back),
        ROW(receipt_on_the_esp_counts_as_well),
        ROW(damaged_ledger_is_one_short_of_the_threshold),
        ROW(planted_ledger_is_not_believed_and_is_replaced),
        ROW(planted_ticket_is_replaced_and_does_not_stop_the_count),
        ROW(oversized_ledger_is_damaged),
        ROW(empty_ledger_is_absent),
        ROW(lost_ledger_is_not_recreated_at_once),
        ROW(newer_ledger_is_never_touched),
        ROW(slot_file_of_another_size_is_never_written),
        ROW(the_right_loader_is_started),
        ROW(conf_of_any_kind_starts_a_loader),
        ROW(what_comes_back_is_followed_by_the_next),
        ROW(refused_images_are_unloaded),
        ROW(copy_of_the_stage_as_fallback_does_not_go_round),
        ROW(second_start_in_one_boot_is_not_counted_again),
        ROW(bad_names_leave_the_count_of_dumps_as_it_was),
        ROW(retired_stage_leaves_nothing_behind),
        ROW(retired_stage_leaves_what_is_not_its_own),
        ROW(retiring_may_be_cut_anywhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
