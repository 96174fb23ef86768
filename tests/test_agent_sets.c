/*
 * Set files: every key, every mistake with its line, and drop-ins over drop-ins.
 */
#include "check.h"
#include "said.h"
#include "sets.h"
#include "world.h"

static struct world world;
static struct place place;
static struct said said;

static int set_up(void **state)
{
    (void)state;
    world_make(&world);
    world_dirs(&world, SETS_DIR_VENDOR);
    world_dirs(&world, SETS_DIR_LOCAL);
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

static int parse(const char *name, const char *text, struct set *set)
{
    said_start(&said);
    return set_parse(name, "acme.conf", text, strlen(text), set, &said.diag);
}

static void test_whole(void **state)
{
    static const char text[] = "# ACME\n[set]\ndescription = ACME sensor\nclass=driver\n"
                               "detect=/opt/acme\ndetect=/opt/acme-*\npath=/opt/acme/**\n"
                               "path=/opt/acme?/x\nnever=/opt/acme/identity*\ndriver=acme_sensor\n"
                               "driver=acme-net\ncomm=acme-sensor-bpf\nsoak=24h\nmax-size=2G\n";
    struct set set;

    (void)state;
    assert_int_equal(parse("acme", text, &set), 0);
    assert_string_equal(said.text, "");
    assert_string_equal(set.name, "acme");
    assert_string_equal(set.file, "acme.conf");
    assert_string_equal(set.description, "ACME sensor");
    assert_int_equal(set.set_class, CLASS_DRIVER);
    assert_int_equal(set.detect.count, 2);
    assert_int_equal(set.paths.count, 2);
    assert_string_equal(set.paths.items[1], "/opt/acme?/x");
    assert_int_equal(set.never.count, 1);
    assert_int_equal(set.drivers.count, 2);
    assert_string_equal(set.comms.items[0], "acme-sensor-bpf");
    assert_int_equal(set.soak, 24 * 3600);
    assert_int_equal(set.max_size, UINT64_C(2) << 30);
    set_free(&set);
}

static void test_defaults(void **state)
{
    struct set set;

    (void)state;
    assert_int_equal(parse("acme", "[set]\nclass=content\npath=/opt/acme/*\n", &set), 0);
    assert_string_equal(set.description, "acme");
    assert_int_equal(set.soak, 0);
    assert_int_equal(set.max_size, UINT64_C(4) << 30);
    set_free(&set);
}

#define GOOD "[set]\nclass=content\npath=/opt/acme/**\n"

static const struct {
    const char *name, *text, *said;
} mistakes[] = {
    {"nothing", "", "class is missing"},
    {"no path", "[set]\nclass=content\n", "path is missing"},
    {"no class", "[set]\npath=/opt/acme/**\n", "class is missing"},
    {"no such class", "[set]\nclass=contents\npath=/a/b\n", "acme.conf:2: there is no class"},
    {"two classes", GOOD "class=driver\n", "acme.conf:4: class is given a second time"},
    {"no such key", GOOD "paths=/a\n", "acme.conf:4: there is no key \"paths\""},
    {"no section", "class=content\npath=/a/b\n", "acme.conf:1: \"class\" is in section []"},
    {"other section", "[sets]\nclass=content\npath=/a/b\n", "acme.conf:2: \"class\" is in section"},
    {"relative path", "[set]\nclass=content\npath=opt/acme\n",
     "acme.conf:3: path=opt/acme: it is not"},
    {"root", "[set]\nclass=content\npath=/\n", "acme.conf:3: path=/: it is the root"},
    {"dot dot", "[set]\nclass=content\npath=/opt/../etc/x\n", "acme.conf:3:"},
    {"stars within a name", "[set]\nclass=content\npath=/opt/a**\n", "acme.conf:3:"},
    {"all of the root", "[set]\nclass=content\npath=/**\n",
     "acme.conf:3: path=/** reaches into /proc"},
    {"proc", "[set]\nclass=content\npath=/proc/x\n", "reaches into /proc"},
    {"sys", "[set]\nclass=content\npath=/sys/**\n", "reaches into /sys"},
    {"dev", "[set]\nclass=content\npath=/de?/x\n", "reaches into /dev"},
    {"run", "[set]\nclass=content\npath=/run/acme/**\n", "reaches into /run"},
    {"our own state", "[set]\nclass=content\npath=/var/lib/backstop/store/**\n",
     "reaches into " STATE_DIR},
    {"what our state is in", "[set]\nclass=content\npath=/var/**\n", "reaches into " STATE_DIR},
    {"our state by a pattern", "[set]\nclass=content\npath=/var/*/back*/x\n",
     "reaches into " STATE_DIR},
    {"bad never", GOOD "never=identity\n", "acme.conf:4: never=identity: it is not absolute"},
    {"bad detect", GOOD "detect=/a//b\n", "acme.conf:4: detect=/a//b"},
    {"deep detect", GOOD "detect=/a/**\n", "acme.conf:4: detect=/a/**"},
    {"driver with a path", GOOD "driver=../x\n", "acme.conf:4: driver=../x"},
    {"driver with a blank", GOOD "driver=a b\n", "acme.conf:4: driver=a b"},
    {"no driver", GOOD "driver=\n", "acme.conf:4: driver="},
    {"long comm", GOOD "comm=sixteen-letters-\n", "acme.conf:4: comm="},
    {"soak of no unit", GOOD "soak=3w\n", "acme.conf:4: soak=3w"},
    {"soak of words", GOOD "soak=long\n", "acme.conf:4: soak=long"},
    {"negative soak", GOOD "soak=-1\n", "acme.conf:4: soak=-1"},
    {"size too large", GOOD "max-size=99999999999999999999\n", "acme.conf:4: max-size"},
    {"size overflows", GOOD "max-size=999999999T\n", "acme.conf:4: max-size"},
    {"no key", GOOD "nonsense\n", "acme.conf:4: not key=value"},
    {"several at once, all told", "[set]\nclass=x\npath=y\n", "acme.conf:3: path=y"},
};

static void test_mistakes(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS(mistakes); i++) {
        struct set set = {.soak = 77};

        if (parse("acme", mistakes[i].text, &set) != -EINVAL)
            fail_msg("%s was taken", mistakes[i].name);
        if (!strstr(said.text, mistakes[i].said) || !strstr(said.text, "; "))
            fail_msg("%s: said %s", mistakes[i].name, said.text);
        assert_int_equal(set.soak, 77);
    }
}

