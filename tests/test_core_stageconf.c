#include "check.h"

#include <stdio.h>
#include <string.h>

#include "stageconf.h"

#define NEXT "next=\\EFI\\debian\\shimx64.efi"
#define SHIM "\\EFI\\debian\\shimx64.efi"

/* The text, and what is expected of it. */
static const struct conf_row {
    const char *name;
    const char *text;
    size_t next_count;
    const char *last_next;
    uint8_t threshold;
    uint8_t retire;
    unsigned bad_lines;
    unsigned first_bad_line;
} rows[] = {
    {"empty", "", 0, NULL, 3, 0, 0, 0},
    {"one line", NEXT "\n", 1, SHIM, 3, 0, 0, 0},
    {"no end of line", NEXT, 1, SHIM, 3, 0, 0, 0},
    {"CRLF", NEXT "\r\nthreshold=2\r\n", 1, SHIM, 2, 0, 0, 0},
    {"byte order mark", "\xef\xbb\xbf" NEXT "\n", 1, SHIM, 3, 0, 0, 0},
    {"mark elsewhere", "\n\xef\xbb\xbf" NEXT "\n", 0, NULL, 3, 0, 1, 2},
    {"comments", "# a\n;b\n  # c=d\n" NEXT "\n#threshold=1\n", 1, SHIM, 3, 0, 0, 0},
    {"comment in UTF-8", "# Gr\xc3\xbc\xc3\x9f\x65\n" NEXT, 1, SHIM, 3, 0, 0, 0},
    {"blank lines", "\n\r\n \t \n" NEXT "\n\n", 1, SHIM, 3, 0, 0, 0},
    {"blanks about", " \tthreshold \t= \t 2 \t\r\n", 0, NULL, 2, 0, 0, 0},
    {"blanks within a path", "next = \\EFI\\My Loader\\x.efi \n", 1, "\\EFI\\My Loader\\x.efi", 3,
     0, 0, 0},
    {"of two the last", "threshold=1\nthreshold=2\n", 0, NULL, 2, 0, 0, 0},
    {"of two the last good one", "threshold=2\nthreshold=x\n", 0, NULL, 2, 0, 1, 2},
    {"clamped is not bad", "threshold=99\nstep=1\nreturn=hand\n", 0, NULL, 7, 0, 0, 0},
    {"clamped to what returning leaves", "threshold=99\nstep=1\n", 0, NULL, 3, 0, 0, 0},
    {"no equals sign", "threshold\nthreshold=2", 0, NULL, 2, 0, 1, 1},
    {"no key", "=2\n", 0, NULL, 3, 0, 1, 1},
    {"no value", "threshold=\n", 0, NULL, 3, 0, 1, 1},
    {"two equals signs", "threshold==2\n", 0, NULL, 3, 0, 1, 1},
    {"unknown key", "\ntimeout=5\n", 0, NULL, 3, 0, 1, 2},
    {"key in capitals", "THRESHOLD=5\n", 0, NULL, 3, 0, 1, 1},
    {"no comment behind a value", "threshold=5 # five\n", 0, NULL, 3, 0, 1, 1},
    {"bad lines are counted", "a\nthreshold=2\nb\nc=\n", 0, NULL, 2, 0, 3, 1},
    {"lone CR is no end of line", "threshold=5\rthreshold=6\n", 0, NULL, 3, 0, 1, 1},
    {"four nexts", NEXT "\n" NEXT "\n" NEXT "\nnext=\\b.efi\n", 4, "\\b.efi", 3, 0, 0, 0},
    {"a fifth next", NEXT "\n" NEXT "\n" NEXT "\nnext=\\b.efi\nnext=\\c.efi\n", 4, "\\b.efi", 3, 0,
     1, 5},
    {"a bad next takes no place", "next=x\n" NEXT "\n", 1, SHIM, 3, 0, 1, 1},
    {"retire", "retire=yes\n", 0, NULL, 3, 1, 0, 0},
    {"retire by number", "retire=1\n", 0, NULL, 3, 1, 0, 0},
    {"retire taken back", "retire=yes\nretire=no\n", 0, NULL, 3, 0, 0, 0},
    {"retire must be said clearly", "retire=maybe\nretire=\nretire\n", 0, NULL, 3, 0, 3, 1},
};

