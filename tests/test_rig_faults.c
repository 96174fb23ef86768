/* The vocabulary of faults: what is read, what makes no sense, what blkdebug is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "../qemu/rig.h"

#define WORDS_MAX 8

struct words {
    char *items[WORDS_MAX];
    int count;
    char *buffer;
};

static struct words split(const char *text)
{
    struct words words = {.buffer = text_copy(text)};

    words.count = text_words(words.buffer, words.items, WORDS_MAX);
    assert_true(words.count > 0);
    return words;
}

static const struct {
    const char *text;
    enum fault_when when;
    enum fault_what what;
    long number, left;
    const char *subject, *console;
} sense[] = {
    {"firmware reset", WHEN_FIRMWARE, WHAT_RESET, 0, 1, NULL, NULL},
    {"kernel hang", WHEN_KERNEL, WHAT_HANG, 0, 1, NULL, NULL},
    {"initramfs panic count=3", WHEN_INITRAMFS, WHAT_PANIC, 0, 3, NULL, NULL},
    {"early power-cut always", WHEN_EARLY, WHAT_POWER_CUT, 0, FAULT_ALWAYS, NULL, NULL},
    {"booted oops", WHEN_BOOTED, WHAT_OOPS, 0, 1, NULL, NULL},
    {"network panic", WHEN_NETWORK, WHAT_PANIC, 0, 1, NULL, NULL},
    {"after=90s panic", WHEN_AFTER, WHAT_PANIC, 90, 1, NULL, NULL},
    {"after=5 reset", WHEN_AFTER, WHAT_RESET, 5, 1, NULL, NULL},
    {"write=7 power-cut", WHEN_WRITE, WHAT_POWER_CUT, 7, 1, NULL, NULL},
    {"write=1 io-error count=2", WHEN_WRITE, WHAT_IO_ERROR, 1, 2, NULL, NULL},
    {"write=2000 io-error-once", WHEN_WRITE, WHAT_IO_ERROR_ONCE, 2000, 1, NULL, NULL},
    {"console=\"a b\" panic", WHEN_CONSOLE, WHAT_PANIC, 0, 1, NULL, "a b"},
    {"firmware bad-sector /a/b always", WHEN_FIRMWARE, WHAT_BAD_SECTOR, 0, FAULT_ALWAYS, "/a/b",
     NULL},
    {"firmware bad-sector object=a/b", WHEN_FIRMWARE, WHAT_BAD_SECTOR, 0, 1, "object=a/b", NULL},
    {"booted read-only", WHEN_BOOTED, WHAT_READ_ONLY, 0, 1, NULL, NULL},
    {"after=3000s disk-full", WHEN_AFTER, WHAT_DISK_FULL, 3000, 1, NULL, NULL},
    {"firmware read-only", WHEN_FIRMWARE, WHAT_READ_ONLY, 0, 1, NULL, NULL},
    {"firmware disk-full", WHEN_FIRMWARE, WHAT_DISK_FULL, 0, 1, NULL, NULL},
    {"firmware corrupt /a/b", WHEN_FIRMWARE, WHAT_CORRUPT, 0, 1, "/a/b", NULL},
    {"firmware clock 1970-01-01 always", WHEN_FIRMWARE, WHAT_CLOCK, 0, FAULT_ALWAYS, "1970-01-01",
     NULL},
    {"firmware clock 2024-02-29", WHEN_FIRMWARE, WHAT_CLOCK, 0, 1, "2024-02-29", NULL},
    {"firmware nvram-full", WHEN_FIRMWARE, WHAT_NVRAM_FULL, 0, 1, NULL, NULL},
    {"firmware variable-lost BackstopLedger", WHEN_FIRMWARE, WHAT_VARIABLE_LOST, 0, 1,
     "BackstopLedger", NULL},
    {"firmware variable-damaged X count=20", WHEN_FIRMWARE, WHAT_VARIABLE_DAMAGED, 0, 20, "X",
     NULL},
    {"firmware boot-order always", WHEN_FIRMWARE, WHAT_BOOT_ORDER, 0, FAULT_ALWAYS, NULL, NULL},
};

static void same_text(const char *is, const char *wanted)
{
    assert_int_equal(is == NULL, wanted == NULL);
    if (wanted != NULL)
        assert_string_equal(is, wanted);
}

static void what_makes_sense_is_read(void **state)
{
    bool seen[WHATS] = {false}, when_seen[WHENS] = {false};

    (void)state;
    for (size_t i = 0; i < sizeof sense / sizeof *sense; i++) {
        struct words words = split(sense[i].text);
        struct fault fault;

        print_message("%s\n", sense[i].text);
        assert_null(fault_words_fault(words.items, words.count));
        fault_read(&fault, words.items, words.count);
        assert_int_equal(fault.when, sense[i].when);
        assert_int_equal(fault.what, sense[i].what);
        assert_int_equal(fault.number, sense[i].number);
        assert_int_equal(fault.left, sense[i].left);
        same_text(fault.subject, sense[i].subject);
        same_text(fault.text, sense[i].console);
        seen[fault.what] = when_seen[fault.when] = true;
        fault_free(&fault);
        free(words.buffer);
    }
    for (int i = 0; i < WHATS; i++)
        assert_true(seen[i]);
    for (int i = 0; i < WHENS; i++)
        assert_true(when_seen[i]);
}

static const struct {
    const char *text, *says;
} nonsense[] = {
    {"firmware", "when and what"},
    {"noon panic", "not a time"},
    {"firmware=1 panic", "not a time"},
    {"write panic", "not a time"},
    {"early sulk", "not a fault"},
    {"firmware panic", "there is no kernel yet"},
    {"kernel panic", "there is no kernel yet"},
    {"write=3 panic", "a write is not its time"},
    {"initramfs oops", "agent"},
    {"write=3 hang", "not counted in writes"},
    {"write=3 reset", "not counted in writes"},
    {"early io-error", "write=N"},
    {"early disk-full", "before power-on, or by the guest's agent"},
    {"booted bad-sector /x", "before power-on"},
    {"firmware bad-sector", "not said"},
    {"firmware bad-sector etc/x", "does not begin"},
    {"early corrupt /x", "before power-on"},
    {"booted clock 1970-01-01", "before power-on"},
    {"initramfs nvram-full", "before power-on"},
    {"write=1 read-only", "before power-on, or by the guest's agent"},
    {"early boot-order", "before power-on"},
    {"after=0 panic", "1..3000"},
    {"after=s panic", "1..3000"},
    {"after=5m panic", "1..3000"},
    {"write=0 power-cut", "1..2000"},
    {"write=2001 power-cut", "1..2000"},
    {"console= panic", "text to wait for"},
    {"firmware corrupt", "not said"},
    {"firmware corrupt etc/x", "does not begin"},
    {"firmware clock noon", "not a date"},
    {"firmware clock 1970-1-1", "not a date"},
    {"firmware clock 2024-99-99", "not a date"},
    {"firmware clock 2023-02-29", "not a date"},
    {"firmware clock 2024-04-31", "not a date"},
    {"firmware clock 2024-01-00", "not a date"},
    {"firmware clock 2024-01-011", "not a date"},
    {"firmware clock 2024-01-1x", "not a date"},
    {"firmware clock 2024/01/01", "not a date"},
    {"firmware clock 24-01-01", "not a date"},
    {"firmware variable-lost count=3", "not the name"},
    {"firmware variable-lost always", "not the name"},
    {"firmware variable-damaged \"\"", "not the name"},
    {"early panic twice", "how often"},
    {"early panic count=0", "1..20"},
    {"early panic count=2 always", "too many"},
};

static bool says(const char *complaint, const char *alternatives)
{
    TEXT_AUTO copy = text_copy(alternatives);
    char *rest = copy, *one;

    while ((one = strsep(&rest, "|")) != NULL)
        if (strstr(complaint, one) != NULL)
            return true;
    return false;
}

static void nonsense_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof nonsense / sizeof *nonsense; i++) {
        struct words words = split(nonsense[i].text);
        const char *complaint = fault_words_fault(words.items, words.count);

        print_message("%s: %s\n", nonsense[i].text, complaint != NULL ? complaint : "taken");
        assert_non_null(complaint);
        assert_true(says(complaint, nonsense[i].says));
        free(words.buffer);
    }
}

static void rules_for_a_write(void **state)
{
    struct fault cut = {.when = WHEN_WRITE, .what = WHAT_POWER_CUT, .number = 3};
    struct fault broken = {.when = WHEN_WRITE, .what = WHAT_IO_ERROR, .number = 1};
    TEXT_AUTO rules = fault_disk_rules(&cut);
    TEXT_AUTO at_once = fault_disk_rules(&broken);

    (void)state;
    assert_string_equal(rules,
                        "[set-state]\nevent = \"write_aio\"\nstate = \"1\"\nnew_state = \"2\"\n\n"
                        "[set-state]\nevent = \"write_aio\"\nstate = \"2\"\nnew_state = \"3\"\n\n"
                        "[inject-error]\nevent = \"write_aio\"\niotype = \"write\"\nstate = \"3\"\n"
                        "errno = \"5\"\nonce = \"on\"\n");
    assert_string_equal(at_once, "[inject-error]\nevent = \"write_aio\"\niotype = \"write\"\n"
                                 "state = \"1\"\nerrno = \"5\"\nonce = \"off\"\n");
}

static void rule_for_a_sector(void **state)
{
    TEXT_AUTO rule = fault_sector_rule(0x100000000u + 4096);

    (void)state;
    assert_string_equal(rule, "[inject-error]\nevent = \"read_aio\"\niotype = \"read\"\n"
                              "sector = \"8388616\"\nerrno = \"5\"\nonce = \"off\"\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_makes_sense_is_read),
        cmocka_unit_test(nonsense_is_refused),
        cmocka_unit_test(rules_for_a_write),
        cmocka_unit_test(rule_for_a_sector),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
