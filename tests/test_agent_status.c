/* status.c: what is made of journal, ticket and receipt, and how it reads. */
#include "fake_vars.h"
#include "scratch.h"

#include <json-c/json.h>

#include "journal.h"
#include "status.h"
#include "vars.h"

static struct place place;
static char run_dir[128];
static efi_guid_t ours;

static int begin(void **state)
{
    if (scratch_make(state) < 0)
        return -1;
    memset(&fake_vars, 0, sizeof fake_vars);
    efi_str_to_guid(BACKSTOP_GUID_TEXT, &ours);
    snprintf(run_dir, sizeof run_dir, "%s/run", scratch);
    make_dirs("run");
    if (place_open(&place, scratch) < 0 || place_open_state(&place, true) < 0)
        return -1;
    place.live = true;
    return 0;
}

static int end(void **state)
{
    place_close(&place);
    return scratch_remove(state);
}

static void put_ticket(const struct ticket *ticket)
{
    uint8_t bytes[TICKET_SIZE];

    ticket_encode(ticket, bytes);
    fake_put(ours, TICKET_VARIABLE, bytes, sizeof bytes, VAR_BS | VAR_RT);
}

static void put_receipt(uint32_t number, enum outcome outcome)
{
    struct receipt receipt = {
        .number = number, .outcome = (uint8_t)outcome, .phase = PHASE_BOOTED, .generation = 1};
    uint8_t bytes[RECEIPT_SIZE];

    receipt_encode(&receipt, bytes);
    fake_put(ours, RECEIPT_VARIABLE, bytes, sizeof bytes, VAR_NV_BS_RT);
}

/* Case 2: two files of acme-sensor put back; as the journal of a recovery has it. */
static const char case_2[] =
    "{\"event\":\"intent\",\"boot\":5,\"case\":2,\"reason\":\"too many boots failed in a row\","
    "\"rung\":\"all changes\",\"failures\":3,\"changes\":["
    "{\"id\":1,\"path\":\"/opt/acme/content.291\",\"set\":\"acme-sensor\",\"action\":\"take out\"},"
    "{\"id\":2,\"path\":\"/opt/acme/current\",\"set\":\"acme-sensor\",\"generation\":1}]}";
static const char done_2[] =
    "{\"event\":\"done\",\"boot\":5,\"case\":2,\"reason\":\"too many boots failed in a row\","
    "\"rung\":\"all changes\",\"failures\":3,\"moved\":2,\"put-back\":1,\"taken-out\":1,"
    "\"unprotected\":0,\"beyond-help\":0,\"failed\":[]}";

/* Of a recovery that left what a new set holds. */
static const char left_2[] =
    "{\"event\":\"done\",\"boot\":5,\"case\":2,\"reason\":\"too many boots failed in a row\","
    "\"rung\":\"all changes\",\"failures\":3,\"moved\":0,\"applied\":\"nothing to put back\","
    "\"left\":[{\"set\":\"loading\",\"why\":\"the good generation did not look there\","
    "\"files\":340},{\"set\":\"dkms\",\"why\":\"of a kernel that is not running\",\"files\":2}]}";

static void put_record(const char *text)
{
    assert_int_equal(journal_append(&place, json_tokener_parse(text)), 0);
}

static struct status probe(void)
{
    struct status status;

    assert_int_equal(status_probe(&place, run_dir, &status, NULL), 0);
    return status;
}

static char *text_of(const struct status *status)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    status_print(status, out);
    fclose(out);
    return text;
}

static unsigned lines_of(const char *text)
{
    unsigned lines = 0;

    for (; *text; text++)
        lines += *text == '\n';
    return lines;
}

static void in_two_lines_when_all_is_well(void **state)
{
    struct status status;
    char *text;

    (void)state;
    put_ticket(&(struct ticket){.number = 41, .stored = STORED_NVRAM});
    put_receipt(41, OUTCOME_GOOD);
    status = probe();
    text = text_of(&status);
    assert_false(status_wants_attention(&status));
    assert_int_equal(lines_of(text), 2);
    assert_non_null(strstr(text, "normal; boot 41 has proved good\n"));
    free(text);
}

