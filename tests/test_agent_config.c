/*
 * backstop.conf and its drop-ins: what is set, what is passed over, and that it is said.
 */
#include "check.h"
#include "config.h"
#include "said.h"
#include "world.h"

static struct world world;
static struct place place;
static struct said said;

static int set_up(void **state)
{
    (void)state;
    world_make(&world);
    world_dirs(&world, "/etc/backstop/backstop.conf.d");
    world_dirs(&world, "/usr/lib/backstop/backstop.conf.d");
    said_start(&said);
    return place_open(&place, world.root);
}

static int tear_down(void **state)
{
    (void)state;
    place_close(&place);
    world_remove(&world);
    return 0;
}

static void test_absent(void **state)
{
    struct policy policy, defaults;

    (void)state;
    policy_defaults(&defaults);
    assert_int_equal(config_load(&place, &policy, &said.diag), 0);
    assert_int_equal(policy.threshold, defaults.threshold);
    assert_int_equal(policy.generations, defaults.generations);
    assert_string_equal(said.text, "");
}

static void test_order(void **state)
{
    struct policy policy;

    (void)state;
    world_file(&world, CONF_FILE, "[policy]\nthreshold=2\nstability=30\ngenerations=4\n", 0644);
    world_file(&world, CONF_DIR_VENDOR "/10-a.conf", "[policy]\nstability=40\ndeadline=20m\n",
               0644);
    world_file(&world, CONF_DIR_VENDOR "/20-b.conf", "[policy]\ngenerations=9\n", 0644);
    world_file(&world, CONF_DIR_LOCAL "/20-b.conf", "[policy]\ngenerations=5\n", 0644);
    world_file(&world, CONF_DIR_LOCAL "/05-c.conf", "[policy]\ndeadline=600\n", 0644);
    world_file(&world, CONF_DIR_LOCAL "/README", "[policy]\nthreshold=7\n", 0644);
    assert_int_equal(config_load(&place, &policy, &said.diag), 0);
    assert_int_equal(policy.threshold, 2);
    assert_int_equal(policy.stability, 40);
    assert_int_equal(policy.deadline, 1200);
    assert_int_equal(policy.generations, 5);
}

static void test_switched_off(void **state)
{
    struct policy policy, defaults;

    (void)state;
    policy_defaults(&defaults);
    world_file(&world, CONF_DIR_VENDOR "/a.conf", "[policy]\nstability=40\n", 0644);
    world_file(&world, CONF_DIR_VENDOR "/b.conf", "[policy]\nstability=41\n", 0644);
    world_file(&world, CONF_DIR_LOCAL "/a.conf", "", 0644);
    world_link(&world, CONF_DIR_LOCAL "/b.conf", "/dev/null");
    assert_int_equal(config_load(&place, &policy, &said.diag), 0);
    assert_int_equal(policy.stability, defaults.stability);
    assert_string_equal(said.text, "");
}

static const struct {
    const char *name, *text;
    int result;
    unsigned quiet;
    const char *said;
} lines[] = {
    {"good", "[policy]\nquiet=4\n", 0, 4, ""},
    {"comments and blanks", "# a\n; b\n\n[policy]\n  quiet = 4  \r\n", 0, 4, ""},
    {"out of range", "[policy]\nquiet=99\n", 0, 20, CONF_FILE ":2: quiet=99"},
    {"no value", "[policy]\nquiet=many\n", -EINVAL, 3, CONF_FILE ":2: \"many\""},
    {"no such key", "[policy]\n\nquit=4\n", -EINVAL, 3, CONF_FILE ":3: there is no setting"},
    {"no section", "quiet=4\n", -EINVAL, 3, CONF_FILE ":1: \"quiet\" is in section []"},
    {"other section", "[other]\nquiet=4\n", -EINVAL, 3, CONF_FILE ":2:"},
    {"no value at all", "[policy]\nnonsense\nquiet=4\n", -EINVAL, 4, CONF_FILE ":2: not key=value"},
    {"section not closed", "[policy\nquiet=4\n", -EINVAL, 3, CONF_FILE ":1: the section's name"},
    {"bad line, good line", "[policy]\nx=1\nquiet=5\n", -EINVAL, 5, CONF_FILE ":2:"},
    {"no LF at the end", "[policy]\nquiet=4", 0, 4, ""},
};

static void test_lines(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS(lines); i++) {
        struct policy policy;

        said_start(&said);
        world_file(&world, CONF_FILE, lines[i].text, 0644);
        if (config_load(&place, &policy, &said.diag) != lines[i].result ||
            policy.quiet != lines[i].quiet)
            fail_msg("%s: quiet %u, said %s", lines[i].name, policy.quiet, said.text);
        if (!*lines[i].said ? *said.text != '\0' : !strstr(said.text, lines[i].said))
            fail_msg("%s: said %s", lines[i].name, said.text);
    }
}

/* Each is in its range, but not together: what is used instead is said. */
static void test_not_together(void **state)
{
    struct policy policy;

    (void)state;
    world_file(&world, CONF_FILE, "[policy]\nreturn=auto\nthreshold=7\n", 0644);
    assert_int_equal(config_load(&place, &policy, &said.diag), 0);
    assert_int_equal(policy.threshold, THRESHOLD_MAX_AUTO);
    assert_non_null(
        strstr(said.text, "threshold=7 does not go with the other settings; 3 is used"));
}

static void test_long_and_nul(void **state)
{
    static const char nul[] = "[policy]\nthreshold=4\0\n";
    struct policy policy;
    char text[700] = "[policy]\nthreshold=";
    FILE *file;

    (void)state;
    memset(text + strlen(text), '4', 600);
    world_file(&world, CONF_FILE, text, 0644);
    assert_int_equal(config_load(&place, &policy, &said.diag), -EINVAL);
    assert_non_null(strstr(said.text, CONF_FILE ":2: the line is longer"));
    file = fopen(world_path(&world, CONF_FILE), "w");
    assert_non_null(file);
    fwrite(nul, 1, sizeof nul - 1, file);
    fclose(file);
    assert_int_equal(config_load(&place, &policy, &said.diag), -EINVAL);
    assert_int_equal(policy.threshold, 3);
    assert_non_null(strstr(said.text, CONF_FILE ":2: the line holds a NUL"));
}

static void test_unreadable(void **state)
{
    struct policy policy;

    (void)state;
    world_dirs(&world, CONF_FILE);
    world_dirs(&world, CONF_DIR_LOCAL "/x.conf");
    assert_int_equal(config_load(&place, &policy, &said.diag), -EINVAL);
    assert_non_null(strstr(said.text, CONF_FILE ": cannot be read"));
    assert_non_null(strstr(said.text, CONF_DIR_LOCAL "/x.conf: cannot be read"));
    assert_int_equal(policy.threshold, 3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_absent),       TEST(test_order),        TEST(test_switched_off), TEST(test_lines),
        TEST(test_not_together), TEST(test_long_and_nul), TEST(test_unreadable),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
