#include "soak.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io.h"
#include "text.h"

#define SOAK_MAX_SIZE (UINT64_C(256) << 20)
#define FIELDS 7

/* The file as read, line by line; *at moves on only past lines that were looked at. */
struct reading {
    const char *at, *end;
    char *path; /* of the present line */
    struct entry entry;
    uint64_t since;
    bool has; /* entry holds a line not used up */
    bool bad;
};

static bool parse_time(const char *text, size_t size, int64_t *ns)
{
    bool negative = size && *text == '-';
    uint64_t n;

    if (text_number(text + negative, size - negative, INT64_MAX, &n) < 0)
        return false;
    *ns = negative ? -(int64_t)n : (int64_t)n;
    return true;
}

static bool parse_line(struct reading *reading, const char *fields[FIELDS],
                       const size_t sizes[FIELDS])
{
    struct entry *entry = &reading->entry;
    ptrdiff_t n;

    *entry = (struct entry){.path = reading->path};
    if (text_number(fields[0], sizes[0], UINT64_MAX, &reading->since) < 0 || sizes[1] != 1 ||
        text_number(fields[2], sizes[2], UINT64_MAX, &entry->size) < 0 ||
        text_number(fields[3], sizes[3], UINT64_MAX, &entry->inode) < 0 ||
        !parse_time(fields[4], sizes[4], &entry->mtime_ns) ||
        !parse_time(fields[5], sizes[5], &entry->ctime_ns))
        return false;
    entry->type = fields[1][0];
    n = text_unescape(fields[6], sizes[6], reading->path);
    if (n <= 0)
        return false;
    reading->path[n] = '\0';
    return true;
}

static void read_line(struct reading *reading)
{
    const char *fields[FIELDS], *lf;
    size_t sizes[FIELDS];

    reading->has = false;
    if (reading->bad || reading->at == reading->end)
        return;
    lf = memchr(reading->at, '\n', (size_t)(reading->end - reading->at));
    reading->bad = true;
    if (!lf)
        return;
    for (size_t i = 0; i < FIELDS; i++) {
        const char *stop =
            i + 1 < FIELDS ? memchr(reading->at, '\t', (size_t)(lf - reading->at)) : lf;

        if (!stop)
            return;
        fields[i] = reading->at;
        sizes[i] = (size_t)(stop - reading->at);
        reading->at = stop + 1;
    }
    reading->has = parse_line(reading, fields, sizes);
    reading->bad = !reading->has;
}

/* Since when the entry has been as it is, as far as was seen. */
static uint64_t seen_since(struct reading *reading, const struct entry *entry, uint64_t seconds)
{
    while (reading->has && path_compare(reading->entry.path, entry->path) < 0)
        read_line(reading);
    if (!reading->has || strcmp(reading->entry.path, entry->path) != 0 ||
        !entry_same_identity(&reading->entry, entry) || reading->since > seconds)
        return seconds;
    return reading->since;
}

static int write_line(FILE *out, const struct entry *entry, uint64_t since)
{
    size_t size = strlen(entry->path);
    char *path = malloc(3 * size + 1);

    if (!path)
        return -ENOMEM;
    path[text_escape(entry->path, size, path)] = '\0';
    fprintf(out, "%" PRIu64 "\t%c\t%" PRIu64 "\t%" PRIu64 "\t%" PRId64 "\t%" PRId64 "\t%s\n", since,
            entry->type, entry->size, entry->inode, entry->mtime_ns, entry->ctime_ns, path);
    free(path);
    return 0;
}

static int update(struct reading *reading, FILE *out, const struct inventory *now,
                  const uint64_t *wanted, uint64_t seconds, bool *proven)
{
    int error = 0;

    read_line(reading);
    for (size_t i = 0; i < now->count && !error; i++) {
        const struct entry *entry = &now->entries[i];
        uint64_t since;

        if (!wanted[i])
            continue;
        since = seen_since(reading, entry, seconds);
        if (seconds - since >= wanted[i])
            proven[i] = true;
        error = write_line(out, entry, since);
    }
    return error;
}

int soak_update(int run_fd, const struct inventory *now, const uint64_t *wanted, uint64_t seconds,
                bool *proven)
{
    char *former = NULL, *text = NULL;
    size_t former_size = 0, size = 0;
    struct reading reading = {0};
    FILE *out;
    int error;

    if (io_read_all(run_fd, SOAK_NAME, SOAK_MAX_SIZE, &former, &former_size) < 0)
        former = NULL;
    reading.at = former;
    reading.end = former ? former + former_size : NULL;
    reading.path = malloc(former_size + 1);
    out = open_memstream(&text, &size);
    error = reading.path && out ? update(&reading, out, now, wanted, seconds, proven) : -ENOMEM;
    if (out && fclose(out) != 0 && !error)
        error = -ENOMEM;
    if (!error && (size != former_size || (size && memcmp(text, former, size) != 0)))
        error = io_write_atomic(run_fd, SOAK_NAME, text, size, 0600);
    free(reading.path);
    free(former);
    free(text);
    return error;
}
