/* flashkept.c - see flashkept.h */
#include "flashkept.h"
#include "points.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *text_of(struct json_object *line, const char *name)
{
    const char *text = json_object_get_string(json_object_object_get(line, name));

    return text != NULL ? text : "";
}

static enum flash_result result_of(const char *text)
{
    if (strcmp(text, flash_result_string(FLASH_WELL)) == 0)
        return FLASH_WELL;
    return strcmp(text, flash_result_string(FLASH_FIRMWARE)) == 0 ? FLASH_FIRMWARE : FLASH_FAILED;
}

/* What is not named as a point of this case is passed over. */
static void result_take(void *context, const char *id, struct json_object *line)
{
    struct flash_kept *kept = context;
    size_t length = strlen(kept->name);
    long programs;

    if (strncmp(id, kept->name, length) != 0 || id[length] != ':' ||
        text_number(id + length + 1, 0, 100000000, &programs) < 0)
        return;
    kept->items = realloc(kept->items, (kept->count + 1) * sizeof *kept->items);
    if (kept->items == NULL)
        abort();
    kept->items[kept->count++] = (struct flash_point){
        .programs = (size_t)programs,
        .result = result_of(text_of(line, "result")),
        .hidden = json_object_get_boolean(json_object_object_get(line, "hidden")),
        .detail = text_copy(text_of(line, "detail")),
        .flash = text_copy(text_of(line, "flash"))};
}

static void forget(struct flash_kept *kept)
{
    for (size_t i = 0; i < kept->count; i++) {
        free(kept->items[i].detail);
        free(kept->items[i].flash);
    }
    free(kept->items);
    kept->items = NULL;
    kept->count = 0;
}

void flash_kept_read(struct flash_kept *kept)
{
    forget(kept);
    /* Half a line, which a kill left, is a point to be judged again. */
    (void)points_each(kept->path, result_take, kept);
}

void flash_kept_open(struct flash_kept *kept, const char *dir, const struct flash_log *log,
                     bool fresh)
{
    *kept = (struct flash_kept){.name = log->flash_case->name};
    kept->path = text_format("%s/points-%s-%.16s.jsonl", dir, kept->name, log->key);
    if (fresh)
        unlink(kept->path);
    flash_kept_read(kept);
}

void flash_kept_close(struct flash_kept *kept)
{
    forget(kept);
    free(kept->path);
}

const struct flash_point *flash_kept_find(const struct flash_kept *kept, size_t programs)
{
    for (size_t i = 0; i < kept->count; i++)
        if (kept->items[i].programs == programs)
            return &kept->items[i];
    return NULL;
}

const struct flash_point *flash_kept_like(const struct flash_kept *kept, const char *flash)
{
    for (size_t i = 0; i < kept->count; i++)
        if (strcmp(kept->items[i].flash, flash) == 0)
            return &kept->items[i];
    return NULL;
}

int flash_kept_add(const struct flash_kept *kept, const struct flash_point *one)
{
    struct json_object *line = json_object_new_object();
    TEXT_AUTO id = text_format("%s:%zu", kept->name, one->programs);

    json_object_object_add(line, "id", json_object_new_string(id));
    json_object_object_add(line, "result",
                           json_object_new_string(flash_result_string(one->result)));
    json_object_object_add(line, "detail", json_object_new_string(one->detail));
    json_object_object_add(line, "hidden", json_object_new_boolean(one->hidden));
    json_object_object_add(line, "flash", json_object_new_string(one->flash));
    return points_append(kept->path, line);
}
