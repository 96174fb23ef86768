/* Chaos: numbers from a seed, sequences, shrinking, the journal's chain, the rules. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "../qemu/chain.h"
#include "../qemu/chaos.h"
#include "../qemu/random.h"
#include "../qemu/shrink.h"

/* numbers: the vectors that others publish for SplitMix64 */

static void numbers_from_a_seed(void **state)
{
    static const uint64_t of_1234567[] = {6457827717110365317u, 3203168211198807973u,
                                          9817491932198370423u, 4593380528125082431u,
                                          16408922859458223821u};
    struct randoms randoms = {1234567}, zero = {0};

    (void)state;
    for (size_t i = 0; i < sizeof of_1234567 / sizeof *of_1234567; i++)
        assert_true(random_next(&randoms) == of_1234567[i]);
    assert_true(random_next(&zero) == 0xe220a8397b1dcdafu);
    for (unsigned i = 0; i < 1000; i++)
        assert_true(random_below(&randoms, 7) < 7);
}

/* sequences */

static void every_seed_is_a_scenario(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 500; seed++) {
        struct sequence sequence, again;
        struct scenario scenario;
        size_t all[CHAOS_STEPS_MAX];
        char *reason = NULL;

        sequence_draw(&sequence, seed);
        sequence_draw(&again, seed);
        assert_int_equal(sequence.count, again.count);
        assert_in_range(sequence.count, 4, 9);
        for (size_t i = 0; i < sequence.count; i++) {
            all[i] = i;
            assert_string_equal(sequence.lines[i], again.lines[i]);
        }
        {
            TEXT_AUTO text = sequence_scenario(&sequence, all, sequence.count, "a seed");

            if (scenario_parse(&scenario, "x", "x.scn", text, verbs, &reason) < 0)
                fail_msg("%s\n%s", reason, text);
            assert_int_equal(scenario.count, sequence.count + 1);
            assert_string_equal(scenario.steps[scenario.count - 1].words[0], "settle");
        }
        scenario_free(&scenario);
        sequence_free(&sequence);
        sequence_free(&again);
    }
}

/* shrinking */

/* Fails while all of the steps `needed` (bits) are there. */
struct culprit {
    unsigned needed, asked;
};

static bool has_all(void *context, const size_t *steps, size_t count)
{
    struct culprit *culprit = context;
    unsigned there = 0;

    culprit->asked++;
    for (size_t i = 0; i < count; i++) {
        there |= 1u << steps[i];
        assert_true(i == 0 || steps[i - 1] < steps[i]);
    }
    return (there & culprit->needed) == culprit->needed;
}

static void every_culprit_is_found(void **state)
{
    (void)state;
    for (unsigned needed = 1; needed < 1u << 8; needed++) {
        struct culprit culprit = {needed, 0};
        size_t steps[8], count;
        unsigned tries = 1000, found = 0;

        for (size_t i = 0; i < 8; i++)
            steps[i] = i;
        count = shrink(steps, 8, &tries, has_all, &culprit);
        for (size_t i = 0; i < count; i++)
            found |= 1u << steps[i];
        assert_int_equal(found, needed);
        assert_int_equal(count, __builtin_popcount(needed));
        assert_int_equal(tries + culprit.asked, 1000);
    }
}

static void shrinking_ends_with_its_tries(void **state)
{
    struct culprit culprit = {1u << 0, 0};
    size_t steps[] = {0, 1, 2, 3, 4, 5, 6, 7};
    unsigned tries = 1;

    (void)state;
    assert_int_equal(shrink(steps, 8, &tries, has_all, &culprit), 8);
    assert_int_equal(tries, 0);
    tries = 2;
    assert_int_equal(shrink(steps, 8, &tries, has_all, &culprit), 4);
    assert_int_equal(steps[3], 3);
}

/* the journal's chain */

static char *record(const char *before, int seq, const char *more)
{
    char hex[HASH_TEXT_SIZE] = "0000000000000000000000000000000000000000000000000000000000000000";

    if (before != NULL) {
        struct hash *hash = hash_new();

        hash_add(hash, before, strlen(before));
        hash_end(hash, hex);
    }
    return text_format("{\"seq\":%d,\"prev\":\"%s\",%s\"event\":\"done\"}", seq, hex, more);
}

