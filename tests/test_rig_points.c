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
    assert_int_equal(points_add(&points, "2", false, "it said \"no\"\nand more"), 0);
    assert_int_equal(points_add(&points, "10", true, ""), 0);
    assert_int_equal(points_add(&points, "1", true, ""), 0);
    points_close(&points);
    assert_int_equal(points_open(&points, file("kept")), 0);
    assert_int_equal(points.count, 3);
    assert_true(points_find(&points, "10")->well);
    assert_false(points_find(&points, "2")->well);
    assert_string_equal(points_find(&points, "2")->detail, "it said \"no\"\nand more");
    points_close(&points);
}

static void the_last_result_counts(void **state)
{
    struct points points;

    (void)state;
    assert_int_equal(points_open(&points, file("again")), 0);
    points_add(&points, "7", false, "broken");
    points_add(&points, "7", true, "");
    points_close(&points);
    assert_int_equal(points_open(&points, file("again")), 0);
    assert_int_equal(points.count, 1);
    assert_true(points_find(&points, "7")->well);
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
    points_add(&points, "3", true, "");
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

static void a_group_forgotten(void **state)
{
    struct points points;

    (void)state;
    assert_int_equal(points_forget(file("groups"), "xfs"), 0); /* none is there yet */
    assert_int_equal(points_open(&points, file("groups")), 0);
    points_add(&points, "ext4/1", true, "");
    points_add(&points, "xfs/1", true, "");
    points_add(&points, "xfs2/1", false, "why");
    points_close(&points);
    assert_int_equal(points_forget(file("groups"), "xfs"), 0);
    assert_int_equal(points_open(&points, file("groups")), 0);
    assert_int_equal(points.count, 2);
    assert_null(points_find(&points, "xfs/1"));
    assert_string_equal(points_find(&points, "xfs2/1")->detail, "why");
    points_close(&points);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(kept_and_found),    cmocka_unit_test(the_last_result_counts),
        cmocka_unit_test(half_a_line),       cmocka_unit_test(something_else),
        cmocka_unit_test(a_group_forgotten),
    };

    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
