/* confirm.c: which boots are receipted how, which make a good generation, and which are ended. */
#include "fake_vars.h"
#include "scratch.h"

#include <fcntl.h>

#include "confirm.h"
#include "good.h"
#include "journal.h"
#include "manifest.h"
#include "notify.h"
#include "vars.h"

static struct place place;
static char run_dir[128];
static efi_guid_t ours;

static struct {
    unsigned calls;
    int answer;
    struct receipt receipt;
    size_t generations; /* that stood when it was called */
} written;

static size_t generations_now(void)
{
    struct place here;
    uint32_t *numbers = NULL;
    size_t count = 0;

    assert_int_equal(place_open(&here, scratch), 0);
    if (place_open_state(&here, false) == 0)
        assert_int_equal(good_list(&here, &numbers, &count), 0);
    free(numbers);
    place_close(&here);
    return count;
}

static uint8_t stored[RECEIPT_SIZE];

/* As vars_write_receipt: what is there already is not written. */
static int take_receipt(const struct receipt *receipt, enum stored *where)
{
    uint8_t bytes[RECEIPT_SIZE];

    receipt_encode(receipt, bytes);
    *where = STORED_NVRAM;
    if (!written.answer && memcmp(stored, bytes, sizeof stored) == 0)
        return 0;
    if (!written.answer)
        memcpy(stored, bytes, sizeof stored);
    written.calls++;
    written.receipt = *receipt;
    written.generations = generations_now();
    *where = written.answer ? STORED_NOWHERE : STORED_NVRAM;
    return written.answer;
}

static int begin(void **state)
{
    if (scratch_make(state) < 0)
        return -1;
    memset(&fake_vars, 0, sizeof fake_vars);
    memset(&written, 0, sizeof written);
    memset(stored, 0, sizeof stored);
    efi_str_to_guid(BACKSTOP_GUID_TEXT, &ours);
    snprintf(run_dir, sizeof run_dir, "%s/run", scratch);
    put_file("usr/lib/backstop/sets.d/acme.conf",
             "[set]\ndescription=ACME\nclass=content\npath=/opt/acme/**\n");
    put_file("opt/acme/content", "290");
    return place_open(&place, scratch);
}

static int end(void **state)
{
    place_close(&place);
    return scratch_remove(state);
}

enum boot_kind {
    NORMAL,
    PROBATION,
    SAFE,
    MINIMAL,
    HOLD,
    UNCOUNTED,
    SAFE_UNCOUNTED,
    UNTOLD,
    FAILING
};

static void put_ticket(enum boot_kind kind)
{
    struct ticket ticket = {.number = 9, .stored = STORED_NVRAM, .case_number = 2};
    uint8_t bytes[TICKET_SIZE];

    switch (kind) {
    case NORMAL:
        break;
    case PROBATION:
        ticket.stance = STANCE_PROBATION;
        ticket.case_open = 1;
        break;
    case SAFE:
    case SAFE_UNCOUNTED:
    case MINIMAL:
    case HOLD:
        ticket.stance = STANCE_RECOVERY;
        ticket.case_open = 1;
        ticket.failures = 3;
        ticket.rung = kind == MINIMAL ? RUNG_DRIVERS_OFF : kind == HOLD ? RUNG_HOLD : RUNG_ALL;
        if (kind == SAFE_UNCOUNTED)
            ticket.stored = STORED_NOWHERE;
        break;
    case UNCOUNTED:
        ticket.stored = STORED_NOWHERE;
        break;
    case UNTOLD:
        return;
    case FAILING:
        ticket.failures = 1;
        break;
    }
    ticket_encode(&ticket, bytes);
    fake_put(ours, TICKET_VARIABLE, bytes, sizeof bytes, VAR_BS | VAR_RT);
}

static struct confirm open_confirm(void)
{
    struct confirm confirm;

    confirm_open(&confirm, &place, run_dir, NULL);
    confirm.write_receipt = take_receipt;
    return confirm;
}

static void start_of_boot(enum boot_kind kind)
{
    struct confirm confirm;

    put_ticket(kind);
    confirm = open_confirm();
    assert_int_equal(confirm_start(&confirm), 0);
}

static void the_start_takes_identities_once(void **state)
{
    struct inventory started = {0};
    struct confirm confirm;
    int fd;

    (void)state;
    start_of_boot(NORMAL);
    assert_int_equal(written.calls, 0); /* a healthy boot writes nothing here */
    put_file("opt/acme/late", "291");
    confirm = open_confirm();
    assert_int_equal(confirm_start(&confirm), 0);
    fd = open(run_dir, O_RDONLY | O_DIRECTORY);
    assert_int_equal(manifest_read(fd, IDENTITIES_NAME, &started, NULL), 0);
    close(fd);
    assert_non_null(inventory_find(&started, "/opt/acme/content"));
    assert_null(inventory_find(&started, "/opt/acme/late"));
    assert_int_equal(started.boot, 9);
    inventory_free(&started);
}