static void hashes_are_of_the_bytes(void **state)
{
    struct hash *hash = hash_new();
    char hex[HASH_TEXT_SIZE];

    (void)state;
    hash_add(hash, "abc", 3);
    hash_end(hash, hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static void says(const char *journal, const char *wanted)
{
    TEXT_AUTO fault = chain_fault(journal, strlen(journal));

    if (wanted == NULL) {
        if (fault != NULL)
            fail_msg("%s", fault);
        return;
    }
    assert_non_null(fault);
    if (strstr(fault, wanted) == NULL)
        fail_msg("%s, not %s", fault, wanted);
}

static void chains(void **state)
{
    TEXT_AUTO one = record(NULL, 1, "");
    TEXT_AUTO two = record(one, 2, "");
    TEXT_AUTO torn = record(one, 2, "\"after-torn\":true,");
    TEXT_AUTO late = record(one, 3, "");
    TEXT_AUTO whole = text_format("%s\n%s\n", one, two);
    TEXT_AUTO cut = text_format("%s\n%.20s", one, two);
    TEXT_AUTO told = text_format("%s\n{\"seq\"\n%s\n", one, torn);
    TEXT_AUTO untold = text_format("%s\n{\"seq\"\n%s\n", one, two);
    TEXT_AUTO missing = text_format("%s\n%s\n", one, late);
    TEXT_AUTO swapped = text_format("%s\n", two);
    TEXT_AUTO altered = text_copy(whole);

    (void)state;
    says("", NULL);
    says(whole, NULL);
    says(cut, NULL);
    says(told, NULL);
    says(untold, "does not say so");
    says(missing, "seq 3 behind 1");
    says(swapped, "seq 2 behind 0");
    *strstr(altered, "done") = 'g';
    says(altered, "line 2: prev");
}

/* the rules */

#define HASH_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define HASH_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define LINE(path, inode, hash)                                                                    \
    path " file ino=" inode " mode=0644 owner=0:0 size=5 mtime=1.0 ctime=" inode ".0 " hash "\n"
#define CONTENT "/opt/acme-sentry/content/channel-1.dat"
#define OWN "/opt/acme-sentry/identity"
#define QUARANTINE "/var/lib/backstop/quarantine"
#define MANIFEST                                                                                   \
    "backstop-manifest 1\ngeneration 1\nboot 1\nsets 1\ncontent\tacme\nentries 2\n"                \
    "f\t0\th\t644\t0\t0\t1\t5\t1\t1\t1000000000\t1\t" HASH_A "\t\t\t" CONTENT "\n"                 \
    "f\t0\tn\t600\t0\t0\t1\t5\t1\t1\t1\t1\t\t\t\t" OWN "\n"
#define STORED LINE("/var/lib/backstop/store/aa/" SHORT_A, "50", HASH_A)
#define SHORT_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define IDENTITY_LINE LINE(OWN, "9", HASH_B)
#define LIVE_A LINE(CONTENT, "7", HASH_A) IDENTITY_LINE
#define LIVE_B LINE(CONTENT, "8", HASH_B) IDENTITY_LINE

static void says_of(const char *name, const char *fault, const char *wanted)
{
    print_message("%s: %s\n", name, fault != NULL ? fault : "-");
    if (wanted == NULL) {
        assert_null(fault);
    } else {
        assert_non_null(fault);
        assert_true(text_starts(fault, wanted));
    }
}

static const struct {
    const char *name;
    const char *live, *live_after, *kept, *kept_after, *store_after, *names_after;
    bool vendor;
    const char *says;
} rows[] = {
    {"nothing happens", LIVE_A, LIVE_A, "", "", STORED, "", false, NULL},
    {"a suspect is put away and the good one put back", LIVE_B, LIVE_A, "",
     LINE(QUARANTINE "/1/1", "8", HASH_B), STORED, "", false, NULL},
    {"the suspect is gone", LIVE_B, LIVE_A, "", "", STORED, "", false, "lost: " CONTENT},
    {"another inode is in quarantine", LIVE_B, LIVE_A, "", LINE(QUARANTINE "/1/1", "6", HASH_B),
     STORED, "", false, "lost: "},
    {"put away, and no good one put back", LIVE_B, IDENTITY_LINE, "",
     LINE(QUARANTINE "/1/1", "8", HASH_B), STORED, "", false, "back: " CONTENT},
    {"put back with another mode", LIVE_B,
     CONTENT " file ino=7 mode=0777 owner=0:0 size=5 mtime=1.0 ctime=7.0 " HASH_A
             "\n" IDENTITY_LINE,
     "", LINE(QUARANTINE "/1/1", "8", HASH_B), STORED, "", false, "whole: " CONTENT},
    {"put back with another owner", LIVE_B,
     CONTENT " file ino=7 mode=0644 owner=0:1 size=5 mtime=1.0 ctime=7.0 " HASH_A
             "\n" IDENTITY_LINE,
     "", LINE(QUARANTINE "/1/1", "8", HASH_B), STORED, "", false, "whole: " CONTENT},
    {"put back with another time", LIVE_B,
     CONTENT " file ino=7 mode=0644 owner=0:0 size=5 mtime=1.1 ctime=7.0 " HASH_A
             "\n" IDENTITY_LINE,
     "", LINE(QUARANTINE "/1/1", "8", HASH_B), STORED, "", false, "whole: " CONTENT},
    {"put back as a link", LIVE_B,
     CONTENT " link ino=7 mode=0777 owner=0:0 size=5 mtime=1.0 ctime=7.0 " HASH_A
             "\n" IDENTITY_LINE,
     "", LINE(QUARANTINE "/1/1", "8", HASH_B), STORED, "", false, "whole: " CONTENT},
    {"the good content of another path", LIVE_B,
     LINE("/opt/acme-sentry/content/channel-2.dat", "7", HASH_A) LIVE_B, "", "", STORED, "", false,
     "whole: /opt/acme-sentry/content/channel-2.dat"},
    {"the vendor replaced it", LIVE_A, LIVE_B, "", "", STORED, "", true, NULL},
    {"quarantine lost one", LIVE_A, LIVE_A, LINE(QUARANTINE "/1/1", "6", HASH_B), "", STORED, "",
     false, "kept: "},
    {"what was made ready is used", LIVE_B, LIVE_A, LINE(QUARANTINE "/1/1.good", "7", HASH_A),
     LINE(QUARANTINE "/1/1", "8", HASH_B), STORED, "", false, NULL},
    {"made ready under the suspect's name, made anew", LIVE_B, LIVE_B,
     LINE(QUARANTINE "/1/1", "6", HASH_A), LINE(QUARANTINE "/1/1", "7", HASH_A), STORED, "", false,
     NULL},
    {"what was made ready is made anew", LIVE_B, LIVE_B, LINE(QUARANTINE "/1/1.good", "6", HASH_A),
     "", STORED, "", false, NULL},
    {"a suspect under the other name is gone", LIVE_A, LIVE_A,
     LINE(QUARANTINE "/1/1.good", "6", HASH_B), "", STORED, "", false, "kept: "},
    {"a record is written anew", LIVE_A, LIVE_A, LINE(QUARANTINE "/1/records.jsonl", "6", HASH_B),
     LINE(QUARANTINE "/1/records.jsonl", "7", HASH_A), STORED, "", false, NULL},
    {"a record is gone", LIVE_A, LIVE_A, LINE(QUARANTINE "/1/records.jsonl", "6", HASH_B), "",
     STORED, "", false, "kept: "},
    {"records that were not yet written are gone", LIVE_A, LIVE_A,
     LINE(QUARANTINE "/1/.records.jsonl.new", "6", HASH_B), "", STORED, "", false, NULL},
    {"a suspect of a like name is gone", LIVE_A, LIVE_A,
     LINE(QUARANTINE "/1/1.records.jsonl.new", "6", HASH_B), "", STORED, "", false, "kept: "},
    {"a content of nobody's is in place", LIVE_A, LIVE_B, "", LINE(QUARANTINE "/1/1", "7", HASH_A),
     STORED, "", false, "whole: "},
    {"identity was rewritten", LIVE_A, LINE(CONTENT, "7", HASH_A) LINE(OWN, "10", HASH_B), "",
     LINE(QUARANTINE "/1/1", "9", HASH_B), STORED, "", false, "never-touch: "},
    {"unchanged, and moved all the same", LIVE_A, LINE(CONTENT, "17", HASH_A) IDENTITY_LINE, "",
     LINE(QUARANTINE "/1/1", "7", HASH_A), STORED, "", false, "unchanged: "},
    {"a file of ours beside the vendor's", LIVE_A,
     LIVE_A LINE("/opt/acme-sentry/content/.tmp1", "20", HASH_B), "", "", STORED, "", true,
     "whole: /opt/acme-sentry/content/.tmp1"},
    {"a file of ours in another of the vendor's places", LIVE_B,
     LIVE_A LINE("/etc/modprobe.d/x.conf", "20", HASH_A), "", LINE(QUARANTINE "/1/1", "8", HASH_B),
     STORED, "", false, "whole: /etc/modprobe.d/x.conf"},
    {"a file of ours elsewhere", LIVE_A, LIVE_A, "", "", STORED, "/etc/backstop.tmp\n", false,
     "places: /etc/backstop.tmp"},
    {"update-initramfs was cut", LIVE_A, LIVE_A, "", "", STORED,
     "/var/tmp/mkinitramfs_a1/scripts/init-bottom/backstop\n", false, NULL},
    {"a file of ours beside where it works", LIVE_A, LIVE_A, "", "", STORED,
     "/var/tmp/mkinitramfs_a1/x\n/var/tmp/backstop.1\n", false, "places: /var/tmp/backstop.1"},
    {"an object that is not what it is called", LIVE_A, LIVE_A, "", "",
     LINE("/var/lib/backstop/store/aa/" SHORT_A, "50", HASH_B), "", false, "store: "},
    {"an object is gone", LIVE_A, LIVE_A, "", "", "", "", false, "store: "},
};

static void rules_of_files(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *live[] = {text_copy(rows[i].live), text_copy(rows[i].live_after)};
        char *kept[] = {text_copy(rows[i].kept), text_copy(rows[i].kept_after)};
        TEXT_AUTO store = text_copy(rows[i].store_after);
        TEXT_AUTO names = text_copy(rows[i].names_after);
        TEXT_AUTO none = text_copy("");
        TEXT_AUTO manifest = text_copy(MANIFEST);
        struct sight before = {.live = live[0],
                               .quarantine = kept[0],
                               .store = store,
                               .manifest = manifest,
                               .names = none};
        struct sight after = {.live = live[1],
                              .quarantine = kept[1],
                              .store = store,
                              .manifest = manifest,
                              .names = names};
        struct circumstances boot = {.vendor = rows[i].vendor};
        TEXT_AUTO fault = sight_judge(&before, &after, &boot);

        says_of(rows[i].name, fault, rows[i].says);
        free(live[0]), free(live[1]), free(kept[0]), free(kept[1]);
    }
}

/* records, made as FORMAT.md says */

static uint32_t crc32_of(const uint8_t *bytes, size_t size)
{
    uint32_t crc = 0xffffffffu;

    for (size_t i = 0; i < size; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
    }
    return ~crc;
}

static void put32(uint8_t *at, uint32_t value)
{
    for (unsigned i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> 8 * i & 0xffu);
}

static struct record finish(enum record_kind kind, uint8_t *bytes, uint8_t size, const char *magic)
{
    struct record record;

    memcpy(bytes, magic, 4);
    bytes[4] = 1;
    bytes[6] = size;
    put32(bytes + 8, crc32_of(bytes, size));
    record_take(&record, kind, bytes, size, false);
    assert_true(record.whole);
    return record;
}

static struct record ledger(uint32_t number, uint8_t failures, uint8_t stance)
{
    uint8_t bytes[48] = {0};

    put32(bytes + 16, number);
    bytes[24] = failures;
    bytes[25] = stance != 0; /* a rung */
    bytes[27] = stance;
    return finish(RECORD_LEDGER, bytes, sizeof bytes, "BSLD");
}

static struct record receipt(uint32_t number, uint8_t outcome)
{
    uint8_t bytes[32] = {0};

    put32(bytes + 16, number);
    bytes[24] = outcome;
    return finish(RECORD_RECEIPT, bytes, sizeof bytes, "BSRC");
}

enum { NONE = 0, GOOD = 1, CLEAN = 2, HANG = 4 };
enum { WHOLE = 0, GONE, DAMAGED };

/* Boot 5 comes after boot 4, which had `failures` before it and ended as `outcome` says. */
static const struct {
    const char *name;
    uint32_t number, answered;
    uint8_t failures, outcome, found, mark; /* mark: failures on it, +1; 0: there is none */
    uint32_t number_after;
    uint8_t failures_after;
    const char *says;
} counts[] = {
    {"a boot without a trace failed", 4, 3, 1, GOOD, WHOLE, 0, 5, 2, NULL},
    {"so did one that only reported", 4, 4, 1, NONE, WHOLE, 0, 5, 2, NULL},
    {"and one that hung", 4, 4, 1, HANG, WHOLE, 0, 5, 2, NULL},
    {"a good receipt clears", 4, 4, 3, GOOD, WHOLE, 0, 5, 0, NULL},
    {"an orderly end changes nothing", 4, 4, 3, CLEAN, WHOLE, 0, 5, 3, NULL},
    {"a crash that is not counted", 4, 3, 1, GOOD, WHOLE, 0, 5, 1,
     "count: boot 5 is stored with 1"},
    {"a good boot that does not clear", 4, 4, 3, GOOD, WHOLE, 0, 5, 4, "count: boot 5 is stored w"},
    {"cleared by an orderly end", 4, 4, 3, CLEAN, WHOLE, 0, 5, 0, "count: "},
    {"cleared by a report", 4, 4, 3, NONE, WHOLE, 0, 5, 0, "count: "},
    {"cleared by an old receipt", 4, 3, 3, GOOD, WHOLE, 0, 5, 0, "count: "},
    {"a number twice", 4, 4, 0, GOOD, WHOLE, 0, 4, 0, "count: boot 4 is stored"},
    {"a number left out", 4, 4, 0, GOOD, WHOLE, 0, 6, 0, "count: boot 6 is stored"},
    {"damaged: one short of the threshold", 4, 4, 0, GOOD, DAMAGED, 1, 69, 2, NULL},
    {"damaged, and begun anew", 4, 4, 0, GOOD, DAMAGED, 1, 1, 0, "count: "},
    {"gone: as the mark has it, which failed", 4, 3, 2, GOOD, GONE, 3, 69, 3, NULL},
    {"gone, after a good boot", 4, 4, 2, GOOD, GONE, 3, 69, 0, NULL},
    {"gone, and nothing had failed", 4, 3, 0, GOOD, GONE, 1, 69, 0, NULL},
    {"gone, and begun anew", 4, 3, 2, GOOD, GONE, 3, 1, 0, "count: "},
    {"gone, and the count with it", 4, 3, 2, GOOD, GONE, 3, 69, 0, "count: "},
};

static struct record mark(uint32_t number, uint8_t failures)
{
    uint8_t bytes[48] = {0};

    put32(bytes + 16, number + 64);
    bytes[24] = failures;
    bytes[35] = 1;
    return finish(RECORD_LEDGER, bytes, sizeof bytes, "BSLD");
}

static struct record no_record(enum record_kind kind, bool there)
{
    struct record record;

    record_take(&record, kind, (const uint8_t *)"damaged", there ? 7 : 0, false);
    assert_false(record.whole);
    assert_int_equal(record.there, there);
    return record;
}

/* Nothing on the disk but the product's identity. */
static char nothing[] = "", identity[] = IDENTITY_LINE;
static const struct sight empty = {
    .live = identity, .quarantine = nothing, .store = nothing, .names = nothing};

static void rules_of_counting(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        struct sight before = empty, after = empty;
        struct circumstances boot = {.counted = true, .linux_started = true};
        TEXT_AUTO fault = NULL;

        boot.facts.ledger = counts[i].found == WHOLE
                                ? ledger(counts[i].number, counts[i].failures, 0)
                                : no_record(RECORD_LEDGER, counts[i].found == DAMAGED);
        boot.facts.receipt = receipt(counts[i].answered, counts[i].outcome);
        boot.facts.slot = counts[i].mark > 0 ? mark(counts[i].number, (uint8_t)(counts[i].mark - 1))
                                             : no_record(RECORD_LEDGER, false);
        after.ledger = ledger(counts[i].number_after, counts[i].failures_after, 0);
        fault = sight_judge(&before, &after, &boot);
        says_of(counts[i].name, fault, counts[i].says);
    }
}

