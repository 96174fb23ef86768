#include "chain.h"
#include "text.h"

#include <json-c/json.h>
#include <string.h>

struct chain {
    size_t line;
    int64_t seq;
    char before[HASH_TEXT_SIZE]; /* hash of the last record's line */
    bool torn;                   /* unreadable lines since then */
};

static bool is_record(struct json_object *object)
{
    struct json_object *value;

    return json_object_is_type(object, json_type_object) &&
           json_object_object_get_ex(object, "seq", &value) &&
           json_object_is_type(value, json_type_int) &&
           json_object_object_get_ex(object, "prev", &value) &&
           json_object_is_type(value, json_type_string) &&
           json_object_object_get_ex(object, "event", &value);
}

static char *link_fault(const struct chain *chain, struct json_object *object)
{
    struct json_object *value;
    int64_t seq;

    json_object_object_get_ex(object, "seq", &value);
    seq = json_object_get_int64(value);
    if (seq != chain->seq + 1)
        return text_format("line %zu: seq %lld behind %lld", chain->line, (long long)seq,
                           (long long)chain->seq);
    json_object_object_get_ex(object, "prev", &value);
    if (strcmp(json_object_get_string(value), chain->before) != 0)
        return text_format("line %zu: prev is not the hash of the record before", chain->line);
    if (chain->torn && !(json_object_object_get_ex(object, "after-torn", &value) &&
                         json_object_get_boolean(value)))
        return text_format("line %zu: torn lines before it, and it does not say so", chain->line);
    return NULL;
}

static char *line_take(struct chain *chain, const char *line, size_t length)
{
    TEXT_AUTO text = text_format("%.*s", (int)length, line);
    struct json_object *object = json_tokener_parse(text);
    struct hash *hash;
    char *fault;

    chain->line++;
    if (!is_record(object)) {
        json_object_put(object);
        chain->torn = true;
        return NULL;
    }
    fault = link_fault(chain, object);
    json_object_put(object);
    hash = hash_new();
    hash_add(hash, line, length);
    hash_end(hash, chain->before);
    chain->seq++;
    chain->torn = false;
    return fault;
}

/* Torn lines at the end are what a cut leaves. */
char *chain_fault(const char *journal, size_t size)
{
    struct chain chain = {0};
    const char *end = journal + size;
    char *fault = NULL;

    memset(chain.before, '0', HASH_TEXT_SIZE - 1);
    while (journal < end && fault == NULL) {
        const char *stop = memchr(journal, '\n', (size_t)(end - journal));

        if (stop == NULL)
            break;
        fault = line_take(&chain, journal, (size_t)(stop - journal));
        journal = stop + 1;
    }
    return fault;
}
