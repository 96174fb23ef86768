/*
 * What a recovery left without a good version: it is written down, told by `status`, and no good
 * boot makes a good generation of it, until something stands for it again.
 */
#include "check.h"
#include "journal.h"
#include "lost.h"
#include "recover.h"
#include "intents.h"
#include "said.h"
#include "status.h"
#include "world.h"

#define DRIVER "/opt/kmod/acme.ko"

static struct world world;
static struct place place;
static struct said said;
static uint32_t boot;

static int set_up(void **state)
{
    (void)state;
    world_make(&world);
    world_dirs(&world, SETS_DIR_LOCAL);
    world_dirs(&world, "/opt/acme");
    world_dirs(&world, "/opt/kmod");
    world_file(&world, SETS_DIR_LOCAL "/acme.conf", "[set]\nclass=content\npath=/opt/acme/*\n",
               0644);
    world_file(&world, SETS_DIR_LOCAL "/kmod.conf",
               "[set]\nclass=driver\npath=/opt/kmod/*\nnever=/opt/kmod/log*\n", 0644);
    world_file(&world, "/opt/acme/content", "290\n", 0644);
    world_file(&world, "/opt/kmod/helper.ko", "helper 1\n", 0644);
    world_file(&world, DRIVER, "driver 1\n", 0644);
    world_open(&world, &place);
    said_start(&said);
    boot = 1;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    place_close(&place);
    world_remove(&world);
    return 0;
}

/* A boot that starts with what stands now, meets `arrives` (or NULL) on its way, and is good. */
static struct good_result good_boot(const char *arrives)
{
    struct inventory started;
    struct sets sets;
    struct policy policy;
    struct good_result result = {0};

    policy_defaults(&policy);
    assert_int_equal(sets_load(&place, &sets, NULL), 0);
    assert_int_equal(inventory_take(&place, &sets, &started, NULL), 0);
    if (arrives)
        world_file(&world, arrives, "late\n", 0644);
    said_start(&said);
    assert_int_equal(good_take(&place, &sets, &started, ++boot, &policy, &result, &said.diag), 0);
    inventory_free(&started);
    sets_free(&sets);
    return result;
}

static struct recover_result recover_here(void)
{
    struct ticket ticket = {.number = ++boot,
                            .case_number = 7,
                            .failures = 3,
                            .rung = RUNG_ALL,
                            .stance = STANCE_RECOVERY,
                            .case_open = 1,
                            .first_reason = REASON_FAILED_CRASH};
    struct recover_result result;

    assert_int_equal(recover(&place, &ticket, NULL, &result, NULL), 0);
    return result;
}

/* Text of `path` in the newest generation's list: "-" where it is not in it. */
static bool is_good(const char *path)
{
    struct inventory newest;
    bool found;

    assert_int_equal(good_load_newest(&place, &newest, NULL), 0);
    found = inventory_find(&newest, path) != NULL;
    inventory_free(&newest);
    return found;
}

static size_t records(const char *event)
{
    struct journal journal;
    size_t count = 0;

    assert_int_equal(journal_read(&place, &journal, NULL), 0);
    for (size_t i = 0; i < journal.count; i++)
        count += strcmp(journal_text(journal.records[i], "event"), event) == 0;
    journal_free(&journal);
    return count;
}

/* "path of set, ..." as the journal ends. */
static const char *lost_now(void)
{
    static char text[512];
    struct lost lost = {0};

    text[0] = '\0';
    assert_int_equal(lost_load(&place, &lost, NULL), 0);
    for (size_t i = 0; i < lost.count; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s of %s", i ? ", " : "",
                 lost.items[i].path, lost.items[i].set);
    lost_free(&lost);
    return text;
}

static void damage_driver(void)
{
    struct inventory newest;
    const struct entry *entry;
    char hex[2 * SHA256_SIZE + 1], path[256];

    assert_int_equal(good_load_newest(&place, &newest, NULL), 0);
    entry = inventory_find(&newest, DRIVER);
    assert_non_null(entry);
    hex_of(entry->sha256, SHA256_SIZE, hex);
    snprintf(path, sizeof path, STATE_DIR "/store/%.2s/%s", hex, hex + 2);
    assert_true(world_has(&world, path));
    world_file(&world, path, "damaged", 0400);
    inventory_free(&newest);
}

/* The driver's only good version is lost, and a faulty update came. */
static void lose_driver(void)
{
    assert_int_equal(good_boot(NULL).generation, 1);
    damage_driver();
    world_file(&world, DRIVER, "driver 2\n", 0644);
    assert_int_equal(recover_here().summary.unprotected, 1);
    assert_false(world_has(&world, DRIVER));
}

