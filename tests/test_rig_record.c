/* The rig's own reader of ledger and receipt, against FORMAT.md's vectors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "../qemu/record.h"
#include "../qemu/text.h"

#define SLOT 4096u
#define BYTES_MAX 8192u

struct vector {
    bool known; /* a ledger or a receipt */
    enum record_kind kind;
    char name[80];
    bool padded;
    uint8_t bytes[BYTES_MAX];
    size_t size;
    struct record record; /* taken when the line with the state is reached */
};

static void take_hex(struct vector *vector, const char *line)
{
    char *end;
    size_t at = strtoul(line, &end, 16);

    for (end++; *end != '\0';) {
        char *next;
        unsigned long byte = strtoul(end, &next, 16);

        if (next == end)
            break;
        assert_true(at < BYTES_MAX);
        vector->bytes[at++] = (uint8_t)byte;
        end = next;
    }
    vector->size = at > vector->size ? at : vector->size;
}

static void take_state(struct vector *vector, const char *wanted)
{
    record_take(&vector->record, vector->kind, vector->size > 0 ? vector->bytes : NULL,
                vector->size, vector->padded);
    print_message("%s\n", vector->name);
    assert_int_equal(vector->record.there, strcmp(wanted, "absent") != 0);
    assert_int_equal(vector->record.whole, strcmp(wanted, "valid") == 0);
}

/* FORMAT.md's "case_number" is the rig's "case"; '_' is '-'. */
static void take_field(const struct vector *vector, char *line)
{
    char *equals = strchr(line, '=');
    uint32_t value = 0;

    assert_non_null(equals);
    *equals = '\0';
    for (char *c = line; *c != '\0'; c++)
        if (*c == '_')
            *c = '-';
    if (strcmp(line, "case-number") == 0)
        line[4] = '\0';
    assert_true(record_field(&vector->record, line, &value));
    assert_int_equal(value, strtoul(equals + 1, NULL, 0));
}

static void begin(struct vector *vector, const char *title)
{
    memset(vector, 0, sizeof *vector);
    vector->known = text_starts(title, "ledger ") || text_starts(title, "receipt ");
    vector->kind = text_starts(title, "ledger ") ? RECORD_LEDGER : RECORD_RECEIPT;
    snprintf(vector->name, sizeof vector->name, "%s", title);
}

static void vectors(void **state)
{
    char *text = file_read(SOURCE_DIR "/core/vectors.txt", NULL), *rest = text, *line;
    struct vector *vector = calloc(1, sizeof *vector);
    size_t valid = 0, others = 0;

    (void)state;
    assert_non_null(text);
    assert_non_null(vector);
    while ((line = strsep(&rest, "\n")) != NULL) {
        if (text_starts(line, "vector "))
            begin(vector, line + strlen("vector "));
        else if (!vector->known || line[0] == '\0' || line[0] == '#' ||
                 text_starts(line, "rewritten"))
            continue;
        else if (strcmp(line, "padded") == 0)
            vector->padded = true;
        else if (text_starts(line, "state ")) {
            take_state(vector, line + strlen("state "));
            valid += vector->record.whole;
            others += !vector->record.whole;
        } else if (strchr(line, '=') != NULL)
            take_field(vector, line);
        else
            take_hex(vector, line);
    }
    assert_true(valid >= 8 && others >= 20);
    free(vector);
    free(text);
}

/* CRC-32 of IEEE 802.3, written apart from the reader's. */
static void seal(uint8_t *bytes, const char *magic, uint8_t length)
{
    uint32_t crc = 0;

    memcpy(bytes, magic, 4);
    bytes[4] = 1;
    bytes[6] = length;
    memset(bytes + 8, 0, 4);
    crc = ~crc;
    for (unsigned bit = 0; bit < 8u * length; bit++) {
        uint32_t mix = (crc ^ (uint32_t)(bytes[bit / 8] >> bit % 8)) & 1;

        crc = crc >> 1 ^ (mix ? 0xedb88320u : 0);
    }
    crc = ~crc;
    for (unsigned i = 0; i < 4; i++)
        bytes[8 + i] = (uint8_t)(crc >> 8 * i & 0xff);
}

static void ledger_at(uint8_t *slot, uint8_t number, uint8_t failures, uint8_t mark)
{
    memset(slot, 0, SLOT);
    slot[16] = number;
    slot[24] = failures;
    slot[35] = mark;
    seal(slot, "BSLD", 48);
}

static void receipt_at(uint8_t *slot, uint8_t number, uint8_t outcome, uint8_t phase)
{
    memset(slot, 0, SLOT);
    slot[16] = number;
    slot[24] = outcome;
    slot[25] = phase;
    seal(slot, "BSRC", 32);
}

