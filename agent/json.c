/* json.c - see json.h */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include "inventory.h"
#include "io.h"
#include "json.h"
#include "spare.h"

#define DEPTH 16                         /* of nesting; our records use 4 */
#define SPARE_MEMORY ((size_t)256 << 10) /* reading takes up to this, */
#define TIMES 31                         /* and this many times the text: 24 for small objects */

bool json_add(struct json_object *object, const char *key, struct json_object *value)
{
    if (object && value && json_object_object_add(object, key, value) == 0)
        return true;
    json_object_put(value);
    return false;
}

bool json_append(struct json_object *list, struct json_object *value)
{
    if (list && value && json_object_array_add(list, value) == 0)
        return true;
    json_object_put(value);
    return false;
}

bool json_add_text(struct json_object *object, const char *key, const char *text)
{
    if (!text)
        return object && json_object_object_add(object, key, NULL) == 0;
    return json_add(object, key, json_object_new_string(text));
}

bool json_add_number(struct json_object *object, const char *key, uint64_t number)
{
    return json_add(object, key, json_object_new_int64((int64_t)number));
}

bool json_add_flag(struct json_object *object, const char *key, bool flag)
{
    return json_add(object, key, json_object_new_boolean(flag));
}

bool json_add_hex(struct json_object *object, const char *key, const uint8_t *bytes, size_t size)
{
    if (!bytes)
        return json_add_text(object, key, NULL);
    char *hex = malloc(2 * size + 1);
    if (!hex)
        return false;
    hex_of(bytes, size, hex);
    bool added = json_add_text(object, key, hex);
    free(hex);
    return added;
}

struct json_object *json_whole(bool whole, struct json_object *json)
{
    if (whole)
        return json;
    json_object_put(json);
    return NULL;
}

bool json_flag(const struct json_object *object, const char *key)
{
    struct json_object *value = NULL;
    return json_object_object_get_ex(object, key, &value) &&
           json_object_is_type(value, json_type_boolean) && json_object_get_boolean(value);
}

static struct json_object *parse_once(struct json_tokener *tokener, const char *text, size_t size)
{
    struct json_object *object = json_tokener_parse_ex(tokener, text, (int)size);
    return json_whole(json_tokener_get_error(tokener) == json_tokener_success &&
                          json_tokener_get_parse_end(tokener) == size &&
                          json_object_is_type(object, json_type_object),
                      object);
}

/*
 * Where json-c is refused memory it calls a whole text damaged, or leaves out a part of a string
 * and says nothing. So what it may need is had beforehand, and afterwards nothing has taken it.
 */
int json_parse(const char *text, size_t size, struct json_object **object)
{
    size_t need = SPARE_MEMORY + TIMES * size;
    *object = NULL;
    if (size == 0 || size > INT_MAX || text[0] != '{')
        return 0;
    struct json_tokener *tokener = memory_to_spare(need) ? json_tokener_new_ex(DEPTH) : NULL;
    if (!tokener)
        return -ENOMEM;
    *object = parse_once(tokener, text, size);
    json_tokener_free(tokener);
    if (memory_to_spare(need))
        return 0;
    *object = json_whole(false, *object);
    return -ENOMEM;
}

/* json-c leaves out a string that there is no memory for, so the text is read back. */
const char *json_text(struct json_object *object, int flags, size_t *size)
{
    struct json_object *back = NULL;
    size_t length = 0;
    const char *text = object ? json_object_to_json_string_length(object, flags, &length) : NULL;
    bool whole = text && json_parse(text, length, &back) == 0 && json_object_equal(object, back);
    json_object_put(back);
    if (size)
        *size = length;
    return whole ? text : NULL;
}
