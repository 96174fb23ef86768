/* The live view's picture: a row a machine, a cell a boot, within any terminal. */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../qemu/view.h"

/* Ten machines: one that runs, one that failed, one that passed, one left out, the others wait. */
static struct view *example(void)
{
    struct view *view = view_new(10);
    const char *const names[] = {
        "passes",  "fails",   "runs",    "left",    "waits-1",
        "waits-2", "waits-3", "waits-4", "waits-5", "a-name-that-is-longer-than-its-column"};

    assert_non_null(view);
    view->started = 0;
    for (size_t i = 0; i < ROWS(names); i++)
        assert_non_null(view_add(view, names[i]));
    assert_null(view_add(view, "no room"));
    for (size_t i = 0; i < 3; i++) {
        view_begin(&view->rows[i]);
        view->rows[i].started = 10;
    }
    view_boot(&view->rows[0], 1, HOW_PANIC);
    view_boot(&view->rows[0], 2, HOW_SAFE);
    view_boot(&view->rows[0], 3, HOW_GOOD);
    view_end(&view->rows[0], VIEW_PASSED, "PASS");
    view->rows[0].ended = 75;
    view_boot(&view->rows[1], 1, HOW_HANG);
    view_end(&view->rows[1], VIEW_FAILED, "FAIL: reason");
    view->rows[1].ended = 20;
    view_boot(&view->rows[2], 1, HOW_CUT);
    view_boot(&view->rows[2], 2, HOW_RUNNING);
    view_stage(&view->rows[2], "initramfs");
    view_end(&view->rows[3], VIEW_LEFT_OUT, "LEFT");
    return view;
}

static char *rendered(const struct view *view, unsigned width, unsigned height)
{
    const struct view_size size = {width, height, false};

    return view_render(view, &size, 70);
}

static const char *line_with(const char *text, const char *what)
{
    static char line[512];
    const char *found = strstr(text, what), *start = found;

    assert_non_null(found);
    while (start > text && start[-1] != '\n')
        start--;
    snprintf(line, sizeof line, "%.*s", (int)strcspn(start, "\n"), start);
    return line;
}

static void a_row_says_what_came_of_each_boot(void **state)
{
    struct view *view = example();
    char *text = rendered(view, 80, 0);

    (void)state;
    assert_non_null(strstr(line_with(text, "passes"), "ok   passes"));
    assert_non_null(strstr(line_with(text, "passes"), " PSG "));
    assert_non_null(strstr(line_with(text, "passes"), " 1:05 "));
    assert_non_null(strstr(line_with(text, "fails"), "FAIL fails"));
    assert_non_null(strstr(line_with(text, "runs"), " C> "));
    assert_non_null(strstr(line_with(text, "runs"), " 1:00 initramfs"));
    assert_non_null(strstr(text, "1 passed, 1 failed, 1 running, 6 waiting, 1 left out, 1:10\n"));
    free(text);
    view_free(view);
}

static size_t longest_line(const char *text, size_t *lines)
{
    size_t longest = 0;

    for (*lines = 0; *text != '\0'; (*lines)++) {
        size_t length = strcspn(text, "\n");

        longest = length > longest ? length : longest;
        text += length + 1;
    }
    return longest;
}

/* What a terminal of any size shows fits into it, and names what runs and what failed as long as
 * there are lines for it. */
static void it_fits_any_terminal(void **state)
{
    struct view *view = example();

    (void)state;
    for (unsigned width = 24; width <= 200; width += 4) {
        for (unsigned height = 5; height <= 40; height++) {
            char *text = rendered(view, width, height);
            size_t lines;

            assert_true(longest_line(text, &lines) <= width);
            assert_true(lines < height);
            assert_true(height < 6 || strstr(text, "runs") != NULL);
            assert_true(height < 7 || strstr(text, "fails") != NULL);
            free(text);
        }
    }
    view_free(view);
}

static void many_boots_show_the_last(void **state)
{
    struct view *view = view_new(1);
    struct view_row *row = view_add(view, "many");
    char *text;

    (void)state;
    view_begin(row);
    for (size_t i = 1; i <= 100; i++)
        view_boot(row, i, i == 100 ? HOW_SAFE : HOW_PANIC);
    text = rendered(view, 60, 0);
    assert_non_null(strstr(text, " <PPP"));
    assert_non_null(strstr(text, "PPS "));
    free(text);
    for (size_t i = 101; i <= 100 + VIEW_BOOTS_MAX; i++)
        view_boot(row, i, HOW_GOOD);
    text = rendered(view, 60, 0);
    free(text);
    view_free(view);
}

static void a_process_that_died_has_failed(void **state)
{
    struct view *view = view_new(2);
    struct view_row *row = view_add(view, "died"), *ended = view_add(view, "ended");

    (void)state;
    view_begin(row);
    row->pid = 7;
    view_begin(ended);
    ended->pid = 8;
    view_end(ended, VIEW_PASSED, "PASS");
    view_gone(view, 7);
    view_gone(view, 8);
    assert_int_equal(row->state, VIEW_FAILED);
    assert_string_equal(row->said, "its process ended without a word");
    assert_int_equal(ended->state, VIEW_PASSED);
    view_free(view);
}

static void without_a_view_nothing_is_written(void **state)
{
    (void)state;
    assert_null(view_add(NULL, "x"));
    view_begin(NULL);
    view_boot(NULL, 1, HOW_GOOD);
    view_stage(NULL, "x");
    view_end(NULL, VIEW_FAILED, "x");
    view_gone(NULL, 1);
    view_free(NULL);
}

static void colours_do_not_count_as_columns(void **state)
{
    struct view *view = example();
    const struct view_size size = {80, 0, true};
    char *plain = rendered(view, 80, 0), *text = view_render(view, &size, 70);
    char *out = text, *in = text;

    (void)state;
    assert_non_null(strstr(text, "\033[31mP\033[0m"));
    while (*in != '\0') {
        if (*in == '\033')
            in += strcspn(in, "m") + 1;
        else
            *out++ = *in++;
    }
    *out = '\0';
    assert_string_equal(text, plain);
    free(text);
    free(plain);
    view_free(view);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_row_says_what_came_of_each_boot),
        cmocka_unit_test(it_fits_any_terminal),
        cmocka_unit_test(many_boots_show_the_last),
        cmocka_unit_test(a_process_that_died_has_failed),
        cmocka_unit_test(without_a_view_nothing_is_written),
        cmocka_unit_test(colours_do_not_count_as_columns),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
