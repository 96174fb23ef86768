#include "conftext.h"

#include <errno.h>
#include <ini.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define MESSAGE_SIZE 512

struct reading {
    struct conftext *text;
    conftext_handler *handler;
};

void conftext_fault(struct conftext *text, const char *remedy, const char *format, ...)
{
    char message[MESSAGE_SIZE];
    va_list args;

    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    text->faults++;
    diag_report(text->diag, text->level, "%s:%u: %s; %s", text->file, text->line, message, remedy);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* inih gives no line to its handler for a line without '=': those are found here. */
static bool line_is_sound(struct conftext *text, const char *line, size_t size, size_t room)
{
    if (memchr(line, 0, size))
        conftext_fault(text, "write plain text", "the line holds a NUL byte");
    else if (size + 2 > room)
        conftext_fault(text, "shorten it, or use a glob", "the line is longer than %zu characters",
                       room - 2);
    else if (size && *line == '[' && !memchr(line, ']', size))
        conftext_fault(text, "write [section]", "the section's name is not closed");
    else if (size && !strchr("[#;", *line) && !memchr(line, '=', size))
        conftext_fault(text, "write key=value, or '#' before a comment", "not key=value");
    else
        return true;
    return false;
}

/*
 * One line a call, as fgets gives it. Leading blanks go, since inih would take such a line for more
 * of the value before; a line that is not sound goes as an empty one.
 */
static char *next_line(char *out, int room, void *stream)
{
    struct conftext *text = ((struct reading *)stream)->text;
    const char *line = text->at, *lf, *end;
    size_t size;

    if (line == text->end)
        return NULL;
    lf = memchr(line, '\n', (size_t)(text->end - line));
    end = lf ? lf : text->end;
    text->at = lf ? lf + 1 : text->end;
    text->line++;
    if (text->line == 1 && end - line >= 3 && memcmp(line, "\xef\xbb\xbf", 3) == 0)
        line += 3;
    while (line < end && is_blank(*line))
        line++;
    while (end > line && is_blank(end[-1]))
        end--;
    size = (size_t)(end - line);
    if (!line_is_sound(text, line, size, (size_t)room))
        size = 0;
    memcpy(out, line, size);
    out[size] = '\n';
    out[size + 1] = '\0';
    return out;
}

static int on_pair(void *user, const char *section, const char *name, const char *value)
{
    struct reading *reading = user;

    reading->handler(reading->text, section, name, value);
    return 1;
}

/* inih hands one pointer to the reader and another to the handler; both are `reading`. */
int conftext_read(struct conftext *text, const char *bytes, size_t size, conftext_handler *handler)
{
    struct reading reading = {.text = text, .handler = handler};
    int result;

    text->at = bytes;
    text->end = bytes + size;
    text->line = 0;
    result = ini_parse_stream(next_line, &reading, on_pair, &reading);
    if (result < 0)
        return -ENOMEM;
    return text->faults ? -EINVAL : 0;
}
