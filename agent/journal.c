/* journal.c - see journal.h */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include "io.h"
#include "journal.h"
#include "json.h"

#define JOURNAL_TAIL ((size_t)64 << 20) /* no record is longer */

/* The chain's state: what the next record must say. */
struct link {
    int64_t seq; /* of the last record; 0: none */
    char hash[SHA256_TEXT_SIZE];
};

static void link_start(struct link *link)
{
    link->seq = 0;
    memset(link->hash, '0', SHA256_TEXT_SIZE - 1);
    link->hash[SHA256_TEXT_SIZE - 1] = '\0';
}

static int link_advance(struct link *link, int64_t seq, const char *line, size_t size)
{
    int err = io_sha256_text(line, size, link->hash);
    if (err == 0)
        link->seq = seq;
    return err;
}

const char *journal_text(const struct json_object *record, const char *key)
{
    struct json_object *value = NULL;
    if (!json_object_object_get_ex(record, key, &value) ||
        !json_object_is_type(value, json_type_string))
        return "";
    return json_object_get_string(value);
}

int64_t journal_number(const struct json_object *record, const char *key)
{
    struct json_object *value = NULL;
    if (!json_object_object_get_ex(record, key, &value) ||
        !json_object_is_type(value, json_type_int))
        return 0;
    return json_object_get_int64(value);
}

static bool is_record(const struct json_object *object)
{
    return journal_number(object, "seq") > 0 && *journal_text(object, "event") &&
           strlen(journal_text(object, "prev")) == SHA256_TEXT_SIZE - 1;
}

/* 0 with the line's record, or NULL where it is none; or -ENOMEM: a whole record must not be called
 * torn. */
static int line_parse(const char *line, size_t size, struct json_object **record)
{
    *record = NULL;
    int err = size > JOURNAL_TAIL ? 0 : json_parse(line, size, record);
    if (*record)
        *record = json_whole(is_record(*record), *record);
    return err;
}

static int records_add(struct journal *journal, size_t *room, struct json_object *record)
{
    if (journal->count == *room) {
        size_t more = *room ? 2 * *room : 64;
        struct json_object **records = realloc(journal->records, more * sizeof *records);
        if (!records)
            return -ENOMEM;
        journal->records = records;
        *room = more;
    }
    journal->records[journal->count++] = record;
    return 0;
}

/* Where `journal` stands while its lines are read. */
struct reading {
    struct link link;
    size_t room, line, unreadable; /* unreadable: first of the lines just passed over; 0: none */
};

static void chain_broken(struct journal *journal, size_t line)
{
    if (journal->broken_line == 0)
        journal->broken_line = line;
}

static int take_record(struct journal *journal, struct reading *at, struct json_object *record,
                       const char *line, size_t size)
{
    int64_t seq = journal_number(record, "seq");
    if (at->unreadable && !json_flag(record, "after-torn"))
        chain_broken(journal, at->unreadable);
    if (strcmp(journal_text(record, "prev"), at->link.hash) != 0 || seq != at->link.seq + 1)
        chain_broken(journal, at->line);
    at->unreadable = 0;
    int err = link_advance(&at->link, seq, line, size);
    if (err == 0)
        err = records_add(journal, &at->room, record);
    return err;
}

int journal_parse(const char *text, size_t size, struct journal *journal)
{
    struct journal found = {0};
    struct reading at = {0};
    link_start(&at.link);
    for (size_t start = 0; start < size;) {
        const char *end = memchr(text + start, '\n', size - start);
        size_t length = end ? (size_t)(end - (text + start)) : size - start;
        at.line++;
        struct json_object *record;
        int err = line_parse(text + start, length, &record);
        if (record)
            err = take_record(&found, &at, record, text + start, length);
        else if (at.unreadable == 0)
            at.unreadable = at.line;
        if (err < 0) {
            json_object_put(record);
            journal_free(&found);
            return err;
        }
        start += length + 1;
    }
    found.torn = at.unreadable > 0 || (size > 0 && text[size - 1] != '\n');
    *journal = found;
    return 0;
}

void journal_free(struct journal *journal)
{
    for (size_t i = 0; i < journal->count; i++)
        json_object_put(journal->records[i]);
    free(journal->records);
    *journal = (struct journal){0};
}

