#include "manifest.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "io.h"
#include "text.h"

#define VERSION 2
#define VERSION_UNSCOPED 1 /* nothing is said of where it looked */
#define TRAILER_SIZE (7 + 2 * SHA256_SIZE + 1)
#define LINE_MIN 31     /* of an entry: 15 tabs, the shortest path, numbers */
#define SCOPE_MIN 7     /* of a scope: 3 tabs, a number, the shortest names */
#define NUMBERS_MAX 256 /* all numbers and tabs of a line */

/* ---- writing ---- */

struct buffer {
    char *text;
    size_t size, room;
};

static int reserve(struct buffer *buffer, size_t more)
{
    size_t room = buffer->room ? buffer->room : 4096;
    char *larger;

    if (buffer->room - buffer->size >= more)
        return 0;
    while (room - buffer->size < more)
        room *= 2;
    larger = realloc(buffer->text, room);
    if (!larger)
        return -ENOMEM;
    buffer->text = larger;
    buffer->room = room;
    return 0;
}

/* snprintf takes a third of a second for the numbers of 100,000 entries. */
static char *put_number(char *out, uint64_t n, unsigned base)
{
    char digits[24], *at = digits + sizeof digits;

    do {
        *--at = (char)('0' + n % base);
        n /= base;
    } while (n);
    memcpy(out, at, (size_t)(digits + sizeof digits - at));
    return out + (digits + sizeof digits - at);
}

static char *put_field(char *out, uint64_t n, unsigned base)
{
    out = put_number(out, n, base);
    *out++ = '\t';
    return out;
}

static char *put_time(char *out, int64_t ns)
{
    if (ns < 0)
        *out++ = '-';
    return put_field(out, ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns, 10);
}

static char *put_hex(char *out, const uint8_t *bytes, size_t size)
{
    hex_of(bytes, size, out);
    return out + 2 * size;
}

static char *put_read(char *out, const struct entry *entry)
{
    if (entry->hashed && entry->type == ENTRY_FILE)
        out = put_hex(out, entry->sha256, SHA256_SIZE);
    *out++ = '\t';
    if (entry->hashed)
        out = put_hex(out, entry->xattrs, entry->xattrs_size);
    *out++ = '\t';
    return out;
}

static int put_entry(struct buffer *buffer, const struct entry *entry)
{
    size_t path = strlen(entry->path), target = entry->target ? strlen(entry->target) : 0;
    char *out;

    if (reserve(buffer,
                NUMBERS_MAX + 2 * SHA256_SIZE + 2 * entry->xattrs_size + 3 * path + 3 * target) < 0)
        return -ENOMEM;
    out = buffer->text + buffer->size;
    *out++ = entry->type;
    *out++ = '\t';
    out = put_field(out, entry->set, 10);
    if (entry->hashed)
        *out++ = 'h';
    if (entry->never)
        *out++ = 'n';
    *out++ = '\t';
    out = put_field(out, entry->mode, 8);
    out = put_field(out, entry->uid, 10);
    out = put_field(out, entry->gid, 10);
    out = put_field(out, entry->nlink, 10);
    out = put_field(out, entry->size, 10);
    out = put_field(out, entry->inode, 10);
    out = put_field(out, entry->dev, 10);
    out = put_time(out, entry->mtime_ns);
    out = put_time(out, entry->ctime_ns);
    out = put_read(out, entry);
    out += text_escape(entry->target ? entry->target : "", target, out);
    *out++ = '\t';
    out += text_escape(entry->path, path, out);
    *out++ = '\n';
    buffer->size = (size_t)(out - buffer->text);
    return 0;
}

__attribute__((format(printf, 2, 3))) static int put_line(struct buffer *buffer, const char *format,
                                                          ...)
{
    va_list args;
    int n;

    if (reserve(buffer, 512) < 0)
        return -ENOMEM;
    va_start(args, format);
    n = vsnprintf(buffer->text + buffer->size, 512, format, args);
    va_end(args);
    if (n < 0 || n >= 512)
        return -ENAMETOOLONG;
    buffer->size += (size_t)n;
    return 0;
}