static void check_row(const struct conf_row *row, const char *text, size_t size)
{
    struct stageconf conf;

    memset(&conf, 0xee, sizeof conf);
    stageconf_parse(&conf, text, size);
    if (conf.next_count != row->next_count)
        fail_msg("%s: %zu nexts", row->name, conf.next_count);
    if (row->last_next != NULL)
        assert_string_equal(conf.next[conf.next_count - 1], row->last_next);
    for (size_t i = conf.next_count; i < STAGECONF_NEXT_MAX; i++)
        assert_string_equal(conf.next[i], "");
    if (conf.policy.threshold != row->threshold)
        fail_msg("%s: threshold %u", row->name, conf.policy.threshold);
    if (conf.retire != row->retire)
        fail_msg("%s: retire %u", row->name, conf.retire);
    if (conf.bad_lines != row->bad_lines || conf.first_bad_line != row->first_bad_line)
        fail_msg("%s: %u bad lines from %u", row->name, conf.bad_lines, conf.first_bad_line);
}

static void lines_are_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++)
        check_row(&rows[i], rows[i].text, strlen(rows[i].text));
}

#define BYTES(text) text, sizeof(text) - 1

static void nul_bytes_are_bytes(void **state)
{
    static const struct {
        struct conf_row row;
        const char *text;
        size_t size;
    } nul_rows[] = {
        {{"in a value", NULL, 0, NULL, 2, 0, 1, 1}, BYTES("threshold=5\0\nthreshold=2\n")},
        {{"in a path", NULL, 0, NULL, 3, 0, 1, 1}, BYTES("next=\\EFI\0\\x.efi\n")},
        {{"in a key", NULL, 0, NULL, 3, 0, 1, 1}, BYTES("thresh\0old=5\n")},
        {{"tail of zeros", NULL, 1, SHIM, 3, 0, 1, 2}, BYTES(NEXT "\n\0\0\0\0\0\0")},
        {{"nothing but zeros", NULL, 0, NULL, 3, 0, 1, 1}, BYTES("\0\0\0\0")},
        {{"UTF-16", NULL, 0, NULL, 3, 0, 2, 1}, BYTES("\xff\xfet\0=\0\x31\0\n\0x\0")},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(nul_rows); i++)
        check_row(&nul_rows[i].row, nul_rows[i].text, nul_rows[i].size);
}

static void size_is_bounded(void **state)
{
    static char text[STAGECONF_MAX_SIZE + 1];
    const struct conf_row fits = {"as long as may be", NULL, 1, SHIM, 2, 0, 0, 0};
    const struct conf_row over = {"one byte too long", NULL, 0, NULL, 3, 0, 0, 0};

    (void)state;
    memset(text, '#', sizeof text);
    memcpy(text, NEXT "\nthreshold=2\n#", strlen(NEXT "\nthreshold=2\n#"));
    check_row(&fits, text, STAGECONF_MAX_SIZE);
    check_row(&over, text, STAGECONF_MAX_SIZE + 1);
    check_row(&over, NULL, 0);
}

/* "\aaa...a" of this length. */
static void make_path(char *out, size_t length)
{
    memset(out, 'a', length);
    out[0] = '\\';
    out[length] = '\0';
}

static void long_lines_are_bad(void **state)
{
    char text[2000] = "next=";
    struct stageconf conf;

    (void)state;
    make_path(text + 5, STAGECONF_PATH_MAX - 1);
    stageconf_parse(&conf, text, strlen(text));
    assert_int_equal(conf.next_count, 1);
    assert_int_equal(strlen(conf.next[0]), STAGECONF_PATH_MAX - 1);
    make_path(text + 5, STAGECONF_PATH_MAX);
    stageconf_parse(&conf, text, strlen(text));
    assert_int_equal(conf.next_count, 0);
    assert_int_equal(conf.bad_lines, 1);
    make_path(text + 5, 1900);
    strcat(text, "\nthreshold=2\n");
    stageconf_parse(&conf, text, strlen(text));
    assert_int_equal(conf.bad_lines, 1);
    assert_int_equal(conf.policy.threshold, 2);
}