/* The unit was killed at its time limit; starting any service starts it again. */
static void identities_are_not_taken_late(void **state)
{
    struct confirm confirm;

    (void)state;
    put_ticket(NORMAL);
    put_file("run/" STARTED_NAME, "");
    confirm = open_confirm();
    assert_int_equal(confirm_start(&confirm), -EALREADY);
    assert_false(is_at("run/" IDENTITIES_NAME));
}

static void after_failures_the_start_is_receipted(void **state)
{
    (void)state;
    start_of_boot(FAILING);
    assert_int_equal(written.calls, 1);
    assert_int_equal(written.receipt.number, 9);
    assert_int_equal(written.receipt.outcome, OUTCOME_NONE);
    assert_int_equal(written.receipt.phase, PHASE_EARLY);
}

static void a_good_boot(void **state)
{
    static const struct {
        const char *name;
        enum boot_kind kind;
        unsigned receipts;
        size_t generations;
        uint32_t generation; /* in the receipt */
        bool returns;
    } rows[] = {
        {"normal", NORMAL, 1, 1, 1, false},
        {"on probation", PROBATION, 1, 1, 1, false},
        {"safe mode promotes nothing", SAFE, 1, 0, 0, true},
        {"minimal safe mode", MINIMAL, 1, 0, 0, true},
        {"hold stays", HOLD, 1, 0, 0, false},
        {"uncounted", UNCOUNTED, 1, 1, 1, false},
        {"uncounted safe mode never restarts", SAFE_UNCOUNTED, 1, 0, 0, false},
        {"not started by the stage", UNTOLD, 0, 1, 0, false},
    };

    for (size_t i = 0; i < ROWS(rows); i++) {
        struct confirm confirm;

        if (i > 0)
            assert_int_equal(begin(state), 0);
        start_of_boot(rows[i].kind);
        memset(&written, 0, sizeof written);
        confirm = open_confirm();
        print_message("  %s\n", rows[i].name);
        assert_false(is_at("run/" GOOD_NAME));
        assert_int_equal(confirm_good(&confirm), 0);
        assert_true(is_at("run/" GOOD_NAME));
        assert_int_equal(written.calls, rows[i].receipts);
        assert_int_equal(generations_now(), rows[i].generations);
        assert_int_equal(confirm_returns(&confirm), rows[i].returns);
        if (rows[i].receipts) {
            assert_int_equal(written.receipt.number, 9);
            assert_int_equal(written.receipt.outcome, OUTCOME_GOOD);
            assert_int_equal(written.receipt.phase, PHASE_BOOTED);
            assert_int_equal(written.receipt.generation, rows[i].generation);
            /* with older settings of its own the stage would choose safe mode again */
            assert_int_equal(written.receipt.go_normal, rows[i].returns);
            assert_int_equal(written.generations, rows[i].generations); /* durable before it */
            confirm = open_confirm();
            assert_int_equal(confirm_good(&confirm), 0);
            assert_int_equal(written.calls, rows[i].receipts); /* again: already so */
        }
        if (i + 1 < ROWS(rows))
            assert_int_equal(end(state), 0);
    }
}

/* What arrived after the start of the boot is not good yet. */
static void a_late_file_is_not_promoted(void **state)
{
    struct inventory good = {0};
    struct confirm confirm;

    (void)state;
    start_of_boot(NORMAL);
    put_file("opt/acme/late", "291");
    confirm = open_confirm();
    assert_int_equal(confirm_good(&confirm), 0);
    assert_int_equal(place_open_state(&place, false), 0);
    assert_int_equal(good_load_newest(&place, &good, NULL), 0);
    assert_non_null(inventory_find(&good, "/opt/acme/content"));
    assert_null(inventory_find(&good, "/opt/acme/late"));
    inventory_free(&good);
}

/* What a set detects was mounted after the boot began; its files stood on the root. */
static void what_is_detected_late_is_proven(void **state)
{
    struct inventory good = {0};
    struct confirm confirm;

    (void)state;
    put_file("usr/lib/backstop/sets.d/acme.conf",
             "[set]\nclass=content\ndetect=/srv/acme/*\npath=/opt/acme/**\n");
    start_of_boot(NORMAL);
    put_file("srv/acme/product", "1");
    confirm = open_confirm();
    assert_int_equal(confirm_good(&confirm), 0);
    assert_int_equal(place_open_state(&place, false), 0);
    assert_int_equal(good_load_newest(&place, &good, NULL), 0);
    assert_non_null(inventory_find(&good, "/opt/acme/content"));
    inventory_free(&good);
}

