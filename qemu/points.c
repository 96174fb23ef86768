/* points.c - see points.h */
#include "points.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What a kill left of a line, at the end: the next one begins behind it, on a line of its own. */
static bool ends_in_half_a_line(int fd)
{
    off_t size = lseek(fd, 0, SEEK_END);
    char last = '\n';

    return size > 0 && pread(fd, &last, 1, size - 1) == 1 && last != '\n';
}

int points_append(const char *file, struct json_object *point)
{
    int fd = open(file, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644), error = -errno;
    TEXT_AUTO line =
        text_format("%s%s\n", fd >= 0 && ends_in_half_a_line(fd) ? "\n" : "",
                    json_object_to_json_string_ext(point, JSON_C_TO_STRING_PLAIN |
                                                              JSON_C_TO_STRING_NOSLASHESCAPE));
    ssize_t size = (ssize_t)strlen(line), put;

    json_object_put(point);
    if (fd < 0)
        return error;
    put = write(fd, line, (size_t)size);
    error = put < 0 ? -errno : put < size ? -EIO : 0;
    close(fd);
    return error;
}

/* False where the line holds no point. */
static bool give(const char *line, point_taker *take, void *context)
{
    struct json_object *point = json_tokener_parse(line), *id = NULL;
    bool is_point =
        json_object_object_get_ex(point, "id", &id) && json_object_get_string(id) != NULL;

    if (is_point)
        take(context, json_object_get_string(id), point);
    json_object_put(point);
    return is_point;
}

int points_each(const char *file, point_taker *take, void *context)
{
    TEXT_AUTO text = file_read(file, NULL);
    char *rest = text, *line;
    int error = 0;

    if (text == NULL)
        return errno == ENOENT ? 0 : -errno;
    while ((line = strsep(&rest, "\n")) != NULL)
        if (*line != '\0' && !give(line, take, context))
            error = -EBADMSG;
    return error;
}

static void collect(void *context, const char *id, struct json_object *point)
{
    json_object_object_add(context, id, json_object_get(point));
}

int points_collect(const char *file, struct json_object *by_id)
{
    return points_each(file, collect, by_id);
}

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

static void remember(struct points *points, const char *id, enum point_result result,
                     const char *detail)
{
    struct point *found = (struct point *)(uintptr_t)points_find(points, id);
    size_t at = 0;

    if (found != NULL) {
        found->result = result;
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
    points->items[at] = (struct point){text_copy(id), result, text_copy(detail)};
    points->count++;
}

static const char *const result_words[] = {"failed", "well", "apart"};

static enum point_result result_of(struct json_object *point)
{
    const char *word = json_object_get_string(json_object_object_get(point, "result"));

    for (int i = 0; i <= POINT_APART; i++)
        if (word != NULL && strcmp(word, result_words[i]) == 0)
            return (enum point_result)i;
    return POINT_FAILED;
}

bool point_is_well(struct json_object *point)
{
    return result_of(point) == POINT_WELL;
}

struct reading {
    struct points *points;
    int error;
};

static void take_point(void *context, const char *id, struct json_object *point)
{
    struct reading *reading = context;
    struct json_object *detail = NULL;

    json_object_object_get_ex(point, "detail", &detail);
    if (!json_object_object_get_ex(point, "result", NULL))
        reading->error = -EBADMSG;
    else
        remember(reading->points, id, result_of(point),
                 detail != NULL ? json_object_get_string(detail) : "");
}

/* Takes off what stands behind the last line's end. */
static int trim(const char *file)
{
    TEXT_AUTO text = file_read(file, NULL);
    const char *last = text != NULL ? strrchr(text, '\n') : NULL;
    size_t whole = last == NULL ? 0 : (size_t)(last + 1 - text);

    if (text == NULL)
        return errno == ENOENT ? 0 : -errno;
    return text[whole] != '\0' && truncate(file, (off_t)whole) < 0 ? -errno : 0;
}

int points_open(struct points *points, const char *file)
{
    struct reading reading = {.points = points};
    int error = trim(file);

    *points = (struct points){.file = text_copy(file)};
    if (error == 0)
        error = points_each(file, take_point, &reading);
    return error == 0 ? reading.error : error;
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

static int append_point(const char *file, const char *id, enum point_result result,
                        const char *detail)
{
    struct json_object *object = json_object_new_object();

    json_object_object_add(object, "id", json_object_new_string(id));
    json_object_object_add(object, "result", json_object_new_string(result_words[result]));
    if (*detail != '\0')
        json_object_object_add(object, "detail", json_object_new_string(detail));
    return points_append(file, object);
}

int points_add(struct points *points, const char *id, enum point_result result, const char *detail)
{
    remember(points, id, result, detail);
    return points->file == NULL ? 0 : append_point(points->file, id, result, detail);
}