static void test_names(void **state)
{
    static const char *const bad[] = {"", "Acme", "a_b", "-a", "a.b", "a/b", "a b"};
    struct set set;

    (void)state;
    for (size_t i = 0; i < ROWS(bad); i++)
        if (parse(bad[i], GOOD, &set) != -EINVAL)
            fail_msg("\"%s\" was taken", bad[i]);
    assert_int_equal(parse("4-acme-2", GOOD, &set), 0);
    set_free(&set);
}

static void test_longest_line(void **state)
{
    char text[512] = "[set]\nclass=content\npath=/";
    struct set set;

    (void)state;
    memset(text + strlen(text), 'a', 190);
    assert_int_equal(parse("acme", text, &set), 0);
    assert_int_equal(strlen(set.paths.items[0]), 191);
    set_free(&set);
    memset(text + strlen(text), 'a', 100);
    assert_int_equal(parse("acme", text, &set), -EINVAL);
    assert_non_null(strstr(said.text, "acme.conf:3: the line is longer"));
}

static void test_dropins(void **state)
{
    struct sets sets;

    (void)state;
    world_file(&world, SETS_DIR_VENDOR "/a.conf", "[set]\nclass=driver\npath=/vendor/a\n", 0644);
    world_file(&world, SETS_DIR_VENDOR "/a-b.conf", GOOD, 0644);
    world_file(&world, SETS_DIR_VENDOR "/off.conf", GOOD, 0644);
    world_file(&world, SETS_DIR_VENDOR "/null.conf", GOOD, 0644);
    world_file(&world, SETS_DIR_VENDOR "/bad.conf", "[set]\nclass=content\npath=x\n", 0644);
    world_file(&world, SETS_DIR_VENDOR "/readme.txt", "no set", 0644);
    world_file(&world, SETS_DIR_LOCAL "/a.conf", "[set]\nclass=content\npath=/local/a\n", 0644);
    world_file(&world, SETS_DIR_LOCAL "/off.conf", "", 0644);
    world_link(&world, SETS_DIR_LOCAL "/null.conf", "/dev/null");
    assert_int_equal(sets_load(&place, &sets, &said.diag), 0);
    assert_int_equal(sets.count, 2);
    assert_string_equal(sets.items[0].name, "a");
    assert_string_equal(sets.items[0].paths.items[0], "/local/a");
    assert_string_equal(sets.items[0].file, SETS_DIR_LOCAL "/a.conf");
    assert_string_equal(sets.items[1].name, "a-b");
    assert_int_equal(sets.bad_files, 1);
    assert_string_equal(sets.bad.items[0], "bad");
    assert_non_null(strstr(said.text, SETS_DIR_VENDOR "/bad.conf:3: path=x"));
    assert_int_equal(sets_find(&sets, "a-b"), 1);
    assert_int_equal(sets_find(&sets, "off"), -1);
    sets_free(&sets);
}