/* A driver that was kept from loading did not prove what it would have read. */
/* Which words do is in test_agent_leftout.c. */
static void what_the_command_line_left_out_is_not_proven(void **state)
{
    (void)state;
    put_file("proc/cmdline", "ro modprobe.blacklist=nouveau\n");
    start_of_boot(NORMAL);
    struct confirm confirm = open_confirm();
    assert_int_equal(confirm_good(&confirm), 0);
    assert_int_equal(generations_now(), 0);
    assert_int_equal(written.receipt.outcome, OUTCOME_GOOD);
}

static void checks_are_needed_in_normal_mode_alone(void **state)
{
    (void)state;
    for (int mode = 0; mode < MODE_COUNT; mode++)
        assert_int_equal(confirm_needs_checks(&(struct this_boot){.mode = (enum mode)mode}),
                         mode == MODE_NORMAL);
}

static void without_identities_there_is_a_receipt_but_no_generation(void **state)
{
    struct confirm confirm;

    (void)state;
    put_ticket(NORMAL);
    confirm = open_confirm();
    assert_int_not_equal(confirm_good(&confirm), 0);
    assert_int_equal(written.calls, 1);
    assert_int_equal(written.receipt.outcome, OUTCOME_GOOD);
    assert_int_equal(written.receipt.generation, 0);
    assert_int_equal(generations_now(), 0);
}

/* The store cannot be written (a file stands in its place): the boot is good all the same. */
static void a_generation_that_fails_does_not_keep_the_receipt(void **state)
{
    struct confirm confirm;

    (void)state;
    start_of_boot(NORMAL);
    put_file("var/lib/backstop", "in the way");
    confirm = open_confirm();
    assert_int_not_equal(confirm_good(&confirm), 0);
    assert_int_equal(written.calls, 1);
    assert_int_equal(written.receipt.outcome, OUTCOME_GOOD);
    assert_int_equal(written.receipt.generation, 0);
}

/* /var did not come and the machine may do without (nofail): nothing is put beneath its mount
 * point. */
static void a_state_that_is_not_mounted_is_not_made_anew(void **state)
{
    struct confirm confirm;

    (void)state;
    put_file("etc/fstab", "UUID=1 / ext4 rw 0 1\nUUID=2 /var ext4 nofail 0 2\n");
    make_dirs("var");
    start_of_boot(NORMAL);
    confirm = open_confirm();
    assert_int_equal(confirm_good(&confirm), -ENODEV);
    assert_int_equal(written.receipt.outcome, OUTCOME_GOOD);
    assert_false(is_at("var/lib"));
}

static void what_recovery_did_is_in_the_receipt(void **state)
{
    struct early_report early = {.mode = MODE_SAFE, .number = 9, .applied = APPLIED_PUT_BACK};
    struct confirm confirm;

    (void)state;
    put_ticket(SAFE);
    assert_int_equal(early_report_write(run_dir, &early), 0);
    confirm = open_confirm();
    assert_int_equal(confirm_good(&confirm), 0);
    assert_int_equal(written.receipt.applied, APPLIED_PUT_BACK);
}

/* Nothing had changed: early userspace says that this is a normal boot, whatever the ticket wants.
 */
static void a_recovery_with_nothing_to_do_is_a_normal_boot(void **state)
{
    struct early_report early = {.mode = MODE_NORMAL, .number = 9, .applied = APPLIED_NOTHING};
    struct confirm confirm;

    (void)state;
    make_dirs("run");
    assert_int_equal(early_report_write(run_dir, &early), 0);
    start_of_boot(SAFE);
    confirm = open_confirm();
    assert_int_equal(confirm_good(&confirm), 0);
    assert_int_equal(written.receipt.applied, APPLIED_NOTHING);
    assert_int_equal(generations_now(), 1);
    assert_false(confirm_returns(&confirm));
}

