/* `rig try`: what was brought is looked at, and where its results go, before anything is made. */
#include "scratch.h"

#include <errno.h>
#include <sys/socket.h>

#include "../qemu/trial.h"

/* the directory of results */

static int look(const char *dir, char **reason)
{
    struct out out;
    int error = out_look(&out, dir, reason);

    out_close(&out);
    return error;
}

static void take(const char *dir)
{
    struct out out;
    TEXT_AUTO reason = NULL;

    assert_int_equal(out_look(&out, dir, &reason), 0);
    assert_int_equal(out_take(&out, &reason), 0);
    assert_true(out.taken);
    out_close(&out);
}

static void a_directory_of_somebody_is_refused(void **state)
{
    TEXT_AUTO reason = NULL;

    (void)state;
    put_file("theirs/try.json", "{}");
    assert_int_equal(look(at("theirs"), &reason), -EINVAL);
    assert_non_null(strstr(reason, "is not empty"));
    assert_file("theirs/try.json", "{}");
    put_file("file", "x");
    assert_int_equal(look(at("file"), &reason), -EINVAL);
    assert_non_null(strstr(reason, "not a directory"));
    assert_int_equal(look(at("file/below"), &reason), -EINVAL);
    assert_non_null(strstr(reason, "Not a directory"));
    assert_int_equal(look(at("a?b"), &reason), -EINVAL);
    /* Somebody's link is no mark. */
    make_dirs("linked");
    assert_int_equal(symlink(at("file"), at("linked/.rig-try")), 0);
    assert_int_equal(look(at("linked"), &reason), -EINVAL);
    assert_file("file", "x");
}

static void a_new_one_is_not_made_by_looking(void **state)
{
    TEXT_AUTO reason = NULL;

    (void)state;
    assert_int_equal(look(at("new/one"), &reason), 0);
    assert_false(is_at("new"));
    make_dirs("empty");
    assert_int_equal(look(at("empty"), &reason), 0);
    assert_false(is_at("empty/.rig-try"));
    take(at("new/one/"));
    assert_true(is_at("new/one/.rig-try"));
}

/* Of an earlier run what the rig writes goes, and nothing else; looking removes nothing. */
static void an_earlier_run_is_cleared(void **state)
{
    static const char *const written[] = {
        "out/try.json",      "out/result.json",   "out/timeline.txt",     "out/qemu.log",
        "out/boot-01.log",   "out/screen-12.png", "out/screen-01-up.png", "out/disk.raw",
        "out/vars.fd",       "out/payload.img",   "out/seed.img",         "out/payload.img.sum",
        "out/report.html",   "out/report.json",   "out/junit.xml",        "out/.report.html.new",
        "out/.junit.xml.new"};
    static const char *const others[] = {"out/notes", "out/boot-my.log", "out/dir/try.json"};
    TEXT_AUTO reason = NULL;

    (void)state;
    take(at("out"));
    for (size_t i = 0; i < sizeof written / sizeof *written; i++)
        put_file(written[i], "x");
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        put_file(others[i], "x");
    put_file("out/" OUT_STAGE "/try/x", "x");
    assert_int_equal(look(at("out"), &reason), 0);
    assert_true(is_at("out/try.json"));
    take(at("out"));
    for (size_t i = 0; i < sizeof written / sizeof *written; i++)
        assert_false(is_at(written[i]));
    assert_false(is_at("out/" OUT_STAGE));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_true(is_at(others[i]));
}

/* What is only called like a file of the rig's. */
static void a_directory_in_it_is_left(void **state)
{
    struct out out;
    TEXT_AUTO reason = NULL;

    (void)state;
    take(at("out"));
    put_file("out/disk.raw/mine", "x");
    assert_int_equal(out_look(&out, at("out"), &reason), 0);
    assert_int_equal(out_take(&out, &reason), -EINVAL);
    assert_false(out.taken);
    assert_true(text_ends(reason, "out/disk.raw: Is a directory"));
    assert_file("out/disk.raw/mine", "x");
    out_close(&out);
}

