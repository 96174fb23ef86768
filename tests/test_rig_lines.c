/* The rig's readers of lines: QMP, the guest's agent, terminal output, words. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "../qemu/channel.h"
#include "../qemu/command.h"
#include "../qemu/qmp.h"
#include "../qemu/text.h"

static const struct {
    const char *name, *line;
    int result;
    enum qmp_kind kind;
    const char *reason;
} qmp_rows[] = {
    {"greeting", "{\"QMP\": {\"version\": {}, \"capabilities\": [\"oob\"]}}", 0, QMP_GREETING, ""},
    {"return", "{\"return\": {}}", 0, QMP_RETURN, ""},
    {"error", "{\"error\": {\"class\": \"CommandNotFound\", \"desc\": \"no such\"}}", 0, QMP_ERROR,
     "no such"},
    {"reset with -no-reboot",
     "{\"timestamp\": {\"seconds\": 1, \"microseconds\": 2}, \"event\": \"SHUTDOWN\", "
     "\"data\": {\"guest\": true, \"reason\": \"guest-reset\"}}",
     0, QMP_SHUTDOWN, "guest-reset"},
    {"power-off", "{\"event\": \"SHUTDOWN\", \"data\": {\"reason\": \"guest-shutdown\"}}", 0,
     QMP_SHUTDOWN, "guest-shutdown"},
    {"shutdown without data", "{\"event\": \"SHUTDOWN\"}", 0, QMP_SHUTDOWN, ""},
    {"reason of a wrong type", "{\"event\": \"SHUTDOWN\", \"data\": {\"reason\": 7}}", 0,
     QMP_SHUTDOWN, ""},
    {"another event", "{\"event\": \"STOP\"}", 0, QMP_EVENT, "STOP"},
    {"cut line", "{\"event\": \"SHUTD", -EBADMSG, 0, NULL},
    {"no object", "[1, 2]", -EBADMSG, 0, NULL},
    {"nothing of QMP", "{\"a\": 1}", -EBADMSG, 0, NULL},
    {"empty", "", -EBADMSG, 0, NULL},
};

static void qmp_lines(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof qmp_rows / sizeof qmp_rows[0]; i++) {
        struct qmp_message message = {.kind = QMP_EVENT, .reason = "before"};

        print_message("%s\n", qmp_rows[i].name);
        assert_int_equal(qmp_parse(qmp_rows[i].line, &message), qmp_rows[i].result);
        if (qmp_rows[i].result < 0) {
            assert_string_equal(message.reason, "before");
            continue;
        }
        assert_int_equal(message.kind, qmp_rows[i].kind);
        assert_string_equal(message.reason, qmp_rows[i].reason);
    }
}

static void qmp_disk_errors(void **state)
{
    struct qmp_message message = {0};

    (void)state;
    assert_int_equal(qmp_parse("{\"event\": \"BLOCK_IO_ERROR\", \"data\": {\"operation\": "
                               "\"read\", \"action\": \"report\"}}",
                               &message),
                     0);
    assert_true(message.read);
    assert_int_equal(
        qmp_parse("{\"event\": \"BLOCK_IO_ERROR\", \"data\": {\"operation\": \"write\"}}",
                  &message),
        0);
    assert_string_equal(message.reason, "BLOCK_IO_ERROR");
    assert_false(message.read);
}

static void qmp_instructions(void **state)
{
    struct qmp_message message = {0};

    (void)state;
    assert_int_equal(
        qmp_parse("{\"return\": {\"icount\": 5000000000, \"mode\": \"none\"}}", &message), 0);
    assert_int_equal(message.kind, QMP_RETURN);
    assert_true(message.icount == 5000000000);
    assert_int_equal(qmp_parse("{\"return\": {}}", &message), 0);
    assert_true(message.icount == -1);
    assert_int_equal(qmp_parse("{\"event\": \"STOP\"}", &message), 0);
    assert_true(message.icount == -1);
}

static const struct {
    const char *name, *line;
    int result;
    enum channel_kind kind;
    long id, code;
    const char *text; /* of OUT; of HELLO its target */
} channel_rows[] = {
    {"hello", "hello 0f3c-11 multi-user", 0, CHANNEL_HELLO, 0, 0, "multi-user"},
    {"output", "out 12 a  line ", 0, CHANNEL_OUT, 12, 0, "a  line "},
    {"empty output", "out 12 ", 0, CHANNEL_OUT, 12, 0, ""},
    {"end", "end 12 139", 0, CHANNEL_END, 12, 139, NULL},
    {"hello without target", "hello 0f3c-11", -EBADMSG, 0, 0, 0, NULL},
    {"hello with more", "hello 0f3c-11 safe x", -EBADMSG, 0, 0, 0, NULL},
    {"output without id", "out text", -EBADMSG, 0, 0, 0, NULL},
    {"id glued to text", "out 12x text", -EBADMSG, 0, 0, 0, NULL},
    {"end without code", "end 12", -EBADMSG, 0, 0, 0, NULL},
    {"end with more", "end 12 0 0", -EBADMSG, 0, 0, 0, NULL},
    {"unknown", "ready 1", -EBADMSG, 0, 0, 0, NULL},
    {"verb alone", "out", -EBADMSG, 0, 0, 0, NULL},
};

