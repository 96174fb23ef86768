#include "clean.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define REPLACEMENT 0xfffdu
#define PICTURES 0x2400u
#define PICTURE_DELETE 0x2421u
#define ESCAPE 0x1b

struct sink {
    char *text;
    size_t used, room;
};

static void sink_add(struct sink *sink, const char *bytes, size_t size)
{
    if (sink->used + size + 1 > sink->room) {
        sink->room = (sink->used + size + 1) * 2;
        sink->text = realloc(sink->text, sink->room);
        if (sink->text == NULL)
            abort();
    }
    memcpy(sink->text + sink->used, bytes, size);
    sink->used += size;
    sink->text[sink->used] = '\0';
}

/* Number of bytes that a sequence starting so has, 0: none does. */
static size_t sequence_length(uint8_t first)
{
    if (first < 0x80)
        return 1;
    if (first >= 0xc2 && first <= 0xdf)
        return 2;
    if (first >= 0xe0 && first <= 0xef)
        return 3;
    return first >= 0xf0 && first <= 0xf4 ? 4 : 0;
}

/* RFC 3629, 4: the second byte's range depends on the first. */
static bool is_second(uint8_t first, uint8_t second)
{
    uint8_t low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    uint8_t high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;

    return second >= low && second <= high;
}

/* The code point at `bytes`, and how many bytes it takes; REPLACEMENT and 1 for what is none. */
static uint32_t decode(const uint8_t *bytes, size_t left, size_t *length)
{
    static const uint8_t masks[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    size_t wanted = sequence_length(bytes[0]);
    uint32_t point;

    *length = 1;
    if (wanted == 0 || wanted > left || (wanted > 1 && !is_second(bytes[0], bytes[1])))
        return REPLACEMENT;
    point = bytes[0] & masks[wanted];
    for (size_t i = 1; i < wanted; i++) {
        if ((bytes[i] & 0xc0) != 0x80)
            return REPLACEMENT;
        point = point << 6 | (bytes[i] & 0x3fu);
    }
    *length = wanted;
    return point;
}

/* ECMA-48: CSI ends with 0x40..0x7e; OSC with BEL or ESC \; others are one more byte. Never over a
 * line's end, so that a torn sequence cannot swallow what comes after. */
static size_t escape_length(const uint8_t *bytes, size_t left)
{
    size_t i = 2;

    if (left < 2 || bytes[1] < 0x20 || bytes[1] > 0x7e)
        return 1;
    if (bytes[1] == '[') {
        while (i < left && bytes[i] >= 0x20 && bytes[i] <= 0x3f)
            i++;
        return i < left && bytes[i] >= 0x40 && bytes[i] <= 0x7e ? i + 1 : i;
    }
    if (bytes[1] == ']') {
        while (i < left && bytes[i] >= 0x20)
            i++;
        return i < left && bytes[i] == 0x07 ? i + 1 : i;
    }
    return 2;
}

static uint32_t shown_as(uint32_t point)
{
    if (point == '\n' || point == '\t')
        return point;
    if (point < 0x20)
        return PICTURES + point;
    if (point == 0x7f)
        return PICTURE_DELETE;
    if ((point > 0x7f && point < 0xa0) || (point >= 0x202a && point <= 0x202e) ||
        (point >= 0x2066 && point <= 0x2069) || (point & 0xfffe) == 0xfffe)
        return REPLACEMENT;
    return point;
}

static void sink_point(struct sink *sink, uint32_t point)
{
    char bytes[4];
    size_t size = point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    static const uint32_t leads[] = {0, 0, 0xc0, 0xe0, 0xf0};

    for (size_t i = size - 1; i > 0; i--, point >>= 6)
        bytes[i] = (char)(0x80 | (point & 0x3f));
    bytes[0] = (char)(leads[size] | point);
    sink_add(sink, bytes, size);
}

static const char *reference(uint32_t point)
{
    switch (point) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    default:
        return NULL;
    }
}

static char *clean(const char *text, size_t size, bool markup)
{
    const uint8_t *bytes = (const uint8_t *)text;
    struct sink sink = {0};
    size_t length;

    sink_add(&sink, "", 0);
    for (size_t i = 0; i < size; i += length) {
        uint32_t point = decode(bytes + i, size - i, &length);
        const char *named = markup ? reference(point) : NULL;

        if (point == ESCAPE)
            length = escape_length(bytes + i, size - i);
        else if (named != NULL)
            sink_add(&sink, named, strlen(named));
        else if (point != '\r')
            sink_point(&sink, shown_as(point));
    }
    return sink.text;
}

char *clean_text(const char *bytes, size_t size)
{
    return clean(bytes, size, false);
}

char *clean_markup(const char *bytes, size_t size)
{
    return clean(bytes, size, true);
}
