/* Any bytes as the records of a case: none lost, none twice, and written down they read the same.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "fuzz.h"
#include "held_records.h"

static void check_order(const struct records *records)
{
    for (size_t i = 0; i < records->count; i++) {
        struct held *held;
        MUST(records_find(records, records->items[i]->id, &held) == 0);
        MUST(held == records->items[i]);
        MUST(i == 0 || records->items[i - 1]->id < held->id);
        MUST(held->case_number == 7 && held->path[0] == '/' && held->held_at[0] == '/');
    }
}

/* A record put again under its own id changes nothing. */
static void check_again(struct records *records)
{
    size_t count = records->count;
    for (size_t i = 0; i < count; i++) {
        const char *line = json_object_to_json_string_ext(
            records->items[i]->json, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
        struct json_object *json = line ? json_tokener_parse(line) : NULL;
        struct entry entry;
        MUST(!json || records_put(records, json) == 0);
        if (held_entry(records->items[i], &entry) == 0)
            entry_release(&entry);
    }
    MUST(records->count == count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct records records;
    char *text = malloc(size + 1); /* not NUL-terminated where the parser might read on */
    if (!text)
        return 0;
    memcpy(text, data, size);
    if (records_parse(text, size, 7, &records) == 0) {
        check_order(&records);
        check_again(&records);
        check_order(&records);
        records_free(&records);
    }
    free(text);
    return 0;
}
