/* What `rig flash` makes of boots in which nothing of ours ran. The boots are told, not made. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../qemu/command.h"
#include "../qemu/directory.h"
#include "../qemu/flash.h"
#include "scratch.h"

#define LEDGER_SIZE 48u
#define SLOTS_SIZE 8192u

static const struct small_boot silent = {.hangs = true, .end = "hangs"};
static const struct small_boot reset = {.end = "was reset"};
static const struct small_boot counted = {.firmware = true,
                                          .started = true,
                                          .off = true,
                                          .ticket = true,
                                          .number = 1,
                                          .stored = 2,
                                          .end = "switched itself off"};
static const struct small_boot again = {.firmware = true,
                                        .started = true,
                                        .off = true,
                                        .ticket = true,
                                        .number = 2,
                                        .failures = 1,
                                        .stored = 2,
                                        .end = "switched itself off"};
static const struct small_boot plain = {
    .firmware = true, .started = true, .off = true, .end = "switched itself off"};
static const struct small_boot kept = {/* likewise, and our files stay */
                                       .firmware = true,
                                       .started = true,
                                       .off = true,
                                       .end = "switched itself off"};
static const struct small_boot stuck = {.firmware = true, .hangs = true, .end = "hangs"};

static const struct small_boot *boots[4]; /* those to come */
static unsigned made, alone, patience_of_last;

/* FORMAT.md: that boot's ledger, in the first slot. */
static void ledger_put(const char *disk, const struct small_boot *boot)
{
    uint8_t slots[SLOTS_SIZE] = {'B', 'S', 'L', 'D', 1, 0, LEDGER_SIZE};
    uint32_t crc = 0xffffffffu;

    slots[16] = (uint8_t)boot->number;
    slots[24] = (uint8_t)boot->failures;
    for (size_t i = 0; i < LEDGER_SIZE; i++) {
        crc ^= slots[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0u);
    }
    for (unsigned i = 0; i < 4; i++)
        slots[8 + i] = (uint8_t)(~crc >> 8 * i & 0xff);
    assert_int_equal(small_put_bytes(disk, slots, sizeof slots, "/EFI/backstop/ledger.esp", NULL),
                     0);
}

/* "next" stands where the stage was. */
static bool is_control(const char *disk)
{
    size_t size = 0;
    TEXT_AUTO stage = small_get(disk, SMALL_STAGE, &size);
    TEXT_AUTO fallback = small_get(disk, SMALL_FALLBACK, &size);

    assert_non_null(stage);
    assert_non_null(fallback);
    assert_string_equal(stage, fallback);
    return strcmp(stage, "next") == 0;
}

int __wrap_small_boot(const char *dir, const char *log, unsigned patience, struct small_boot *boot);
int __wrap_small_boot(const char *dir, const char *log, unsigned patience, struct small_boot *boot)
{
    TEXT_AUTO disk = text_format("%s/disk.raw", dir);

    assert_null(log);
    assert_non_null(boots[made]);
    *boot = *boots[made++];
    alone += is_control(disk);
    patience_of_last = patience;
    if (boot->stored == 2)
        ledger_put(disk, boot);
    if (boot->started && !boot->ticket && boots[made - 1] != &kept)
        small_delete(disk, "/EFI/backstop/ledger.esp");
    return 0;
}

static int disk_make(void **state)
{
    TEXT_AUTO reason = NULL;

    if (scratch_make(state) < 0)
        return -1;
    put_file("stage", "stage");
    put_file("next", "next");
    if (small_disk_make(at("before.raw"), at("stage"), at("next"), &reason) < 0 ||
        file_copy(at("before.raw"), at("after.raw"), &reason) < 0) {
        print_error("%s\n", reason);
        return -1;
    }
    return 0;
}

/* `variable` NULL: the ledger. There is none in the store: `was_there` says that there was before.
 */
static void judge(enum flash_kind kind, const char *variable, bool was_there,
                  struct flash_verdict *verdict)
{
    const struct flash_case one = {.name = "one",
                                   .kind = kind,
                                   .recipe = "linux leave",
                                   .guid = variable != NULL ? guid_global : guid_backstop,
                                   .variable = variable != NULL ? variable : "BackstopLedger"};
    uint8_t bytes[2] = {1, 0};
    struct flash_log log = {.flash_case = &one, .dir = scratch};

    log.log.start = (uint8_t *)file_read(OVMF_VARS, &log.log.size);
    assert_non_null(log.log.start);
    for (int i = 0; i < 2; i++) {
        record_take(&log.ledger[i], RECORD_LEDGER, NULL, 0, false);
        record_take(&log.receipt[i], RECORD_RECEIPT, NULL, 0, false);
    }
    if (variable != NULL)
        log.value[was_there ? 0 : 1] = (struct flash_value){.bytes = bytes, .size = sizeof bytes};
    made = alone = 0;
    make_dirs("point");
    assert_int_equal(flash_judge(&log, 0, at("point"), verdict), 0);
    directory_remove(at("point"));
    free(log.log.start);
}