static void what_is_thinned_keeps_its_logs(void **state)
{
    struct out out;
    TEXT_AUTO reason = NULL;

    (void)state;
    assert_int_equal(out_look(&out, at("out"), &reason), 0);
    assert_int_equal(out_take(&out, &reason), 0);
    put_file("out/disk.raw", "x");
    put_file("out/vars.fd", "x");
    put_file("out/boot-01.log", "x");
    out_thin(&out);
    out_close(&out);
    assert_false(is_at("out/disk.raw"));
    assert_false(is_at("out/vars.fd"));
    assert_true(is_at("out/boot-01.log"));
}

static void one_run_at_a_time_has_it(void **state)
{
    struct out first, second;
    TEXT_AUTO reason = NULL;

    (void)state;
    assert_int_equal(out_look(&first, at("out"), &reason), 0);
    /* Both have seen a directory that is not there yet. */
    assert_int_equal(out_look(&second, at("out"), &reason), 0);
    assert_int_equal(out_take(&first, &reason), 0);
    put_file("out/try.json", "of the first");
    assert_int_equal(out_take(&second, &reason), -EINVAL);
    assert_non_null(strstr(reason, "another `rig try`"));
    assert_false(second.taken);
    out_close(&second);
    assert_int_equal(out_look(&second, at("out"), &reason), -EINVAL);
    out_close(&second);
    assert_file("out/try.json", "of the first");
    out_close(&first);
    assert_int_equal(look(at("out"), &reason), 0);
}

static void inputs_lie_elsewhere(void **state)
{
    struct out out;
    TEXT_AUTO reason = NULL;

    (void)state;
    take(at("tree/out"));
    put_file("tree/out/image", "x");
    put_file("tree/outside", "x");
    assert_int_equal(symlink("tree/out/image", at("link")), 0);
    assert_int_equal(out_look(&out, at("tree/out"), &reason), 0);
    assert_int_equal(out_apart(&out, "image", at("tree/out/image"), &reason), -EINVAL);
    assert_int_equal(out_apart(&out, "image", at("link"), &reason), -EINVAL);
    assert_int_equal(out_apart(&out, "update", at("tree"), &reason), -EINVAL);
    assert_non_null(strstr(reason, "would become part of it"));
    assert_int_equal(out_apart(&out, "update", at("tree/out"), &reason), -EINVAL);
    assert_int_equal(out_apart(&out, "update", at("tree/outside"), &reason), 0);
    out_close(&out);
}

/* what was brought */

#define SCRIPT "#!/bin/sh\n"

static const struct {
    const char *name;
    const char *updates[3], *sets[3], *checks[3];
    const char *reason; /* its end */
} look_rows[] = {
    {"twice the same update", {"one", "link"}, {NULL}, {NULL}, "link: given twice"},
    {"sets of one name",
     {NULL},
     {"one/a.conf", "two/a.conf"},
     {NULL},
     "two/a.conf: another of them has the same name: rename one"},
    {"a set that Backstop would not read",
     {NULL},
     {"set.txt"},
     {NULL},
     "set.txt: Backstop reads no file but *.conf: rename it"},
    {"a directory of sets", {NULL}, {"one"}, {NULL}, "one: not a file"},
    {"a set that Backstop refuses", {NULL}, {"one/bad.conf"}, {NULL}, "one/bad.conf:2: bad"},
    {"checks of one name",
     {NULL},
     {NULL},
     {"one/check", "two/check"},
     "two/check: another of them has the same name: rename one"},
    {"a directory of checks", {NULL}, {NULL}, {"one"}, "one: not a file"},
    {"a check that nothing can run",
     {NULL},
     {NULL},
     {"set.txt"},
     "set.txt: neither a program nor a script: its first line has to be like #!/bin/sh"},
    {"a check that is passed over",
     {NULL},
     {NULL},
     {"one/.check"},
     "one/.check: Backstop passes over names with a dot in front"},
};