static void channel_lines(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof channel_rows / sizeof channel_rows[0]; i++) {
        struct channel_message message = {.id = -1};

        print_message("%s\n", channel_rows[i].name);
        assert_int_equal(channel_parse(channel_rows[i].line, &message), channel_rows[i].result);
        if (channel_rows[i].result < 0) {
            assert_int_equal(message.id, -1);
            continue;
        }
        assert_int_equal(message.kind, channel_rows[i].kind);
        assert_int_equal(message.id, channel_rows[i].id);
        assert_int_equal(message.code, channel_rows[i].code);
        if (message.kind == CHANNEL_HELLO)
            assert_string_equal(message.target, channel_rows[i].text);
        if (message.kind == CHANNEL_OUT)
            assert_string_equal(message.text, channel_rows[i].text);
    }
}

static void long_words_of_hello_are_refused(void **state)
{
    struct channel_message message = {.id = -1};
    char line[256] = "hello ";

    (void)state;
    memset(line + 6, 'a', 64);
    strcpy(line + 70, " safe");
    assert_int_equal(channel_parse(line, &message), -EBADMSG);
    line[69] = ' ';
    line[70] = 's';
    strcpy(line + 71, "afe");
    assert_int_equal(channel_parse(line, &message), 0);
    assert_int_equal(strlen(message.boot_id), 63);
}

static void collect(void *context, const char *line)
{
    strcat(context, line);
    strcat(context, "|");
}

static const struct {
    const char *name, *bytes, *lines;
} stream_rows[] = {
    {"lines", "a\nb\r\n\n", "a|b||"},
    {"no end yet", "abc", ""},
    {"colours", "\033[0;32m  OK  \033[0m done\n", "  OK   done|"},
    {"cursor", "\033[2J\033[01;01Hboot\n", "boot|"},
    {"two-byte escape", "\033cx\n", "x|"},
    {"escape cut by the line's end", "a\033[0\nb\n", "a|b|"},
    {"control characters", "a\001b\tc\n", "ab\tc|"},
    {"bytes over ASCII", "caf\303\251\n", "caf\303\251|"},
};

/* However the bytes arrive, the lines are the same. */
static void streams_are_cut_into_lines(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof stream_rows / sizeof stream_rows[0]; i++) {
        for (size_t step = 1; step < 4; step++) {
            static struct line_stream stream;
            char found[256] = "";
            size_t size = strlen(stream_rows[i].bytes);

            memset(&stream, 0, sizeof stream);
            for (size_t at = 0; at < size; at += step)
                line_stream_feed(&stream, stream_rows[i].bytes + at,
                                 size - at < step ? size - at : step, collect, found);
            print_message("%s, by %zu\n", stream_rows[i].name, step);
            assert_string_equal(found, stream_rows[i].lines);
        }
    }
}