/* These paths are opened and written to: nothing may pass that leads elsewhere. */
static bool path_is_sound(const char *path, size_t size)
{
    if (size < 2 || size >= PATH_SIZE_MAX || *path != '/')
        return false;
    while (*path) {
        const char *name = ++path;
        size_t length;

        while (*path && *path != '/')
            path++;
        length = (size_t)(path - name);
        if (length == 0 || (length <= 2 && name[0] == '.' && (length == 1 || name[1] == '.')))
            return false;
    }
    return true;
}

/* What this cannot hold, it leaves out: nothing that it can hold lies beneath. */
static bool can_hold(const char *directory)
{
    return !*directory || path_is_sound(directory, strlen(directory));
}

static bool can_hold_scope(const struct scope *scope)
{
    size_t size = strlen(scope->glob);

    return size > 1 && size < PATH_SIZE_MAX && *scope->glob == '/' && can_hold(scope->prefix);
}

/* The root is "" to programs and "/" to people. */
static int put_name(struct buffer *buffer, const char *name, char stop)
{
    size_t size = strlen(*name ? name : "/");

    if (reserve(buffer, 3 * size + 1) < 0)
        return -ENOMEM;
    buffer->size += text_escape(*name ? name : "/", size, buffer->text + buffer->size);
    buffer->text[buffer->size++] = stop;
    return 0;
}

static int put_scope(struct buffer *buffer, const struct scope *scope)
{
    int error = put_line(buffer, "%u\t%s\t", scope->set, scope->apart ? "a" : "");

    if (!error)
        error = put_name(buffer, scope->glob, '\t');
    return error ? error : put_name(buffer, scope->prefix, '\n');
}

static int put_scopes(struct buffer *buffer, const struct inventory *inventory)
{
    size_t scopes = 0, unread = 0;
    int error;

    for (size_t i = 0; i < inventory->scope_count; i++)
        scopes += can_hold_scope(&inventory->scopes[i]);
    for (size_t i = 0; i < inventory->unread_count; i++)
        unread += can_hold(inventory->unread[i]);
    error = put_line(buffer, "scopes %zu\n", scopes);
    for (size_t i = 0; i < inventory->scope_count && !error; i++)
        if (can_hold_scope(&inventory->scopes[i]))
            error = put_scope(buffer, &inventory->scopes[i]);
    if (!error)
        error = put_line(buffer, "unread %zu\n", unread);
    for (size_t i = 0; i < inventory->unread_count && !error; i++)
        if (can_hold(inventory->unread[i]))
            error = put_name(buffer, inventory->unread[i], '\n');
    return error;
}

static int put_header(struct buffer *buffer, const struct inventory *inventory)
{
    int error = put_line(buffer, "backstop-manifest %d\ngeneration %u\nboot %u\nsets %zu\n",
                         inventory->scoped ? VERSION : VERSION_UNSCOPED, inventory->generation,
                         inventory->boot, inventory->set_count);

    for (size_t i = 0; i < inventory->set_count && !error; i++)
        error = put_line(buffer, "%s\t%s\n",
                         set_class_string((enum set_class)inventory->set_classes[i]),
                         inventory->set_names[i]);
    if (!error && inventory->scoped)
        error = put_scopes(buffer, inventory);
    return error ? error : put_line(buffer, "entries %zu\n", inventory->count);
}

int manifest_format(const struct inventory *inventory, char **text, size_t *size)
{
    char hex[2 * SHA256_SIZE + 1];
    struct buffer buffer = {0};
    int error = put_header(&buffer, inventory);

    for (size_t i = 0; i < inventory->count && !error; i++)
        error = put_entry(&buffer, &inventory->entries[i]);
    if (!error)
        error = io_sha256_text(buffer.text, buffer.size, hex);
    if (!error)
        error = put_line(&buffer, "sha256 %s\n", hex);
    if (error) {
        free(buffer.text);
        return error;
    }
    *text = buffer.text;
    *size = buffer.size;
    return 0;
}

/* ---- reading ---- */