/* The last records of a file that is too long to be read whole: what is under way is among them.
 * 0 or -errno. */
static int read_tail(const struct place *place, char **text, size_t *size)
{
    struct stat st;
    int fd = openat(place->state_fd, JOURNAL_NAME, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    char *tail = malloc(JOURNAL_TAIL + 1);
    ssize_t got = -1;
    int err = tail ? 0 : -ENOMEM;
    if (tail && fstat(fd, &st) == 0)
        got = pread(fd, tail, JOURNAL_TAIL, st.st_size - (off_t)JOURNAL_TAIL);
    if (tail && got < 0)
        err = -errno;
    close(fd);
    if (err < 0) {
        free(tail);
        return err;
    }
    tail[got] = '\0';
    *text = tail;
    *size = (size_t)got;
    return 0;
}

int journal_read(const struct place *place, struct journal *journal, struct diag *diag)
{
    char *text = NULL;
    size_t size = 0;
    int err = place->state_fd < 0
                  ? -ENOENT
                  : io_read_all(place->state_fd, JOURNAL_NAME, JOURNAL_TAIL, &text, &size);
    if (err == -EFBIG) {
        diag_report(diag, DIAG_WARNING,
                    STATE_DIR "/" JOURNAL_NAME ": longer than %zu MiB; its end alone is read",
                    JOURNAL_TAIL >> 20);
        err = read_tail(place, &text, &size);
    }
    if (err == -ENOENT) {
        *journal = (struct journal){0};
        return 0;
    }
    if (err < 0)
        return err;
    err = journal_parse(text, size, journal);
    free(text);
    if (err == 0 && journal->broken_line)
        diag_report(diag, DIAG_WARNING,
                    STATE_DIR "/" JOURNAL_NAME ":%zu: the chain of records does not hold from "
                              "here; keep a copy of the file, later records are used as they stand",
                    journal->broken_line);
    else if (err == 0 && journal->torn)
        diag_report(diag, DIAG_WARNING,
                    STATE_DIR "/" JOURNAL_NAME ": the last line is incomplete (power was cut "
                              "while it was written); it is passed over");
    return err;
}

struct json_object *journal_record(const char *event, uint32_t boot, uint32_t case_number,
                                   const char *reason)
{
    struct json_object *record = json_object_new_object();
    return json_whole(
        json_add_text(record, "event", event) && json_add_number(record, "boot", boot) &&
            json_add_number(record, "case", case_number) && json_add_text(record, "reason", reason),
        record);
}

/* What the end of the file asks of the next record. */
struct tail {
    struct link link;
    bool open;  /* last line is not ended */
    bool torn;  /* something unreadable stands after the last record */
    off_t size; /* of the file */
};

static int tail_scan(const char *text, size_t size, struct tail *tail)
{
    size_t end = size;
    tail->open = size > 0 && text[size - 1] != '\n';
    while (end > 0) {
        if (text[end - 1] == '\n')
            end--;
        const char *before = end > 0 ? memrchr(text, '\n', end) : NULL;
        size_t start = before ? (size_t)(before - text) + 1 : 0;
        struct json_object *record;
        int err = line_parse(text + start, end - start, &record);
        if (err < 0)
            return err;
        if (record) {
            int64_t seq = journal_number(record, "seq");
            json_object_put(record);
            return link_advance(&tail->link, seq, text + start, end - start);
        }
        tail->torn = true;
        end = start;
    }
    return 0;
}

static int tail_read(int fd, struct tail *tail)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return -errno;
    size_t size = (size_t)st.st_size < JOURNAL_TAIL ? (size_t)st.st_size : JOURNAL_TAIL;
    char *text = malloc(size + 1);
    if (!text)
        return -ENOMEM;
    *tail = (struct tail){.size = st.st_size};
    link_start(&tail->link);
    ssize_t got = pread(fd, text, size, st.st_size - (off_t)size);
    int err = got < 0 ? -errno : (size_t)got != size ? -EIO : tail_scan(text, size, tail);
    free(text);
    return err;
}

