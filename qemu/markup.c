#include "markup.h"

#include <openssl/evp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include "clean.h"
#include "text.h"

void markup_bytes(FILE *file, const char *bytes, size_t size)
{
    TEXT_AUTO text = clean_markup(bytes, size);

    fputs(text, file);
}

static void put_argument(FILE *file, const char *spec, va_list *arguments)
{
    const char *text;

    switch (spec[strlen(spec) - 1]) {
    case 's':
        text = va_arg(*arguments, const char *);
        if (text != NULL)
            markup_bytes(file, text, strlen(text));
        break;
    case 'f':
        fprintf(file, "%.*f", spec[1] == '.' ? spec[2] - '0' : 1, va_arg(*arguments, double));
        break;
    case 'u':
        fprintf(file, "%zu", va_arg(*arguments, size_t));
        break;
    case 'd':
        if (spec[1] == 'l')
            fprintf(file, "%ld", va_arg(*arguments, long));
        else
            fprintf(file, "%d", va_arg(*arguments, int));
        break;
    default:
        abort();
    }
}

void markup(FILE *file, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    while (*format != '\0') {
        size_t plain = strcspn(format, "%");
        char spec[8] = "";

        fwrite(format, 1, plain, file);
        format += plain;
        if (*format == '\0')
            break;
        if (format[1] == '%') {
            fputc('%', file);
            format += 2;
            continue;
        }
        snprintf(spec, sizeof spec, "%.*s", (int)strcspn(format, "sfud") + 1, format);
        put_argument(file, spec, &arguments);
        format += strlen(spec);
    }
    va_end(arguments);
}

/* A picture that was cut off while it was written has no end. */
static bool is_png(const char *bytes, size_t size)
{
    static const char start[] = "\x89PNG\r\n\x1a\n", end[] = "IEND\xae\x42\x60\x82";

    return size > sizeof start + sizeof end && memcmp(bytes, start, sizeof start - 1) == 0 &&
           memcmp(bytes + size - (sizeof end - 1), end, sizeof end - 1) == 0;
}

char *png_url(const char *path, size_t max)
{
    static const char start[] = "data:image/png;base64,";
    size_t size = 0;
    TEXT_AUTO bytes = file_read(path, &size);
    char *url;

    if (bytes == NULL || size > max || !is_png(bytes, size))
        return NULL;
    url = malloc(sizeof start + 4 * (size / 3 + 1));
    if (url == NULL)
        abort();
    memcpy(url, start, sizeof start);
    EVP_EncodeBlock((unsigned char *)url + sizeof start - 1, (const unsigned char *)bytes,
                    (int)size);
    return url;
}

struct json_object *member(const struct json_object *object, const char *key)
{
    struct json_object *value = NULL;

    return json_object_object_get_ex(object, key, &value) ? value : NULL;
}

const char *member_text(const struct json_object *object, const char *key)
{
    struct json_object *value = member(object, key);

    return json_object_is_type(value, json_type_string) ? json_object_get_string(value) : "";
}

double member_number(const struct json_object *object, const char *key)
{
    return json_object_get_double(member(object, key));
}

bool member_true(const struct json_object *object, const char *key)
{
    struct json_object *value = member(object, key);

    return json_object_is_type(value, json_type_boolean) && json_object_get_boolean(value);
}

size_t member_count(const struct json_object *object, const char *key)
{
    struct json_object *value = member(object, key);

    return json_object_is_type(value, json_type_array) ? json_object_array_length(value) : 0;
}

struct json_object *member_item(const struct json_object *object, const char *key, size_t index)
{
    struct json_object *value = member(object, key);

    return json_object_is_type(value, json_type_array) ? json_object_array_get_idx(value, index)
                                                       : NULL;
}
