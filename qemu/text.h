/*
 * text.h - strings, lines and SHA-256, as the rig uses them.
 *
 * The rig is a short-lived test program: out of memory ends it with a message.
 */
#ifndef BACKSTOP_RIG_TEXT_H
#define BACKSTOP_RIG_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Frees what a char * variable points to when it goes out of scope. */
void text_release(char **text);
#define TEXT_AUTO __attribute__((cleanup(text_release))) char *

/* A new string; never NULL. */
char *text_format(const char *format, ...) __attribute__((format(printf, 1, 2)));
char *text_copy(const char *text);
/* Frees *target and gives it `value`, which it owns from now on. */
void text_replace(char **target, char *value);
/* Appends to a string made here (or NULL). */
void text_append(char **target, const char *more);

bool text_starts(const char *text, const char *start);
bool text_ends(const char *text, const char *end);
/* The last part of a path; all of it where nothing is behind its last slash. */
const char *text_file_name(const char *path);

/* As one word for sh: quoted, whatever is in it. Caller frees. */
char *text_quoted(const char *text);

/* Decimal or 0x number within min..max. 0 or -EINVAL. */
int text_number(const char *text, long min, long max, long *value);

/*
 * Splits a line into words at blanks, in place. "..." keeps blanks and takes \" and \\ (other
 * backslashes stay, so regular expressions and EFI paths need no doubling); an unquoted '#' that
 * starts a word ends the line. Count, or -EINVAL for an open quote, -E2BIG for over max words.
 */
int text_words(char *line, char **words, size_t max);

/* Cuts bytes from a stream into lines without CR, LF and terminal escapes. */
#define LINE_MAX_LENGTH 8192u
struct line_stream {
    char line[LINE_MAX_LENGTH];
    size_t used;
    int escape; /* 0: plain text, 1: after ESC, 2: within a CSI sequence */
};
typedef void line_taker(void *context, const char *line);
void line_stream_feed(struct line_stream *stream, const char *bytes, size_t size, line_taker *take,
                      void *context);

#define HASH_TEXT_SIZE 65u
struct hash;
struct hash *hash_new(void);
void hash_add(struct hash *hash, const void *bytes, size_t size);
void hash_add_text(struct hash *hash, const char *text);
/* Adds a file's content. 0 or -errno. */
int hash_add_file(struct hash *hash, const char *path);
/* Gives the digest in hex and frees. */
void hash_end(struct hash *hash, char out[HASH_TEXT_SIZE]);

/* The whole file, NUL-terminated (caller frees), or NULL with errno; size may be NULL. */
char *file_read(const char *path, size_t *size);
/* Creates or overwrites. 0 or -errno. */
int file_write(const char *path, const void *bytes, size_t size);
/* The same in a new file; `name` ends with XXXXXX, as for mkstemp(3). */
int file_write_temporary(char *name, const void *bytes, size_t size);

#endif