static const struct ticket safe = {.number = 5,
                                   .case_number = 2,
                                   .case_open = 1,
                                   .failures = 3,
                                   .stored = STORED_NVRAM,
                                   .rung = RUNG_ALL,
                                   .stance = STANCE_RECOVERY,
                                   .first_reason = REASON_THRESHOLD,
                                   .last_outcome = OUTCOME_CRASH};

/* "Nothing had changed" would be a lie. */
static void says_what_was_left(void **state)
{
    struct status status;
    struct json_object *json, *last, *left;
    char *text;

    (void)state;
    put_ticket(&safe);
    put_record(left_2);
    put_record(left_2);
    status = probe();
    text = text_of(&status);
    assert_true(lines_of(text) <= 10);
    assert_non_null(strstr(text, "Left:   loading: the good generation did not look there (342 "
                                 "files in all; backstop changes)\n"));
    assert_non_null(strstr(text, "nothing is known to have changed"));
    json = status_json(&status);
    assert_true(json_object_object_get_ex(json, "case", &last));
    assert_true(json_object_object_get_ex(last, "left", &left));
    assert_int_equal(json_object_get_int(left), 342);
    json_object_put(json);
    free(text);
}

static void in_safe_mode(void **state)
{
    struct status status;
    char *text, code[SHORT_CODE_SIZE];

    (void)state;
    put_ticket(&safe);
    put_record(case_2);
    put_record(done_2);
    status = probe();
    text = text_of(&status);
    ticket_short_code(&safe, code);
    assert_true(status_wants_attention(&status));
    assert_true(lines_of(text) <= 10);
    assert_non_null(strstr(text, "SAFE MODE"));
    assert_non_null(strstr(text, code));
    assert_non_null(strstr(text, "3 failed boots in a row; too many boots failed in a row"));
    assert_non_null(strstr(text, "acme-sensor: /opt/acme/content.291 and 1 more"));
    assert_non_null(strstr(text, "1 put back as good generation 1 has it, 1 taken out\n"));
    assert_non_null(strstr(text, "restarts into normal mode by itself"));
    free(text);
}

static void a_past_case_is_told_and_needs_nobody(void **state)
{
    struct status status;
    char *text;

    (void)state;
    put_record(case_2);
    put_record(done_2);
    put_ticket(&(struct ticket){.number = 6,
                                .case_number = 2,
                                .stored = STORED_NVRAM,
                                .stance = STANCE_PROBATION,
                                .case_open = 1});
    status = probe();
    assert_true(status_wants_attention(&status)); /* on probation */
    put_receipt(6, OUTCOME_GOOD);
    status = probe();
    assert_false(status_wants_attention(&status));
    text = text_of(&status);
    assert_non_null(strstr(text, "normal; boot 6 has proved good"));
    assert_non_null(strstr(text, "Case:   2"));
    assert_non_null(strstr(text, ", over\n"));
    free(text);
}

static void a_receipt_of_an_older_boot_is_not_this_ones(void **state)
{
    struct status status;

    (void)state;
    put_ticket(&(struct ticket){.number = 42, .stored = STORED_NVRAM});
    put_receipt(41, OUTCOME_GOOD);
    status = probe();
    assert_false(status.receipt_good);
}

static void a_case_that_nothing_was_written_of(void **state)
{
    struct status status;
    char *text;

    (void)state;
    put_ticket(&safe);
    status = probe();
    text = text_of(&status);
    assert_non_null(strstr(text, "Case:   2"));
    assert_non_null(strstr(text, "3 boots in a row failed, the last one in a kernel panic"));
    assert_non_null(strstr(text, "the initramfs did not report"));
    free(text);
}

static void not_started_by_the_stage(void **state)
{
    struct status status = {0};
    char *text;

    (void)state;
    status = probe();
    text = text_of(&status);
    assert_non_null(strstr(text, "not counted (backstop install)"));
    free(text);
    put_file("var/lib/backstop/install.json", "{\"complete\":true}");
    status = probe();
    text = text_of(&status);
    assert_non_null(strstr(text, "not counted: backstop doctor"));
    free(text);
}