static void a_good_boot_without_it_is_not_promoted(void **state)
{
    struct good_result result;

    (void)state;
    lose_driver();
    assert_string_equal(lost_now(), DRIVER " of kmod");
    for (int i = 0; i < 2; i++) {
        result = good_boot(NULL);
        assert_true(result.unchanged);
        assert_int_equal(result.generation, 1);
        assert_int_equal(result.lost, 1);
        assert_non_null(strstr(said.text, DRIVER));
        assert_non_null(strstr(said.text, "without protection"));
        assert_true(is_good(DRIVER));
        assert_int_equal(records("good"), 1);
    }
}

static void other_sets_go_on_and_its_own_set_stays_whole(void **state)
{
    struct good_result result;

    (void)state;
    lose_driver();
    world_file(&world, "/opt/acme/content", "292\n", 0644);
    world_file(&world, "/opt/kmod/helper.ko", "helper 2\n", 0644);
    result = good_boot(NULL);
    assert_int_equal(result.generation, 2);
    assert_int_equal(result.promoted, 1);
    assert_int_equal(result.lost, 1);
    assert_true(is_good(DRIVER));
    assert_string_equal(lost_now(), DRIVER " of kmod");
    /* what never ran with the driver is no good version of its set */
    world_file(&world, "/opt/kmod/helper.ko", "helper 3\n", 0644);
    recover_here();
    assert_string_equal(world_text(&world, "/opt/kmod/helper.ko"), "helper 1\n");
    assert_string_equal(world_text(&world, "/opt/acme/content"), "292\n");
}

/* What the vendor delivers later, and whether the set is good with it again. */
static void what_is_delivered_ends_it(void **state)
{
    static const struct {
        const char *name, *path, *text;
        bool late; /* in the course of the boot: not proven by it */
        bool ends;
    } rows[] = {
        {"the same path, another content", DRIVER, "driver 3\n", false, true},
        {"the same path, the bytes that were lost", DRIVER, "driver 1\n", false, true},
        {"another name", "/opt/kmod/acme-3.ko", "driver 3\n", false, true},
        {"the same path, too late", DRIVER, "", true, false},
        {"another name, too late", "/opt/kmod/acme-3.ko", "", true, false},
        {"another version of what stands", "/opt/kmod/helper.ko", "helper 2\n", false, false},
        {"a file that is never touched", "/opt/kmod/log.1", "x\n", false, false},
        {"a file of another set", "/opt/acme/more", "x\n", false, false},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct good_result result;

        if (i > 0)
            set_up(state);
        print_message("  %s\n", rows[i].name);
        lose_driver();
        if (!rows[i].late)
            world_file(&world, rows[i].path, rows[i].text, 0644);
        result = good_boot(rows[i].late ? rows[i].path : NULL);
        assert_int_equal(result.lost, !rows[i].ends);
        assert_string_equal(lost_now(), rows[i].ends ? "" : DRIVER " of kmod");
        if (rows[i].ends)
            assert_true(is_good(rows[i].path));
        else
            assert_true(is_good(DRIVER));
        if (i + 1 < sizeof rows / sizeof *rows)
            tear_down(state);
    }
}

/* Redelivered, good, and then taken away by its vendor in order: that is no loss. */
static void an_old_loss_is_forgotten(void **state)
{
    (void)state;
    lose_driver();
    world_file(&world, DRIVER, "driver 1\n", 0644);
    good_boot(NULL);
    unlink(world_path(&world, DRIVER));
    assert_int_equal(good_boot(NULL).lost, 0);
    assert_false(is_good(DRIVER));
}

static void a_person_may_say_that_it_is_to_stay_so(void **state)
{
    struct good_result result = {0};
    struct sets sets;
    struct policy policy;

    (void)state;
    lose_driver();
    policy_defaults(&policy);
    assert_int_equal(sets_load(&place, &sets, NULL), 0);
    assert_int_equal(good_take(&place, &sets, NULL, 0, &policy, &result, NULL), 0);
    sets_free(&sets);
    assert_int_equal(result.generation, 2);
    assert_false(is_good(DRIVER));
    assert_string_equal(lost_now(), "");
    assert_true(good_boot(NULL).unchanged);
}

