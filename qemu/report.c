#include "report.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "directory.h"
#include "markup.h"
#include "rig.h"

#define DEPTH 3

const char *verdict_string(enum verdict verdict)
{
    static const char *const words[] = {"passed", "failed", "unfinished"};

    return words[verdict];
}

static char *utc(time_t when)
{
    struct tm parts;
    char text[32];

    gmtime_r(&when, &parts);
    strftime(text, sizeof text, "%Y-%m-%d %H:%M UTC", &parts);
    return text_copy(text);
}

/* Of a name what can stand in a link, behind a number that makes it unique. */
static char *id_of(const char *name, size_t number)
{
    char *id = text_format("r%zu-%s", number, name);

    for (char *c = id; *c != '\0'; c++)
        if (!((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9')))
            *c = '-';
    return id;
}

static struct json_object *parse_file(const char *path)
{
    TEXT_AUTO text = file_read(path, NULL);
    struct json_object *json = text != NULL ? json_tokener_parse(text) : NULL;

    if (json_object_is_type(json, json_type_object))
        return json;
    json_object_put(json);
    return NULL;
}

static void result_add(struct report *report, const char *name, const char *dir, const char *path,
                       bool is_state)
{
    TEXT_AUTO trial = text_format("%s/try.json", dir);
    struct result *result;
    struct stat st = {0};

    report->results = realloc(report->results, (report->count + 1) * sizeof *report->results);
    if (report->results == NULL)
        abort();
    result = &report->results[report->count++];
    memset(result, 0, sizeof *result);
    (void)stat(path, &st);
    result->name = text_copy(name);
    result->id = id_of(name, report->count);
    result->dir = text_copy(dir);
    result->is_state = is_state;
    result->when = utc(st.st_mtime);
    result->json = parse_file(path);
    result->trial = parse_file(trial);
    if (result->json == NULL)
        result->verdict = VERDICT_UNFINISHED;
    else if (member_true(result->json, "passed") && member_number(result->trial, "code") < 1)
        result->verdict = VERDICT_PASSED;
    else
        result->verdict = VERDICT_FAILED;
    if (result->json == NULL)
        result->json = json_object_new_object();
    if (is_state && *member_text(result->json, "provides") != '\0')
        text_replace(&result->name, text_copy(member_text(result->json, "provides")));
}

/* 1: dir holds a result, finished or not; 0: it may hold others. */
static int take_dir(struct report *report, const char *name, const char *dir, bool is_state)
{
    TEXT_AUTO result = text_format("%s/result.json", dir);
    TEXT_AUTO timeline = text_format("%s/timeline.txt", dir);
    bool finished = access(result, R_OK) == 0;

    if (!finished && access(timeline, R_OK) < 0)
        return 0;
    result_add(report, name, dir, finished ? result : timeline, is_state);
    return 1;
}

static bool is_dir(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static int search(struct report *report, const char *prefix, const char *dir, int depth)
{
    DIR *handle = opendir(dir);
    struct dirent *entry;

    if (handle == NULL)
        return -errno;
    while ((entry = readdir(handle)) != NULL) {
        TEXT_AUTO path = text_format("%s/%s", dir, entry->d_name);
        TEXT_AUTO name = text_format("%s%s", prefix, entry->d_name);
        TEXT_AUTO below = text_format("%s/", name);

        if (entry->d_name[0] == '.' || !is_dir(path))
            continue;
        if (!take_dir(report, name, path, false) && depth > 1)
            (void)search(report, below, path, depth - 1);
    }
    closedir(handle);
    return 0;
}

static void search_states(struct report *report, const char *dir)
{
    DIR *handle = opendir(dir);
    struct dirent *entry;

    while (handle != NULL && (entry = readdir(handle)) != NULL) {
        TEXT_AUTO path = text_format("%s/%s", dir, entry->d_name);
        bool made = text_starts(entry->d_name, "state-");

        if ((made || text_starts(entry->d_name, "making-")) && is_dir(path))
            take_dir(report, entry->d_name, path, true);
    }
    if (handle != NULL)
        closedir(handle);
}

static void search_proofs(struct report *report, const char *dir)
{
    struct dirent **entries;
    int count = scandir(dir, &entries, NULL, alphasort);

    for (int i = 0; i < count; i++) {
        TEXT_AUTO path = text_format("%s/%s", dir, entries[i]->d_name);
        struct layer layer;

        if (entries[i]->d_name[0] != '.' && is_dir(path) &&
            layer_read(&layer, entries[i]->d_name, path)) {
            report->layers =
                realloc(report->layers, (report->layer_count + 1) * sizeof *report->layers);
            if (report->layers == NULL)
                abort();
            report->layers[report->layer_count++] = layer;
        }
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
}

static int rank(const struct result *result)
{
    return (result->is_state ? 2 : 0) + (result->verdict == VERDICT_PASSED);
}

static int by_rank(const void *left, const void *right)
{
    const struct result *a = left, *b = right;
    int order = rank(a) - rank(b);

    return order != 0 ? order : strcmp(a->name, b->name);
}

/* The last part of a path, for a name; "result" where it has none. */
static const char *last_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *last = slash != NULL ? slash + 1 : path;

    return *last != '\0' && strcmp(last, ".") != 0 && strcmp(last, "..") != 0 ? last : "result";
}

static bool is_one(const struct report *report, const char *results)
{
    return report->count == 1 && strcmp(report->results[0].dir, results) == 0;
}

int report_read(struct report *report, const char *results, const char *states, const char *proofs,
                char **reason)
{
    int error;

    memset(report, 0, sizeof *report);
    report->made = utc(time(NULL));
    error =
        take_dir(report, last_of(results), results, false) ? 0 : search(report, "", results, DEPTH);
    if (is_one(report, results))
        return error;
    if (states != NULL)
        search_states(report, states);
    if (proofs != NULL)
        search_proofs(report, proofs);
    if (error < 0)
        text_replace(reason, text_format("%s: %s: give the directory that `rig run` wrote to",
                                         results, strerror(-error)));
    else if (report->count > 1)
        qsort(report->results, report->count, sizeof *report->results, by_rank);
    return error;
}

void report_free(struct report *report)
{
    for (size_t i = 0; i < report->count; i++) {
        free(report->results[i].name);
        free(report->results[i].id);
        free(report->results[i].dir);
        free(report->results[i].when);
        json_object_put(report->results[i].json);
        json_object_put(report->results[i].trial);
    }
    for (size_t i = 0; i < report->layer_count; i++)
        layer_free(&report->layers[i]);
    free(report->results);
    free(report->layers);
    free(report->made);
    memset(report, 0, sizeof *report);
}

const char *result_reason(const struct result *result)
{
    const char *reason = member_text(result->json, "reason");

    if (result->verdict == VERDICT_UNFINISHED)
        return "There is no result: the run ended before this scenario did, or it still runs.";
    return *reason != '\0' ? reason : member_text(result->trial, "answer");
}

size_t report_verdicts(const struct report *report, enum verdict verdict, bool states)
{
    size_t count = 0;

    for (size_t i = 0; i < report->count; i++)
        count += report->results[i].verdict == verdict && report->results[i].is_state == states;
    return count;
}

static int write_one(const struct report *report, const char *dir, const char *name,
                     void (*writer)(FILE *, const struct report *), char **reason)
{
    TEXT_AUTO path = text_format("%s/%s", dir, name);
    TEXT_AUTO new = text_format("%s/.%s.new", dir, name);
    FILE *file = fopen(new, "we");
    int error = file != NULL ? 0 : -errno;

    if (file != NULL) {
        writer(file, report);
        error = ferror(file) != 0 ? -EIO : 0;
        if (fclose(file) != 0 && error == 0)
            error = -errno;
    }
    if (error == 0 && rename(new, path) < 0)
        error = -errno;
    if (error < 0) {
        unlink(new);
        text_replace(reason, text_format("%s: %s", path, strerror(-error)));
    }
    return error;
}

int report_write(const struct report *report, const char *dir, char **reason)
{
    int error = directory_make(dir);

    if (error < 0)
        text_replace(reason, text_format("%s: %s", dir, strerror(-error)));
    if (error == 0)
        error = write_one(report, dir, "report.json", report_json, reason);
    if (error == 0)
        error = write_one(report, dir, "junit.xml", report_junit, reason);
    if (error == 0)
        error = write_one(report, dir, "report.html", report_html, reason);
    return error;
}

int report_make(const struct rig *rig, const char *results, const char *out)
{
    TEXT_AUTO proofs = text_format("%s/../proof", rig->dir);
    TEXT_AUTO reason = NULL;
    struct report report;
    int error = report_read(&report, results, rig->dir, proofs, &reason);

    if (error == 0)
        error = report_write(&report, out, &reason);
    if (error == 0)
        printf("report: %s/report.html\n", out);
    else
        fprintf(stderr, "rig: report: %s\n", reason);
    report_free(&report);
    return error;
}