static void test_none(void **state)
{
    struct sets sets;

    (void)state;
    world_run("rm -rf", world_path(&world, "/etc"), "");
    assert_int_equal(sets_load(&place, &sets, &said.diag), 0);
    assert_int_equal(sets.count, 0);
    sets_free(&sets);
}

static const struct {
    const char *name, *detect;
    bool present;
} detects[] = {
    {"none given", "", true},
    {"there", "detect=/opt/acme\n", true},
    {"not there", "detect=/opt/other\n", false},
    {"one of two", "detect=/opt/other\ndetect=/opt/acme\n", true},
    {"by a pattern", "detect=/opt/*/sensor.bin\n", true},
    {"by two patterns", "detect=/o?t/a*/sensor.???\n", true},
    {"pattern misses", "detect=/opt/*/other.bin\n", false},
    {"pattern at the end", "detect=/opt/b*\n", false},
    {"behind a link", "detect=/link/acme\n", true},
};

static void test_detect(void **state)
{
    (void)state;
    world_dirs(&world, "/opt/acme");
    world_file(&world, "/opt/acme/sensor.bin", "x", 0644);
    world_link(&world, "/link", "/opt");
    for (size_t i = 0; i < ROWS(detects); i++) {
        char text[256];
        struct sets sets;

        snprintf(text, sizeof text, GOOD "%s", detects[i].detect);
        world_file(&world, SETS_DIR_LOCAL "/acme.conf", text, 0644);
        assert_int_equal(sets_load(&place, &sets, &said.diag), 0);
        assert_int_equal(sets.count, 1);
        if (sets.items[0].present != detects[i].present)
            fail_msg("%s: present is %d", detects[i].name, sets.items[0].present);
        sets_free(&sets);
    }
}

/* Every set that is shipped is right, and silent or present without a word. */
static void test_shipped(void **state)
{
    char copy[600];
    struct sets sets;

    (void)state;
    snprintf(copy, sizeof copy, " '%s'", world_path(&world, SETS_DIR_VENDOR));
    world_run("cp -r", SOURCE_DIR "/agent/sets.d/.", copy);
    assert_int_equal(sets_load(&place, &sets, &said.diag), 0);
    assert_string_equal(said.text, "");
    assert_true(sets.count >= 17);
    assert_true(sets_find(&sets, "crowdstrike") >= 0);
    assert_true(sets_find(&sets, "dkms") >= 0);
    assert_false(sets.items[sets_find(&sets, "crowdstrike")].present);
    sets_free(&sets);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_whole), TEST(test_defaults),     TEST(test_mistakes),
        TEST(test_names), TEST(test_longest_line), TEST(test_dropins),
        TEST(test_none),  TEST(test_detect),       TEST(test_shipped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