static void which_word_about_the_mode_counts(void **state)
{
    static const struct ticket safe = {.number = 9, .stance = STANCE_RECOVERY, .rung = RUNG_ALL},
                               normal = {.number = 9};
    static const struct {
        const char *name;
        enum record_state state;
        const struct ticket *ticket;
        struct early_report early;
        enum mode mode;
    } rows[] = {
        {"neither", RECORD_ABSENT, &normal, {0}, MODE_NORMAL},
        {"ticket alone", RECORD_VALID, &safe, {0}, MODE_SAFE},
        {"early alone", RECORD_ABSENT, &normal, {.present = true, .mode = MODE_SAFE}, MODE_SAFE},
        {"early, of this boot", RECORD_VALID, &safe, {.present = true, .number = 9}, MODE_NORMAL},
        {"early, of another boot", RECORD_VALID, &safe, {.present = true, .number = 8}, MODE_SAFE},
        {"damaged ticket", RECORD_DAMAGED, &safe, {0}, MODE_NORMAL},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        print_message("  %s\n", rows[i].name);
        assert_int_equal(this_boot_mode(rows[i].state, rows[i].ticket, &rows[i].early),
                         rows[i].mode);
    }
}

enum before { NOTHING_BEFORE, GOOD_BEFORE, FAILED_BEFORE, CLEAN_BEFORE };

static void put_before(enum before before)
{
    struct confirm confirm = open_confirm();
    bool restart;

    if (before == GOOD_BEFORE)
        assert_int_equal(confirm_good(&confirm), 0);
    if (before == FAILED_BEFORE)
        assert_int_equal(confirm_deadline(&confirm, &restart), 0);
    if (before == CLEAN_BEFORE)
        assert_int_equal(confirm_end(&confirm), 0);
    memset(&written, 0, sizeof written);
}

static void an_orderly_end(void **state)
{
    static const struct {
        const char *name;
        enum boot_kind kind;
        enum before before;
        bool retired;
        unsigned receipts;
    } rows[] = {
        {"before confirmation", NORMAL, NOTHING_BEFORE, false, 1},
        {"after a good receipt", NORMAL, GOOD_BEFORE, false, 0},
        {"after a failed receipt", NORMAL, FAILED_BEFORE, false, 0},
        {"in safe mode", SAFE, NOTHING_BEFORE, false, 1},
        {"not started by the stage", UNTOLD, NOTHING_BEFORE, false, 0},
        {"uninstalled in this boot", NORMAL, NOTHING_BEFORE, true, 0},
    };

    for (size_t i = 0; i < ROWS(rows); i++) {
        struct confirm confirm;

        if (i > 0)
            assert_int_equal(begin(state), 0);
        start_of_boot(rows[i].kind);
        put_before(rows[i].before);
        if (rows[i].retired)
            put_file("run/" RETIRED_NAME, "");
        confirm = open_confirm();
        print_message("  %s\n", rows[i].name);
        assert_int_equal(confirm_end(&confirm), 0);
        assert_int_equal(written.calls, rows[i].receipts);
        if (rows[i].receipts)
            assert_int_equal(written.receipt.outcome, OUTCOME_CLEAN);
        if (i + 1 < ROWS(rows))
            assert_int_equal(end(state), 0);
    }
}

static void the_deadline(void **state)
{
    static const struct {
        const char *name;
        enum boot_kind kind;
        enum before before;
        int receipt_answer;
        unsigned receipts;
        bool restart;
    } rows[] = {
        {"not good yet", NORMAL, NOTHING_BEFORE, 0, 1, true},
        {"good", NORMAL, GOOD_BEFORE, 0, 0, false},
        {"in safe mode", SAFE, NOTHING_BEFORE, 0, 1, true},
        {"held: never a loop", HOLD, NOTHING_BEFORE, 0, 0, false},
        {"uncounted: never a loop", UNCOUNTED, NOTHING_BEFORE, 0, 0, false},
        {"not started by the stage", UNTOLD, NOTHING_BEFORE, 0, 0, false},
        {"no receipt can be stored", NORMAL, NOTHING_BEFORE, -EIO, 1, true},
    };

    for (size_t i = 0; i < ROWS(rows); i++) {
        struct confirm confirm;
        bool restart = !rows[i].restart;

        if (i > 0)
            assert_int_equal(begin(state), 0);
        start_of_boot(rows[i].kind);
        put_before(rows[i].before);
        written.answer = rows[i].receipt_answer;
        confirm = open_confirm();
        print_message("  %s\n", rows[i].name);
        assert_int_equal(confirm_may_end(&confirm), rows[i].restart);
        assert_int_equal(confirm_deadline(&confirm, &restart), rows[i].receipt_answer);
        assert_int_equal(restart, rows[i].restart);
        assert_int_equal(written.calls, rows[i].receipts);
        if (rows[i].receipts)
            assert_int_equal(written.receipt.outcome, OUTCOME_FAILED);
        if (i + 1 < ROWS(rows))
            assert_int_equal(end(state), 0);
    }
}

