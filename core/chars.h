/*
 * chars.h - short texts put together and compared without a libc.
 *
 * Internal to core. The buffer always ends in a NUL; what does not fit is cut,
 * and `length` goes on counting, as with snprintf.
 */
#ifndef BACKSTOP_CORE_CHARS_H
#define BACKSTOP_CORE_CHARS_H

#include <stddef.h>
#include <stdint.h>

struct text {
    char *out;
    size_t size; /* of out; 0: nothing is written */
    size_t length;
};

static inline void text_begin(struct text *text, char *out, size_t size)
{
    text->out = out;
    text->size = size;
    text->length = 0;
    if (size > 0)
        out[0] = '\0';
}

static inline void text_char(struct text *text, char c)
{
    if (text->length + 1 < text->size) {
        text->out[text->length] = c;
        text->out[text->length + 1] = '\0';
    }
    text->length++;
}

static inline void text_string(struct text *text, const char *string)
{
    while (*string != '\0')
        text_char(text, *string++);
}

/* 1 if bytes[length], which need no NUL, are the NUL-terminated word. */
static inline int text_equals(const char *bytes, size_t length, const char *word)
{
    size_t i = 0;

    while (i < length && word[i] != '\0' && bytes[i] == word[i])
        i++;
    return i == length && word[i] == '\0';
}

/* Decimal, with leading zeros up to `width` digits (at most 10). */
static inline void text_number(struct text *text, uint32_t number, unsigned width)
{
    char digits[10];
    unsigned count = 0;

    do {
        digits[count++] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    while (count < width && count < sizeof digits)
        digits[count++] = '0';
    while (count > 0)
        text_char(text, digits[--count]);
}

#endif