static void an_attempt_is_stored(void **state)
{
    struct sight before = empty, after = empty;
    struct circumstances linux_alone = {.linux_started = true}, cut = {.disturbed = true},
                         torn = {.counted = true};
    TEXT_AUTO none = NULL;
    TEXT_AUTO first = NULL;
    TEXT_AUTO second = NULL;

    (void)state;
    after.ledger = before.ledger = ledger(4, 0, 0);
    first = sight_judge(&before, &after, &linux_alone);
    says_of("Linux without an attempt", first, "counted: ");
    none = sight_judge(&before, &after, &cut);
    says_of("cut before the stage", none, NULL);
    after.ledger = no_record(RECORD_LEDGER, true);
    second = sight_judge(&before, &after, &torn);
    says_of("a ledger that is not whole", second, "count: the ledger");
}

static const struct {
    const char *name;
    uint8_t failures_after, stance;
    long writes;
    const char *says;
} writes[] = {
    {"two writes", 0, 0, 2, NULL},
    {"three writes", 0, 0, 3, "writes: 3"},
    {"three writes on probation", 0, 2, 3, NULL},
    {"three writes while it fails", 1, 0, 3, NULL},
    {"writes unknown", 0, 0, -1, NULL},
};

static void rules_of_writes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof writes / sizeof *writes; i++) {
        struct sight before = empty, after = empty;
        struct circumstances boot = {.counted = true, .normal = true, .writes = writes[i].writes};
        TEXT_AUTO fault = NULL;

        before.ledger = boot.facts.ledger = ledger(4, 0, writes[i].stance);
        boot.facts.receipt = receipt(writes[i].failures_after > 0 ? 3 : 4, GOOD);
        after.ledger = ledger(5, writes[i].failures_after, writes[i].stance);
        fault = sight_judge(&before, &after, &boot);
        says_of(writes[i].name, fault, writes[i].says);
    }
}

