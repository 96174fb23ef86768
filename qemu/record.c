#include "record.h"
#include "text.h"

#include <string.h>

/* FORMAT.md, "Header". */
#define AT_MAGIC 0u
#define AT_VERSION 4u
#define AT_LENGTH 6u
#define AT_CRC 8u
#define VERSION 1u

/* FORMAT.md, "Slots". */
#define SLOT_STRIDE 4096u
#define SLOTS 2u
#define MARK_AHEAD 64u

struct field {
    const char *name;
    unsigned at, width;
    const char *const *words; /* NULL: a number; a word that is NULL: out of range */
    unsigned word_count;
};

#define WORDS(array) array, (unsigned)(sizeof(array) / sizeof(array)[0])

static const char *const rungs[] = {"normal",      "targeted",   "all-changes",
                                    "drivers-off", "boot-files", "hold"};
static const char *const stances[] = {"normal", "recovery", "probation"};
static const char *const outcomes[] = {"none", "good",    "clean", "crash",
                                       "hang", "unknown", "failed"};
static const char *const phases[] = {"firmware", "initramfs", "early", "booted"};
static const char *const applied[] = {"none", "nothing", "put-back", "masked", "failed"};
static const char *const truths[] = {"no", "yes"};
/* A system cannot report its own crash, nor an end that left no trace. */
static const char *const reported[] = {"none", "good", "clean", NULL, "hang", NULL, "failed"};

static const struct field ledger_fields[] = {
    {"number", 16, 4, NULL, 0},
    {"case", 20, 4, NULL, 0},
    {"failures", 24, 1, NULL, 0},
    {"rung", 25, 1, WORDS(rungs)},
    {"rung-failures", 26, 1, NULL, 0},
    {"stance", 27, 1, WORDS(stances)},
    {"quiet", 28, 1, NULL, 0},
    {"unreached", 29, 1, NULL, 0},
    {"case-open", 30, 1, WORDS(truths)},
    {"last-outcome", 31, 1, WORDS(outcomes)},
    {"last-phase", 32, 1, WORDS(phases)},
    {"first-reason", 33, 1, NULL, 0},
    {"last-reason", 34, 1, NULL, 0},
    {"mark", 35, 1, WORDS(truths)},
    {"dumps", 36, 2, NULL, 0},
    {"dumps-seen", 38, 4, NULL, 0},
};
static const struct field receipt_fields[] = {
    {"number", 16, 4, NULL, 0},          {"generation", 20, 4, NULL, 0},
    {"outcome", 24, 1, WORDS(reported)}, {"phase", 25, 1, WORDS(phases)},
    {"applied", 26, 1, WORDS(applied)},  {"named", 27, 1, WORDS(truths)},
    {"go-normal", 28, 1, WORDS(truths)},
};

static const struct kind {
    const char *name, *variable, *magic;
    unsigned length;
    const struct field *fields;
    size_t field_count;
} kinds[] = {
    [RECORD_LEDGER] = {"ledger", "BackstopLedger", "BSLD", 48, ledger_fields,
                       sizeof ledger_fields / sizeof ledger_fields[0]},
    [RECORD_RECEIPT] = {"receipt", "BackstopReceipt", "BSRC", 32, receipt_fields,
                        sizeof receipt_fields / sizeof receipt_fields[0]},
};

const char *record_kind_string(enum record_kind kind)
{
    return kinds[kind].name;
}

static uint32_t load(const uint8_t *bytes, unsigned width)
{
    uint32_t value = 0;

    for (unsigned i = 0; i < width; i++)
        value |= (uint32_t)bytes[i] << 8 * i;
    return value;
}

/* CRC-32 of IEEE 802.3 with the CRC field itself taken as zero. */
static uint32_t crc_of(const uint8_t *bytes, size_t size)
{
    uint32_t crc = 0xffffffffu;

    for (size_t i = 0; i < size; i++) {
        crc ^= i >= AT_CRC && i < AT_CRC + 4 ? 0u : bytes[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0u);
    }
    return ~crc;
}

static bool in_range(const struct kind *kind, const uint8_t *bytes)
{
    for (size_t i = 0; i < kind->field_count; i++) {
        const struct field *field = &kind->fields[i];
        uint32_t value = load(bytes + field->at, field->width);

        if (field->words != NULL && (value >= field->word_count || field->words[value] == NULL))
            return false;
    }
    return true;
}

static bool is_whole(const struct kind *kind, const uint8_t *bytes, size_t size, bool padded)
{
    if (size < kind->length || (!padded && size != kind->length))
        return false;
    return in_range(kind, bytes) && memcmp(bytes + AT_MAGIC, kind->magic, 4) == 0 &&
           load(bytes + AT_VERSION, 2) == VERSION && load(bytes + AT_LENGTH, 2) == kind->length &&
           load(bytes + AT_CRC, 4) == crc_of(bytes, kind->length);
}

