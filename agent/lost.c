/* lost.c - see lost.h */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "json.h"
#include "lost.h"

static void item_free(struct lost_item *item)
{
    free(item->path);
    free(item->set);
}

void lost_cut(struct lost *lost, size_t count)
{
    while (lost->count > count)
        item_free(&lost->items[--lost->count]);
}

void lost_free(struct lost *lost)
{
    lost_cut(lost, 0);
    free(lost->items);
    *lost = (struct lost){0};
}

static bool has(const struct lost *lost, const char *path)
{
    for (size_t i = 0; i < lost->count; i++)
        if (strcmp(lost->items[i].path, path) == 0)
            return true;
    return false;
}

static int add(struct lost *lost, const char *path, const char *set)
{
    struct lost_item *items, item;

    if (!*path || has(lost, path))
        return 0;
    items = realloc(lost->items, (lost->count + 1) * sizeof *items);
    if (!items)
        return -ENOMEM;
    lost->items = items;
    item = (struct lost_item){strdup(path), strdup(set)};
    if (!item.path || !item.set) {
        item_free(&item);
        return -ENOMEM;
    }
    items[lost->count++] = item;
    return 0;
}

static int add_all(struct lost *lost, const struct json_object *record)
{
    struct json_object *array;
    int error = 0;

    if (!json_object_object_get_ex(record, "lost", &array) ||
        !json_object_is_type(array, json_type_array))
        return 0;
    for (size_t i = 0; !error && i < json_object_array_length(array); i++) {
        const struct json_object *one = json_object_array_get_idx(array, i);

        if (json_object_is_type(one, json_type_object))
            error = add(lost, journal_text(one, "path"), journal_text(one, "set"));
    }
    return error;
}

int lost_of(const struct journal *journal, struct lost *lost)
{
    struct lost found = {0};
    int error = 0;

    for (size_t i = 0; !error && i < journal->count; i++) {
        const char *event = journal_text(journal->records[i], "event");

        if (strcmp(event, "good") == 0)
            lost_free(&found);
        if (strcmp(event, "good") == 0 || strcmp(event, "done") == 0)
            error = add_all(&found, journal->records[i]);
    }
    if (error)
        lost_free(&found);
    else
        *lost = found;
    return error;
}

int lost_load(const struct place *place, struct lost *lost, struct diag *diag)
{
    struct journal journal = {0};
    int error = journal_read(place, &journal, diag);

    if (!error)
        error = lost_of(&journal, lost);
    journal_free(&journal);
    return error;
}

void lost_forget_standing(const struct place *place, struct lost *lost)
{
    size_t kept = 0;

    for (size_t i = 0; i < lost->count; i++) {
        int fd = place_openat(place, lost->items[i].path, O_PATH | O_NOFOLLOW, 0, false);

        if (fd >= 0) {
            close(fd);
            item_free(&lost->items[i]);
        } else {
            lost->items[kept++] = lost->items[i];
        }
    }
    lost->count = kept;
}

bool lost_note(struct json_object **array, const char *path, const char *set)
{
    struct json_object *one = json_object_new_object();

    if (!*array)
        *array = json_object_new_array();
    return json_append(
        *array,
        json_whole(json_add_text(one, "path", path) && json_add_text(one, "set", set), one));
}

bool lost_describe(const struct lost *lost, struct json_object *record)
{
    struct json_object *array = NULL;
    bool whole = true;

    for (size_t i = 0; whole && i < lost->count; i++)
        whole = lost_note(&array, lost->items[i].path, lost->items[i].set);
    return (!array || json_add(record, "lost", array)) && whole;
}