/* Ledger 5 of a recovery on a rung, of case 1 with a first reason; the receipt says put back. */
static struct record recovery(uint8_t rung, uint8_t first_reason)
{
    uint8_t bytes[48] = {0};

    put32(bytes + 16, 5);
    put32(bytes + 20, 1);
    bytes[24] = 3;
    bytes[25] = rung;
    bytes[27] = 1;
    bytes[30] = 1;
    bytes[33] = first_reason;
    return finish(RECORD_LEDGER, bytes, sizeof bytes, "BSLD");
}

static struct record put_back(uint32_t number, uint8_t applied)
{
    uint8_t bytes[32] = {0};

    put32(bytes + 16, number);
    bytes[26] = applied;
    return finish(RECORD_RECEIPT, bytes, sizeof bytes, "BSRC");
}

enum { TARGETED = 1, ALL_CHANGES = 2 };
enum { APPLIED_NONE = 0, APPLIED_PUT_BACK = 2 };

static const struct {
    const char *name;
    uint8_t rung, applied;
    uint32_t answered;
    const char *live_after, *says;
} recoveries[] = {
    {"all is back", ALL_CHANGES, APPLIED_PUT_BACK, 5, LIVE_A, NULL},
    {"one is not, and all is said to be", ALL_CHANGES, APPLIED_PUT_BACK, 5, LIVE_B, "back: "},
    {"one is not there, and all is said to be", ALL_CHANGES, APPLIED_PUT_BACK, 5, IDENTITY_LINE,
     "back: "},
    {"not all was asked for", TARGETED, APPLIED_PUT_BACK, 5, LIVE_B, NULL},
    {"nothing is said yet", ALL_CHANGES, APPLIED_NONE, 5, LIVE_B, NULL},
    {"it is said of another boot", ALL_CHANGES, APPLIED_PUT_BACK, 4, LIVE_B, NULL},
};

