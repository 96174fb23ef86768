/*
 * Places: a root of one's own, and no way out of it.
 */
#include "check.h"
#include "place.h"
#include "world.h"

static struct world world;
static struct place place;

static int set_up(void **state)
{
    (void)state;
    world_make(&world);
    return place_open(&place, world.root);
}

static int tear_down(void **state)
{
    (void)state;
    place_close(&place);
    world_remove(&world);
    return 0;
}

static int opens(const char *path, bool follow)
{
    int fd = place_openat(&place, path, O_RDONLY, 0, follow);

    if (fd >= 0)
        close(fd);
    return fd >= 0 ? 0 : fd;
}

static void test_root(void **state)
{
    struct place live;

    (void)state;
    assert_false(place.live);
    assert_string_equal(place.root, world.root);
    assert_int_equal(place_open(&live, NULL), 0);
    assert_true(live.live);
    assert_string_equal(live.root, "/");
    place_close(&live);
    assert_int_equal(place_open(&live, "/usr/.."), 0);
    assert_true(live.live);
    place_close(&live);
}

static void test_root_that_is_none(void **state)
{
    struct place none;

    (void)state;
    assert_int_equal(place_open(&none, world_path(&world, "/nothing")), -ENOENT);
    place_close(&none);
    world_file(&world, "/file", "x", 0644);
    assert_int_equal(place_open(&none, world_path(&world, "/file")), -ENOTDIR);
    place_close(&none);
}

static void test_links_stay_inside(void **state)
{
    (void)state;
    world_dirs(&world, "/etc");
    world_file(&world, "/etc/inside", "x", 0644);
    world_link(&world, "/absolute", "/etc/inside");
    world_link(&world, "/upwards", "../../../../../etc/inside");
    world_link(&world, "/outside", "/usr/bin/env");
    world_link(&world, "/directory", "etc");
    assert_int_equal(opens("/etc/inside", false), 0);
    assert_int_equal(opens("/absolute", true), 0);
    assert_int_equal(opens("/upwards", true), 0);
    assert_int_equal(opens("/outside", true), -ENOENT);
    assert_int_equal(opens("/directory/inside", true), 0);
    assert_int_equal(opens("/absolute", false), -ELOOP);
    assert_int_equal(opens("/directory/inside", false), -ELOOP);
    assert_int_equal(opens("/../../../../usr/bin/env", true), -ENOENT);
}

static void test_state(void **state)
{
    static const char *const parts[] = {"/store", "/generations", "/quarantine"};
    struct stat st;

    (void)state;
    assert_int_equal(place_open_state(&place, false), -ENOENT);
    assert_int_equal(place.state_fd, -1);
    assert_int_equal(place_open_state(&place, true), 0);
    assert_true(place.state_fd >= 0);
    assert_int_equal(stat(world_path(&world, STATE_DIR), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    for (size_t i = 0; i < ROWS(parts); i++) {
        char path[64];

        snprintf(path, sizeof path, "%s%s", STATE_DIR, parts[i]);
        assert_int_equal(stat(world_path(&world, path), &st), 0);
        assert_true(S_ISDIR(st.st_mode));
    }
    assert_int_equal(place_open_state(&place, true), 0);
}

static void test_state_behind_a_link(void **state)
{
    (void)state;
    world_dirs(&world, "/disk/var/lib");
    world_link(&world, "/var", "disk/var");
    assert_int_equal(place_open_state(&place, true), 0);
    assert_true(world_has(&world, "/disk/var/lib/backstop/store"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_root, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_root_that_is_none, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_links_stay_inside, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_state, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_state_behind_a_link, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
