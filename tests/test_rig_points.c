/* What became of a proof's points, kept from run to run. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../qemu/points.h"
#include "scratch.h"

static const char *file(const char *name)
{
    static char path[128];

    snprintf(path, sizeof path, "%s/%s", scratch, name);
    return path;
}

static void kept_and_found(void **state)
{
    struct points points;

    (void)state;
    assert_int_equal(points_open(&points, file("kept")), 0);
    assert_null(points_find(&points, "1"));
    assert_int_equal(points_add(&points, "2", POINT_FAILED, "it said \"no\"\nand more"), 0);
    assert_int_equal(points_add(&points, "10", POINT_WELL, ""), 0);
    assert_int_equal(points_add(&points, "1", POINT_APART, "torn"), 0);
    points_close(&points);
    assert_int_equal(points_open(&points, file("kept")), 0);
    assert_int_equal(points.count, 3);
    assert_int_equal(points_find(&points, "10")->result, POINT_WELL);
    assert_int_equal(points_find(&points, "2")->result, POINT_FAILED);
    assert_int_equal(points_find(&points, "1")->result, POINT_APART);
    assert_string_equal(points_find(&points, "2")->detail, "it said \"no\"\nand more");
    points_close(&points);
}

static void the_last_result_counts(void **state)
{
    struct points points;

    (void)state;
    assert_int_equal(points_open(&points, file("again")), 0);
    points_add(&points, "7", POINT_FAILED, "broken");
    points_add(&points, "7", POINT_WELL, "");
    points_close(&points);
    assert_int_equal(points_open(&points, file("again")), 0);
    assert_int_equal(points.count, 1);
    assert_int_equal(points_find(&points, "7")->result, POINT_WELL);
    points_close(&points);
}

/* Killed while it wrote: the half line goes, and what comes next stands on a line of its own. */
static void half_a_line(void **state)
{
    static const char text[] = "{\"id\":\"1\",\"result\":\"well\"}\n{\"id\":\"2\",\"resu";
    struct points points;

    (void)state;
    assert_int_equal(file_write(file("half"), text, sizeof text - 1), 0);
    assert_int_equal(points_open(&points, file("half")), 0);
    assert_int_equal(points.count, 1);
    points_add(&points, "3", POINT_WELL, "");
    points_close(&points);
    assert_int_equal(points_open(&points, file("half")), 0);
    assert_int_equal(points.count, 2);
    points_close(&points);
}

static void something_else(void **state)
{
    struct points points;

    (void)state;
    assert_int_equal(file_write(file("else"), "hello\n", 6), 0);
    assert_int_equal(points_open(&points, file("else")), -EBADMSG);
    points_close(&points);
    assert_int_equal(file_write(file("else"), "{\"id\":\"1\"}\n", 11), 0);
    assert_int_equal(points_open(&points, file("else")), -EBADMSG);
    points_close(&points);
}

/* What is looked at alone. */
static void without_a_file(void **state)
{
    struct points points = {0};

    (void)state;
    assert_int_equal(points_add(&points, "5", POINT_FAILED, "why"), 0);
    assert_int_equal(points_find(&points, "5")->result, POINT_FAILED);
    points_close(&points);
}

static void add(const char *name, const char *id, const char *result, int boots)
{
    struct json_object *point = json_object_new_object();

    json_object_object_add(point, "id", json_object_new_string(id));
    json_object_object_add(point, "result", json_object_new_string(result));
    json_object_object_add(point, "boots", json_object_new_int(boots));
    assert_int_equal(points_append(file(name), point), 0);
}

static void ids_in_order(void *context, const char *id, struct json_object *point)
{
    (void)point;
    text_append(context, id);
    text_append(context, " ");
}

static void a_proofs_own_words(void **state)
{
    static const char half[] = "{\"id\":\"4\",\"resu";
    struct json_object *points = json_object_new_object(), *point;
    TEXT_AUTO ids = NULL;
    TEXT_AUTO bytes = NULL;
    TEXT_AUTO more = NULL;

    (void)state;
    assert_int_equal(points_each(file("own"), ids_in_order, &ids), 0); /* none is there yet */
    assert_null(ids);
    add("own", "a/2", "broken", 3);
    add("own", "a/1", "well", 5);
    add("own", "a/2", "well", 7);
    assert_int_equal(points_each(file("own"), ids_in_order, &ids), 0);
    assert_string_equal(ids, "a/2 a/1 a/2 ");
    bytes = file_read(file("own"), NULL);
    more = text_format("%s%s", bytes, half);
    assert_int_equal(file_write(file("own"), more, strlen(more)), 0);
    assert_int_equal(points_collect(file("own"), points), -EBADMSG);
    assert_int_equal(json_object_object_length(points), 2);
    point = json_object_object_get(points, "a/2");
    assert_true(point_is_well(point));
    assert_int_equal(json_object_get_int(json_object_object_get(point, "boots")), 7);
    add("own", "a/3", "broken", 1); /* behind the half line, and not lost with it */
    assert_int_equal(points_collect(file("own"), points), -EBADMSG);
    assert_false(point_is_well(json_object_object_get(points, "a/3")));
    assert_int_equal(json_object_object_length(points), 3);
    json_object_put(points);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(kept_and_found), cmocka_unit_test(the_last_result_counts),
        cmocka_unit_test(half_a_line),    cmocka_unit_test(something_else),
        cmocka_unit_test(without_a_file), cmocka_unit_test(a_proofs_own_words),
    };

    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
