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
 * with NULL where they are none (damaged, another type, nested deeper than 16), or -ENOMEM.
 */
int json_parse(const char *text, size_t size, struct json_object **object);

/* False where the field is absent or of another type. */
bool json_flag(const struct json_object *object, const char *key);

#endif
