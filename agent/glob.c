#include "glob.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * One pattern element against one byte: how many bytes of the pattern it took,
 * 0 where it does not match.
 */
static size_t match_bracket(const char *p, const char *end, char c)
{
    const char *at = p + 1;
    bool negated = at < end && (*at == '!' || *at == '^'), found = false;

    if (negated)
        at++;
    for (const char *first = at; at < end && (*at != ']' || at == first);) {
        unsigned char low = (unsigned char)*at++, high = low;

        if (at + 1 < end && at[0] == '-' && at[1] != ']') {
            high = (unsigned char)at[1];
            at += 2;
        }
        if (low <= (unsigned char)c && (unsigned char)c <= high)
            found = true;
    }
    return found != negated ? (size_t)(at - p) + 1 : 0;
}

static size_t match_one(const char *p, const char *end, char c)
{
    if (p == end)
        return 0;
    if (*p == '?')
        return 1;
    if (*p == '[')
        return match_bracket(p, end, c);
    if (*p == '\\')
        return p[1] == c ? 2 : 0;
    return *p == c;
}

static bool name_matches(const char *pattern, const char *name, size_t size)
{
    const char *p = pattern, *end = pattern + strlen(pattern), *star = NULL;
    const char *n = name, *last = name + size, *mark = NULL;

    while (n < last) {
        size_t taken;

        if (p < end && *p == '*') {
            star = ++p;
            mark = n;
        } else if ((taken = match_one(p, end, *n))) {
            p += taken;
            n++;
        } else if (star) {
            p = star;
            n = ++mark;
        } else {
            return false;
        }
    }
    while (p < end && *p == '*')
        p++;
    return p == end;
}

static bool bracket_is_closed(const char *p, const char **end)
{
    p++;
    if (*p == '!' || *p == '^')
        p++;
    if (*p == ']')
        p++;
    while (*p && *p != ']')
        p++;
    *end = p;
    return *p == ']';
}

static const char *check_name(const char *name, bool *literal)
{
    *literal = true;
    if (!*name)
        return "an empty name (two slashes, or one at the end)";
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return "\".\" or \"..\" in a path";
    for (const char *p = name; *p; p++) {
        if (*p == '\\') {
            if (!*++p)
                return "a backslash with nothing after it";
            continue;
        }
        if (*p == '[' && !bracket_is_closed(p, &p))
            return "a '[' that is not closed";
        if (*p == ']' || *p == '*' || *p == '?')
            *literal = false;
        if (*p == '*' && p[1] == '*' && (p != name || p[2]))
            return "'**' next to other characters; it stands for whole names only";
    }
    return NULL;
}

static void take_out_backslashes(char *name)
{
    char *out = name;

    for (char *p = name; *p; p++) {
        if (*p == '\\')
            p++;
        *out++ = *p;
    }
    *out = '\0';
}

static const char *add_part(struct glob *glob, char *name)
{
    struct glob_part *part = &glob->parts[glob->count];
    const char *why = check_name(name, &part->literal);

    if (why)
        return why;
    if (part->literal)
        take_out_backslashes(name);
    part->text = name;
    part->deep = !part->literal && strcmp(name, "**") == 0;
    glob->count++;
    return NULL;
}

static const char *split(struct glob *glob)
{
    const char *why = NULL;

    for (char *name = glob->memory + 1; name && !why;) {
        char *slash = strchr(name, '/');

        if (slash)
            *slash++ = '\0';
        if (glob->count == GLOB_PARTS_MAX)
            return "too many names in it";
        why = add_part(glob, name);
        name = slash;
    }
    return why;
}

int glob_compile(const char *text, struct glob *glob, const char **why)
{
    struct glob made = {0};

    if (*text != '/' || !text[1]) {
        *why = *text == '/' ? "it is the root itself" : "it is not absolute";
        return -EINVAL;
    }
    made.memory = strdup(text);
    made.parts = calloc(GLOB_PARTS_MAX, sizeof *made.parts);
    if (!made.memory || !made.parts) {
        glob_free(&made);
        return -ENOMEM;
    }
    *why = split(&made);
    if (*why) {
        glob_free(&made);
        return -EINVAL;
    }
    while (made.prefix + 1 < made.count && made.parts[made.prefix].literal)
        made.prefix++;
    *glob = made;
    return 0;
}

void glob_free(struct glob *glob)
{
    free(glob->memory);
    free(glob->parts);
    *glob = (struct glob){0};
}

uint64_t glob_state(const struct glob *glob, size_t part)
{
    uint64_t state = 0;

    while (part < glob->count) {
        state |= UINT64_C(1) << part;
        if (!glob->parts[part].deep)
            break;
        part++; /* a double star may stand for no name at all */
    }
    return state;
}

uint64_t glob_step(const struct glob *glob, uint64_t state, const char *name, size_t size,
                   bool *matched, bool *deep)
{
    uint64_t next = 0;

    *matched = *deep = false;
    while (state) {
        size_t i = (size_t)__builtin_ctzll(state);
        const struct glob_part *part = &glob->parts[i];

        state &= state - 1;
        if (part->deep) {
            next |= glob_state(glob, i);
            if (i + 1 == glob->count)
                *matched = *deep = true;
        } else if (part->literal ? strlen(part->text) == size && !memcmp(part->text, name, size)
                                 : name_matches(part->text, name, size)) {
            next |= glob_state(glob, i + 1);
            if (i + 1 == glob->count)
                *matched = true;
        }
    }
    return next;
}

/* Steps through the names of path. *matched: of the last name; *above: a name before it matched. */
static uint64_t step_through(const struct glob *glob, const char *path, bool *matched, bool *above)
{
    uint64_t state = glob_state(glob, 0);
    bool deep;

    *matched = *above = false;
    while (*path == '/' && path[1]) {
        size_t size = strcspn(++path, "/");

        *above |= *matched;
        state = glob_step(glob, state, path, size, matched, &deep);
        path += size;
    }
    return state;
}

bool glob_covers(const struct glob *glob, const char *path, bool beneath)
{
    bool matched, above;

    step_through(glob, path, &matched, &above);
    return matched || (beneath && above);
}

bool glob_reaches(const struct glob *glob, const char *directory)
{
    bool matched, above;
    uint64_t state = step_through(glob, directory, &matched, &above);

    return state || matched || above;
}

int glob_matches(const char *glob, const char *path)
{
    struct glob compiled;
    const char *why;
    int matches;

    if (glob_compile(glob, &compiled, &why) != 0)
        return 0;
    matches = glob_covers(&compiled, path, false);
    glob_free(&compiled);
    return matches;
}

char *glob_prefix(const struct glob *glob)
{
    size_t size = 2;
    char *path, *at;

    for (size_t i = 0; i < glob->prefix; i++)
        size += strlen(glob->parts[i].text) + 1;
    path = at = malloc(size);
    if (!path)
        return NULL;
    strcpy(at, glob->prefix ? "" : "/");
    for (size_t i = 0; i < glob->prefix; i++)
        at += sprintf(at, "/%s", glob->parts[i].text);
    return path;
}