static bool all_zero(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != 0)
            return false;
    return true;
}

void record_take(struct record *record, enum record_kind kind, const uint8_t *bytes, size_t size,
                 bool padded)
{
    memset(record, 0, sizeof *record);
    record->kind = kind;
    if (bytes == NULL || size == 0 || (padded && all_zero(bytes, size)))
        return;
    record->there = true;
    record->whole = is_whole(&kinds[kind], bytes, size, padded);
    memcpy(record->bytes, bytes, size < kinds[kind].length ? size : kinds[kind].length);
}

void record_from_nvram(struct record *record, enum record_kind kind, const struct nvram *nvram)
{
    struct variable variable = {0};
    bool found = nvram_find(nvram, guid_backstop, kinds[kind].variable, &variable);

    record_take(record, kind, found ? variable.data : NULL, variable.data_size, false);
}

uint32_t record_number(const struct record *record, const char *field)
{
    uint32_t value = 0;

    record_field(record, field, &value);
    return value;
}

/* The boot in which it was written. */
static uint32_t boot_of(const struct record *record)
{
    uint32_t number = record_number(record, "number");

    return record->kind == RECORD_LEDGER && record_number(record, "mark") == 1 ? number - MARK_AHEAD
                                                                               : number;
}

/* A mark, or a receipt that reports a phase alone, gives way to a finished record. */
bool record_is_newer(const struct record *a, const struct record *b)
{
    uint32_t ahead = boot_of(a) - boot_of(b);

    if (!b->whole || ahead != 0)
        return !b->whole || ahead < 0x80000000u;
    if (a->kind == RECORD_LEDGER)
        return record_number(a, "mark") < record_number(b, "mark");
    if ((record_number(a, "outcome") != 0) != (record_number(b, "outcome") != 0))
        return record_number(a, "outcome") != 0;
    return record_number(a, "phase") > record_number(b, "phase");
}

void record_from_slots(struct record *record, enum record_kind kind, const uint8_t *file,
                       size_t size)
{
    record_take(record, kind, NULL, 0, true);
    for (unsigned slot = 0; slot < SLOTS && (slot + 1) * SLOT_STRIDE <= size; slot++) {
        struct record one;

        record_take(&one, kind, file + slot * SLOT_STRIDE, SLOT_STRIDE, true);
        if (one.whole && record_is_newer(&one, record))
            *record = one;
        else if (one.there && !record->there)
            *record = one;
    }
}

bool record_is_same(const struct record *a, const struct record *b)
{
    return a->there == b->there && memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

static const struct field *field_find(enum record_kind kind, const char *name)
{
    for (size_t i = 0; i < kinds[kind].field_count; i++)
        if (strcmp(kinds[kind].fields[i].name, name) == 0)
            return &kinds[kind].fields[i];
    return NULL;
}

bool record_field(const struct record *record, const char *name, uint32_t *value)
{
    const struct field *field = field_find(record->kind, name);

    if (field == NULL)
        return false;
    *value = load(record->bytes + field->at, field->width);
    return true;
}

bool record_value(enum record_kind kind, const char *name, const char *text, uint32_t *value)
{
    const struct field *field = field_find(kind, name);
    long number;

    if (field == NULL)
        return false;
    for (unsigned i = 0; i < field->word_count; i++) {
        if (field->words[i] != NULL && strcmp(field->words[i], text) == 0) {
            *value = i;
            return true;
        }
    }
    if (text_number(text, 0, 0xffffffffL, &number) < 0)
        return false;
    *value = (uint32_t)number;
    return true;
}

const char *record_word(const struct record *record, const char *name)
{
    const struct field *field = field_find(record->kind, name);
    uint32_t value = 0;

    if (field == NULL || !record_field(record, name, &value) || value >= field->word_count)
        return NULL;
    return field->words[value];
}

char *record_text(const struct record *record)
{
    const struct kind *kind = &kinds[record->kind];
    char *text = NULL;

    if (!record->there)
        return text_copy("absent");
    if (!record->whole)
        return text_copy("damaged");
    for (size_t i = 0; i < kind->field_count; i++) {
        const char *name = kind->fields[i].name, *word = record_word(record, name);
        uint32_t value = 0;
        TEXT_AUTO one = NULL;

        record_field(record, name, &value);
        one = word != NULL ? text_format("%s%s=%s", i > 0 ? " " : "", name, word)
                           : text_format("%s%s=%u", i > 0 ? " " : "", name, value);
        text_append(&text, one);
    }
    return text;
}

const char *record_field_name(enum record_kind kind, size_t index)
{
    return index < kinds[kind].field_count ? kinds[kind].fields[index].name : NULL;
}
