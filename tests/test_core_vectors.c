/* core/vectors.txt, which FORMAT.md refers to, against the decoders and encoders. */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "records.h"

#define VECTORS_FILE SOURCE_DIR "/core/vectors.txt"
#define BYTES_MAX 1024

struct vector {
    const struct record_type *type;
    char name[80];
    uint8_t bytes[BYTES_MAX];
    size_t size;
    int padded;
    enum record_state state;
    union any_record expected;
    int rewritten; /* 0: bytes hold what an encoder would not write */
    int is_complete;
};

static const struct record_type *type_by_name(const char *name, size_t length)
{
    for (size_t i = 0; i < ROWS(record_types); i++)
        if (strlen(record_types[i].name) == length &&
            strncmp(record_types[i].name, name, length) == 0)
            return &record_types[i];
    fail_msg("vectors.txt: no such type: %s", name);
    return NULL;
}

static void begin_vector(struct vector *vector, const char *text)
{
    size_t length = strcspn(text, " ");

    memset(vector, 0, sizeof *vector);
    vector->rewritten = 1;
    vector->type = type_by_name(text, length);
    snprintf(vector->name, sizeof vector->name, "%.79s", text);
}

static enum record_state state_by_name(const char *name)
{
    for (int i = RECORD_ABSENT; i <= RECORD_NEWER; i++)
        if (strcmp(record_state_string((enum record_state)i), name) == 0)
            return (enum record_state)i;
    fail_msg("vectors.txt: no such state: %s", name);
    return RECORD_ABSENT;
}

static void add_bytes(struct vector *vector, const char *text)
{
    char *end;
    unsigned long offset = strtoul(text, &end, 16);

    assert_int_equal(*end, ':');
    assert_int_equal(offset, vector->size);
    for (const char *at = end + 1; *at != '\0'; at = end) {
        unsigned long byte = strtoul(at, &end, 16);

        assert_ptr_not_equal(at, end);
        assert_true(byte < 256 && vector->size < BYTES_MAX);
        vector->bytes[vector->size++] = (uint8_t)byte;
    }
}

static void add_field(struct vector *vector, const char *line)
{
    size_t length = strcspn(line, "=");

    for (size_t i = 0; i < vector->type->field_count; i++) {
        const struct field *field = &vector->type->fields[i];

        if (strlen(field->name) == length && strncmp(field->name, line, length) == 0) {
            field_put(field, &vector->expected, (uint32_t)strtoul(line + length + 1, NULL, 10));
            return;
        }
    }
    fail_msg("vectors.txt: %s: what is \"%s\"?", vector->name, line);
}

static void add_line(struct vector *vector, const char *line)
{
    if (strncmp(line, "vector ", 7) == 0)
        begin_vector(vector, line + 7);
    else if (strcmp(line, "padded") == 0)
        vector->padded = 1;
    else if (strncmp(line, "state ", 6) == 0)
        vector->state = state_by_name(line + 6);
    else if (strcmp(line, "rewritten no") == 0)
        vector->rewritten = 0;
    else if (line[0] == '\0')
        vector->is_complete = vector->type != NULL;
    else if (strchr(line, '=') != NULL)
        add_field(vector, line);
    else if (line[0] != '#')
        add_bytes(vector, line);
}

/* The next vector; 0 at the end of the file. */
static int read_vector(FILE *file, struct vector *vector)
{
    char line[256];

    memset(vector, 0, sizeof *vector);
    while (!vector->is_complete && fgets(line, sizeof line, file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        add_line(vector, line);
    }
    return vector->type != NULL;
}

static enum record_state decode(const struct vector *vector, union any_record *record)
{
    return vector->type->decode(record, vector->bytes, vector->size, vector->padded);
}

static void each_vector(void (*check)(const struct vector *vector))
{
    FILE *file = fopen(VECTORS_FILE, "r");
    struct vector vector;
    unsigned count = 0;

    assert_non_null(file);
    while (read_vector(file, &vector)) {
        check(&vector);
        count++;
    }
    fclose(file);
    assert_true(count >= 50);
}

static void check_fields(const struct vector *vector)
{
    union any_record record;

    memset(&record, 0xee, sizeof record);
    if (decode(vector, &record) != vector->state)
        fail_msg("%s: is %s", vector->name, record_state_string(decode(vector, &record)));
    for (size_t i = 0; i < vector->type->field_count; i++) {
        const struct field *field = &vector->type->fields[i];
        uint32_t value = field_get(field, &record);
        uint32_t untouched = UINT32_MAX / 255 * 0xee >> (32 - 8 * field->width);
        uint32_t expected =
            vector->state == RECORD_VALID ? field_get(field, &vector->expected) : untouched;

        if (value != expected)
            fail_msg("%s: %s is %u", vector->name, field->name, value);
    }
}

static void check_rewriting(const struct vector *vector)
{
    uint8_t out[RECORD_MAX_SIZE];

    if (vector->state != RECORD_VALID)
        return;
    vector->type->encode(&vector->expected, out);
    if ((memcmp(out, vector->bytes, vector->type->size) == 0) != vector->rewritten)
        fail_msg("%s: written again it is%s the same", vector->name,
                 vector->rewritten ? " not" : "");
}

/* Of the record itself: what lies behind it in a slot does not count. */
static void check_flips(const struct vector *vector)
{
    struct vector flipped = *vector;
    union any_record record;

    if (vector->state != RECORD_VALID)
        return;
    for (size_t bit = 0; bit < vector->type->size * 8; bit++) {
        flipped.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        if (decode(&flipped, &record) != RECORD_DAMAGED)
            fail_msg("%s: with bit %zu flipped it is not damaged", vector->name, bit);
        flipped.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
}

static void check_cuts(const struct vector *vector)
{
    union any_record record;

    if (vector->state != RECORD_VALID)
        return;
    for (size_t size = 1; size < vector->type->size; size++)
        if (vector->type->decode(&record, vector->bytes, size, vector->padded) != RECORD_DAMAGED)
            fail_msg("%s: cut at byte %zu it is not damaged", vector->name, size);
}

static void vectors_have_their_fields(void **state)
{
    (void)state;
    each_vector(check_fields);
}

static void vectors_are_written_as_they_are(void **state)
{
    (void)state;
    each_vector(check_rewriting);
}

static void vectors_with_one_bit_flipped_are_damaged(void **state)
{
    (void)state;
    each_vector(check_flips);
}

static void vectors_cut_short_are_damaged(void **state)
{
    (void)state;
    each_vector(check_cuts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_have_their_fields),
        cmocka_unit_test(vectors_are_written_as_they_are),
        cmocka_unit_test(vectors_with_one_bit_flipped_are_damaged),
        cmocka_unit_test(vectors_cut_short_are_damaged),
    };
    return cmocka_run_group_tests_name("vectors", tests, NULL, NULL);
}
