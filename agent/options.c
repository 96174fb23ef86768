#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "text.h"

static const struct option all_options[] = {
    {"json", no_argument, NULL, OPTION_JSON},       {"root", required_argument, NULL, OPTION_ROOT},
    {"now", no_argument, NULL, OPTION_NOW},         {"drivers", no_argument, NULL, OPTION_DRIVERS},
    {"modules", no_argument, NULL, OPTION_MODULES}, {NULL, 0, NULL, 0},
};

bool options_parse(int argc, char **argv, unsigned allowed, struct options *options,
                   struct diag *diag)
{
    struct option known[sizeof all_options / sizeof *all_options] = {0};
    struct options parsed = {0};
    size_t count = 0;
    int found;

    for (const struct option *option = all_options; option->name; option++)
        if (allowed & (unsigned)option->val)
            known[count++] = *option;
    opterr = 0;
    optind = 0;
    while ((found = getopt_long(argc, argv, ":", known, NULL)) != -1) {
        if (found == OPTION_JSON)
            parsed.json = true;
        else if (found == OPTION_ROOT)
            parsed.root = optarg;
        else if (found == OPTION_NOW)
            parsed.now = true;
        else if (found == OPTION_DRIVERS)
            parsed.drivers = true;
        else if (found == OPTION_MODULES)
            parsed.modules = true;
        else
            break;
    }
    if (found != -1) {
        diag_report(diag, DIAG_ERROR, "%s: %s %s; `backstop %s --help` shows its words", argv[0],
                    argv[optind - 1], found == ':' ? "needs a value" : "is not understood",
                    argv[0]);
        return false;
    }
    parsed.words = argv + optind;
    parsed.word_count = argc - optind;
    *options = parsed;
    return true;
}

static int open_state(struct place *place, struct diag *diag)
{
    int error = place_open_state(place, false);

    if (!error)
        return EXIT_OK;
    diag_report(diag, DIAG_ERROR, "%s%s: %s; %s", place->live ? "" : place->root, STATE_DIR,
                strerror(-error),
                error == -EACCES || error == -EPERM ? "run this as root"
                : error == -ENOENT                  ? "`backstop good take --now` makes it"
                                                    : "check the file system");
    return error == -EACCES || error == -EPERM || error == -ENOENT ? EXIT_NOT_HERE : EXIT_FAILED;
}

int options_open(const struct options *options, bool state, struct place *place, struct diag *diag)
{
    int error = place_open(place, options->root), code;

    if (error) {
        diag_report(diag, DIAG_ERROR, "%s: %s; --root takes a directory",
                    options->root ? options->root : "/", strerror(-error));
        return EXIT_USAGE;
    }
    code = state ? open_state(place, diag) : EXIT_OK;
    if (code != EXIT_OK)
        place_close(place);
    return code;
}

int options_open_as_root(const char *verb, const char *root, struct place *place, struct diag *diag)
{
    const struct options options = {.root = root};

    if (geteuid() != 0 && !root) {
        diag_report(diag, DIAG_ERROR, "%s: only root may do this; use sudo", verb);
        return EXIT_NOT_HERE;
    }
    return options_open(&options, false, place, diag);
}

const char *size_text(uint64_t bytes, char text[SIZE_TEXT])
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    size_t unit = 0;
    double n = (double)bytes / 1024;

    if (bytes < 1024) {
        snprintf(text, SIZE_TEXT, "%" PRIu64 " B", bytes);
        return text;
    }
    for (; n >= 1024; unit++)
        n /= 1024;
    snprintf(text, SIZE_TEXT, "%.1f %s", n, units[unit]);
    return text;
}

void print_name(const char *name)
{
    for (const unsigned char *p = (const unsigned char *)name; *p; p++) {
        if (*p < 0x20 || *p == 0x7f)
            printf("%%%02X", *p);
        else
            putchar(*p);
    }
}

/* Length of the UTF-8 character at p, 0 where there is none (RFC 3629). */
static size_t utf8_length(const unsigned char *p)
{
    size_t length = *p < 0x80   ? 1
                    : *p < 0xc2 ? 0
                    : *p < 0xe0 ? 2
                    : *p < 0xf0 ? 3
                    : *p < 0xf5 ? 4
                                : 0;

    for (size_t i = 1; i < length; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    if ((*p == 0xe0 && p[1] < 0xa0) || (*p == 0xed && p[1] > 0x9f) || (*p == 0xf0 && p[1] < 0x90) ||
        (*p == 0xf4 && p[1] > 0x8f))
        return 0;
    return length;
}

static bool is_utf8(const char *name)
{
    const unsigned char *p = (const unsigned char *)name;

    while (*p) {
        size_t length = utf8_length(p);

        if (!length)
            return false;
        p += length;
    }
    return true;
}

void json_add_name(struct json_object *object, const char *key, const char *name)
{
    size_t size = strlen(name);
    char *escaped, *escaped_key = NULL;

    if (is_utf8(name)) {
        json_add_text(object, key, name);
        return;
    }
    escaped = malloc(3 * size + 1);
    if (escaped && asprintf(&escaped_key, "%s_escaped", key) >= 0) {
        size = text_escape(name, size, escaped);
        json_add(object, key, json_object_new_string_len(escaped, (int)size));
        json_add_flag(object, escaped_key, true);
        free(escaped_key);
    }
    free(escaped);
}

void json_print(struct json_object *object)
{
    puts(json_object_to_json_string_ext(object,
                                        JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
    json_object_put(object);
}
