/* crash.c - see crash.h */
#include "crash.h"

#include <errno.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- names ---- */

void crash_format(const struct crash *crash, char id[CRASH_ID_SIZE])
{
    int used = snprintf(id, CRASH_ID_SIZE, "%zu", crash->count);

    if (crash->torn > 0)
        used += snprintf(id + used, CRASH_ID_SIZE - (size_t)used, "t%zu", crash->torn);
    for (unsigned i = 0; i < crash->odd_count; i++)
        used += snprintf(id + used, CRASH_ID_SIZE - (size_t)used, "%c%zu", crash->alone ? '+' : '-',
                         crash->odd[i]);
    if (crash->part > 0)
        snprintf(id + used, CRASH_ID_SIZE - (size_t)used, "t%zu", crash->part);
}

static bool take_number(const char **text, size_t *value)
{
    char *end;

    if (**text < '0' || **text > '9')
        return false;
    errno = 0;
    *value = strtoul(*text, &end, 10);
    *text = end;
    return errno == 0;
}

/* "t8", or nothing. */
static bool take_sectors(const char **text, size_t *sectors)
{
    if (**text != 't')
        return true;
    ++*text;
    return take_number(text, sectors) && *sectors > 0;
}

static bool split(const char *text, struct crash *crash)
{
    if (!take_number(&text, &crash->count) || !take_sectors(&text, &crash->torn))
        return false;
    crash->alone = *text == '+';
    while (*text == (crash->alone ? '+' : '-') && crash->odd_count < CRASH_DEPTH) {
        text++;
        if (!take_number(&text, &crash->odd[crash->odd_count++]))
            return false;
    }
    if (crash->odd_count > 0 && !take_sectors(&text, &crash->part))
        return false;
    return *text == '\0' && (crash->torn == 0 || !crash->alone) &&
           (crash->part == 0 || (crash->torn == 0 && crash->odd_count == 1));
}

size_t crash_issued(const struct crash *crash)
{
    return crash->alone ? crash->odd[crash->odd_count - 1] : crash->count;
}

bool crash_is_torn(const struct crash *crash)
{
    return crash->torn > 0 || crash->part > 0;
}

/* Number `number` is there, and of so many sectors not all. */
static bool has_part(const struct writes *log, size_t number, size_t sectors)
{
    return number > 0 && log->items[number - 1].size / DISK_SECTOR > sectors;
}

/* Odd ones ascend, and lie where no flush has made them durable. */
static bool is_allowed(const struct crash *crash, const struct writes *log)
{
    size_t issued = crash_issued(crash), before = writes_durable(log, issued);

    if (crash->count > log->count || issued > log->count)
        return false;
    if (crash->torn > 0 && !has_part(log, crash->count, crash->torn))
        return false;
    if (crash->alone && crash->count != before)
        return false;
    if (crash->torn > 0 && crash->odd_count > 0 && crash->odd[crash->odd_count - 1] == crash->count)
        return false;
    for (unsigned i = 0; i < crash->odd_count; i++) {
        if (crash->odd[i] <= before || crash->odd[i] > issued ||
            (!crash->alone && log->items[crash->odd[i] - 1].forced && crash->odd[i] < issued))
            return false;
        before = crash->odd[i];
    }
    /* the last one torn has a name already */
    return crash->part == 0 ||
           (has_part(log, crash->odd[0], crash->part) && (crash->alone || crash->odd[0] < issued));
}

int crash_parse(const char *id, const struct writes *log, struct crash *crash)
{
    struct crash found = {0};

    if (!split(id, &found))
        return -EINVAL;
    if (!is_allowed(&found, log))
        return -ERANGE;
    *crash = found;
    return 0;
}

/* ---- what arrived ---- */

static bool is_odd(const struct crash *crash, size_t number)
{
    for (unsigned i = 0; i < crash->odd_count; i++)
        if (crash->odd[i] == number)
            return true;
    return false;
}

/* How many bytes of it. */
static size_t arrived(const struct crash *crash, const struct writes *log, size_t number)
{
    const struct disk_write *write = &log->items[number - 1];
    bool odd = is_odd(crash, number);

    if (odd && crash->part > 0)
        return crash->part * DISK_SECTOR;
    if (crash->alone ? number > crash->count && !odd && !write->forced : odd)
        return 0;
    return crash->torn > 0 && number == crash->count ? crash->torn * DISK_SECTOR : write->size;
}

