/* JSON that is whole or not at all. */
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include "json.h"

static const struct {
    const char *text;
    bool whole;
} texts[] = {
    {"{}", true},
    {"{\"a\":1}", true},
    {"{\"a\":{\"b\":[1,2,{\"c\":null}]}}", true},
    {"", false},
    {"{", false},
    {"{\"a\":1", false},
    {"{\"a\":1}}", false},
    {"{\"a\":1} \n", true},
    {"{\"a\":1}x", false},
    {" {\"a\":1}", false},
    {"[1]", false},
    {"1", false},
    {"null", false},
    {"{\"a\":[[[[[[[[[[[[[[1]]]]]]]]]]]]]]}", true},
    {"{\"a\":[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]}", false},
};

static void whole_texts(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct json_object *object;

        print_message("%s\n", texts[i].text);
        assert_int_equal(json_parse(texts[i].text, strlen(texts[i].text), &object), 0);
        assert_int_equal(object != NULL, texts[i].whole);
        json_object_put(object);
    }
}

static void a_text_is_no_longer_than_its_size(void **state)
{
    struct json_object *object;

    (void)state;
    assert_int_equal(json_parse("{\"a\":1}{\"b\":2}", 7, &object), 0);
    assert_non_null(object);
    json_object_put(object);
}

static void fields(void **state)
{
    static const uint8_t bytes[] = {0x00, 0xab};
    struct json_object *object = json_object_new_object();

    (void)state;
    assert_true(json_add_text(object, "text", "t"));
    assert_true(json_add_text(object, "none", NULL));
    assert_true(json_add_number(object, "number", 1ull << 40));
    assert_true(json_add_flag(object, "flag", true));
    assert_true(json_add_hex(object, "hex", bytes, sizeof bytes));
    assert_true(json_add_hex(object, "no-hex", NULL, 2));
    assert_string_equal(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN),
                        "{\"text\":\"t\",\"none\":null,\"number\":1099511627776,\"flag\":true,"
                        "\"hex\":\"00ab\",\"no-hex\":null}");
    assert_true(json_flag(object, "flag"));
    assert_false(json_flag(object, "number"));
    assert_false(json_flag(object, "absent"));
    json_object_put(object);
}

static void text_of_an_object(void **state)
{
    struct json_object *object = json_object_new_object();
    size_t size = 7;

    (void)state;
    assert_true(json_add_text(object, "path", "/a/b"));
    assert_true(json_add_text(object, "none", NULL));
    assert_string_equal(
        json_text(object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &size),
        "{\"path\":\"/a/b\",\"none\":null}");
    assert_int_equal(size, 27);
    assert_null(json_text(NULL, JSON_C_TO_STRING_PLAIN, NULL));
    json_object_put(object);
}

static void nothing_is_added_to_nothing(void **state)
{
    struct json_object *object = json_object_new_object(), *list = json_object_new_array();

    (void)state;
    assert_false(json_add_text(NULL, "a", "b"));
    assert_false(json_add_text(NULL, "a", NULL));
    assert_false(json_add_number(NULL, "a", 1));
    assert_false(json_add(NULL, "a", json_object_new_int(1)));
    assert_false(json_add(object, "a", NULL));
    assert_false(json_append(NULL, json_object_new_int(1)));
    assert_false(json_append(list, NULL));
    assert_int_equal(json_object_object_length(object), 0);
    assert_int_equal(json_object_array_length(list), 0);
    json_object_put(list);
    assert_ptr_equal(json_whole(true, object), object);
    assert_null(json_whole(false, object));
    assert_null(json_whole(false, NULL));
}

#ifndef __SANITIZE_ADDRESS__ /* whose own memory has no room under a limit */
/* Texts of the two shapes that take most: a long string, and many small objects. The caller's. */
static char *long_string(void)
{
    static const size_t size = 600u << 10;
    char *text = malloc(size + 9);

    assert_non_null(text);
    memcpy(text, "{\"a\":\"", 6);
    memset(text + 6, 'x', size);
    memcpy(text + 6 + size, "\"}", 3);
    return text;
}

static char *many_objects(void)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    assert_non_null(out);
    fputs("{\"holds\":[", out);
    for (int i = 0; i < 3000; i++)
        fprintf(out, "%s{\"path\":\"/opt/acme/some/directory/%d\",\"type\":\"d\"}", i ? "," : "",
                i);
    fputs("]}", out);
    assert_int_equal(fclose(out), 0);
    return text;
}

enum { WHOLE, REFUSED, WRONG, NOT_LIMITED };

static int limit_memory(size_t more)
{
    struct rlimit limit = {0};
    long pages = 0;
    FILE *statm = fopen("/proc/self/statm", "r");

    if (!statm || fscanf(statm, "%ld", &pages) != 1)
        return -EIO;
    fclose(statm);
    limit.rlim_cur = limit.rlim_max = (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE) + more;
    return setrlimit(RLIMIT_AS, &limit);
}

/* In a process of its own, with so much memory more than it has. */
static int read_with(const char *text, struct json_object *wanted, size_t more)
{
    struct json_object *object = NULL;
    int error;

    if (limit_memory(more) < 0)
        return NOT_LIMITED;
    error = json_parse(text, strlen(text), &object);
    return error == -ENOMEM                                  ? REFUSED
           : error == 0 && json_object_equal(object, wanted) ? WHOLE
                                                             : WRONG;
}

static int write_with(const char *text, struct json_object *object, size_t more)
{
    size_t size = 0;
    const char *made;

    if (limit_memory(more) < 0)
        return NOT_LIMITED;
    made = json_text(object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &size);
    return !made ? REFUSED : size == strlen(text) && strcmp(made, text) == 0 ? WHOLE : WRONG;
}

typedef int attempt(const char *text, struct json_object *object, size_t more);

static int in_a_child(attempt *try, const char *text, struct json_object *object, size_t more)
{
    int status;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0)
        _exit(try(text, object, more));
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status)); /* json-c crashes where it is refused memory */
    return WEXITSTATUS(status);
}

/* However little memory there is: whole, or refused. */
static void at_every_limit(attempt *try, char *text)
{
    struct json_object *object = json_tokener_parse(text);
    bool seen[2] = {false, false};

    assert_non_null(object);
    for (size_t more = 0; more < (48u << 20); more += more < (2u << 20) ? 64u << 10 : 2u << 20) {
        int end = in_a_child(try, text, object, more);

        assert_in_range(end, WHOLE, REFUSED);
        seen[end] = true;
    }
    assert_true(seen[WHOLE] && seen[REFUSED]);
    json_object_put(object);
    free(text);
}

static void read_whole_or_not_at_all(void **state)
{
    (void)state;
    at_every_limit(read_with, long_string());
    at_every_limit(read_with, many_objects());
}

static void written_whole_or_not_at_all(void **state)
{
    (void)state;
    at_every_limit(write_with, long_string());
    at_every_limit(write_with, many_objects());
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_texts),
        cmocka_unit_test(a_text_is_no_longer_than_its_size),
        cmocka_unit_test(fields),
        cmocka_unit_test(text_of_an_object),
        cmocka_unit_test(nothing_is_added_to_nothing),
#ifndef __SANITIZE_ADDRESS__
        cmocka_unit_test(read_whole_or_not_at_all),
        cmocka_unit_test(written_whole_or_not_at_all),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