struct reader {
    const char *name, *at, *end; /* end: where the trailer begins */
    size_t line;                 /* that the last field was of */
    bool ended;                  /* and that field was its last */
    char *strings;               /* room for every escaped string of the text, unescaped */
    struct inventory *inventory;
    const char *remedy;
    struct diag *diag;
};

static int refuse(const struct reader *reader, const char *why)
{
    diag_report(reader->diag, DIAG_ERROR, "%s:%zu: %s; %s", reader->name, reader->line, why,
                reader->remedy);
    return -EBADMSG;
}

/*
 * A field of the present line up to `stop` (TAB, or LF for the last), passed over. No field holds a
 * byte as low as those, and check_whole() saw to a LF before `end`.
 */
static bool take_field(struct reader *reader, char stop, const char **field, size_t *size)
{
    const char *p = reader->at;

    reader->line += reader->ended;
    reader->ended = false;
    if (p == reader->end)
        return false;
    while ((unsigned char)*p > '\n')
        p++;
    if (*p != stop)
        return false;
    *field = reader->at;
    *size = (size_t)(p - reader->at);
    reader->at = p + 1;
    reader->ended = stop == '\n';
    return true;
}

static bool take_number(struct reader *reader, uint64_t max, uint64_t *number)
{
    const char *field;
    size_t size;

    return take_field(reader, '\t', &field, &size) && text_number(field, size, max, number) == 0;
}

static bool take_u32(struct reader *reader, uint32_t max, uint32_t *number)
{
    uint64_t n;

    if (!take_number(reader, max, &n))
        return false;
    *number = (uint32_t)n;
    return true;
}

static bool take_mode(struct reader *reader, uint32_t *mode)
{
    const char *field;
    size_t size;
    uint32_t n = 0;

    if (!take_field(reader, '\t', &field, &size) || !size || size > 4 ||
        (size > 1 && *field == '0'))
        return false;
    for (size_t i = 0; i < size; i++) {
        if (field[i] < '0' || field[i] > '7')
            return false;
        n = n << 3 | (uint32_t)(field[i] - '0');
    }
    *mode = n;
    return true;
}

static bool take_time(struct reader *reader, int64_t *ns)
{
    bool negative = reader->at < reader->end && *reader->at == '-';
    uint64_t n;

    reader->at += negative;
    if (!take_number(reader, (uint64_t)INT64_MAX + negative, &n) || (negative && n == 0))
        return false;
    *ns = negative ? (int64_t)(0 - n) : (int64_t)n;
    return true;
}

static bool take_flags(struct reader *reader, struct entry *entry)
{
    const char *field, *p;
    size_t size;

    if (!take_field(reader, '\t', &field, &size))
        return false;
    p = field;
    if (p < field + size && *p == 'h') {
        entry->hashed = true;
        p++;
    }
    if (p < field + size && *p == 'n') {
        entry->never = true;
        p++;
    }
    return p == field + size;
}

static bool take_sha256(struct reader *reader, struct entry *entry)
{
    const char *field;
    size_t size;

    if (!take_field(reader, '\t', &field, &size))
        return false;
    if (!entry->hashed || entry->type != ENTRY_FILE)
        return size == 0;
    return size == 2 * SHA256_SIZE && hex_parse(field, entry->sha256, SHA256_SIZE) == 0;
}

static bool xattrs_are_sound(const struct entry *entry)
{
    const char *name, *before = "";
    const uint8_t *value;
    size_t at = 0, size;
    int more;

    while ((more = xattrs_next(entry->xattrs, entry->xattrs_size, &at, &name, &value, &size)) > 0) {
        if (strcmp(before, name) >= 0)
            return false;
        before = name;
    }
    return more == 0;
}

static bool take_xattrs(struct reader *reader, struct entry *entry)
{
    const char *field;
    size_t size;

    if (!take_field(reader, '\t', &field, &size) || size % 2)
        return false;
    if (!size)
        return true;
    if (!entry->hashed || (entry->type != ENTRY_FILE && entry->type != ENTRY_DIR))
        return false;
    entry->xattrs = (uint8_t *)reader->strings;
    entry->xattrs_size = size / 2;
    reader->strings += size / 2;
    return hex_parse(field, entry->xattrs, size / 2) == 0 && xattrs_are_sound(entry);
}

