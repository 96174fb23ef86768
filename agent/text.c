#include "text.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

static bool is_plain(unsigned char c)
{
    return c > 0x20 && c < 0x7f && c != '%';
}

size_t text_escape(const char *name, size_t size, char *out)
{
    static const char digits[] = "0123456789ABCDEF";
    char *at = out;

    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)name[i];

        if (is_plain(c)) {
            *at++ = (char)c;
        } else {
            *at++ = '%';
            *at++ = digits[c >> 4];
            *at++ = digits[c & 15];
        }
    }
    return (size_t)(at - out);
}

static int upper_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The byte behind a '%' and two digits, or -1. */
static int escaped_byte(const char *text, size_t left)
{
    int high, low, c;

    if (left < 3)
        return -1;
    high = upper_digit(text[1]);
    low = upper_digit(text[2]);
    if (high < 0 || low < 0)
        return -1;
    c = high << 4 | low;
    return c == 0 || is_plain((unsigned char)c) ? -1 : c;
}

ptrdiff_t text_unescape(const char *text, size_t size, char *out)
{
    char *at = out;

    for (size_t i = 0; i < size; i++) {
        if (is_plain((unsigned char)text[i])) {
            *at++ = text[i];
        } else {
            int c = text[i] == '%' ? escaped_byte(text + i, size - i) : -1;

            if (c < 0)
                return -1;
            *at++ = (char)(unsigned char)c;
            i += 2;
        }
    }
    return at - out;
}

int text_number(const char *text, size_t size, uint64_t max, uint64_t *number)
{
    uint64_t n = 0;

    if (!size || (size > 1 && *text == '0'))
        return -EINVAL;
    for (size_t i = 0; i < size; i++) {
        unsigned digit = (unsigned)((unsigned char)text[i] - '0');

        if (digit > 9)
            return -EINVAL;
        if (i < 19) /* so many digits always fit */
            n = n * 10 + digit;
        else if (__builtin_mul_overflow(n, 10u, &n) || __builtin_add_overflow(n, digit, &n))
            return -EINVAL;
    }
    if (n > max)
        return -EINVAL;
    *number = n;
    return 0;
}
