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
        else if (strcmp(word, "firmware") == 0 || strcmp(word, "apart") == 0)
            layer->apart++;
        else if (++layer->failed <= LAYER_FAILURES_MAX)
            json_object_array_add(layer->failures, json_object_get(point));
    }
}

static int is_points(const struct dirent *entry)
{
    return text_starts(entry->d_name, "points-") && text_ends(entry->d_name, ".jsonl");
}

/* Of "points-KEY.jsonl" and "points-CASE-KEY.jsonl" the part before KEY. */
static char *group_of(const char *file)
{
    return text_format("%.*s", (int)(strrchr(file, '-') + 1 - file), file);
}

/* The newest file of each group, by group: each key is a proof of something else (other binaries),
 * and the newest is what was last run. */
static struct json_object *newest(const char *dir)
{
    struct json_object *names = json_object_new_object(), *best;
    struct dirent **entries;
    int count = scandir(dir, &entries, is_points, alphasort);
    struct stat st, former;

    for (int i = 0; i < count; i++) {
        TEXT_AUTO path = text_format("%s/%s", dir, entries[i]->d_name);
        TEXT_AUTO group = group_of(entries[i]->d_name);

        if (stat(path, &st) == 0 &&
            (!json_object_object_get_ex(names, group, &best) ||
             stat(json_object_get_string(best), &former) < 0 || st.st_mtime > former.st_mtime))
            json_object_object_add(names, group, json_object_new_string(path));
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
    return names;
}

/* False where there is no file, or none that can be read. */
static bool collect_newest(const char *dir, struct json_object *points)
{
    struct json_object *names = newest(dir);

    json_object_object_foreach(names, group, path)
    {
        (void)group;
        /* The last line on a point counts: a rerun of one that failed is written below. */
        (void)points_collect(json_object_get_string(path), points);
    }
    json_object_put(names);
    return json_object_object_length(points) > 0;
}

bool layer_read(struct layer *layer, const char *name, const char *dir)
{
    struct json_object *points = json_object_new_object();
    bool is_there = collect_newest(dir, points);

    memset(layer, 0, sizeof *layer);
    if (is_there) {
        layer->name = text_copy(name);
        layer->failures = json_object_new_array();
        count_points(layer, points);
    }
    json_object_put(points);
    return is_there;
}

void layer_free(struct layer *layer)
{
    free(layer->name);
    json_object_put(layer->failures);
    memset(layer, 0, sizeof *layer);
}
