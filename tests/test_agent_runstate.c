/*
 * early.json: what is written is read, and what is not ours is refused.
 */
#include "check.h"
#include "runstate.h"
#include "world.h"

static void written_it_is_read(void **state)
{
    static const struct early_report rows[] = {
        {.mode = MODE_NORMAL, .number = 1, .applied = APPLIED_NOTHING},
        {.mode = MODE_SAFE,
         .number = 4000000000u,
         .case_number = 7,
         .applied = APPLIED_PUT_BACK,
         .summary = {.put_back = 3, .taken_out = 2, .unprotected = 1, .beyond_help = 4},
         .rebuild_initramfs = true},
        {.mode = MODE_MINIMAL, .number = 2, .applied = APPLIED_MASKED},
        {.mode = MODE_HOLD, .number = 3, .applied = APPLIED_FAILED, .error = -EROFS},
    };
    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct world world;
        struct early_report found;
        world_make(&world);
        char *run = world_path(&world, "/run/backstop");
        assert_int_equal(early_report_read(run, &found), 0);
        assert_false(found.present);
        assert_int_equal(early_report_write(run, &rows[i]), 0);
        assert_int_equal(early_report_read(run, &found), 0);
        assert_true(found.present);
        assert_int_equal(found.mode, rows[i].mode);
        assert_int_equal(found.number, rows[i].number);
        assert_int_equal(found.case_number, rows[i].case_number);
        assert_int_equal(found.applied, rows[i].applied);
        assert_memory_equal(&found.summary, &rows[i].summary, sizeof found.summary);
        assert_int_equal(found.rebuild_initramfs, rows[i].rebuild_initramfs);
        assert_int_equal(found.error, rows[i].error);
        world_remove(&world);
    }
}

static void what_is_not_ours_is_refused(void **state)
{
    static const char *const rows[] = {"",
                                       "null",
                                       "[]",
                                       "{}",
                                       "{\"mode\":\"safe\"}",
                                       "{\"mode\":\"sound\",\"applied\":\"put back\"}",
                                       "{\"mode\":3,\"applied\":1}",
                                       "{\"mode\":\"safe\",\"appl"};
    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct early_report report = {.number = 99};
        assert_int_equal(early_report_parse(rows[i], &report), -EBADMSG);
        assert_int_equal(report.number, 99);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(written_it_is_read),
        cmocka_unit_test(what_is_not_ours_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