/* Nothing takes the receipt: the machine works, so the deadline leaves it alone, and its end tries
 * again. */
static void a_good_boot_that_cannot_be_receipted_goes_on(void **state)
{
    struct confirm confirm;
    bool restart = true;

    (void)state;
    start_of_boot(NORMAL);
    written.answer = -EROFS;
    confirm = open_confirm();
    assert_int_equal(confirm_good(&confirm), -EROFS);
    confirm = open_confirm();
    assert_int_equal(confirm_deadline(&confirm, &restart), 0);
    assert_false(restart);
    assert_int_equal(written.receipt.outcome, OUTCOME_GOOD);
    memset(&written, 0, sizeof written);
    confirm = open_confirm();
    assert_int_equal(confirm_end(&confirm), 0);
    assert_int_equal(written.calls, 1);
    assert_int_equal(written.receipt.outcome, OUTCOME_GOOD);
}

/* The run directory has lost its note, or this is the same boot after a kexec. */
static void what_firmware_holds_as_good_is_not_ended(void **state)
{
    static const struct {
        const char *name;
        enum boot_kind kind;
        struct receipt receipt;
        bool restart;
    } rows[] = {
        {"good", NORMAL, {.number = 9, .outcome = OUTCOME_GOOD}, false},
        {"good, of the boot before", NORMAL, {.number = 8, .outcome = OUTCOME_GOOD}, true},
        {"a phase alone", NORMAL, {.number = 9, .phase = PHASE_INITRAMFS}, true},
        {"clean, then kexec", NORMAL, {.number = 9, .outcome = OUTCOME_CLEAN}, true},
    };

    for (size_t i = 0; i < ROWS(rows); i++) {
        uint8_t bytes[RECEIPT_SIZE];
        struct confirm confirm;
        bool restart = !rows[i].restart;

        if (i > 0)
            assert_int_equal(begin(state), 0);
        print_message("  %s\n", rows[i].name);
        start_of_boot(rows[i].kind);
        receipt_encode(&rows[i].receipt, bytes);
        fake_put(ours, RECEIPT_VARIABLE, bytes, sizeof bytes, VAR_NV_BS_RT);
        confirm = open_confirm();
        assert_int_equal(confirm_deadline(&confirm, &restart), 0);
        assert_int_equal(restart, rows[i].restart);
        if (i + 1 < ROWS(rows))
            assert_int_equal(end(state), 0);
    }
}

static void leaving_safe_mode_by_hand(void **state)
{
    struct confirm confirm;

    (void)state;
    put_file("etc/backstop/backstop.conf", "[policy]\nreturn=hand\n");
    start_of_boot(SAFE);
    confirm = open_confirm();
    assert_int_equal(confirm_good(&confirm), 0);
    assert_false(confirm_returns(&confirm));
    assert_int_equal(written.receipt.go_normal, 0);
    confirm = open_confirm();
    assert_int_equal(confirm_return(&confirm), 0);
    assert_int_equal(written.receipt.go_normal, 1);
    assert_int_equal(written.receipt.outcome, OUTCOME_GOOD); /* what it was */
    assert_int_equal(written.receipt.phase, PHASE_BOOTED);
}

static void asking_before_it_is_good_is_remembered(void **state)
{
    struct confirm confirm;

    (void)state;
    put_file("etc/backstop/backstop.conf", "[policy]\nreturn=hand\n");
    start_of_boot(SAFE);
    confirm = open_confirm();
    assert_int_equal(confirm_return(&confirm), 0);
    assert_int_equal(written.receipt.outcome, OUTCOME_NONE);
    confirm = open_confirm();
    assert_int_equal(confirm_good(&confirm), 0);
    assert_int_equal(written.receipt.outcome, OUTCOME_GOOD);
    assert_int_equal(written.receipt.go_normal, 1);
    assert_true(confirm_returns(&confirm));
}

static void there_is_nothing_to_leave_in_normal_mode(void **state)
{
    struct confirm confirm;

    (void)state;
    start_of_boot(NORMAL);
    confirm = open_confirm();
    assert_int_equal(confirm_return(&confirm), -EINVAL);
    assert_int_equal(written.calls, 0);
}