/* A new object with seq and prev first, then what record held. */
static struct json_object *chained(struct json_object *record, const struct tail *tail)
{
    struct json_object *line = json_object_new_object();
    bool whole = json_add_number(line, "seq", (uint64_t)tail->link.seq + 1) &&
                 json_add_text(line, "prev", tail->link.hash) &&
                 (!tail->torn || json_add_flag(line, "after-torn", true));
    json_object_object_foreach(record, key, value)
    {
        whole = whole && (value ? json_add(line, key, json_object_get(value))
                                : json_add_text(line, key, NULL));
    }
    return json_whole(whole, line);
}

static int write_whole(int fd, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t wrote = write(fd, bytes, size);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote < 0)
            return -errno;
        bytes += wrote;
        size -= (size_t)wrote;
    }
    return 0;
}

static int put_line(FILE *out, struct json_object *record, struct tail *tail)
{
    size_t length = 0;
    struct json_object *line = chained(record, tail);
    const char *text =
        json_text(line, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &length);
    int err =
        text && fwrite(text, 1, length, out) == length && putc('\n', out) != EOF ? 0 : -ENOMEM;
    if (err == 0)
        err = link_advance(&tail->link, tail->link.seq + 1, text, length);
    tail->torn = false;
    json_object_put(line);
    return err;
}

/* The text of all, each chained to the one before; caller frees. 0 or -errno. */
static int lines_make(struct json_object **records, size_t count, struct tail *tail, char **text,
                      size_t *size)
{
    *text = NULL;
    FILE *out = open_memstream(text, size);
    if (!out)
        return -ENOMEM;
    int err = tail->open && putc('\n', out) == EOF ? -ENOMEM : 0;
    for (size_t i = 0; err == 0 && i < count; i++)
        err = put_line(out, records[i], tail);
    return fclose(out) != 0 && err == 0 ? -ENOMEM : err;
}

static int lines_write(int fd, const char *text, size_t size, off_t end)
{
    int err = write_whole(fd, text, size);
    if (err == 0 && fsync(fd) < 0)
        err = -errno;
    if (err < 0 && ftruncate(fd, end) < 0)
        return err; /* what was written stays as a torn line, which readers pass over */
    return err;
}

static int append_locked(int fd, struct json_object **records, size_t count, int64_t *seq)
{
    struct tail tail;
    char *text;
    size_t size;
    int err = tail_read(fd, &tail);
    if (err < 0)
        return err;
    err = lines_make(records, count, &tail, &text, &size);
    if (err == 0)
        err = lines_write(fd, text, size, tail.size);
    free(text);
    if (err == 0 && seq)
        *seq = tail.link.seq;
    return err;
}

/* Opens the journal; one just made is durable in its directory before anything is in it. */
static int journal_open(const struct place *place)
{
    int flags = O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW;
    if (place->state_fd < 0)
        return -ENOENT;
    int fd = openat(place->state_fd, JOURNAL_NAME, flags);
    if (fd >= 0 || errno != ENOENT)
        return fd >= 0 ? fd : -errno;
    fd = openat(place->state_fd, JOURNAL_NAME, flags | O_CREAT, 0600);
    if (fd < 0)
        return -errno;
    int dir = openat(place->state_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int err = dir < 0 || fsync(dir) < 0 ? -errno : 0;
    if (dir >= 0)
        close(dir);
    if (err < 0)
        close(fd);
    return err < 0 ? err : fd;
}

static int append(const struct place *place, struct json_object **records, size_t count,
                  int64_t *seq)
{
    int fd = journal_open(place);
    int err = fd < 0 ? fd : 0;
    while (err == 0 && flock(fd, LOCK_EX) < 0)
        err = errno == EINTR ? 0 : -errno;
    if (err == 0)
        err = append_locked(fd, records, count, seq);
    if (fd >= 0)
        close(fd);
    return err;
}

int journal_append_all(const struct place *place, struct json_object **records, size_t count)
{
    int err = count ? append(place, records, count, NULL) : 0;
    for (size_t i = 0; i < count; i++)
        json_object_put(records[i]);
    return err;
}

int journal_append_seq(const struct place *place, struct json_object *record, int64_t *seq)
{
    int err = record ? append(place, &record, 1, seq) : -ENOMEM;
    json_object_put(record);
    return err;
}

int journal_append(const struct place *place, struct json_object *record)
{
    return journal_append_seq(place, record, NULL);
}