/* The order of lines does not matter to what the ladder's bound allows. */
static void policy_is_clamped_at_the_end(void **state)
{
    static const char *const texts[] = {"return=hand\nthreshold=7\nstep=2\n",
                                        "step=2\nthreshold=7\nreturn=hand\n"};
    struct stageconf conf;

    (void)state;
    for (size_t i = 0; i < ROWS(texts); i++) {
        stageconf_parse(&conf, texts[i], strlen(texts[i]));
        assert_int_equal(conf.policy.threshold, 7);
        assert_int_equal(conf.policy.step, 1);
    }
    stageconf_parse(&conf, BYTES("threshold=7\nstep=2\nthreshold=3\n"));
    assert_int_equal(conf.policy.step, 2);
}

static const struct path_row {
    const char *path;
    int is_safe;
} paths[] = {
    {"\\EFI\\BOOT\\BOOTX64.EFI", 1},
    {"\\a", 1},
    {"\\EFI\\Linux\\debian-6.1.0+x_~1.efi", 1},
    {"\\EFI\\a..b\\..c\\x.efi", 1},
    {"\\EFI\\a.\\x.efi", 1},
    {"", 0},
    {"\\", 0},
    {"EFI\\x.efi", 0},
    {"/EFI/x.efi", 0},
    {"\\EFI/x.efi", 0},
    {"\\EFI\\\\x.efi", 0},
    {"\\\\server\\share", 0},
    {"\\EFI\\", 0},
    {"\\EFI\\..\\x.efi", 0},
    {"\\..", 0},
    {"\\EFI\\.\\x.efi", 0},
    {"\\EFI\\...\\x.efi", 0},
    {"\\EFI\\.. \\x.efi", 0},
    {"\\EFI\\ \\x.efi", 0},
    {"\\EFI\\x.efi\\..", 0},
    {"fs0:\\EFI\\x.efi", 0},
    {"\\EFI\\x:y", 0},
    {"\\EFI\\*.efi", 0},
    {"\\EFI\\x?.efi", 0},
    {"\\EFI\\x\ty.efi", 0},
    {"\\EFI\\x\x7f.efi", 0},
    {"\\EFI\\\xc3\xa4.efi", 0},
    {"\\EFI\\x\ny", 0},
};

static void paths_are_safe_or_not(void **state)
{
    char path[STAGECONF_PATH_MAX + 8];

    (void)state;
    for (size_t i = 0; i < ROWS(paths); i++)
        if (stageconf_path_is_safe(paths[i].path) != paths[i].is_safe)
            fail_msg("\"%s\"", paths[i].path);
    make_path(path, STAGECONF_PATH_MAX - 1);
    assert_true(stageconf_path_is_safe(path));
    make_path(path, STAGECONF_PATH_MAX);
    assert_false(stageconf_path_is_safe(path));
    make_path(path, STAGECONF_PATH_MAX + 7);
    assert_false(stageconf_path_is_safe(path));
}

/* As the agent writes it: every key with its value, and the paths. */
static void what_is_printed_reads_back(void **state)
{
    char text[STAGECONF_MAX_SIZE];
    struct stageconf conf;
    struct policy policy;
    size_t at = 0;

    (void)state;
    memset(&policy, 0, sizeof policy);
    policy_defaults(&policy);
    policy.threshold = 5;
    policy.step = 1;
    policy.return_how = RETURN_BY_HAND;
    policy.deadline = 0;
    for (size_t i = 0; policy_key(i) != NULL; i++) {
        char value[16];

        policy_value(&policy, i, value, sizeof value);
        at += (size_t)snprintf(text + at, sizeof text - at, "%s=%s\n", policy_key(i), value);
    }
    memset(&conf, 0, sizeof conf);
    stageconf_parse(&conf, text, at);
    assert_int_equal(conf.bad_lines, 0);
    assert_memory_equal(&conf.policy, &policy, sizeof policy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_read),
        cmocka_unit_test(nul_bytes_are_bytes),
        cmocka_unit_test(size_is_bounded),
        cmocka_unit_test(long_lines_are_bad),
        cmocka_unit_test(policy_is_clamped_at_the_end),
        cmocka_unit_test(paths_are_safe_or_not),
        cmocka_unit_test(what_is_printed_reads_back),
    };
    return cmocka_run_group_tests_name("stageconf", tests, NULL, NULL);
}