/* A machine resumed from hibernation: the stage has given a new number meanwhile. */
static void a_receipt_of_another_number_does_not_count(void **state)
{
    struct ticket ticket = {.number = 10, .stored = STORED_NVRAM};
    uint8_t bytes[TICKET_SIZE];
    struct confirm confirm;

    (void)state;
    start_of_boot(NORMAL);
    put_before(GOOD_BEFORE);
    ticket_encode(&ticket, bytes);
    fake_put(ours, TICKET_VARIABLE, bytes, sizeof bytes, VAR_BS | VAR_RT);
    confirm = open_confirm();
    assert_int_equal(confirm_end(&confirm), 0);
    assert_int_equal(written.calls, 1);
    assert_int_equal(written.receipt.number, 10);
    assert_int_equal(written.receipt.outcome, OUTCOME_CLEAN);
}

static void counting_that_began_anew_is_in_the_journal(void **state)
{
    static const struct {
        uint8_t reason;
        uint32_t case_number;
        const char *before; /* event */
        bool noted;
    } rows[] = {
        {REASON_FIRST_BOOT, 0, "intent", true},   {REASON_LEDGER_LOST, 0, "case-end", true},
        {REASON_LEDGER_LOST, 1, "intent", false}, {REASON_NONE, 0, "intent", false},
        {REASON_FIRST_BOOT, 0, "good", false},    {REASON_FIRST_BOOT, 0, "recount", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct ticket ticket = {.number = 1,
                                .case_number = rows[i].case_number,
                                .last_reason = rows[i].reason,
                                .stored = STORED_NVRAM};
        uint8_t bytes[TICKET_SIZE];
        struct confirm confirm;
        struct journal journal = {0};

        assert_int_equal(place_open_state(&place, true), 0);
        assert_int_equal(journal_append(&place, journal_record(rows[i].before, 9, 1, "")), 0);
        ticket_encode(&ticket, bytes);
        fake_put(ours, TICKET_VARIABLE, bytes, sizeof bytes, VAR_BS | VAR_RT);
        confirm = open_confirm();
        assert_int_equal(confirm_start(&confirm), 0);
        assert_int_equal(journal_read(&place, &journal, NULL), 0);
        assert_int_equal(journal.count, rows[i].noted ? 2 : 1);
        if (rows[i].noted)
            assert_string_equal(journal_text(journal.records[1], "event"), "recount");
        journal_free(&journal);
        assert_int_equal(unlinkat(place.state_fd, JOURNAL_NAME, 0), 0);
    }
}

/* As update-initramfs does. */
static void make_image(const char *release)
{
    char name[64], new[80], from[200], to[200];

    snprintf(name, sizeof name, "boot/initrd.img-%s", release);
    snprintf(new, sizeof new, "%s.new", name);
    put_file(new, "old");
    snprintf(from, sizeof from, "%s/%s", scratch, new);
    snprintf(to, sizeof to, "%s/%s", scratch, name);
    assert_int_equal(rename(from, to), 0);
}

static void a_rebuild_is_in_the_journal(void **state)
{
    char a[] = "6.1-a", b[] = "6.1-b", zfs[] = "zfs";
    struct due_image images[] = {{.release = a}, {.release = b, .missing = zfs}};
    const struct due_images due = {.items = images, .count = 2};
    struct due_images left = {0};
    struct journal journal = {0};
    struct confirm confirm;

    (void)state;
    assert_int_equal(place_open_state(&place, true), 0);
    put_ticket(SAFE);
    confirm = open_confirm();
    put_file("boot/initrd.img-6.1-a", "old");
    put_file("boot/initrd.img-6.1-b", "old");
    assert_int_equal(confirm_rebuilt(&confirm, &due), -ENOENT); /* nobody asked which */
    assert_int_equal(confirm_to_rebuild(&confirm, &due), 0);
    assert_int_equal(confirm_rebuilt(&confirm, &due), -ESTALE); /* none was made */
    assert_int_equal(journal_read(&place, &journal, NULL), 0);
    assert_int_equal(journal.count, 0);
    journal_free(&journal);
    make_image("6.1-a");
    assert_int_equal(confirm_rebuilt(&confirm, &due), 0);
    assert_int_equal(journal_read(&place, &journal, NULL), 0);
    assert_int_equal(journal.count, 1);
    assert_string_equal(journal_text(journal.records[0], "event"), "rebuild");
    assert_int_equal(rebuild_left(&place, &journal, &left), 0);
    assert_int_equal(left.count, 1);
    assert_string_equal(left.items[0].release, "6.1-b");
    assert_string_equal(left.items[0].missing, "zfs");
    due_images_free(&left);
    assert_int_equal(journal_number(journal.records[0], "boot"), 9);
    assert_int_equal(journal_number(journal.records[0], "case"), 2);
    journal_free(&journal);
}

static size_t records_now(const char *event, struct journal *journal)
{
    size_t count = 0;

    assert_int_equal(place_open_state(&place, true), 0);
    assert_int_equal(journal_read(&place, journal, NULL), 0);
    for (size_t i = 0; i < journal->count; i++)
        count += !event || strcmp(journal_text(journal->records[i], "event"), event) == 0;
    return count;
}

/* A case ends with a normal boot that proves good, and is said to have ended once. */
static void the_end_of_a_case(void **state)
{
    static const struct {
        const char *name;
        struct ticket ticket;
        enum applied applied; /* with anything: an early report in that boot */
        bool ends;
    } rows[] = {
        {"no case", {.case_open = 0}, APPLIED_NONE, false},
        {"one failed boot", {.case_open = 1, .failures = 1}, APPLIED_NONE, true},
        {"probation",
         {.case_open = 1, .stance = STANCE_PROBATION, .rung = RUNG_ALL},
         APPLIED_NONE,
         true},
        {"safe mode",
         {.case_open = 1, .stance = STANCE_RECOVERY, .rung = RUNG_ALL},
         APPLIED_PUT_BACK,
         false},
        {"nothing to put back",
         {.case_open = 1, .stance = STANCE_RECOVERY, .rung = RUNG_ALL},
         APPLIED_NOTHING,
         true},
        {"uncounted", {.case_open = 1, .failures = 1, .stored = STORED_NOWHERE}, 0, false},
    };

    for (size_t i = 0; i < ROWS(rows); i++) {
        struct ticket ticket = rows[i].ticket;
        struct early_report early = {.number = 9,
                                     .applied = rows[i].applied,
                                     .mode = rows[i].applied == APPLIED_PUT_BACK ? MODE_SAFE
                                                                                 : MODE_NORMAL};
        struct journal journal = {0};
        struct confirm confirm;
        uint8_t bytes[TICKET_SIZE];

        if (i > 0)
            assert_int_equal(begin(state), 0);
        print_message("  %s\n", rows[i].name);
        ticket.number = 9;
        ticket.case_number = 2;
        ticket.first_reason = REASON_FAILED_CRASH;
        if (i + 1 < ROWS(rows))
            ticket.stored = STORED_NVRAM;
        start_of_boot(UNTOLD);
        if (rows[i].applied != APPLIED_NONE)
            assert_int_equal(early_report_write(run_dir, &early), 0);
        ticket_encode(&ticket, bytes);
        fake_put(ours, TICKET_VARIABLE, bytes, sizeof bytes, VAR_BS | VAR_RT);
        for (int k = 0; k < 2; k++) { /* again, as after a kexec: it has ended already */
            confirm = open_confirm();
            confirm.boot.has_receipt = false;
            assert_int_equal(confirm_good(&confirm), 0);
            assert_int_equal(confirm.case_ended, rows[i].ends && k == 0);
        }
        assert_int_equal(records_now("case-end", &journal), rows[i].ends);
        if (rows[i].ends) {
            const struct json_object *last = journal.records[journal.count - 1];

            assert_string_equal(journal_text(last, "event"), "case-end");
            assert_int_equal(journal_number(last, "case"), 2);
            assert_int_equal(journal_number(last, "boot"), 9);
            assert_int_equal(journal_number(last, "generation"), 1);
            assert_string_equal(journal_text(last, "reason"), reason_string(REASON_FAILED_CRASH));
        }
        journal_free(&journal);
        if (i + 1 < ROWS(rows))
            assert_int_equal(end(state), 0);
    }
}

/* A receipt that nothing took: the stage will count this boot as failed, and the case goes on. */
static void a_case_does_not_end_without_a_receipt(void **state)
{
    struct journal journal = {0};
    struct confirm confirm;

    (void)state;
    start_of_boot(PROBATION);
    written.answer = -EIO;
    confirm = open_confirm();
    assert_int_equal(confirm_good(&confirm), -EIO);
    assert_false(confirm.case_ended);
    assert_int_equal(records_now("case-end", &journal), 0);
    journal_free(&journal);
}

/* The first good boot takes a generation and says so; one with nothing new writes nothing here. */
static void a_generation_is_in_the_journal_and_a_healthy_boot_is_not(void **state)
{
    struct journal journal = {0};
    struct confirm confirm;

    (void)state;
    start_of_boot(NORMAL);
    confirm = open_confirm();
    assert_int_equal(confirm_good(&confirm), 0);
    assert_int_equal(records_now(NULL, &journal), 1);
    assert_string_equal(journal_text(journal.records[0], "event"), "good");
    assert_int_equal(journal_number(journal.records[0], "generation"), 1);
    assert_int_equal(journal_number(journal.records[0], "boot"), 9);
    assert_true(journal_number(journal.records[0], "promoted") > 0);
    journal_free(&journal);
    confirm = open_confirm();
    confirm.boot.has_receipt = false; /* as in the next boot */
    assert_int_equal(confirm_good(&confirm), 0);
    assert_true(confirm.taken.unchanged);
    assert_int_equal(records_now(NULL, &journal), 1);
    journal_free(&journal);
}

static void journal_entries_have_their_fields(void **state)
{
    char fields[NOTICE_FIELDS][NOTICE_FIELD_SIZE];
    struct this_boot boot;

    (void)state;
    put_ticket(SAFE);
    this_boot_probe(run_dir, &boot);
    for (int i = 0; i < NOTICE_COUNT; i++) {
        assert_int_equal(strlen(notice_message_id((enum notice)i)), 32);
        assert_int_equal(notice_fields((enum notice)i, &boot, NULL, fields), NOTICE_FIELDS);
        assert_true(strlen(fields[0]) > strlen("MESSAGE="));
        for (int j = 0; j < i; j++)
            assert_string_not_equal(notice_message_id((enum notice)i),
                                    notice_message_id((enum notice)j));
    }
    notice_fields(NOTICE_DEADLINE, &boot, "x", fields);
    assert_string_equal(fields[0], "MESSAGE=x");
    assert_string_equal(fields[2], "PRIORITY=3");
    assert_string_equal(fields[4], "BACKSTOP_MODE=safe");
    assert_string_equal(fields[5], "BACKSTOP_BOOT=9");
    assert_string_equal(fields[6], "BACKSTOP_CASE=2");
    boot.ticket_state = RECORD_ABSENT;
    assert_int_equal(notice_fields(NOTICE_GOOD, &boot, NULL, fields), 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_start_takes_identities_once, begin, end),
        cmocka_unit_test_setup_teardown(identities_are_not_taken_late, begin, end),
        cmocka_unit_test_setup_teardown(after_failures_the_start_is_receipted, begin, end),
        cmocka_unit_test_setup_teardown(a_good_boot, begin, end),
        cmocka_unit_test_setup_teardown(a_late_file_is_not_promoted, begin, end),
        cmocka_unit_test_setup_teardown(what_is_detected_late_is_proven, begin, end),
        cmocka_unit_test_setup_teardown(what_the_command_line_left_out_is_not_proven, begin, end),
        cmocka_unit_test(checks_are_needed_in_normal_mode_alone),
        cmocka_unit_test_setup_teardown(without_identities_there_is_a_receipt_but_no_generation,
                                        begin, end),
        cmocka_unit_test_setup_teardown(a_generation_that_fails_does_not_keep_the_receipt, begin,
                                        end),
        cmocka_unit_test_setup_teardown(a_state_that_is_not_mounted_is_not_made_anew, begin, end),
        cmocka_unit_test_setup_teardown(what_recovery_did_is_in_the_receipt, begin, end),
        cmocka_unit_test_setup_teardown(a_recovery_with_nothing_to_do_is_a_normal_boot, begin, end),
        cmocka_unit_test(which_word_about_the_mode_counts),
        cmocka_unit_test_setup_teardown(an_orderly_end, begin, end),
        cmocka_unit_test_setup_teardown(the_deadline, begin, end),
        cmocka_unit_test_setup_teardown(a_good_boot_that_cannot_be_receipted_goes_on, begin, end),
        cmocka_unit_test_setup_teardown(what_firmware_holds_as_good_is_not_ended, begin, end),
        cmocka_unit_test_setup_teardown(leaving_safe_mode_by_hand, begin, end),
        cmocka_unit_test_setup_teardown(asking_before_it_is_good_is_remembered, begin, end),
        cmocka_unit_test_setup_teardown(there_is_nothing_to_leave_in_normal_mode, begin, end),
        cmocka_unit_test_setup_teardown(a_receipt_of_another_number_does_not_count, begin, end),
        cmocka_unit_test_setup_teardown(a_rebuild_is_in_the_journal, begin, end),
        cmocka_unit_test_setup_teardown(counting_that_began_anew_is_in_the_journal, begin, end),
        cmocka_unit_test_setup_teardown(the_end_of_a_case, begin, end),
        cmocka_unit_test_setup_teardown(a_case_does_not_end_without_a_receipt, begin, end),
        cmocka_unit_test_setup_teardown(a_generation_is_in_the_journal_and_a_healthy_boot_is_not,
                                        begin, end),
        cmocka_unit_test_setup_teardown(journal_entries_have_their_fields, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
