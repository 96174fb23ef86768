/*
 * tally.c - runs a check, says in one line how it went, and keeps the count.
 *
 *   tally RESULTS LABEL COMMAND...   runs COMMAND and appends "passed failed skipped LABEL" to
 *                                    RESULTS. A cmocka program counts once for each of its tests,
 *                                    anything else once by its exit status. What it wrote is shown
 *                                    only if something failed. Exit status 0 once that is recorded.
 *   tally RESULTS                    what failed, and the sums; exit status 1 if anything did, or
 *                                    if nothing ran.
 *
 * A cmocka program that dies, or leaves before all of its tests ran, has failed the missing ones.
 * TALLY_SECONDS in the environment ends a command that hangs (by SIGALRM).
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct counts {
    unsigned long planned;
    unsigned long passed;
    unsigned long failed;
    unsigned long skipped;
};

/* One line of cmocka's TAP output. It calls a skipped test "not ok N # SKIP name". */
static void count_line(struct counts *counts, const char *line)
{
    unsigned long number;
    int is_ok = strncmp(line, "ok ", 3) == 0;

    if (sscanf(line, "1..%lu", &number) == 1)
        counts->planned += number;
    else if (sscanf(line, "ok %lu - ", &number) == 1 || sscanf(line, "not ok %lu", &number) == 1) {
        if (strstr(line, "# SKIP") != NULL)
            counts->skipped++;
        else if (is_ok)
            counts->passed++;
        else
            counts->failed++;
    }
}

static void count_output(struct counts *counts, FILE *output)
{
    char *line = NULL;
    size_t size = 0;

    rewind(output);
    while (getline(&line, &size, output) > 0)
        count_line(counts, line);
    free(line);
}

static void count_exit(struct counts *counts, int status)
{
    unsigned long seen = counts->passed + counts->failed + counts->skipped;
    int ended_well = WIFEXITED(status) && WEXITSTATUS(status) == 0;

    if (counts->planned == 0) {
        counts->passed = ended_well ? 1 : 0;
        counts->failed = ended_well ? 0 : 1;
        return;
    }
    if (counts->planned > seen)
        counts->failed += counts->planned - seen;
    if (!ended_well && counts->failed == 0)
        counts->failed = 1;
}

static void exec_command(char **command, FILE *output)
{
    const char *seconds = getenv("TALLY_SECONDS");

    if (seconds != NULL)
        alarm((unsigned)strtoul(seconds, NULL, 10));
    setenv("CMOCKA_MESSAGE_OUTPUT", "TAP", 1);
    dup2(fileno(output), STDOUT_FILENO);
    dup2(fileno(output), STDERR_FILENO);
    execvp(command[0], command);
    fprintf(stderr, "%s: %s\n", command[0], strerror(errno));
    _exit(127);
}

/* The command's wait status, or -1. */
static int run_command(char **command, FILE *output)
{
    int status;
    pid_t pid = fork();

    if (pid == 0)
        exec_command(command, output);
    if (pid < 0 || waitpid(pid, &status, 0) < 0)
        return -1;
    return status;
}

static void show_output(FILE *output)
{
    char buffer[4096];
    size_t size;

    rewind(output);
    while ((size = fread(buffer, 1, sizeof buffer, output)) > 0)
        fwrite(buffer, 1, size, stdout);
}

static void show_result(const struct counts *counts, const char *label, int status, FILE *output)
{
    if (counts->failed == 0) {
        printf("  PASS    %s (%lu)\n", label, counts->passed);
        return;
    }
    show_output(output);
    printf("  FAIL    %s (%lu of %lu", label, counts->failed,
           counts->failed + counts->passed + counts->skipped);
    if (WIFSIGNALED(status))
        printf("; %s", strsignal(WTERMSIG(status)));
    printf(")\n");
}

static int record_result(const char *results, const struct counts *counts, const char *label)
{
    FILE *file = fopen(results, "a");

    if (file == NULL)
        return -1;
    fprintf(file, "%lu %lu %lu %s\n", counts->passed, counts->failed, counts->skipped, label);
    return fclose(file);
}

static int run_and_record(const char *results, const char *label, char **command)
{
    struct counts counts = {0};
    FILE *output = tmpfile();
    int status;

    if (output == NULL || (status = run_command(command, output)) == -1) {
        fprintf(stderr, "tally: %s: %s\n", label, strerror(errno));
        return 2;
    }
    count_output(&counts, output);
    count_exit(&counts, status);
    show_result(&counts, label, status, output);
    fclose(output);
    if (record_result(results, &counts, label) != 0) {
        fprintf(stderr, "tally: %s: %s\n", results, strerror(errno));
        return 2;
    }
    return 0;
}

static int sum_up(const char *results)
{
    struct counts sum = {0};
    struct counts one;
    char label[256];
    FILE *file = fopen(results, "r");

    while (file != NULL && fscanf(file, "%lu %lu %lu %255[^\n]", &one.passed, &one.failed,
                                  &one.skipped, label) == 4) {
        sum.passed += one.passed;
        sum.failed += one.failed;
        sum.skipped += one.skipped;
        if (one.failed > 0)
            printf("  FAILED  %s (%lu)\n", label, one.failed);
        if (one.skipped > 0)
            printf("  SKIPPED %s (%lu)\n", label, one.skipped);
    }
    if (file != NULL)
        fclose(file);
    printf("%lu passed, %lu failed\n", sum.passed, sum.failed);
    return sum.failed > 0 || sum.passed == 0;
}

int main(int argc, char **argv)
{
    if (argc == 2)
        return sum_up(argv[1]);
    if (argc < 4) {
        fprintf(stderr, "usage: tally RESULTS [LABEL COMMAND...]\n");
        return 2;
    }
    return run_and_record(argv[1], argv[2], argv + 3);
}