static bool take_string(struct reader *reader, char stop, char **string, size_t *length)
{
    const char *field;
    ptrdiff_t n;
    size_t size;

    if (!take_field(reader, stop, &field, &size))
        return false;
    n = text_unescape(field, size, reader->strings);
    if (n < 0)
        return false;
    *string = reader->strings;
    *length = (size_t)n;
    reader->strings[n] = '\0';
    reader->strings += n + 1;
    return true;
}

static const char *take_names(struct reader *reader, struct entry *entry)
{
    size_t size;

    if (!take_string(reader, '\t', &entry->target, &size) || size >= PATH_SIZE_MAX)
        return "the target is badly escaped or too long";
    if ((entry->type == ENTRY_LINK) != (size > 0))
        return "a target belongs to links, and to all of them";
    if (!size)
        entry->target = NULL;
    if (!take_string(reader, '\n', &entry->path, &size))
        return "the path is badly escaped";
    if (!path_is_sound(entry->path, size))
        return "the path is not absolute and plain";
    return NULL;
}

static const char *take_entry(struct reader *reader, struct entry *entry)
{
    const struct inventory *inventory = reader->inventory;
    const char *field;
    size_t size;

    *entry = (struct entry){0};
    if (!take_field(reader, '\t', &field, &size) || size != 1 || !strchr("fdlo", *field))
        return "the type is none of f, d, l, o";
    entry->type = *field;
    if (!inventory->set_count || !take_u32(reader, (uint32_t)inventory->set_count - 1, &entry->set))
        return "there is no such set";
    if (!take_flags(reader, entry))
        return "the flags are none of h, n, hn";
    if (!take_mode(reader, &entry->mode))
        return "the mode is out of range";
    if (!take_u32(reader, UINT32_MAX, &entry->uid) || !take_u32(reader, UINT32_MAX, &entry->gid) ||
        !take_u32(reader, UINT32_MAX, &entry->nlink))
        return "owner, group or links are out of range";
    if (!take_number(reader, INT64_MAX, &entry->size) || (entry->size && entry->type != ENTRY_FILE))
        return "the size is out of range";
    if (!take_number(reader, UINT64_MAX, &entry->inode) ||
        !take_number(reader, UINT64_MAX, &entry->dev))
        return "inode or dev are out of range";
    if (!take_time(reader, &entry->mtime_ns) || !take_time(reader, &entry->ctime_ns))
        return "a time is out of range";
    if (!take_sha256(reader, entry))
        return "the sha256 is not one, or missing, or out of place";
    if (!take_xattrs(reader, entry))
        return "the xattrs are not packed and sorted, or out of place";
    return take_names(reader, entry);
}

static int take_entries(struct reader *reader)
{
    struct inventory *inventory = reader->inventory;

    for (size_t i = 0; i < inventory->count; i++) {
        const char *why;

        if (reader->at == reader->end)
            return refuse(reader, "there are fewer entries than it says");
        why = take_entry(reader, &inventory->entries[i]);
        if (!why && i &&
            path_compare(inventory->entries[i - 1].path, inventory->entries[i].path) >= 0)
            why = "the line before is the same path, or a later one";
        if (why)
            return refuse(reader, why);
    }
    if (reader->at == reader->end)
        return 0;
    reader->line++;
    return refuse(reader, "there are more entries than it says");
}

/* A line "WORD N". */
static bool take_headline(struct reader *reader, const char *word, uint64_t max, uint64_t *number)
{
    size_t word_size = strlen(word), size;
    const char *field;

    return take_field(reader, '\n', &field, &size) && size > word_size + 1 &&
           memcmp(field, word, word_size) == 0 && field[word_size] == ' ' &&
           text_number(field + word_size + 1, size - word_size - 1, max, number) == 0;
}