static const struct {
    const char *name;
    uint8_t number[2], mark[2];
    uint32_t failures; /* 1: slot 0 is newest, 2: slot 1 */
} ledger_rows[] = {
    {"the later number", {7, 8}, {0, 0}, 2},
    {"the later number first", {9, 8}, {0, 0}, 1},
    {"a mark is 64 ahead of its boot", {5, 66}, {0, 1}, 1},
    {"a mark that is later all the same", {5, 70}, {0, 1}, 2},
    {"a mark of the same boot gives way", {69, 5}, {1, 0}, 2},
    {"equal: slot 0", {5, 5}, {0, 0}, 1},
};

static void newest_ledger(void **state)
{
    static uint8_t file[2 * SLOT];

    (void)state;
    for (size_t i = 0; i < sizeof ledger_rows / sizeof ledger_rows[0]; i++) {
        struct record record;
        uint32_t failures = 0;

        print_message("%s\n", ledger_rows[i].name);
        for (uint8_t k = 0; k < 2; k++)
            ledger_at(file + k * SLOT, ledger_rows[i].number[k], (uint8_t)(k + 1),
                      ledger_rows[i].mark[k]);
        record_from_slots(&record, RECORD_LEDGER, file, sizeof file);
        assert_true(record.whole && record_field(&record, "failures", &failures));
        assert_int_equal(failures, ledger_rows[i].failures);
    }
}

static const struct {
    const char *name;
    uint8_t number[2], outcome[2], phase[2];
    uint32_t phase_found;
} receipt_rows[] = {
    {"the later number", {7, 8}, {1, 0}, {3, 1}, 1},
    {"the one with an outcome", {8, 8}, {0, 1}, {1, 3}, 3},
    {"the one with an outcome first", {8, 8}, {1, 0}, {2, 3}, 2},
    {"the further phase", {8, 8}, {0, 0}, {1, 2}, 2},
};

static void newest_receipt(void **state)
{
    static uint8_t file[2 * SLOT];

    (void)state;
    for (size_t i = 0; i < sizeof receipt_rows / sizeof receipt_rows[0]; i++) {
        struct record record;
        uint32_t phase = 0;

        print_message("%s\n", receipt_rows[i].name);
        for (size_t k = 0; k < 2; k++)
            receipt_at(file + k * SLOT, receipt_rows[i].number[k], receipt_rows[i].outcome[k],
                       receipt_rows[i].phase[k]);
        record_from_slots(&record, RECORD_RECEIPT, file, sizeof file);
        assert_true(record.whole && record_field(&record, "phase", &phase));
        assert_int_equal(phase, receipt_rows[i].phase_found);
    }
}

static void slots_that_hold_nothing(void **state)
{
    static uint8_t file[2 * SLOT];
    struct record record;

    (void)state;
    memset(file, 0, sizeof file);
    record_from_slots(&record, RECORD_LEDGER, file, sizeof file);
    assert_false(record.there);
    ledger_at(file + SLOT, 3, 1, 0);
    file[SLOT + 20] ^= 1;
    record_from_slots(&record, RECORD_LEDGER, file, sizeof file);
    assert_true(record.there);
    assert_false(record.whole);
    record_from_slots(&record, RECORD_LEDGER, file, 100);
    assert_false(record.there);
}

static void words_and_numbers(void **state)
{
    static uint8_t slot[SLOT];
    struct record record;
    uint32_t value = 0;
    char *text;

    (void)state;
    ledger_at(slot, 4, 3, 0);
    slot[25] = 2;
    slot[27] = 1;
    seal(slot, "BSLD", 48);
    record_take(&record, RECORD_LEDGER, slot, 48, false);
    assert_true(record.whole);
    assert_string_equal(record_word(&record, "rung"), "all-changes");
    assert_null(record_word(&record, "failures"));
    assert_null(record_word(&record, "moon"));
    text = record_text(&record);
    assert_non_null(strstr(text, "number=4 "));
    assert_non_null(strstr(text, "stance=recovery"));
    free(text);
    assert_true(record_value(RECORD_LEDGER, "rung", "hold", &value));
    assert_int_equal(value, 5);
    assert_true(record_value(RECORD_LEDGER, "rung", "3", &value));
    assert_int_equal(value, 3);
    assert_false(record_value(RECORD_LEDGER, "rung", "crash", &value));
    assert_false(record_value(RECORD_RECEIPT, "outcome", "crash", &value));
    assert_false(record_value(RECORD_LEDGER, "moon", "1", &value));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors),           cmocka_unit_test(newest_ledger),
        cmocka_unit_test(newest_receipt),    cmocka_unit_test(slots_that_hold_nothing),
        cmocka_unit_test(words_and_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