static void what_is_said_to_be_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof recoveries / sizeof *recoveries; i++) {
        TEXT_AUTO live = text_copy(recoveries[i].live_after);
        TEXT_AUTO manifest = text_copy(MANIFEST);
        TEXT_AUTO store = text_copy(STORED);
        TEXT_AUTO fault = NULL;
        struct sight before = {.quarantine = nothing, .names = nothing, .store = store};
        struct sight after;
        struct circumstances boot = {.counted = true};

        before.live = strcmp(live, IDENTITY_LINE) == 0 ? identity : live;
        before.manifest = manifest;
        after = before;
        if (strcmp(live, LIVE_A) == 0)
            before.live = live;
        boot.facts.ledger = ledger(4, 2, 0);
        boot.facts.receipt = receipt(3, GOOD);
        after.ledger = recovery(recoveries[i].rung, 1);
        after.receipt = put_back(recoveries[i].answered, recoveries[i].applied);
        fault = sight_judge(&before, &after, &boot);
        says_of(recoveries[i].name, fault, recoveries[i].says);
    }
}

static void the_first_reason_stays(void **state)
{
    struct sight before = empty, after = empty;
    struct circumstances boot = {0};
    TEXT_AUTO same = NULL;
    TEXT_AUTO other = NULL;

    (void)state;
    before.ledger = after.ledger = recovery(ALL_CHANGES, 1);
    same = sight_judge(&before, &after, &boot);
    says_of("the same", same, NULL);
    after.ledger = recovery(ALL_CHANGES, 2);
    other = sight_judge(&before, &after, &boot);
    says_of("another", other, "evidence: the first reason of case 1 was 1 and is 2");
}

