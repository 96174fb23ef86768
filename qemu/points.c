/* points.c - see points.h */
#include "points.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int by_id(const void *a, const void *b)
{
    const struct point *x = a, *y = b;

    return strcmp(x->id, y->id);
}

const struct point *points_find(const struct points *points, const char *id)
{
    const struct point key = {.id = (char *)(uintptr_t)id};

    if (points->count == 0)
        return NULL;
    return bsearch(&key, points->items, points->count, sizeof key, by_id);
}

static void remember(struct points *points, const char *id, bool well, const char *detail)
{
    struct point *found = (struct point *)(uintptr_t)points_find(points, id);
    size_t at = 0;

    if (found != NULL) {
        found->well = well;
        text_replace(&found->detail, text_copy(detail));
        return;
    }
    points->items = realloc(points->items, (points->count + 1) * sizeof *points->items);
    if (points->items == NULL)
        abort();
    while (at < points->count && strcmp(points->items[at].id, id) < 0)
        at++;
    memmove(points->items + at + 1, points->items + at,
            (points->count - at) * sizeof *points->items);
    points->items[at] = (struct point){text_copy(id), well, text_copy(detail)};
    points->count++;
}

static int take_line(struct points *points, const char *line)
{
    struct json_object *object = json_tokener_parse(line), *id = NULL, *result = NULL,
                       *detail = NULL;
    int error = 0;

    json_object_object_get_ex(object, "detail", &detail);
    if (json_object_object_get_ex(object, "id", &id) &&
        json_object_object_get_ex(object, "result", &result))
        remember(points, json_object_get_string(id),
                 strcmp(json_object_get_string(result), "well") == 0,
                 detail != NULL ? json_object_get_string(detail) : "");
    else
        error = -EBADMSG;
    json_object_put(object);
    return error;
}

/* Takes off what stands behind the last line's end. */
static int trim(const char *file, char *text)
{
    char *last = strrchr(text, '\n');
    size_t whole = last == NULL ? 0 : (size_t)(last + 1 - text);

    if (text[whole] == '\0')
        return 0;
    text[whole] = '\0';
    return truncate(file, (off_t)whole) < 0 ? -errno : 0;
}

int points_open(struct points *points, const char *file)
{
    TEXT_AUTO text = file_read(file, NULL);
    char *save = NULL;
    int error = text != NULL ? trim(file, text) : errno == ENOENT ? 0 : -errno;

    *points = (struct points){.file = text_copy(file)};
    if (text == NULL || error < 0)
        return error;
    for (char *line = strtok_r(text, "\n", &save); line != NULL && error == 0;
         line = strtok_r(NULL, "\n", &save))
        error = take_line(points, line);
    return error;
}

void points_close(struct points *points)
{
    for (size_t i = 0; i < points->count; i++) {
        free(points->items[i].id);
        free(points->items[i].detail);
    }
    free(points->items);
    free(points->file);
    *points = (struct points){0};
}

static int append(const char *file, const char *line)
{
    int fd = open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    size_t size = strlen(line);
    int error = 0;

    if (fd < 0)
        return -errno;
    if (write(fd, line, size) != (ssize_t)size)
        error = errno != 0 ? -errno : -EIO;
    close(fd);
    return error;
}

static int append_point(const char *file, const char *id, bool well, const char *detail)
{
    struct json_object *object = json_object_new_object();
    TEXT_AUTO line = NULL;

    json_object_object_add(object, "id", json_object_new_string(id));
    json_object_object_add(object, "result", json_object_new_string(well ? "well" : "failed"));
    if (*detail != '\0')
        json_object_object_add(object, "detail", json_object_new_string(detail));
    line = text_format("%s\n", json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN));
    json_object_put(object);
    return append(file, line);
}

int points_add(struct points *points, const char *id, bool well, const char *detail)
{
    remember(points, id, well, detail);
    return append_point(points->file, id, well, detail);
}

static int write_others(const struct points *points, const char *file, const char *start)
{
    int error = file_write(file, "", 0);

    for (size_t i = 0; i < points->count && error == 0; i++)
        if (!text_starts(points->items[i].id, start))
            error = append_point(file, points->items[i].id, points->items[i].well,
                                 points->items[i].detail);
    return error;
}

int points_forget(const char *file, const char *group)
{
    TEXT_AUTO start = text_format("%s/", group);
    TEXT_AUTO part = text_format("%s.part", file);
    struct points points;
    int error = points_open(&points, file);

    if (error == 0)
        error = write_others(&points, part, start);
    if (error == 0 && rename(part, file) < 0)
        error = -errno;
    points_close(&points);
    return error;
}
