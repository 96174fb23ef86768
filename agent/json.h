/*
 * json.h - JSON objects that are whole or not at all: want of memory is never taken for something
 * else.
 */
#ifndef BACKSTOP_AGENT_JSON_H
#define BACKSTOP_AGENT_JSON_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Adding. `object` or `list` may be NULL. False: it, or what was to be added, is NULL for want of
 * memory; where a part must not be missing, the caller gives up the whole (json_whole()).
 */

/* Takes `value`, also where it fails. */
bool json_add(struct json_object *object, const char *key, struct json_object *value);
bool json_append(struct json_object *list, struct json_object *value);

/* `text` NULL: adds null. */
bool json_add_text(struct json_object *object, const char *key, const char *text);
bool json_add_number(struct json_object *object, const char *key, uint64_t number);
bool json_add_flag(struct json_object *object, const char *key, bool flag);
/* Lower case; `bytes` NULL: adds null. */
bool json_add_hex(struct json_object *object, const char *key, const uint8_t *bytes, size_t size);

/* `json` where it is whole; else frees it and gives NULL. */
struct json_object *json_whole(bool whole, struct json_object *json);

/*
 * The object that `size` bytes of text are, with nothing but white space behind it; the caller's. 0
 * with NULL where they are none (damaged, another type, nested deeper than 16), or -ENOMEM. Texts
 * of less than 1 MiB are never taken for damaged, nor read by half, for want of memory.
 */
int json_parse(const char *text, size_t size, struct json_object **object);

/* The object as text, which is its own until it changes; its length in *size (may be NULL). NULL:
 * no memory for all of it. `flags`: JSON_C_TO_STRING_* */
const char *json_text(struct json_object *object, int flags, size_t *size);

/* False where the field is absent or of another type. */
bool json_flag(const struct json_object *object, const char *key);

#endif
