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

/* A string of so many bytes in an object; the caller's. */
static char *large_text(size_t size)
{
    char *text = malloc(size + 9);

    assert_non_null(text);
    memcpy(text, "{\"a\":\"", 6);
    memset(text + 6, 'x', size);
    memcpy(text + 6 + size, "\"}", 3);
    return text;
}

/* In a process of its own, whose memory has room for the text once. */
static int parse_with_little_memory(const char *text)
{
    struct rlimit limit = {0};
    struct json_object *object;
    long pages = 0;
    FILE *statm = fopen("/proc/self/statm", "r");

    if (!statm || fscanf(statm, "%ld", &pages) != 1)
        return -EIO;
    fclose(statm);
    limit.rlim_cur = limit.rlim_max = (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE) + (1 << 20);
    if (setrlimit(RLIMIT_AS, &limit) < 0)
        return -errno;
    return json_parse(text, strlen(text), &object);
}

static void want_of_memory_is_no_damage(void **state)
{
    char *text = large_text(8u << 20);
    int status;
    pid_t child = fork();

    (void)state;
    assert_true(child >= 0);
    if (child == 0)
        _exit(-parse_with_little_memory(text));
    free(text);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), ENOMEM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_texts),
        cmocka_unit_test(a_text_is_no_longer_than_its_size),
        cmocka_unit_test(fields),
        cmocka_unit_test(nothing_is_added_to_nothing),
#ifndef __SANITIZE_ADDRESS__ /* whose own memory has no room under a limit */
        cmocka_unit_test(want_of_memory_is_no_damage),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