static void count_length(void *context, const char *line)
{
    *(size_t *)context += strlen(line);
}

static void an_endless_line_is_cut(void **state)
{
    static struct line_stream stream;
    static char bytes[3 * LINE_MAX_LENGTH];
    size_t length = 0;

    (void)state;
    memset(bytes, 'x', sizeof bytes);
    line_stream_feed(&stream, bytes, sizeof bytes, count_length, &length);
    line_stream_feed(&stream, "\n", 1, count_length, &length);
    assert_int_equal(length, sizeof bytes);
}

static const struct {
    const char *name, *line;
    int count;
    const char *words[4];
} word_rows[] = {
    {"plain", "boot panic count=3", 3, {"boot", "panic", "count=3"}},
    {"blanks", "  a \t b ", 2, {"a", "b"}},
    {"quotes", "run \"a  b\"", 2, {"run", "a  b"}},
    {"quote within a word", "marker=\"a b\" c", 2, {"marker=a b", "c"}},
    {"empty word", "a \"\"", 2, {"a", ""}},
    {"escapes", "\"a\\\"b\\\\c\"", 1, {"a\"b\\c"}},
    {"other backslashes stay", "\"\\.d\\n\" \\EFI\\x", 2, {"\\.d\\n", "\\EFI\\x"}},
    {"comment", "a # b", 1, {"a"}},
    {"no comment", "a#b \"# c\"", 2, {"a#b", "# c"}},
    {"nothing", " ", 0, {NULL}},
    {"open quote", "a \"b", -EINVAL, {NULL}},
    {"too many", "a b c d e", -E2BIG, {NULL}},
};

static void lines_are_cut_into_words(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof word_rows / sizeof word_rows[0]; i++) {
        char *words[4] = {NULL};
        char *line = text_copy(word_rows[i].line);

        print_message("%s\n", word_rows[i].name);
        assert_int_equal(text_words(line, words, 4), word_rows[i].count);
        for (int w = 0; w < word_rows[i].count; w++)
            assert_string_equal(words[w], word_rows[i].words[w]);
        free(line);
    }
}

static void numbers(void **state)
{
    long value = 7;

    (void)state;
    assert_int_equal(text_number("0", 0, 9, &value), 0);
    assert_int_equal(value, 0);
    assert_int_equal(text_number("0x10", 0, 16, &value), 0);
    assert_int_equal(value, 16);
    assert_int_equal(text_number("17", 0, 16, &value), -EINVAL);
    assert_int_equal(text_number("-1", -5, 16, &value), -EINVAL);
    assert_int_equal(text_number("1x", 0, 16, &value), -EINVAL);
    assert_int_equal(text_number("", 0, 16, &value), -EINVAL);
    assert_int_equal(text_number("99999999999999999999", 0, 16, &value), -EINVAL);
    assert_int_equal(value, 16);
}

/* sh itself takes what was quoted apart again. */
static void words_for_sh(void **state)
{
    static const char *const words[] = {
        "", "a", "a b", "it's", "'", "''", "'a' \"$HOME\" \\ `x`'", "echo $(id); exit 1 # no"};

    (void)state;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        TEXT_AUTO quoted = text_quoted(words[i]);
        TEXT_AUTO line = text_format("printf '<%%s>' %s end", quoted);
        TEXT_AUTO wanted = text_format("<%s><end>", words[i]);
        const char *argv[] = {"sh", "-c", line, NULL};
        struct output output;

        assert_int_equal(command_run(argv, &output), 0);
        assert_string_equal(output.out, wanted);
        output_free(&output);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(qmp_lines),
        cmocka_unit_test(qmp_disk_errors),
        cmocka_unit_test(qmp_instructions),
        cmocka_unit_test(channel_lines),
        cmocka_unit_test(long_words_of_hello_are_refused),
        cmocka_unit_test(streams_are_cut_into_lines),
        cmocka_unit_test(an_endless_line_is_cut),
        cmocka_unit_test(lines_are_cut_into_words),
        cmocka_unit_test(numbers),
        cmocka_unit_test(words_for_sh),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