static void a_disk_of_another_machine(void **state)
{
    struct status status;
    char *text;

    (void)state;
    put_ticket(&safe); /* of this machine, not of the disk's */
    put_record(case_2);
    put_record(done_2);
    place.live = false;
    status = probe();
    text = text_of(&status);
    assert_false(status_wants_attention(&status));
    assert_non_null(strstr(text, "a disk that is not running"));
    assert_non_null(strstr(text, "acme-sensor"));
    assert_null(strstr(text, "SAFE MODE"));
    free(text);
}

static void which_case_is_the_last(void **state)
{
    struct status_case last;
    struct journal journal = {0};

    (void)state;
    put_record("{\"event\":\"done\",\"boot\":9,\"case\":3,\"reason\":\"\",\"failures\":5,"
               "\"moved\":0,\"failed\":[{\"id\":1}]}");
    put_record(case_2); /* finished late: still the older case */
    put_record(done_2);
    put_record("{\"event\":\"good\",\"boot\":10,\"case\":9,\"reason\":\"\"}");
    assert_int_equal(journal_read(&place, &journal, NULL), 0);
    status_case_of(&journal, &last);
    assert_int_equal(last.number, 3);
    assert_int_equal(last.failures, 5);
    assert_int_equal(last.failed, 1);
    assert_int_equal(last.set_count, 0);
    journal_free(&journal);
}

static void json_has_the_facts(void **state)
{
    struct json_object *object, *boot, *last, *value;
    struct status status;

    (void)state;
    put_ticket(&safe);
    put_record(case_2);
    put_record(done_2);
    status = probe();
    object = status_json(&status);
    assert_true(json_object_object_get_ex(object, "boot", &boot));
    assert_true(json_object_object_get_ex(boot, "mode", &value));
    assert_string_equal(json_object_get_string(value), "safe");
    assert_true(json_object_object_get_ex(boot, "number", &value));
    assert_int_equal(json_object_get_int(value), 5);
    assert_true(json_object_object_get_ex(object, "case", &last));
    assert_true(json_object_object_get_ex(last, "taken-out", &value));
    assert_int_equal(json_object_get_int(value), 1);
    assert_true(json_object_object_get_ex(object, "attention", &value));
    assert_true(json_object_get_boolean(value));
    json_object_put(object);
}

/* What went for it is not what broke: an updater that drops its old content shows up as three. */
static void test_what_came_is_named_before_what_went(void **state)
{
    struct status status;

    (void)state;
    put_record("{\"event\":\"intent\",\"boot\":5,\"case\":2,\"failures\":3,\"changes\":["
               "{\"id\":1,\"path\":\"/opt/acme/290\",\"set\":\"a\",\"kind\":\"gone\"},"
               "{\"id\":2,\"path\":\"/opt/acme/291\",\"set\":\"a\",\"kind\":\"added\"},"
               "{\"id\":3,\"path\":\"/opt/acme/now\",\"set\":\"a\",\"kind\":\"altered\"}]}");
    status = probe();
    assert_string_equal(status.last.path, "/opt/acme/291");
    assert_int_equal(status.last.paths, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_what_came_is_named_before_what_went, begin, end),
        cmocka_unit_test_setup_teardown(in_two_lines_when_all_is_well, begin, end),
        cmocka_unit_test_setup_teardown(in_safe_mode, begin, end),
        cmocka_unit_test_setup_teardown(says_what_was_left, begin, end),
        cmocka_unit_test_setup_teardown(a_past_case_is_told_and_needs_nobody, begin, end),
        cmocka_unit_test_setup_teardown(a_receipt_of_an_older_boot_is_not_this_ones, begin, end),
        cmocka_unit_test_setup_teardown(a_case_that_nothing_was_written_of, begin, end),
        cmocka_unit_test_setup_teardown(not_started_by_the_stage, begin, end),
        cmocka_unit_test_setup_teardown(a_disk_of_another_machine, begin, end),
        cmocka_unit_test_setup_teardown(which_case_is_the_last, begin, end),
        cmocka_unit_test_setup_teardown(json_has_the_facts, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