int crash_replay(const struct crash *crash, const struct writes *log,
                 int (*put)(void *context, const struct disk_write *write, size_t size),
                 void *context)
{
    int error = 0;

    for (size_t number = 1; number <= crash_issued(crash) && error == 0; number++) {
        size_t size = arrived(crash, log, number);

        if (size > 0)
            error = put(context, &log->items[number - 1], size);
    }
    return error;
}

/* ---- which differ ---- */

#define DIGEST SHA256_DIGEST_LENGTH

/* The sectors that the log touches, and what each holds now: a digest of its content. */
struct image {
    uint64_t *sectors; /* ascending */
    size_t count;
    uint8_t (*base)[DIGEST], (*now)[DIGEST];
    struct write_digests {
        size_t *slots;
        uint8_t (*digests)[DIGEST];
    } * writes;
};

static void *alive(void *memory)
{
    if (memory == NULL)
        abort();
    return memory;
}

static int compare_sectors(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

static void collect_sectors(struct image *image, const struct writes *log)
{
    size_t total = 0, used = 0;

    for (size_t i = 0; i < log->count; i++)
        total += log->items[i].size / DISK_SECTOR;
    image->sectors = alive(calloc(total + 1, sizeof *image->sectors));
    for (size_t i = 0; i < log->count; i++)
        for (size_t k = 0; k < log->items[i].size / DISK_SECTOR; k++)
            image->sectors[used++] = log->items[i].offset / DISK_SECTOR + k;
    qsort(image->sectors, total, sizeof *image->sectors, compare_sectors);
    for (size_t i = 0; i < total; i++)
        if (image->count == 0 || image->sectors[image->count - 1] != image->sectors[i])
            image->sectors[image->count++] = image->sectors[i];
}

static size_t slot_of(const struct image *image, uint64_t sector)
{
    const uint64_t *found =
        bsearch(&sector, image->sectors, image->count, sizeof sector, compare_sectors);

    return (size_t)(found - image->sectors);
}

static void digest_write(struct image *image, const struct disk_write *write,
                         struct write_digests *digests)
{
    size_t count = write->size / DISK_SECTOR;

    digests->slots = alive(calloc(count, sizeof *digests->slots));
    digests->digests = alive(calloc(count, sizeof *digests->digests));
    for (size_t i = 0; i < count; i++) {
        digests->slots[i] = slot_of(image, write->offset / DISK_SECTOR + i);
        SHA256(write->bytes + i * DISK_SECTOR, DISK_SECTOR, digests->digests[i]);
    }
}

static void image_open(struct image *image, const struct writes *log, const uint8_t *base,
                       size_t base_size)
{
    static const uint8_t zeros[DISK_SECTOR];

    *image = (struct image){0};
    collect_sectors(image, log);
    image->base = alive(calloc(image->count + 1, sizeof *image->base));
    image->now = alive(calloc(image->count + 1, sizeof *image->now));
    for (size_t i = 0; i < image->count; i++) {
        uint64_t at = image->sectors[i] * DISK_SECTOR;

        SHA256(at + DISK_SECTOR <= base_size ? base + at : zeros, DISK_SECTOR, image->base[i]);
    }
    image->writes = alive(calloc(log->count + 1, sizeof *image->writes));
    for (size_t i = 0; i < log->count; i++)
        digest_write(image, &log->items[i], &image->writes[i]);
}

static void image_close(struct image *image, const struct writes *log)
{
    for (size_t i = 0; i < log->count; i++) {
        free(image->writes[i].slots);
        free(image->writes[i].digests);
    }
    free(image->writes);
    free(image->sectors);
    free(image->base);
    free(image->now);
}

struct replaying {
    struct image *image;
    const struct writes *log;
};

static int put_digests(void *context, const struct disk_write *write, size_t size)
{
    const struct replaying *replaying = context;
    const struct write_digests *digests = &replaying->image->writes[write - replaying->log->items];

    for (size_t i = 0; i < size / DISK_SECTOR; i++)
        memcpy(replaying->image->now[digests->slots[i]], digests->digests[i], DIGEST);
    return 0;
}

static void digest_of(struct image *image, const struct crash *crash, const struct writes *log,
                      uint8_t digest[DIGEST])
{
    struct replaying replaying = {image, log};

    memcpy(image->now, image->base, image->count * sizeof *image->now);
    crash_replay(crash, log, put_digests, &replaying);
    SHA256(image->now[0], image->count * sizeof *image->now, digest);
}

/* ---- all of them ---- */

struct finding {
    struct crashes *crashes;
    const struct writes *log;
    struct image image;
    uint8_t (*seen)[DIGEST]; /* ascending */
    size_t capacity;
};

/* Where the digest is or belongs. */
static size_t place_of(const struct finding *finding, const uint8_t *digest, bool *there)
{
    size_t low = 0, high = finding->crashes->count;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (memcmp(finding->seen[middle], digest, DIGEST) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *there = low < finding->crashes->count && memcmp(finding->seen[low], digest, DIGEST) == 0;
    return low;
}

static void make_room(struct finding *finding)
{
    if (finding->crashes->count < finding->capacity)
        return;
    finding->capacity = finding->capacity * 2 + 256;
    finding->seen = alive(realloc(finding->seen, finding->capacity * sizeof *finding->seen));
    finding->crashes->items = alive(
        realloc(finding->crashes->items, finding->capacity * sizeof *finding->crashes->items));
}

static void consider(struct finding *finding, enum crash_kind kind, const struct crash *crash)
{
    struct crashes *crashes = finding->crashes;
    uint8_t digest[DIGEST];
    bool there;
    size_t place;

    if (!is_allowed(crash, finding->log))
        return;
    crashes->possible[kind]++;
    digest_of(&finding->image, crash, finding->log, digest);
    place = place_of(finding, digest, &there);
    if (there)
        return;
    make_room(finding);
    memmove(finding->seen[place + 1], finding->seen[place], (crashes->count - place) * DIGEST);
    memcpy(finding->seen[place], digest, DIGEST);
    crashes->items[crashes->count++] = *crash;
    crashes->distinct[kind]++;
}

static void find_prefixes(struct finding *finding)
{
    for (size_t n = 0; n <= finding->log->count; n++)
        consider(finding, CRASH_PREFIX, &(struct crash){.count = n});
}

#define CUTS 3u

/* After the first sector, in the middle, and before the last one. How many that is. */
static size_t cuts_of(const struct disk_write *write, size_t cuts[CUTS])
{
    size_t sectors = write->size / DISK_SECTOR, count = 0;
    const size_t all[CUTS] = {1, sectors / 2, sectors - 1};

    for (size_t i = 0; i < CUTS; i++)
        if (all[i] < sectors && all[i] > (count > 0 ? cuts[count - 1] : 0))
            cuts[count++] = all[i];
    return count;
}

static void find_torn(struct finding *finding)
{
    for (size_t n = 1; n <= finding->log->count; n++) {
        size_t cuts[CUTS], count = cuts_of(&finding->log->items[n - 1], cuts);

        for (size_t i = 0; i < count; i++)
            consider(finding, CRASH_TORN, &(struct crash){.count = n, .torn = cuts[i]});
    }
}

static void find_single(struct finding *finding)
{
    for (size_t n = 1; n <= finding->log->count; n++) {
        size_t durable = writes_durable(finding->log, n);

        for (size_t i = durable + 1; i <= n; i++)
            consider(finding, CRASH_WITHOUT_ONE,
                     &(struct crash){.count = n, .odd = {i}, .odd_count = 1});
        consider(finding, CRASH_ALONE,
                 &(struct crash){.count = durable, .odd = {n}, .odd_count = 1, .alone = true});
    }
}

/* All pairs (i, n), n the last write issued: i missing with each other one, or both alone. Every
 * step-th of them, beginning with number `from`. Their number. */
static size_t walk_pairs(struct finding *finding, size_t from, size_t step)
{
    size_t at = 0;

    for (size_t n = 1; n <= finding->log->count; n++) {
        size_t durable = writes_durable(finding->log, n);

        for (size_t i = durable + 1; i < n; i++) {
            for (size_t k = i + 1; k < n; k++, at++)
                if (at % step == from)
                    consider(finding, CRASH_PAIR,
                             &(struct crash){.count = n, .odd = {i, k}, .odd_count = 2});
            if (at++ % step == from)
                consider(finding, CRASH_PAIR,
                         &(struct crash){
                             .count = durable, .odd = {i, n}, .odd_count = 2, .alone = true});
        }
    }
    return at;
}

/* The last write torn, as find_torn() has it, and one other missing. */
static size_t walk_torn_without(struct finding *finding, size_t from, size_t step)
{
    size_t at = 0;

    for (size_t n = 1; n <= finding->log->count; n++) {
        size_t cuts[CUTS], count = cuts_of(&finding->log->items[n - 1], cuts);

        for (size_t c = 0; c < count; c++)
            for (size_t i = writes_durable(finding->log, n) + 1; i < n; i++, at++)
                if (at % step == from)
                    consider(
                        finding, CRASH_TORN_WITHOUT,
                        &(struct crash){.count = n, .torn = cuts[c], .odd = {i}, .odd_count = 1});
    }
    return at;
}

/* The last write torn behind any of its sectors. */
static size_t walk_torn(struct finding *finding, size_t from, size_t step)
{
    size_t at = 0;

    for (size_t n = 1; n <= finding->log->count; n++)
        for (size_t k = 1; k < finding->log->items[n - 1].size / DISK_SECTOR; k++, at++)
            if (at % step == from)
                consider(finding, CRASH_TORN, &(struct crash){.count = n, .torn = k});
    return at;
}

/* One that was issued before the last one, or came without those before it, torn behind any of its
 * sectors. */
static size_t walk_torn_within(struct finding *finding, size_t from, size_t step)
{
    size_t at = 0;

    for (size_t n = 1; n <= finding->log->count; n++) {
        size_t durable = writes_durable(finding->log, n);

        for (size_t i = durable + 1; i <= n; i++)
            for (size_t k = 1; k < finding->log->items[i - 1].size / DISK_SECTOR; k++, at++)
                if (at % step == from)
                    consider(finding, CRASH_TORN_WITHIN,
                             &(struct crash){.count = i < n ? n : durable,
                                             .odd = {i},
                                             .odd_count = 1,
                                             .alone = i == n,
                                             .part = k});
    }
    return at;
}

#define SPREAD 32u

struct more {
    enum crash_kind kind;
    size_t (*walk)(struct finding *finding, size_t from, size_t step);
    size_t all, step, from;
};

static void measure(struct finding *finding, struct more *more, size_t wanted)
{
    more->all = more->walk(finding, SIZE_MAX, SIZE_MAX);
    more->step = 1;
    while (wanted > 0 && more->all / more->step > SPREAD)
        more->step *= 2;
}

/* Coarsely first: with each round as many again of each sort, lying between those before, until
 * there are enough. */
static void find_more(struct finding *finding, size_t wanted)
{
    struct more sorts[] = {
        {.kind = CRASH_PAIR, .walk = walk_pairs},
        {.kind = CRASH_TORN_WITHOUT, .walk = walk_torn_without},
        {.kind = CRASH_TORN_WITHIN, .walk = walk_torn_within},
        {.kind = CRASH_TORN, .walk = walk_torn},
    };
    const size_t count = sizeof sorts / sizeof *sorts;
    bool any = true;

    for (size_t i = 0; i < count; i++)
        measure(finding, &sorts[i], wanted);
    while (any) {
        any = false;
        for (size_t i = 0; i < count; i++)
            if (sorts[i].from < sorts[i].step &&
                (wanted == 0 || finding->crashes->count < wanted)) {
                sorts[i].walk(finding, sorts[i].from++, sorts[i].step);
                any = true;
            }
    }
    for (size_t i = 0; i < count; i++)
        finding->crashes->possible[sorts[i].kind] = sorts[i].all;
}

void crashes_find(struct crashes *crashes, const struct writes *log, const uint8_t *base,
                  size_t base_size, size_t wanted)
{
    struct finding finding = {.crashes = crashes, .log = log};

    *crashes = (struct crashes){0};
    image_open(&finding.image, log, base, base_size);
    find_prefixes(&finding);
    find_torn(&finding);
    find_single(&finding);
    find_more(&finding, wanted);
    image_close(&finding.image, log);
    free(finding.seen);
}

void crashes_free(struct crashes *crashes)
{
    free(crashes->items);
    *crashes = (struct crashes){0};
}

const char *crash_kind_string(enum crash_kind kind)
{
    switch (kind) {
    case CRASH_PREFIX:
        return "prefixes";
    case CRASH_TORN:
        return "with the last write torn";
    case CRASH_WITHOUT_ONE:
        return "with one write missing";
    case CRASH_ALONE:
        return "with one write that came alone";
    case CRASH_PAIR:
        return "with a pair of writes missing or alone";
    case CRASH_TORN_WITHOUT:
        return "with one write missing and the last torn";
    case CRASH_TORN_WITHIN:
        return "with a write torn that others had overtaken, or that came alone";
    case CRASH_KINDS:
        break;
    }
    return "?";
}
