/*
 * clean.h - bytes of a guest made into text that is safe to keep and to show.
 */
#ifndef BACKSTOP_RIG_CLEAN_H
#define BACKSTOP_RIG_CLEAN_H

#include <stddef.h>

/*
 * Valid UTF-8 of what may be anything (caller frees): bytes that are none (RFC 3629: overlong,
 * surrogates, above U+10FFFF, torn) become U+FFFD each; CR and terminal escapes (CSI, OSC and
 * two-byte ones) are left out; other control characters but LF and TAB become their pictures
 * (U+2400..); so do the controls that reorder text (U+202A..E, U+2066..9), as U+FFFD.
 */
char *clean_text(const char *bytes, size_t size);
/* The same with & < > " ' as character references: for HTML and XML, text and attributes alike. */
char *clean_markup(const char *bytes, size_t size);

#endif
