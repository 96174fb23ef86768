/*
 * `backstop quarantine`: words, exit codes, and what --json prints.
 */
#include <json-c/json.h>
#include "check.h"
#include "recover.h"
#include "said.h"
#include "verb.h"
#include "world.h"

struct machine {
    struct world world;
    struct said said;
    char out[4096]; /* what the last verb printed */
};

static void recover_world(const struct world *world)
{
    struct place place;
    struct recover_result result;
    struct ticket ticket = {.number = 5,
                            .case_number = 7,
                            .failures = 3,
                            .rung = RUNG_ALL,
                            .stance = STANCE_RECOVERY,
                            .case_open = 1};
    if (place_open(&place, world->root) < 0)
        abort();
    assert_int_equal(recover(&place, &ticket, NULL, &result, NULL), 0);
    place_close(&place);
}

/* Item 7/1: /opt/acme/file. */
static int setup(void **state)
{
    struct machine *machine = calloc(1, sizeof *machine);
    world_make(&machine->world);
    world_dirs(&machine->world, "/etc/backstop/sets.d");
    world_file(&machine->world, "/etc/backstop/sets.d/acme.conf",
               "[set]\nclass=content\npath=/opt/acme/*\n", 0644);
    world_dirs(&machine->world, "/opt/acme");
    world_file(&machine->world, "/opt/acme/file", "290\n", 0640);
    world_take_good(&machine->world);
    world_file(&machine->world, "/opt/acme/file", "2910\n", 0640);
    recover_world(&machine->world);
    *state = machine;
    return 0;
}

static int teardown(void **state)
{
    struct machine *machine = *state;
    world_remove(&machine->world);
    free(machine);
    return 0;
}

/* Runs the verb with --root and the words; stdin is no terminal. */
static int run_in(struct machine *machine, const char *root, const char *const words[])
{
    char *argv[12] = {strdup("quarantine"), strdup("--root"), strdup(root)};
    int argc = 3, kept = dup(STDOUT_FILENO), kept_in = dup(STDIN_FILENO), nothing, code;
    FILE *out = tmpfile();
    for (size_t i = 0; words[i]; i++)
        argv[argc++] = strdup(words[i]);
    fflush(stdout);
    nothing = open("/dev/null", O_RDONLY);
    if (!out || dup2(fileno(out), STDOUT_FILENO) < 0 || dup2(nothing, STDIN_FILENO) < 0)
        abort();
    code = verb_quarantine(argc, argv, said_start(&machine->said));
    fflush(stdout);
    if (dup2(kept, STDOUT_FILENO) < 0 || dup2(kept_in, STDIN_FILENO) < 0)
        abort();
    rewind(out);
    machine->out[fread(machine->out, 1, sizeof machine->out - 1, out)] = '\0';
    fclose(out);
    close(kept);
    close(kept_in);
    close(nothing);
    for (int i = 0; i < argc; i++)
        free(argv[i]);
    return code;
}

static int run(struct machine *machine, const char *const words[])
{
    return run_in(machine, machine->world.root, words);
}

#define WORDS(...)                                                                                 \
    (const char *const[])                                                                          \
    {                                                                                              \
        __VA_ARGS__, NULL                                                                          \
    }

static void wrong_words_change_nothing(void **state)
{
    static const struct {
        const char *words[5];
        int code;
    } rows[] = {
        {{"frobnicate"}, EXIT_USAGE},
        {{"list", "7"}, EXIT_USAGE},
        {{"list", "--frob"}, EXIT_USAGE},
        {{"show"}, EXIT_USAGE},
        {{"show", "7"}, EXIT_USAGE},
        {{"show", "seven/1"}, EXIT_USAGE},
        {{"show", "7/0"}, EXIT_USAGE},
        {{"show", "7/1x"}, EXIT_USAGE},
        {{"show", "7/4294967297"}, EXIT_USAGE},
        {{"show", "99999999999999999999/1"}, EXIT_USAGE},
        {{"restore", "7"}, EXIT_USAGE},
        {{"restore", "-7/1"}, EXIT_USAGE},
        {{"release", "7/1"}, EXIT_USAGE},
        {{"purge", "7/1"}, EXIT_USAGE}, /* without --yes, and nobody to ask */
        {{"purge", "7"}, EXIT_USAGE},
        {{"show", "7/9"}, EXIT_FAILED},
        {{"restore", "8/1"}, EXIT_FAILED},
        {{"release", "7/9", "/tmp/none"}, EXIT_FAILED},
        {{"purge", "--yes", "8"}, EXIT_FAILED},
    };
    struct machine *machine = *state;
    char *before = world_seen(&machine->world, "", NULL);
    for (size_t i = 0; i < ROWS(rows); i++) {
        int code = run(machine, rows[i].words);
        if (code != rows[i].code || machine->said.diag.errors == 0 || *machine->out)
            fail_msg("row %zu: code %d, %u errors, printed \"%s\"", i, code,
                     machine->said.diag.errors, machine->out);
    }
    char *after = world_seen(&machine->world, "", NULL);
    assert_string_equal(before, after);
    free(before);
    free(after);
}