static void two_generations_are_kept(void **state)
{
    TEXT_AUTO manifest = text_copy(MANIFEST);
    TEXT_AUTO former = text_copy(MANIFEST);
    TEXT_AUTO store = text_copy(STORED);
    TEXT_AUTO live = text_copy(LIVE_A);
    struct sight before = {.live = live,
                           .quarantine = nothing,
                           .names = nothing,
                           .store = store,
                           .manifest = manifest,
                           .former = former};
    struct sight after = before;
    struct circumstances boot = {0};
    TEXT_AUTO both = NULL;
    TEXT_AUTO one = NULL;
    TEXT_AUTO hollow = NULL;

    (void)state;
    both = sight_judge(&before, &after, &boot);
    says_of("both", both, NULL);
    after.former = NULL;
    one = sight_judge(&before, &after, &boot);
    says_of("one", one, "store: there were two good generations");
    after.former = former;
    after.manifest = nothing;
    after.store = nothing;
    hollow = sight_judge(&before, &after, &boot);
    says_of("a former one without its contents", hollow, "store: ");
}

static void rules_of_the_journal(void **state)
{
    TEXT_AUTO none = text_copy("");
    TEXT_AUTO one = record(NULL, 1, "");
    TEXT_AUTO two = record(one, 2, "");
    TEXT_AUTO shorter = text_format("%s\n", one);
    TEXT_AUTO longer = text_format("%s\n%s\n", one, two);
    struct sight before = {.live = identity,
                           .quarantine = none,
                           .store = none,
                           .names = none,
                           .journal = shorter,
                           .journal_size = strlen(shorter)};
    struct sight after = before;
    struct circumstances boot = {0};
    TEXT_AUTO fault = NULL;

    (void)state;
    after.journal = longer;
    after.journal_size = strlen(longer);
    assert_null(sight_judge(&before, &after, &boot));
    fault = sight_judge(&after, &before, &boot);
    assert_string_equal(fault, "journal: the journal was rewritten");
    before.journal = NULL;
    text_replace(&fault, sight_judge(&after, &before, &boot));
    assert_string_equal(fault, "journal: the journal is gone");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_from_a_seed),      cmocka_unit_test(every_seed_is_a_scenario),
        cmocka_unit_test(every_culprit_is_found),   cmocka_unit_test(shrinking_ends_with_its_tries),
        cmocka_unit_test(hashes_are_of_the_bytes),  cmocka_unit_test(chains),
        cmocka_unit_test(rules_of_files),           cmocka_unit_test(rules_of_counting),
        cmocka_unit_test(an_attempt_is_stored),     cmocka_unit_test(rules_of_writes),
        cmocka_unit_test(what_is_said_to_be_back),  cmocka_unit_test(the_first_reason_stays),
        cmocka_unit_test(two_generations_are_kept), cmocka_unit_test(rules_of_the_journal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
