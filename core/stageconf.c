#include "stageconf.h"

#include "chars.h"

/* Bytes within the text; no NUL behind them. */
struct span {
    const char *at;
    size_t length;
};

static int is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static struct span span_trim(struct span span)
{
    while (span.length > 0 && is_blank(span.at[0])) {
        span.at++;
        span.length--;
    }
    while (span.length > 0 && is_blank(span.at[span.length - 1]))
        span.length--;
    return span;
}

/* The bytes before the first `stop`; *rest is what follows it. 0 if there is none. */
static int span_split(struct span span, char stop, struct span *before, struct span *rest)
{
    for (size_t i = 0; i < span.length; i++) {
        if (span.at[i] == stop) {
            *before = (struct span){span.at, i};
            *rest = (struct span){span.at + i + 1, span.length - i - 1};
            return 1;
        }
    }
    return 0;
}

/* What FAT forbids in a name, and the separators of other systems. */
static int is_path_byte(char c)
{
    static const char forbidden[] = "\"*/:<>?|";

    if (c < 0x20 || c > 0x7e)
        return 0;
    for (size_t i = 0; forbidden[i] != '\0'; i++)
        if (c == forbidden[i])
            return 0;
    return 1;
}

/* FAT drops dots and spaces at the end of a name: a part of nothing else leads elsewhere. */
static int part_is_safe(const char *part, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (part[i] != '.' && part[i] != ' ')
            return 1;
    return 0;
}

static int path_is_safe(const char *path, size_t length)
{
    size_t part = 1;

    if (length < 2 || length >= STAGECONF_PATH_MAX || path[0] != '\\')
        return 0;
    for (size_t i = 1; i < length; i++) {
        if (!is_path_byte(path[i]))
            return 0;
        if (path[i] != '\\')
            continue;
        if (!part_is_safe(path + part, i - part))
            return 0;
        part = i + 1;
    }
    return part_is_safe(path + part, length - part);
}

int stageconf_path_is_safe(const char *path)
{
    size_t length = 0;

    while (length < STAGECONF_PATH_MAX && path[length] != '\0')
        length++;
    return path_is_safe(path, length);
}

static int add_next(struct stageconf *conf, struct span value)
{
    char *path;

    if (conf->next_count >= STAGECONF_NEXT_MAX || !path_is_safe(value.at, value.length))
        return 0;
    path = conf->next[conf->next_count++];
    for (size_t i = 0; i < value.length; i++)
        path[i] = value.at[i];
    path[value.length] = '\0';
    return 1;
}

static int set_retire(struct stageconf *conf, struct span value)
{
    int yes =
        text_equals(value.at, value.length, "yes") || text_equals(value.at, value.length, "1");
    int no = text_equals(value.at, value.length, "no") || text_equals(value.at, value.length, "0");

    if (yes || no)
        conf->retire = (uint8_t)yes;
    return yes || no;
}

/* 1 if the line was of use, or was not meant to be. */
static int take_line(struct stageconf *conf, struct span line)
{
    struct span key;
    struct span value;
    enum policy_result result;

    line = span_trim(line);
    if (line.length == 0 || line.at[0] == '#' || line.at[0] == ';')
        return 1;
    if (!span_split(line, '=', &key, &value))
        return 0;
    key = span_trim(key);
    value = span_trim(value);
    if (text_equals(key.at, key.length, "next"))
        return add_next(conf, value);
    if (text_equals(key.at, key.length, "retire"))
        return set_retire(conf, value);
    result = policy_set(&conf->policy, key.at, key.length, value.at, value.length);
    return result == POLICY_OK || result == POLICY_CLAMPED;
}

static void conf_clear(struct stageconf *conf)
{
    policy_defaults(&conf->policy);
    conf->next_count = 0;
    for (size_t i = 0; i < STAGECONF_NEXT_MAX; i++)
        conf->next[i][0] = '\0';
    conf->retire = 0;
    conf->bad_lines = 0;
    conf->first_bad_line = 0;
}

/* Editors of other systems put a byte order mark in front. */
static struct span skip_bom(struct span text)
{
    static const char bom[] = "\xef\xbb\xbf";

    if (text.length >= 3 && text_equals(text.at, 3, bom))
        return (struct span){text.at + 3, text.length - 3};
    return text;
}

void stageconf_parse(struct stageconf *conf, const char *text, size_t size)
{
    struct span rest = {text, size};
    unsigned number = 0;

    conf_clear(conf);
    if (size > STAGECONF_MAX_SIZE)
        return;
    rest = skip_bom(rest);
    while (rest.length > 0) {
        struct span line = rest;

        if (!span_split(rest, '\n', &line, &rest))
            rest.length = 0;
        number++;
        if (take_line(conf, line))
            continue;
        conf->bad_lines++;
        if (conf->first_bad_line == 0)
            conf->first_bad_line = number;
    }
    policy_clamp(&conf->policy);
}
