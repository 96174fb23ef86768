/* The points of a proof: one JSON line each in points-KEY.jsonl, with "id" and "result". */
#include "report.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include "markup.h"
#include "points.h"

static bool ended_well(const char *word)
{
    static const char *const words[] = {"well", "passed", "ok", "good"};

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(word, words[i]) == 0)
            return true;
    return false;
}

static void count_points(struct layer *layer, struct json_object *points)
{
    json_object_object_foreach(points, id, point)
    {
        const char *word = member_text(point, "result");

        (void)id;
        layer->points++;
        if (ended_well(word))
            layer->passed++;
        else if (strcmp(word, "firmware") == 0)
            layer->apart++;
        else if (++layer->failed <= LAYER_FAILURES_MAX)
            json_object_array_add(layer->failures, json_object_get(point));
    }
}

static int is_points(const struct dirent *entry)
{
    return text_starts(entry->d_name, "points-") && text_ends(entry->d_name, ".jsonl");
}

/* Each key is a proof of something else (other binaries): the newest file is what was last run. */
static char *newest(const char *dir)
{
    struct dirent **entries;
    int count = scandir(dir, &entries, is_points, alphasort);
    char *best = NULL;
    time_t when = 0;

    for (int i = 0; i < count; i++) {
        TEXT_AUTO path = text_format("%s/%s", dir, entries[i]->d_name);
        struct stat st;

        if (stat(path, &st) == 0 && (best == NULL || st.st_mtime > when)) {
            when = st.st_mtime;
            text_replace(&best, text_copy(path));
        }
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
    return best;
}

bool layer_read(struct layer *layer, const char *name, const char *dir)
{
    TEXT_AUTO path = newest(dir);
    struct json_object *points;

    memset(layer, 0, sizeof *layer);
    if (path == NULL)
        return false;
    layer->name = text_copy(name);
    layer->failures = json_object_new_array();
    points = json_object_new_object();
    /* The last line on a point counts: a rerun of one that failed is written below. */
    (void)points_collect(path, points);
    count_points(layer, points);
    json_object_put(points);
    return true;
}

void layer_free(struct layer *layer)
{
    free(layer->name);
    json_object_put(layer->failures);
    memset(layer, 0, sizeof *layer);
}