static bool take_set(struct reader *reader, size_t i)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789-";
    struct inventory *inventory = reader->inventory;
    char text[16];
    const char *field;
    size_t size;
    int set_class;

    if (!take_field(reader, '\t', &field, &size) || size >= sizeof text)
        return false;
    memcpy(text, field, size);
    text[size] = '\0';
    set_class = set_class_from_string(text);
    if (set_class < 0 || !take_string(reader, '\n', &inventory->set_names[i], &size) || !size ||
        strspn(inventory->set_names[i], allowed) != size)
        return false;
    inventory->set_classes[i] = (uint8_t)set_class;
    return true;
}

static int take_sets(struct reader *reader, size_t text_size)
{
    struct inventory *inventory = reader->inventory;
    uint64_t count;

    if (!take_headline(reader, "sets", text_size, &count))
        return refuse(reader, "not \"sets N\"");
    inventory->set_names = arena_alloc(inventory->arena, (count + 1) * sizeof(char *));
    inventory->set_classes = arena_alloc(inventory->arena, count + 1);
    if (!inventory->set_names || !inventory->set_classes)
        return -ENOMEM;
    inventory->set_count = count;
    for (size_t i = 0; i < count; i++)
        if (!take_set(reader, i))
            return refuse(reader, "not a set's class and name");
    return 0;
}

/* A path in a line of the header, up to `stop`: absolute and plain, or the root. */
static bool take_directory(struct reader *reader, char stop, char **path)
{
    size_t size;

    if (!take_string(reader, stop, path, &size))
        return false;
    if (size == 1 && **path == '/')
        **path = '\0';
    else if (!path_is_sound(*path, size))
        return false;
    return true;
}

static bool take_scope(struct reader *reader, struct scope *scope)
{
    const struct inventory *inventory = reader->inventory;
    const char *flags;
    size_t size;

    *scope = (struct scope){0};
    if (!inventory->set_count || !take_u32(reader, (uint32_t)inventory->set_count - 1, &scope->set))
        return false;
    if (!take_field(reader, '\t', &flags, &size) || size > 1 || (size == 1 && *flags != 'a'))
        return false;
    scope->apart = size == 1;
    return take_string(reader, '\t', &scope->glob, &size) && size > 1 && size < PATH_SIZE_MAX &&
           *scope->glob == '/' && take_directory(reader, '\n', &scope->prefix);
}

static int take_scopes(struct reader *reader, size_t text_size)
{
    struct inventory *inventory = reader->inventory;
    uint64_t count;

    if (!take_headline(reader, "scopes", text_size / SCOPE_MIN, &count))
        return refuse(reader, "not \"scopes N\", or more than the file has room for");
    inventory->scopes = arena_alloc(inventory->arena, (count + 1) * sizeof *inventory->scopes);
    if (!inventory->scopes)
        return -ENOMEM;
    for (; inventory->scope_count < count; inventory->scope_count++)
        if (!take_scope(reader, &inventory->scopes[inventory->scope_count]))
            return refuse(reader, "not a set, a glob of it and where that led");
    if (!take_headline(reader, "unread", text_size / 2, &count))
        return refuse(reader, "not \"unread N\", or more than the file has room for");
    inventory->unread = arena_alloc(inventory->arena, (count + 1) * sizeof *inventory->unread);
    if (!inventory->unread)
        return -ENOMEM;
    for (; inventory->unread_count < count; inventory->unread_count++)
        if (!take_directory(reader, '\n', &inventory->unread[inventory->unread_count]))
            return refuse(reader, "not the name of what could not be read");
    inventory->scoped = true;
    return 0;
}

static int take_header(struct reader *reader, size_t text_size)
{
    struct inventory *inventory = reader->inventory;
    uint64_t version, generation, boot, count;
    int error;

    if (!take_headline(reader, "backstop-manifest", UINT32_MAX, &version) || !version)
        return refuse(reader, "not \"backstop-manifest\" and a version");
    if (version > VERSION)
        return refuse(reader, "it was written by a newer Backstop");
    if (!take_headline(reader, "generation", UINT32_MAX, &generation))
        return refuse(reader, "not \"generation N\"");
    if (!take_headline(reader, "boot", UINT32_MAX, &boot))
        return refuse(reader, "not \"boot N\"");
    inventory->generation = (uint32_t)generation;
    inventory->boot = (uint32_t)boot;
    error = take_sets(reader, text_size);
    if (!error && version != VERSION_UNSCOPED)
        error = take_scopes(reader, text_size);
    if (error)
        return error;
    if (!take_headline(reader, "entries", text_size / LINE_MIN, &count))
        return refuse(reader, "not \"entries N\", or more than the file has room for");
    inventory->entries = arena_alloc(inventory->arena, (count + 1) * sizeof *inventory->entries);
    inventory->count = count;
    return inventory->entries ? 0 : -ENOMEM;
}

