#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void *alive(void *memory)
{
    if (memory == NULL) {
        fputs("rig: out of memory\n", stderr);
        _exit(1);
    }
    return memory;
}

void text_release(char **text)
{
    free(*text);
}

char *text_format(const char *format, ...)
{
    va_list arguments;
    char *text = NULL;

    va_start(arguments, format);
    if (vasprintf(&text, format, arguments) < 0)
        text = NULL;
    va_end(arguments);
    return alive(text);
}

char *text_copy(const char *text)
{
    return alive(strdup(text));
}

void text_replace(char **target, char *value)
{
    free(*target);
    *target = value;
}

void text_append(char **target, const char *more)
{
    text_replace(target, text_format("%s%s", *target != NULL ? *target : "", more));
}

bool text_starts(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

bool text_ends(const char *text, const char *end)
{
    size_t length = strlen(text), tail = strlen(end);

    return length >= tail && strcmp(text + length - tail, end) == 0;
}

const char *text_file_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash != NULL && slash[1] != '\0' ? slash + 1 : path;
}

char *text_quoted(const char *text)
{
    char *quoted = text_copy("'");

    for (const char *at = text; *at != '\0';) {
        size_t plain = strcspn(at, "'");
        TEXT_AUTO part = text_format("%.*s%s", (int)plain, at, at[plain] != '\0' ? "'\\''" : "");

        text_append(&quoted, part);
        at += plain + (at[plain] != '\0');
    }
    text_append(&quoted, "'");
    return quoted;
}

int text_number(const char *text, long min, long max, long *value)
{
    char *end = NULL;
    long number;

    if (text[0] < '0' || text[0] > '9')
        return -EINVAL;
    errno = 0;
    number = strtol(text, &end, text[0] == '0' && text[1] == 'x' ? 16 : 10);
    if (errno != 0 || *end != '\0' || number < min || number > max)
        return -EINVAL;
    *value = number;
    return 0;
}

/* Takes one word from *cursor, which it moves past the word; false for an open quote. */
static bool word_take(char **cursor)
{
    char *in = *cursor, *out = *cursor;
    bool quoted = false;

    for (; *in != '\0' && (quoted || (*in != ' ' && *in != '\t')); in++) {
        if (quoted && *in == '\\' && (in[1] == '"' || in[1] == '\\'))
            *out++ = *++in;
        else if (*in == '"')
            quoted = !quoted;
        else
            *out++ = *in;
    }
    *cursor = *in == '\0' ? in : in + 1;
    *out = '\0';
    return !quoted;
}

int text_words(char *line, char **words, size_t max)
{
    size_t count = 0;
    char *cursor = line;

    for (;;) {
        cursor += strspn(cursor, " \t");
        if (*cursor == '\0' || *cursor == '#')
            return (int)count;
        if (count == max)
            return -E2BIG;
        words[count++] = cursor;
        if (!word_take(&cursor))
            return -EINVAL;
    }
}

/* True where the byte is text; follows ESC and CSI sequences, which are dropped. */
static bool byte_is_text(struct line_stream *stream, char byte)
{
    if (stream->escape == 1) {
        stream->escape = byte == '[' ? 2 : 0;
        return false;
    }
    if (stream->escape == 2) {
        if (byte >= '@' && byte <= '~')
            stream->escape = 0;
        return false;
    }
    if (byte == '\033') {
        stream->escape = 1;
        return false;
    }
    return byte == '\t' || (unsigned char)byte >= ' ';
}

void line_stream_feed(struct line_stream *stream, const char *bytes, size_t size, line_taker *take,
                      void *context)
{
    for (size_t i = 0; i < size; i++) {
        bool is_text = byte_is_text(stream, bytes[i]);
        bool is_end = bytes[i] == '\n' || stream->used == sizeof stream->line - 1;

        if (is_end) {
            stream->line[stream->used] = '\0';
            stream->used = 0;
            stream->escape = 0;
            take(context, stream->line);
        }
        if (is_text)
            stream->line[stream->used++] = bytes[i];
    }
}

struct hash {
    EVP_MD_CTX *context;
};

struct hash *hash_new(void)
{
    struct hash *hash = alive(malloc(sizeof *hash));

    hash->context = alive(EVP_MD_CTX_new());
    if (EVP_DigestInit_ex(hash->context, EVP_sha256(), NULL) != 1)
        abort();
    return hash;
}

void hash_add(struct hash *hash, const void *bytes, size_t size)
{
    if (EVP_DigestUpdate(hash->context, bytes, size) != 1)
        abort();
}

void hash_add_text(struct hash *hash, const char *text)
{
    hash_add(hash, text, strlen(text) + 1); /* with the NUL: "ab","c" is not "a","bc" */
}

int hash_add_file(struct hash *hash, const char *path)
{
    char buffer[65536];
    ssize_t got;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return -errno;
    while ((got = read(fd, buffer, sizeof buffer)) > 0)
        hash_add(hash, buffer, (size_t)got);
    got = got < 0 ? -errno : 0;
    close(fd);
    return (int)got;
}

void hash_end(struct hash *hash, char out[HASH_TEXT_SIZE])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;

    if (EVP_DigestFinal_ex(hash->context, digest, &size) != 1)
        abort();
    for (unsigned i = 0; i < size && i < 32; i++)
        snprintf(out + 2u * i, 3, "%02x", digest[i]);
    EVP_MD_CTX_free(hash->context);
    free(hash);
}

static char *read_all(int fd, size_t *size)
{
    struct stat st;
    char *text;
    size_t used = 0;
    ssize_t got = 0;

    if (fstat(fd, &st) < 0)
        return NULL;
    text = alive(malloc((size_t)st.st_size + 1));
    while (used < (size_t)st.st_size &&
           (got = read(fd, text + used, (size_t)st.st_size - used)) > 0)
        used += (size_t)got;
    if (got < 0) {
        free(text);
        return NULL;
    }
    text[used] = '\0';
    if (size != NULL)
        *size = used;
    return text;
}

char *file_read(const char *path, size_t *size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC), error;
    char *text;

    if (fd < 0)
        return NULL;
    text = read_all(fd, size);
    error = errno;
    close(fd);
    errno = error;
    return text;
}

int file_write(const char *path, const void *bytes, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    size_t done = 0;
    int error = 0;

    if (fd < 0)
        return -errno;
    while (done < size && error == 0) {
        ssize_t put = write(fd, (const char *)bytes + done, size - done);

        if (put < 0)
            error = -errno;
        else
            done += (size_t)put;
    }
    if (close(fd) < 0 && error == 0)
        error = -errno;
    return error;
}

int file_write_temporary(char *name, const void *bytes, size_t size)
{
    int fd = mkstemp(name);

    if (fd < 0)
        return -errno;
    close(fd);
    return file_write(name, bytes, size);
}
