/*
 * The journal: its chain, torn lines, tampering, and cuts while appending.
 */
#include "check.h"
#include "cut.h"
#include "journal.h"
#include "world.h"

static void append_some(const struct place *place, unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++)
        assert_int_equal(journal_append(place, journal_record("good", i, 0, "a test")), 0);
}

static char *journal_bytes(const struct world *world, size_t *size)
{
    char *text;
    int fd = open(world_path(world, STATE_DIR), O_RDONLY | O_DIRECTORY);
    assert_int_equal(io_read_all(fd, JOURNAL_NAME, 1 << 20, &text, size), 0);
    close(fd);
    return text;
}

static void records_are_chained(void **state)
{
    struct world world;
    struct place place;
    struct journal journal;
    (void)state;
    world_make(&world);
    world_open(&world, &place);
    assert_int_equal(journal_read(&place, &journal, NULL), 0);
    assert_int_equal(journal.count, 0);
    append_some(&place, 0, 5);
    assert_int_equal(journal_read(&place, &journal, NULL), 0);
    assert_int_equal(journal.count, 5);
    assert_int_equal(journal.broken_line, 0);
    assert_false(journal.torn);
    for (size_t i = 0; i < journal.count; i++) {
        assert_int_equal(journal_number(journal.records[i], "seq"), i + 1);
        assert_int_equal(journal_number(journal.records[i], "boot"), i);
        assert_string_equal(journal_text(journal.records[i], "event"), "good");
    }
    assert_string_equal(journal_text(journal.records[0], "prev"),
                        "0000000000000000000000000000000000000000000000000000000000000000");
    journal_free(&journal);
    struct stat st;
    assert_int_equal(stat(world_path(&world, STATE_DIR "/" JOURNAL_NAME), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    place_close(&place);
    world_remove(&world);
}

static void without_a_state_directory_nothing_is_appended(void **state)
{
    struct place place = {.state_fd = -1, .root_fd = -1};
    struct journal journal;
    (void)state;
    assert_int_equal(journal_append(&place, journal_record("good", 1, 0, "")), -ENOENT);
    assert_int_equal(journal_read(&place, &journal, NULL), 0);
    assert_int_equal(journal.count, 0);
}

static void paths_of_any_bytes_come_back(void **state)
{
    static const char path[] = "/opt/\x01\n\t\"\\\xff\xfe/x";
    struct world world;
    struct place place;
    struct journal journal;
    (void)state;
    world_make(&world);
    world_open(&world, &place);
    struct json_object *record = journal_record("restore", 1, 2, "a test");
    json_object_object_add(record, "path", json_object_new_string(path));
    assert_int_equal(journal_append(&place, record), 0);
    assert_int_equal(journal_read(&place, &journal, NULL), 0);
    assert_int_equal(journal.count, 1);
    assert_string_equal(journal_text(journal.records[0], "path"), path);
    journal_free(&journal);
    place_close(&place);
    world_remove(&world);
}

/* Every prefix of the last line, as a cut leaves it. */
static void a_torn_line_is_passed_over(void **state)
{
    struct world world;
    struct place place;
    struct journal journal;
    size_t size, shorter;
    (void)state;
    world_make(&world);
    world_open(&world, &place);
    append_some(&place, 0, 2);
    free(journal_bytes(&world, &shorter));
    append_some(&place, 2, 3);
    char *text = journal_bytes(&world, &size);
    for (size_t end = shorter; end <= size; end++) {
        bool whole = end >= size - 1;
        assert_int_equal(truncate(world_path(&world, STATE_DIR "/" JOURNAL_NAME), 0), 0);
        FILE *file = fopen(world_path(&world, STATE_DIR "/" JOURNAL_NAME), "w");
        assert_int_equal(fwrite(text, 1, end, file), end);
        fclose(file);
        assert_int_equal(journal_read(&place, &journal, NULL), 0);
        assert_int_equal(journal.count, whole ? 3 : 2);
        assert_int_equal(journal.torn, end > shorter && end < size);
        assert_int_equal(journal.broken_line, 0);
        journal_free(&journal);
        append_some(&place, 7, 9);
        assert_int_equal(journal_read(&place, &journal, NULL), 0);
        assert_int_equal(journal.count, whole ? 5 : 4);
        assert_false(journal.torn);
        assert_int_equal(journal.broken_line, 0);
        assert_int_equal(journal_number(journal.records[journal.count - 1], "boot"), 8);
        journal_free(&journal);
    }
    free(text);
    place_close(&place);
    world_remove(&world);
}

/* A change of any byte breaks the chain, at the line that was changed or the one after it. The last
 * record has none after it that would tell: there alone a change can pass. */
/* A gigabyte of zeros before the last records must not keep a recovery from its work. */
static void of_a_giant_the_end_is_read(void **state)
{
    struct world world;
    struct place place;
    struct journal journal;
    (void)state;
    world_make(&world);
    world_open(&world, &place);
    world_file(&world, STATE_DIR "/" JOURNAL_NAME, "", 0600);
    assert_int_equal(truncate(world_path(&world, STATE_DIR "/" JOURNAL_NAME), (off_t)1 << 30), 0);
    append_some(&place, 0, 3);
    assert_int_equal(journal_read(&place, &journal, NULL), 0);
    assert_int_equal(journal.count, 3);
    journal_free(&journal);
    place_close(&place);
    world_remove(&world);
}

static void tampering_shows(void **state)
{
    struct world world;
    struct place place;
    size_t size;
    (void)state;
    world_make(&world);
    world_open(&world, &place);
    append_some(&place, 0, 4);
    char *text = journal_bytes(&world, &size);
    const char *last = memrchr(text, '\n', size - 1);
    size_t checked = (size_t)(last - text);
    for (size_t at = 0; at < checked; at++) {
        struct journal journal;
        char was = text[at];
        text[at] = (char)(was ^ 1);
        assert_int_equal(journal_parse(text, size, &journal), 0);
        if (journal.broken_line == 0)
            fail_msg("byte %zu of %zu changed unseen", at, size);
        journal_free(&journal);
        text[at] = was;
    }
    free(text);
    place_close(&place);
    world_remove(&world);
}

static void lines_taken_out_or_moved_show(void **state)
{
    struct world world;
    struct place place;
    struct journal journal;
    char *lines[4], *text, made[4096];
    size_t size;
    (void)state;
    static const struct {
        const char *name;
        const char *order;
        size_t broken;
    } rows[] = {{"whole", "0123", 0},
                {"first gone", "123", 1},
                {"one in the middle gone", "013", 3},
                {"two changed about", "0213", 2},
                {"one twice", "0112", 3},
                {"last gone", "012", 0}};
    world_make(&world);
    world_open(&world, &place);
    append_some(&place, 0, 4);
    text = journal_bytes(&world, &size);
    lines[0] = strtok(text, "\n");
    for (size_t i = 1; i < 4; i++)
        lines[i] = strtok(NULL, "\n");
    for (size_t row = 0; row < ROWS(rows); row++) {
        size_t at = 0;
        for (const char *c = rows[row].order; *c; c++)
            at += (size_t)snprintf(made + at, sizeof made - at, "%s\n", lines[*c - '0']);
        assert_int_equal(journal_parse(made, at, &journal), 0);
        if (journal.broken_line != rows[row].broken)
            fail_msg("%s: broken at %zu, not at %zu", rows[row].name, journal.broken_line,
                     rows[row].broken);
        journal_free(&journal);
    }
    free(text);
    place_close(&place);
    world_remove(&world);
}

/* 0 or CUT_STATUS. */
static int append_in_child(const struct world *world, unsigned long cut_at, unsigned long fail_at)
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        struct place place;
        world_open(world, &place);
        cut.on = true;
        cut.cut_at = cut_at;
        cut.fail_at = fail_at;
        cut.fail_with = ENOSPC;
        int err = journal_append(&place, journal_record("good", 77, 0, "cut"));
        _exit(err < 0 ? 1 : cut.calls < cut_at + fail_at ? 3 : 0);
    }
    waitpid(child, &status, 0);
    return WEXITSTATUS(status);
}

static void cut_or_refused_anywhere_the_chain_holds(void **state)
{
    struct world world;
    struct place place;
    (void)state;
    for (int refuse = 0; refuse < 2; refuse++) {
        world_make(&world);
        world_open(&world, &place);
        int status = 0;
        for (unsigned long at = 1; status != 3; at++) {
            struct journal journal;
            status = append_in_child(&world, refuse ? 0 : at, refuse ? at : 0);
            append_some(&place, 1, 2);
            assert_int_equal(journal_read(&place, &journal, NULL), 0);
            assert_int_equal(journal.broken_line, 0);
            assert_false(journal.torn);
            journal_free(&journal);
            assert_true(at < 20);
        }
        place_close(&place);
        world_remove(&world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_are_chained),
        cmocka_unit_test(without_a_state_directory_nothing_is_appended),
        cmocka_unit_test(paths_of_any_bytes_come_back),
        cmocka_unit_test(a_torn_line_is_passed_over),
        cmocka_unit_test(of_a_giant_the_end_is_read),
        cmocka_unit_test(tampering_shows),
        cmocka_unit_test(lines_taken_out_or_moved_show),
        cmocka_unit_test(cut_or_refused_anywhere_the_chain_holds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
