/*
 * Globs: what they match, what they refuse, and where they could reach.
 */
#include <errno.h>
#include <string.h>

#include "check.h"
#include "glob.h"

static const struct {
    const char *name, *glob, *path;
    int matches;
} matches[] = {
    {"literal", "/etc/nsswitch.conf", "/etc/nsswitch.conf", 1},
    {"literal, other name", "/etc/nsswitch.conf", "/etc/nsswitch.con", 0},
    {"literal, longer path", "/etc/nsswitch.conf", "/etc/nsswitch.conf/x", 0},
    {"star", "/a/*.bin", "/a/x.bin", 1},
    {"star matches nothing, too", "/a/x*", "/a/x", 1},
    {"star takes a leading dot", "/a/*", "/a/.hidden", 1},
    {"star stays within a name", "/a/*.bin", "/a/b/x.bin", 0},
    {"star does not match the directory", "/a/*", "/a", 0},
    {"stars with backtracking", "/a/*ab*abc", "/a/xababxababc", 1},
    {"stars that fail late", "/a/*ab*abc", "/a/xababxabab", 0},
    {"question mark", "/a/x?z", "/a/xyz", 1},
    {"question mark wants one", "/a/x?z", "/a/xz", 0},
    {"bracket", "/a/[xyz]", "/a/y", 1},
    {"bracket misses", "/a/[xyz]", "/a/w", 0},
    {"range", "/a/[a-f]", "/a/c", 1},
    {"range misses", "/a/[a-f]", "/a/g", 0},
    {"negated", "/a/[!a-f]", "/a/g", 1},
    {"negated misses", "/a/[!a-f]", "/a/b", 0},
    {"bracket with a bracket", "/a/[]]x", "/a/]x", 1},
    {"bracket ending in a dash", "/a/[a-]", "/a/-", 1},
    {"backslash takes a star as it is", "/a/\\*", "/a/*", 1},
    {"backslashed star matches no other", "/a/\\*", "/a/b", 0},
    {"backslash within a pattern", "/a/\\*?", "/a/*b", 1},
    {"bytes above ASCII", "/a/*\xff", "/a/x\xff", 1},
    {"pattern in the middle", "/m/*/extra/*", "/m/6.1/extra/x.ko", 1},
    {"pattern in the middle, one only", "/m/*/extra/*", "/m/6.1/x/extra/x.ko", 0},
    {"double star at the end", "/a/**", "/a/b", 1},
    {"double star at the end, deep", "/a/**", "/a/b/c/d", 1},
    {"double star not the directory", "/a/**", "/a", 0},
    {"double star not a neighbour", "/a/**", "/ab/c", 0},
    {"double star within, none", "/a/**/x", "/a/x", 1},
    {"double star within, one", "/a/**/x", "/a/b/x", 1},
    {"double star within, many", "/a/**/x", "/a/b/c/d/x", 1},
    {"double star within, other end", "/a/**/x", "/a/b/y", 0},
    {"two double stars", "/a/**/m/**/x", "/a/1/m/2/3/x", 1},
    {"two double stars, no middle", "/a/**/m/**/x", "/a/1/n/2/x", 0},
    {"none at all", "a/b", "a/b", 0},
};

static void test_matches(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS(matches); i++)
        if (glob_matches(matches[i].glob, matches[i].path) != matches[i].matches)
            fail_msg("%s: %s %s %s", matches[i].name, matches[i].glob,
                     matches[i].matches ? "should match" : "should not match", matches[i].path);
}

static const char *const refused[] = {
    "",        "a",      "/",        "//",     "/a/",   "/a//b",  "/a/./b",
    "/a/../b", "/a/**b", "/a/b**/c", "/a/***", "/a/[b", "/a/b\\", "/a/[]",
};

static void test_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS(refused); i++) {
        struct glob glob = {.count = 77};
        const char *why = NULL;

        if (glob_compile(refused[i], &glob, &why) != -EINVAL)
            fail_msg("\"%s\" was taken", refused[i]);
        assert_non_null(why);
        assert_int_equal(glob.count, 77);
    }
}

static const struct {
    const char *glob;
    size_t parts, prefix;
} prefixes[] = {
    {"/etc/passwd", 2, 1}, {"/passwd", 1, 0},    {"/a/b/*/c", 4, 2},
    {"/*", 1, 0},          {"/a/b/\\*/c", 4, 3}, {"/a/**/c", 3, 1},
};

static void test_prefix(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS(prefixes); i++) {
        struct glob glob;
        const char *why;

        assert_int_equal(glob_compile(prefixes[i].glob, &glob, &why), 0);
        assert_int_equal(glob.count, prefixes[i].parts);
        assert_int_equal(glob.prefix, prefixes[i].prefix);
        glob_free(&glob);
    }
}

static void test_too_many_parts(void **state)
{
    char text[2 * (GLOB_PARTS_MAX + 1) + 1] = "";
    struct glob glob;
    const char *why;

    (void)state;
    for (size_t i = 0; i < GLOB_PARTS_MAX; i++)
        strcat(text, "/a");
    assert_int_equal(glob_compile(text, &glob, &why), 0);
    assert_true(glob_covers(&glob, text, false));
    glob_free(&glob);
    strcat(text, "/a");
    assert_int_equal(glob_compile(text, &glob, &why), -EINVAL);
}

static const struct {
    const char *glob, *directory;
    bool reaches;
} reaches[] = {
    {"/proc/x", "/proc", true},     {"/proc", "/proc", true},
    {"/*", "/proc", true},          {"/*/x", "/proc", true},
    {"/p*c/a/b", "/proc", true},    {"/var/**", "/var/lib/x", true},
    {"/**/x", "/var/lib/x", true},  {"/var/lib/y/**", "/var/lib/x", false},
    {"/var/*", "/var/lib/x", true}, /* what is beneath a name that matches belongs to it */
    {"/process/x", "/proc", false}, {"/etc/**", "/proc", false},
};

static void test_reaches(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS(reaches); i++) {
        struct glob glob;
        const char *why;

        assert_int_equal(glob_compile(reaches[i].glob, &glob, &why), 0);
        if (glob_reaches(&glob, reaches[i].directory) != reaches[i].reaches)
            fail_msg("%s and %s", reaches[i].glob, reaches[i].directory);
        glob_free(&glob);
    }
}

static void test_covers_beneath(void **state)
{
    struct glob glob;
    const char *why;

    (void)state;
    assert_int_equal(glob_compile("/a/ident*", &glob, &why), 0);
    assert_true(glob_covers(&glob, "/a/identity", true));
    assert_true(glob_covers(&glob, "/a/identity/b/c", true));
    assert_false(glob_covers(&glob, "/a/identity/b/c", false));
    assert_false(glob_covers(&glob, "/a/other", true));
    glob_free(&glob);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_matches), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_prefix),  cmocka_unit_test(test_too_many_parts),
        cmocka_unit_test(test_reaches), cmocka_unit_test(test_covers_beneath),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
