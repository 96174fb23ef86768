/* Directories of a run: made anew, and held against a second run. */
#include "../qemu/directory.h"
#include "../qemu/text.h"
#include "scratch.h"

#include <errno.h>
#include <unistd.h>

static int exists(const char *path)
{
    return access(at(path), F_OK) == 0;
}

static void made_anew(void **state)
{
    TEXT_AUTO reason = NULL;

    (void)state;
    assert_int_equal(directory_make(at("a/b/inner")), 0);
    int fd = directory_claim(at("a/b"), &reason);
    assert_true(fd >= 0);
    assert_true(exists("a/b"));
    assert_false(exists("a/b/inner"));
    assert_null(reason);
    close(fd);
    fd = directory_claim(at("c/d"), &reason);
    assert_true(fd >= 0);
    assert_true(exists("c/d"));
    close(fd);
}

static void held(void **state)
{
    TEXT_AUTO reason = NULL;

    (void)state;
    int first = directory_claim(at("run"), &reason);
    assert_true(first >= 0);
    assert_int_equal(directory_make(at("run/inner")), 0);
    assert_int_equal(directory_claim(at("run"), &reason), -EBUSY);
    assert_non_null(strstr(reason, "/run: another run is at work in it"));
    assert_true(exists("run/inner"));
    close(first);
    int second = directory_claim(at("run"), &reason);
    assert_true(second >= 0);
    assert_false(exists("run/inner"));
    close(second);
}

/* Who holds a directory that was taken away and made again by hand does not hold the new one. */
static void taken_away(void **state)
{
    TEXT_AUTO reason = NULL;

    (void)state;
    int first = directory_claim(at("gone"), &reason);
    directory_remove(at("gone"));
    int second = directory_claim(at("gone"), &reason);
    assert_true(second >= 0);
    assert_int_equal(directory_claim(at("gone"), &reason), -EBUSY);
    close(first);
    close(second);
}

static void refused(void **state)
{
    TEXT_AUTO reason = NULL;

    (void)state;
    FILE *file = fopen(at("file"), "w");
    assert_non_null(file);
    fclose(file);
    assert_int_equal(directory_claim(at("file"), &reason), -ENOTDIR);
    assert_non_null(strstr(reason, "/file: Not a directory"));
    assert_true(exists("file"));
    assert_int_equal(directory_claim(at("file/beneath"), &reason), -ENOTDIR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(made_anew, scratch_make, scratch_remove),
        cmocka_unit_test_setup_teardown(held, scratch_make, scratch_remove),
        cmocka_unit_test_setup_teardown(taken_away, scratch_make, scratch_remove),
        cmocka_unit_test_setup_teardown(refused, scratch_make, scratch_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