/* Before all else: with the bytes not those that were written, no message about a line would help.
 */
static int check_whole(struct reader *reader, const char *text, size_t size)
{
    static const char magic[] = "backstop-manifest ";
    char hex[2 * SHA256_SIZE + 1];
    const char *trailer = text + size - TRAILER_SIZE;
    int error;

    if (size < sizeof magic - 1 || memcmp(text, magic, sizeof magic - 1) != 0)
        return refuse(reader, "not a manifest");
    if (size < TRAILER_SIZE + sizeof magic || trailer[-1] != '\n' ||
        memcmp(trailer, "sha256 ", 7) != 0 || text[size - 1] != '\n')
        return refuse(reader, "it is cut short: the last line is not its sha256");
    error = io_sha256_text(text, size - TRAILER_SIZE, hex);
    if (error)
        return error;
    if (memcmp(trailer + 7, hex, 2 * SHA256_SIZE) != 0)
        return refuse(reader, "it is damaged: its sha256 does not fit");
    reader->end = trailer;
    return 0;
}

/* With name, remedy and diag of `reader`. */
static int parse(struct reader *reader, const char *text, size_t size, struct inventory *inventory)
{
    struct inventory made;
    int error;

    reader->at = text;
    reader->line = 1;
    reader->inventory = &made;
    error = check_whole(reader, text, size);
    if (error)
        return error;
    error = inventory_init(&made);
    if (error)
        return error;
    /* a string is at most as long as its escaped form, its NUL takes the separator's place */
    reader->strings = arena_alloc(made.arena, size);
    error = reader->strings ? take_header(reader, size) : -ENOMEM;
    if (!error)
        error = take_entries(reader);
    if (error) {
        inventory_free(&made);
        return error;
    }
    *inventory = made;
    return 0;
}

int manifest_parse(const char *name, const char *text, size_t size, struct inventory *inventory,
                   struct diag *diag)
{
    struct reader reader = {.name = name,
                            .remedy = "the file is not used: `backstop good take` makes a new one",
                            .diag = diag};

    return parse(&reader, text, size, inventory);
}

/* ---- files ---- */

int manifest_read(int dir_fd, const char *name, struct inventory *inventory, struct diag *diag)
{
    char *text;
    size_t size;
    int error = io_read_all(dir_fd, name, MANIFEST_MAX_SIZE, &text, &size);

    if (error)
        return error;
    error = manifest_parse(name, text, size, inventory, diag);
    free(text);
    return error;
}

int manifest_write(int dir_fd, const char *name, const struct inventory *inventory)
{
    char *text;
    size_t size;
    int error = manifest_format(inventory, &text, &size);

    if (error)
        return error;
    error = io_write_atomic(dir_fd, name, text, size, 0600);
    free(text);
    return error;
}

static int read_back(const char *name, const char *text, size_t size, struct diag *diag)
{
    struct reader reader = {.name = name, .remedy = "so it was not put in its place", .diag = diag};
    struct inventory back;
    int error = size > MANIFEST_MAX_SIZE ? -EFBIG : parse(&reader, text, size, &back);

    if (!error)
        inventory_free(&back);
    return error;
}

int manifest_replace(int dir_fd, const char *name, const struct inventory *inventory,
                     struct diag *diag)
{
    char *text;
    size_t size;
    int error = manifest_format(inventory, &text, &size);

    if (error)
        return error;
    error = read_back(name, text, size, diag);
    if (!error)
        error = io_write_atomic(dir_fd, name, text, size, 0600);
    free(text);
    return error;
}
