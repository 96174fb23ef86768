/*
 * text.h - names that may hold any byte, as fields of one line of text.
 *
 * Every byte that is not printable ASCII, and ' ' and '%', is written as '%'
 * and two upper-case hexadecimal digits. Any other spelling is refused, so
 * that a text and what it says go together one to one.
 */
#ifndef BACKSTOP_AGENT_TEXT_H
#define BACKSTOP_AGENT_TEXT_H

#include <stddef.h>
#include <stdint.h>

/* out has room for 3 * size bytes; the length written. No NUL. */
size_t text_escape(const char *name, size_t size, char *out);
/* out has room for `size` bytes; the length, or -1: badly escaped, or a NUL in it. No NUL is added.
 */
ptrdiff_t text_unescape(const char *text, size_t size, char *out);
/* A decimal number without sign or leading zeros that fills text[0..size). 0 or -EINVAL. */
int text_number(const char *text, size_t size, uint64_t max, uint64_t *number);

#endif
