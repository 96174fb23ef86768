/*
 * markup.h - writes HTML, SVG and XML in which what comes from elsewhere is always escaped.
 */
#ifndef BACKSTOP_RIG_MARKUP_H
#define BACKSTOP_RIG_MARKUP_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdio.h>

/*
 * printf with %s, %d, %ld, %zu and %.Nf alone. Every %s goes through clean_markup(), so the format
 * holds the markup and the arguments can hold none. NULL is written as nothing.
 */
void markup(FILE *file, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Bytes that need not be text, escaped as above. */
void markup_bytes(FILE *file, const char *bytes, size_t size);
/* A data: URL (caller frees) of a PNG file; NULL where `path` is no whole PNG of at most max bytes.
 */
char *png_url(const char *path, size_t max);

/* Members of an object that may be absent, of another type, or the object NULL: "" then, or 0. */
const char *member_text(const struct json_object *object, const char *key);
double member_number(const struct json_object *object, const char *key);
bool member_true(const struct json_object *object, const char *key);
struct json_object *member(const struct json_object *object, const char *key);
/* Items of an array member; 0 and NULL where it is none. */
size_t member_count(const struct json_object *object, const char *key);
struct json_object *member_item(const struct json_object *object, const char *key, size_t index);

#endif