static void files_put(const char *const names[3], struct trial_files *files)
{
    for (size_t i = 0; i < 3 && names[i] != NULL; i++)
        files->paths[files->count++] = text_format("%s/%s", scratch, names[i]);
}

static void files_free(struct trial_files *files)
{
    for (size_t i = 0; i < files->count; i++)
        free((void *)(uintptr_t)files->paths[i]);
}

static void inputs_are_refused(void **state)
{
    (void)state;
    put_file("one/a.conf", "x");
    put_file("two/a.conf", "x");
    put_file("set.txt", "x");
    put_file("one/bad.conf", "x");
    put_file("one/check", SCRIPT);
    put_file("two/check", SCRIPT);
    put_file("one/.check", SCRIPT);
    assert_int_equal(symlink("one", at("link")), 0);
    /* In the likeness of `backstop sets check FILE`. */
    put_bytes("agent/backstop",
              SCRIPT "[ \"$1 $2\" = 'sets check' ] || exit 7\n"
                     "case $3 in *bad.conf) echo \"$3:2: bad\" >&2; exit 2 ;; esac\n",
              strlen(SCRIPT "[ \"$1 $2\" = 'sets check' ] || exit 7\n"
                            "case $3 in *bad.conf) echo \"$3:2: bad\" >&2; exit 2 ;; esac\n"),
              0755);
    make_dirs("rig");
    for (size_t i = 0; i < sizeof look_rows / sizeof *look_rows; i++) {
        struct rig rig = {.dir = at("rig")};
        struct trial_options options = {0};
        struct trial trial = {.rig = &rig, .options = &options, .out.path = NULL};
        TEXT_AUTO reason = NULL;

        print_message("%s\n", look_rows[i].name);
        files_put(look_rows[i].updates, &options.updates);
        files_put(look_rows[i].sets, &options.sets);
        files_put(look_rows[i].checks, &options.checks);
        assert_int_equal(out_look(&trial.out, at("out"), &reason), 0);
        assert_int_equal(trial_look(&trial, &reason), -EINVAL);
        if (!text_ends(reason, look_rows[i].reason))
            fail_msg("%s", reason);
        for (size_t j = 0; j < options.updates.count; j++)
            update_free(&trial.updates[j]);
        out_close(&trial.out);
        files_free(&options.updates);
        files_free(&options.sets);
        files_free(&options.checks);
    }
    assert_false(is_at("out"));
}

/* What the guest's agent is sent is one line, whatever a caller makes of it. */
static void the_agent_is_sent_lines(void **state)
{
    int pair[2];
    struct machine machine = {0};
    char got[16] = "";

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    machine.fds[MACHINE_CHANNEL] = pair[0];
    assert_int_equal(machine_send(&machine, "run 1 a\nb"), -EINVAL);
    assert_int_equal(machine_send(&machine, "run 2 c"), 0);
    assert_int_equal(read(pair[1], got, sizeof got - 1), 8);
    assert_string_equal(got, "run 2 c\n");
    close(pair[0]);
    close(pair[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_directory_of_somebody_is_refused, scratch_make,
                                        scratch_remove),
        cmocka_unit_test_setup_teardown(a_new_one_is_not_made_by_looking, scratch_make,
                                        scratch_remove),
        cmocka_unit_test_setup_teardown(an_earlier_run_is_cleared, scratch_make, scratch_remove),
        cmocka_unit_test_setup_teardown(a_directory_in_it_is_left, scratch_make, scratch_remove),
        cmocka_unit_test_setup_teardown(what_is_thinned_keeps_its_logs, scratch_make,
                                        scratch_remove),
        cmocka_unit_test_setup_teardown(one_run_at_a_time_has_it, scratch_make, scratch_remove),
        cmocka_unit_test_setup_teardown(inputs_lie_elsewhere, scratch_make, scratch_remove),
        cmocka_unit_test_setup_teardown(inputs_are_refused, scratch_make, scratch_remove),
        cmocka_unit_test(the_agent_is_sent_lines),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
