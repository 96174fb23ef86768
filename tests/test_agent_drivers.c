/*
 * Which modules the sets of drivers hold, and what `backstop sets` says of them to the image.
 */
#include "check.h"
#include "drivers.h"
#include "masks.h"
#include "said.h"
#include "verb.h"
#include "world.h"

#define TREE "/usr/lib/modules/6.1-a"

static int setup(void **state)
{
    struct world *world = calloc(1, sizeof *world);
    world_make(world);
    world_dirs(world, "/etc/backstop/sets.d");
    world_file(world, "/etc/backstop/sets.d/a-content.conf",
               "[set]\nclass=content\npath=/usr/lib/modules/*/extra/both.ko\n"
               "path=/usr/lib/modules/*/kernel/own.ko\ndriver=acme-sensor\n",
               0644);
    world_file(world, "/etc/backstop/sets.d/dkms.conf",
               "[set]\nclass=driver\npath=/usr/lib/modules/*/updates/dkms/**\n", 0644);
    world_file(world, "/etc/backstop/sets.d/other.conf",
               "[set]\nclass=driver\npath=/usr/lib/modules/*/extra/**\n"
               "path=/usr/lib/modules/*/weak-updates/**\n",
               0644);
    world_dirs(world, TREE "/updates/dkms");
    world_dirs(world, TREE "/extra/vendor");
    world_dirs(world, TREE "/weak-updates");
    world_dirs(world, TREE "/kernel");
    world_file(world, TREE "/updates/dkms/ixgbe.ko.xz", "1\n", 0644);
    world_file(world, TREE "/updates/dkms/README", "1\n", 0644);
    world_file(world, TREE "/extra/vendor/new-hba.ko", "1\n", 0644);
    world_file(world, TREE "/extra/both.ko", "1\n", 0644);
    world_file(world, TREE "/kernel/own.ko", "1\n", 0644);
    world_link(world, TREE "/weak-updates/older.ko", "/usr/lib/modules/6.0/extra/older.ko");
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    world_remove(*state);
    free(*state);
    return 0;
}

static void every_module_of_a_set_of_drivers_is_named(void **state)
{
    static const char *const held[] = {"ixgbe", "new_hba", "both", "older"};
    struct place place;
    struct sets sets = {0};
    struct strings names = {0};
    world_open(*state, &place);
    assert_int_equal(sets_load(&place, &sets, NULL), 0);
    assert_int_equal(drivers_held(&place, &sets, &names, NULL), 0);
    assert_int_equal(names.count, ROWS(held));
    for (size_t i = 0; i < ROWS(held); i++)
        if (!masks_hold(&names, held[i]))
            fail_msg("%s is missing", held[i]);
    masks_free(&names);
    sets_free(&sets);
    place_close(&place);
}

/* What the verb prints, a line after another. */
static int run_sets(const struct world *world, const char *option, const char *more, char *out,
                    size_t size)
{
    char *argv[] = {strdup("sets"), strdup("--root"), strdup(world->root), strdup(option),
                    strdup(more)};
    struct said said;
    int kept = dup(STDOUT_FILENO);
    FILE *file = tmpfile();
    fflush(stdout);
    if (!file || dup2(fileno(file), STDOUT_FILENO) < 0)
        abort();
    int code = verb_sets(*more ? 5 : 4, argv, said_start(&said));
    fflush(stdout);
    if (dup2(kept, STDOUT_FILENO) < 0)
        abort();
    rewind(file);
    out[fread(out, 1, size - 1, file)] = '\0';
    fclose(file);
    close(kept);
    for (size_t i = 0; i < ROWS(argv); i++)
        free(argv[i]);
    return code;
}

static void the_image_is_told_of_those_named_and_of_all(void **state)
{
    char out[512];
    assert_int_equal(run_sets(*state, "--drivers", "", out, sizeof out), EXIT_OK);
    assert_string_equal(out, "acme-sensor\n");
    assert_int_equal(run_sets(*state, "--modules", "", out, sizeof out), EXIT_OK);
    assert_non_null(strstr(out, "ixgbe\n"));
    assert_non_null(strstr(out, "new_hba\n"));
    assert_null(strstr(out, "own\n"));
    assert_int_equal(run_sets(*state, "--modules", "--drivers", out, sizeof out), EXIT_USAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_module_of_a_set_of_drivers_is_named, setup, teardown),
        cmocka_unit_test_setup_teardown(the_image_is_told_of_those_named_and_of_all, setup,
                                        teardown),
    };
    return cmocka_run_group_tests_name("drivers", tests, NULL, NULL);
}
