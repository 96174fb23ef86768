#include "check.h"

#include <stdio.h>
#include <string.h>

#include "seen.h"

static uint32_t bit_of(const char *text)
{
    uint8_t wide[128] = {0};
    size_t length = strlen(text);

    for (size_t i = 0; i < length; i++)
        wide[2 * i] = (uint8_t)text[i];
    return seen_bit(wide, 2 * length);
}

static uint32_t panic_at(unsigned long time)
{
    uint32_t bits = 0;
    char name[64];

    for (unsigned part = 1; part <= 14; part++) {
        snprintf(name, sizeof name, "dump-type0-%u-1-%lu-C", part, time);
        bits |= bit_of(name);
    }
    return bits;
}

/* Computed from FORMAT.md with Python. */
static void known_bits(void **state)
{
    (void)state;
    assert_int_equal(bit_of(""), UINT32_C(1) << 16);
    assert_int_equal(bit_of("dump-type0-1-1-1700000000-C"), UINT32_C(1) << 23);
    assert_int_equal(bit_of("dump-type0-14-1-1700000000-D"), UINT32_C(1) << 20);
}

/* The promise of FORMAT.md: records archived, and a panic soon after that left as many. */
static void next_panic_is_seldom_missed(void **state)
{
    unsigned missed = 0;

    (void)state;
    for (unsigned long i = 0; i < 20000; i++) {
        uint32_t before = panic_at(1700000000 + 601 * i);

        missed += (panic_at(1700000000 + 601 * i + 30 + i % 600) & ~before) == 0;
    }
    assert_in_range(missed, 0, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_bits),
        cmocka_unit_test(next_panic_is_seldom_missed),
    };
    return cmocka_run_group_tests_name("seen", tests, NULL, NULL);
}