struct row {
    const char *name;
    enum flash_kind kind;
    const struct small_boot *boots[4];
    enum flash_result result;
    unsigned alone; /* boots without the stage */
};

static void check(const struct row *row, const char *variable, bool was_there)
{
    struct flash_verdict verdict;
    unsigned count = 0;

    print_message("%s\n", row->name);
    memcpy(boots, row->boots, sizeof boots);
    while (count < 4 && boots[count] != NULL)
        count++;
    judge(row->kind, variable, was_there, &verdict);
    print_message("  %s\n", verdict.detail);
    assert_int_equal(verdict.result, row->result);
    assert_int_equal(made, count);
    assert_int_equal(alone, row->alone);
    if (alone > 0)
        assert_true(patience_of_last > 1);
    free(verdict.detail);
}

static void test_silence(void **state)
{
    static const struct row rows[] = {
        {"both boots are counted", FLASH_COLLECTION, {&counted, &again}, FLASH_WELL, 0},
        {"the second is not", FLASH_COLLECTION, {&counted, &plain}, FLASH_FAILED, 0},
        {"silent with the stage and without",
         FLASH_COLLECTION,
         {&silent, &silent},
         FLASH_FIRMWARE,
         1},
        {"silent, but up without the stage", FLASH_COLLECTION, {&silent, &plain}, FLASH_FAILED, 1},
        {"silent, and without the stage at its boot manager",
         FLASH_COLLECTION,
         {&silent, &stuck},
         FLASH_FAILED,
         1},
        {"silent, and reset without the stage",
         FLASH_COLLECTION,
         {&silent, &reset},
         FLASH_FAILED,
         1},
        {"reset before a word", FLASH_COLLECTION, {&reset}, FLASH_FAILED, 0},
        {"stuck behind the boot manager", FLASH_COLLECTION, {&stuck}, FLASH_FAILED, 0},
        {"silent in the second boot with the stage and without",
         FLASH_COLLECTION,
         {&counted, &silent, &plain, &silent},
         FLASH_FIRMWARE,
         2},
        {"silent in the second boot, but up without the stage",
         FLASH_COLLECTION,
         {&counted, &silent, &plain, &plain},
         FLASH_FAILED,
         2},
        {"silent in the second boot, and without the stage before",
         FLASH_COLLECTION,
         {&counted, &silent, &silent},
         FLASH_FAILED,
         1},
        {"silent in the second boot after a ledger's update",
         FLASH_LEDGER,
         {&counted, &silent},
         FLASH_FAILED,
         0},
        {"silent after a ledger's update", FLASH_LEDGER, {&silent}, FLASH_FAILED, 0},
        {"silent after the system's update", FLASH_SYSTEM, {&silent}, FLASH_FAILED, 0},
        {"silent after a retirement", FLASH_RETIRE, {&silent}, FLASH_FAILED, 0},
        {"silent after the boot that retired", FLASH_RETIRE, {&plain, &silent}, FLASH_FAILED, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        check(&rows[i], NULL, false);
}

/* The package goes. */
static void test_leave(void **state)
{
    static const struct {
        const char *variable;
        bool was_there;
        struct row row;
    } rows[] = {
        {"BootOrder", false, {"as before", FLASH_LEAVE, {&counted, &again}, FLASH_WELL, 0}},
        {"BootOrder", false, {"as before, no stage", FLASH_LEAVE, {&kept}, FLASH_FAILED, 0}},
        {"BootOrder", false, {"as before, retired", FLASH_LEAVE, {&plain}, FLASH_FAILED, 0}},
        {"BootOrder", true, {"without it", FLASH_LEAVE, {&kept, &kept}, FLASH_WELL, 0}},
        {"BootOrder", true, {"its slots go", FLASH_LEAVE, {&plain, &plain}, FLASH_FAILED, 0}},
        {"BootOrder", true, {"without it, the stage", FLASH_LEAVE, {&counted}, FLASH_FAILED, 0}},
        {"BootNext", false, {"not yet", FLASH_LEAVE, {&kept, &kept}, FLASH_WELL, 0}},
        {"BootNext", false, {"not yet, stuck", FLASH_LEAVE, {&kept, &stuck}, FLASH_FAILED, 0}},
        {"BootNext", true, {"nothing is left", FLASH_LEAVE, {&plain, &kept}, FLASH_WELL, 0}},
        {"BootNext", true, {"it stays", FLASH_LEAVE, {&kept}, FLASH_FAILED, 0}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        check(&rows[i].row, rows[i].variable, rows[i].was_there);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_silence),
        cmocka_unit_test(test_leave),
    };

    return cmocka_run_group_tests_name("rig flash", tests, disk_make, scratch_remove);
}