static void what_was_gone_beyond_help_is_lost_too(void **state)
{
    (void)state;
    good_boot(NULL);
    damage_driver();
    unlink(world_path(&world, DRIVER));
    assert_int_equal(recover_here().summary.beyond_help, 1);
    assert_string_equal(lost_now(), DRIVER " of kmod");
    assert_int_equal(good_boot(NULL).lost, 1);
    assert_true(is_good(DRIVER));
}

static void a_cut_recovery_run_again_says_the_same(void **state)
{
    (void)state;
    lose_driver();
    recover_here();
    assert_string_equal(lost_now(), DRIVER " of kmod");
}

/* Where the good version could not be made ready (a full disk), and where a suspect stayed. */
static void which_moves_leave_nothing(void **state)
{
    static const struct {
        enum change_kind kind;
        enum plan_action action;
        bool moved;
        int error;
        bool lost;
    } rows[] = {
        {CHANGE_ALTERED, PLAN_TAKE_OUT, true, 0, true},
        {CHANGE_ALTERED, PLAN_TAKE_OUT, false, -EIO, false}, /* the suspect stands */
        {CHANGE_ALTERED, PLAN_PUT_BACK, true, 0, false},
        {CHANGE_ALTERED, PLAN_PUT_BACK, false, -EIO, false},
        {CHANGE_ADDED, PLAN_TAKE_OUT, true, 0, false},
        {CHANGE_GONE, PLAN_PUT_BACK, true, 0, false},
        {CHANGE_GONE, PLAN_PUT_BACK, false, -ENOSPC, true},
    };
    struct ticket ticket = {.number = 4, .case_number = 7};
    struct plan_summary summary = {0};

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct move move = {.path = "/p",
                            .set_name = "s",
                            .kind = rows[i].kind,
                            .action = rows[i].action,
                            .moved = rows[i].moved,
                            .error = rows[i].error};
        struct json_object *record =
            done_describe(&ticket, &move, 1, 0, &summary, NULL, NULL, &(struct intents){0});

        if (json_object_object_get_ex(record, "lost", NULL) != rows[i].lost)
            fail_msg("row %zu", i);
        json_object_put(record);
    }
}

static void status_says_which_part_and_what_to_do(void **state)
{
    struct status status;
    char *text = NULL;
    size_t size;
    FILE *out;

    (void)state;
    lose_driver();
    good_boot(NULL);
    place.live = true;
    assert_int_equal(status_probe(&place, "/nowhere", &status, NULL), 0);
    out = open_memstream(&text, &size);
    status_print(&status, out);
    fclose(out);
    assert_true(status_wants_attention(&status));
    assert_non_null(strstr(text, "kmod is WITHOUT PROTECTION: " DRIVER " is not there"));
    assert_non_null(strstr(text, "Next:   install kmod again"));
    assert_null(strstr(text, "nothing now"));
    free(text);
    world_file(&world, DRIVER, "driver 3\n", 0644);
    assert_int_equal(status_probe(&place, "/nowhere", &status, NULL), 0);
    assert_int_equal(status.lost, 0);
    assert_false(status_wants_attention(&status));
}

/* Records that a damaged journal may hold. */
static void what_is_no_list_is_passed_over(void **state)
{
    static const char *const records_of[] = {
        "{\"event\":\"done\",\"lost\":5}",
        "{\"event\":\"done\",\"lost\":[5,null,{},{\"path\":6},{\"path\":\"/a\"}]}",
        "{\"event\":\"done\",\"lost\":[{\"path\":\"/a\"},{\"path\":\"/b\",\"set\":\"s\"}]}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof records_of / sizeof *records_of; i++)
        assert_int_equal(journal_append(&place, json_tokener_parse(records_of[i])), 0);
    assert_string_equal(lost_now(), "/a of , /b of s");
    assert_int_equal(
        journal_append(&place, json_tokener_parse("{\"event\":\"good\",\"lost\":[{\"path\":"
                                                  "\"/b\",\"set\":\"s\"}]}")),
        0);
    assert_string_equal(lost_now(), "/b of s");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_good_boot_without_it_is_not_promoted),
        TEST(other_sets_go_on_and_its_own_set_stays_whole),
        TEST(what_is_delivered_ends_it),
        TEST(an_old_loss_is_forgotten),
        TEST(a_person_may_say_that_it_is_to_stay_so),
        TEST(what_was_gone_beyond_help_is_lost_too),
        TEST(a_cut_recovery_run_again_says_the_same),
        cmocka_unit_test(which_moves_leave_nothing),
        TEST(status_says_which_part_and_what_to_do),
        TEST(what_is_no_list_is_passed_over),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
