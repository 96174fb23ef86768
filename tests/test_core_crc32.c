#include "check.h"

#include <string.h>

#include "record.h"

static uint32_t crc_of_text(const char *text)
{
    return crc32_of((const uint8_t *)text, strlen(text));
}

/* The check value of CRC-32/ISO-HDLC, and strings whose CRC zlib gives. */
static void known_values(void **state)
{
    (void)state;
    assert_int_equal(crc_of_text(""), 0);
    assert_int_equal(crc_of_text("123456789"), 0xcbf43926);
    assert_int_equal(crc_of_text("a"), 0xe8b7be43);
    assert_int_equal(crc_of_text("The quick brown fox jumps over the lazy dog"), 0x414fa339);
}

/* By the definition, one bit at a time. */
static uint32_t crc_by_bits(const uint8_t *bytes, size_t size)
{
    uint32_t crc = 0xffffffff;

    for (size_t i = 0; i < size * 8; i++) {
        uint32_t bit = (crc ^ (uint32_t)(bytes[i / 8] >> i % 8)) & 1;

        crc = crc >> 1 ^ (bit ? 0xedb88320 : 0);
    }
    return ~crc;
}

static void every_byte_value(void **state)
{
    uint8_t bytes[256];

    (void)state;
    for (unsigned i = 0; i < 256; i++) {
        bytes[i] = (uint8_t)i;
        assert_int_equal(crc32_of(&bytes[i], 1), crc_by_bits(&bytes[i], 1));
        assert_int_equal(crc32_of(bytes, i), crc_by_bits(bytes, i));
    }
}

static void in_parts_as_in_one(void **state)
{
    static const uint8_t text[] = "123456789";

    (void)state;
    for (size_t cut = 0; cut <= 9; cut++)
        assert_int_equal(crc32_add(crc32_of(text, cut), text + cut, 9 - cut), 0xcbf43926);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_values),
        cmocka_unit_test(every_byte_value),
        cmocka_unit_test(in_parts_as_in_one),
    };
    return cmocka_run_group_tests_name("crc32", tests, NULL, NULL);
}
