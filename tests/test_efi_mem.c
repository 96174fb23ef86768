/* efi/mem.c, built under other names, against libc's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

void *efi_memcpy(void *restrict to, const void *restrict from, size_t size);
void *efi_memmove(void *to, const void *from, size_t size);
void *efi_memset(void *to, int byte, size_t size);
int efi_memcmp(const void *a, const void *b, size_t size);

#define SIZE 24u

static void fill(unsigned char *bytes)
{
    for (unsigned i = 0; i < SIZE; i++)
        bytes[i] = (unsigned char)(i * 37 + 200);
}

static int sign(int value)
{
    return (value > 0) - (value < 0);
}

static void copies_and_moves_as_libc(void **state)
{
    unsigned char ours[SIZE], theirs[SIZE];

    (void)state;
    for (size_t from = 0; from < SIZE; from++)
        for (size_t to = 0; to < SIZE; to++)
            for (size_t size = 0; size <= SIZE - (from > to ? from : to); size++) {
                fill(ours);
                fill(theirs);
                assert_ptr_equal(efi_memmove(ours + to, ours + from, size), ours + to);
                memmove(theirs + to, theirs + from, size);
                assert_memory_equal(ours, theirs, SIZE);
            }
    for (size_t size = 0; size <= SIZE; size++) {
        unsigned char source[SIZE];

        fill(source);
        memset(ours, 1, SIZE);
        memset(theirs, 1, SIZE);
        assert_ptr_equal(efi_memcpy(ours, source, size), ours);
        memcpy(theirs, source, size);
        assert_memory_equal(ours, theirs, SIZE);
    }
}

static void fills_as_libc(void **state)
{
    unsigned char ours[SIZE], theirs[SIZE];

    (void)state;
    for (size_t size = 0; size <= SIZE; size++) {
        fill(ours);
        fill(theirs);
        assert_ptr_equal(efi_memset(ours, 0x1fe, size), ours);
        memset(theirs, 0x1fe, size);
        assert_memory_equal(ours, theirs, SIZE);
    }
}

static void compares_as_libc(void **state)
{
    unsigned char a[SIZE], b[SIZE];

    (void)state;
    fill(a);
    for (size_t at = 0; at < SIZE; at++)
        for (unsigned byte = 0; byte < 256; byte++)
            for (size_t size = 0; size <= SIZE; size += 4) {
                fill(b);
                b[at] = (unsigned char)byte;
                assert_int_equal(sign(efi_memcmp(a, b, size)), sign(memcmp(a, b, size)));
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copies_and_moves_as_libc),
        cmocka_unit_test(fills_as_libc),
        cmocka_unit_test(compares_as_libc),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
