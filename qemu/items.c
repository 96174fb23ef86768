/* items.c - see items.h */
#include "items.h"
#include "text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void item_take(struct items *items, char *line)
{
    char *end = strstr(line, " ino="), *ctime;
    struct item *item;

    while (end != NULL && end > line && end[-1] != ' ')
        end--;
    if (end == NULL || end == line)
        return;
    items->items = realloc(items->items, (items->count + 1) * sizeof *items->items);
    if (items->items == NULL)
        abort();
    item = &items->items[items->count++];
    end[-1] = '\0';
    item->path = line;
    item->what = end;
    item->is_directory = text_starts(end, "directory");
    ctime = strstr(end, " ctime=");
    if (ctime != NULL) {
        const char *behind = strchr(ctime + 1, ' ');

        memmove(ctime, behind, strlen(behind) + 1);
    }
}

struct items items_of(const char *listing)
{
    struct items items = {.buffer = text_copy(listing)};
    char *line, *rest = items.buffer;

    while ((line = strsep(&rest, "\n")) != NULL)
        item_take(&items, line);
    return items;
}

void items_free(struct items *items)
{
    free(items->items);
    free(items->buffer);
}

const struct item *items_at(const struct items *items, const char *path)
{
    for (size_t i = 0; i < items->count; i++)
        if (strcmp(items->items[i].path, path) == 0)
            return &items->items[i];
    return NULL;
}

bool items_hold(const struct items *items, const struct item *item)
{
    for (size_t i = 0; i < items->count; i++)
        if (strcmp(items->items[i].what, item->what) == 0)
            return true;
    return false;
}

const char *item_hash(const struct item *item)
{
    const char *last = strrchr(item->what, ' ');

    return text_starts(item->what, "file ") && last != NULL && strlen(last + 1) == 64 ? last + 1
                                                                                      : NULL;
}

/* ---- manifests (agent/MANIFEST.md) ---- */

enum { FIELD_TYPE = 1, FIELD_FLAGS = 3, FIELD_MODE, FIELD_UID, FIELD_GID, FIELD_SIZE = 8 };
enum { FIELD_MTIME = 11, FIELD_HASH = 13, FIELD_TARGET = 15, FIELD_PATH = 16 };

/* Field `number` of a line, its length in *length. NULL if there are not so many. */
static const char *field(const char *line, unsigned number, size_t *length)
{
    while (--number > 0) {
        line += strcspn(line, "\t\n");
        if (*line != '\t')
            return NULL;
        line++;
    }
    *length = strcspn(line, "\t\n");
    return line;
}

static bool field_is(const char *line, unsigned number, const char *text)
{
    size_t length = 0;
    const char *at = field(line, number, &length);

    return at != NULL && strlen(text) == length && strncmp(at, text, length) == 0;
}

static bool field_has(const char *line, unsigned number, char letter)
{
    size_t length = 0;
    const char *at = field(line, number, &length);

    return at != NULL && memchr(at, letter, length) != NULL;
}

const char *manifest_next(const char *manifest, const char *line)
{
    size_t length = 0;

    for (line = line == NULL ? manifest : strchr(line, '\n') + 1; line != NULL && *line != '\0';
         line = strchr(line, '\n') + 1) {
        if (strchr(line, '\n') == NULL)
            return NULL;
        if (field(line, FIELD_PATH, &length) != NULL)
            return line;
    }
    return NULL;
}

const char *manifest_line(const char *manifest, const char *path)
{
    const char *line = NULL;

    while ((line = manifest_next(manifest, line)) != NULL)
        if (field_is(line, FIELD_PATH, path))
            return line;
    return NULL;
}

char *line_path(const char *line)
{
    size_t length = 0;
    const char *path = field(line, FIELD_PATH, &length);

    return text_format("%.*s", (int)length, path);
}

char *line_hash(const char *line)
{
    size_t length = 0;
    const char *hash = field(line, FIELD_HASH, &length);

    return field_is(line, FIELD_TYPE, "f") && field_has(line, FIELD_FLAGS, 'h') && length == 64
               ? text_format("%.*s", (int)length, hash)
               : NULL;
}

bool line_is_never(const char *line)
{
    return field_has(line, FIELD_FLAGS, 'n');
}

bool line_is_directory(const char *line)
{
    return field_is(line, FIELD_TYPE, "d");
}

/* "file ino=7 mode=0644 owner=0:0 size=5 mtime=1.0 HASH"; a link's ends with its target, and a
 * directory's with its owner. */
bool line_matches(const char *line, const struct item *item)
{
    unsigned mode, uid, gid, inode;
    uint64_t size = 0, seconds = 0, ns = 0;
    const char *last = strrchr(item->what, ' ');
    char kind[16], text[6][32];
    int taken = sscanf(
        item->what, "%15s ino=%u mode=%o owner=%u:%u size=%" SCNu64 " mtime=%" SCNu64 ".%" SCNu64,
        kind, &inode, &mode, &uid, &gid, &size, &seconds, &ns);

    if (taken < 5)
        return false;
    snprintf(text[0], sizeof text[0], "%o", mode);
    snprintf(text[1], sizeof text[1], "%u", uid);
    snprintf(text[2], sizeof text[2], "%u", gid);
    snprintf(text[3], sizeof text[3], "%" PRIu64, size);
    snprintf(text[4], sizeof text[4], "%" PRIu64, seconds * 1000000000u + ns);
    snprintf(text[5], sizeof text[5], "%c", kind[0]);
    if (!field_is(line, FIELD_TYPE, text[5]) || !field_is(line, FIELD_UID, text[1]) ||
        !field_is(line, FIELD_GID, text[2]))
        return false;
    if (kind[0] == 'l')
        return field_is(line, FIELD_TARGET, last + 1);
    if (!field_is(line, FIELD_MODE, text[0]))
        return false;
    return kind[0] == 'd' ||
           (taken == 8 && field_is(line, FIELD_SIZE, text[3]) &&
            field_is(line, FIELD_MTIME, text[4]) &&
            (!field_has(line, FIELD_FLAGS, 'h') || field_is(line, FIELD_HASH, last + 1)));
}