static void a_root_without_state_is_said(void **state)
{
    struct machine *machine = *state;
    const char *opt = world_path(&machine->world, "/opt");
    assert_int_equal(run_in(machine, opt, WORDS("list")), EXIT_NOT_HERE);
    assert_non_null(strstr(machine->said.text, "kept nothing"));
    assert_int_equal(run_in(machine, "/no/such/root", WORDS("list")), EXIT_NOT_HERE);
}

static void json_names_the_item(void **state)
{
    struct machine *machine = *state;
    assert_int_equal(run(machine, WORDS("list", "--json")), EXIT_OK);
    struct json_object *list = json_tokener_parse(machine->out), *value;
    assert_true(json_object_is_type(list, json_type_array));
    assert_int_equal(json_object_array_length(list), 1);
    struct json_object *item = json_object_array_get_idx(list, 0);
    assert_true(json_object_object_get_ex(item, "id", &value));
    assert_string_equal(json_object_get_string(value), "7/1");
    assert_true(json_object_object_get_ex(item, "path", &value));
    assert_string_equal(json_object_get_string(value), "/opt/acme/file");
    assert_true(json_object_object_get_ex(item, "state", &value));
    assert_string_equal(json_object_get_string(value), "held");
    assert_true(json_object_object_get_ex(item, "size", &value));
    assert_int_equal(json_object_get_int64(value), 5);
    json_object_put(list);
    assert_int_equal(run(machine, WORDS("show", "7/1", "--json")), EXIT_OK);
    item = json_tokener_parse(machine->out);
    assert_true(json_object_object_get_ex(item, "set", &value));
    assert_string_equal(json_object_get_string(value), "acme");
    json_object_put(item);
}

static void restored_and_said(void **state)
{
    struct machine *machine = *state;
    assert_int_equal(run(machine, WORDS("restore", "7/1")), EXIT_OK);
    assert_non_null(strstr(machine->out, "7/1"));
    assert_string_equal(world_text(&machine->world, "/opt/acme/file"), "2910\n");
    assert_int_equal(run(machine, WORDS("list")), EXIT_OK);
    assert_non_null(strstr(machine->out, "restored"));
}

static void released_then_there(void **state)
{
    struct machine *machine = *state;
    char there[256];
    snprintf(there, sizeof there, "%s/study", machine->world.root);
    assert_int_equal(run(machine, WORDS("release", "7/1", there)), EXIT_OK);
    assert_string_equal(world_text(&machine->world, "/study"), "2910\n");
    assert_int_equal(run(machine, WORDS("release", "7/1", there)), EXIT_OK);
    assert_int_equal(run(machine, WORDS("restore", "7/1")), EXIT_FAILED);
}

static void purged_when_agreed(void **state)
{
    struct machine *machine = *state;
    assert_int_equal(run(machine, WORDS("purge", "7", "--yes")), EXIT_OK);
    assert_false(world_has(&machine->world, STATE_DIR "/quarantine/7/1"));
    assert_int_equal(run(machine, WORDS("list")), EXIT_OK);
    assert_non_null(strstr(machine->out, "purged"));
    assert_string_equal(world_text(&machine->world, "/opt/acme/file"), "290\n");
}

#define WITH_MACHINE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_MACHINE(wrong_words_change_nothing), WITH_MACHINE(a_root_without_state_is_said),
        WITH_MACHINE(json_names_the_item),        WITH_MACHINE(restored_and_said),
        WITH_MACHINE(released_then_there),        WITH_MACHINE(purged_when_agreed),
    };
    cmocka_set_test_filter(getenv("TEST_FILTER"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
