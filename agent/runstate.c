/* runstate.c - see runstate.h */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "io.h"
#include "journal.h"
#include "json.h"
#include "runstate.h"

#define EARLY_REPORT_LIMIT ((size_t)64 << 10)

static struct json_object *report_to_json(const struct early_report *report)
{
    struct json_object *json = json_object_new_object();
    return json_whole(json_add_number(json, "boot", report->number) &&
                          json_add_number(json, "case", report->case_number) &&
                          json_add_text(json, "mode", mode_string(report->mode)) &&
                          json_add_text(json, "applied", applied_string(report->applied)) &&
                          json_add_number(json, "put-back", report->summary.put_back) &&
                          json_add_number(json, "taken-out", report->summary.taken_out) &&
                          json_add_number(json, "unprotected", report->summary.unprotected) &&
                          json_add_number(json, "beyond-help", report->summary.beyond_help) &&
                          json_add_flag(json, "rebuild-initramfs", report->rebuild_initramfs) &&
                          json_add(json, "error", json_object_new_int(report->error)),
                      json);
}

static int open_run_dir(const char *run_dir, bool create)
{
    int err = create ? io_mkdir_p(AT_FDCWD, run_dir, 0755) : 0;
    if (err < 0)
        return err;
    int fd = open(run_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

int early_report_write(const char *run_dir, const struct early_report *report)
{
    int fd = open_run_dir(run_dir, true);
    if (fd < 0)
        return fd;
    struct json_object *json = report_to_json(report);
    const char *text = json_text(json, JSON_C_TO_STRING_PRETTY, NULL);
    int err = text ? io_write_atomic(fd, EARLY_REPORT_NAME, text, strlen(text), 0644) : -ENOMEM;
    json_object_put(json);
    close(fd);
    return err;
}

static int mode_from_string(const char *text)
{
    for (int i = 0; i < MODE_COUNT; i++)
        if (strcmp(text, mode_string((enum mode)i)) == 0)
            return i;
    return -1;
}

static int applied_from_string(const char *text)
{
    for (int i = 0; i < APPLIED_COUNT; i++)
        if (strcmp(text, applied_string((enum applied)i)) == 0)
            return i;
    return -1;
}

static int report_from_json(const struct json_object *json, struct early_report *report)
{
    int mode = mode_from_string(journal_text(json, "mode"));
    int applied = applied_from_string(journal_text(json, "applied"));
    if (mode < 0 || applied < 0)
        return -EBADMSG;
    *report = (struct early_report){
        .present = true,
        .mode = (enum mode)mode,
        .number = (uint32_t)journal_number(json, "boot"),
        .case_number = (uint32_t)journal_number(json, "case"),
        .applied = (enum applied)applied,
        .summary = {.put_back = (size_t)journal_number(json, "put-back"),
                    .taken_out = (size_t)journal_number(json, "taken-out"),
                    .unprotected = (size_t)journal_number(json, "unprotected"),
                    .beyond_help = (size_t)journal_number(json, "beyond-help")},
        .rebuild_initramfs = json_flag(json, "rebuild-initramfs"),
        .error = (int)journal_number(json, "error"),
    };
    return 0;
}

int early_report_parse(const char *text, struct early_report *report)
{
    struct json_object *json;
    int err = json_parse(text, strlen(text), &json);
    if (err == 0)
        err = json ? report_from_json(json, report) : -EBADMSG;
    json_object_put(json);
    return err;
}

int early_report_read(const char *run_dir, struct early_report *report)
{
    char *text = NULL;
    size_t size = 0;
    int fd = open_run_dir(run_dir, false);
    int err = fd < 0 ? fd : io_read_all(fd, EARLY_REPORT_NAME, EARLY_REPORT_LIMIT, &text, &size);
    if (fd >= 0)
        close(fd);
    if (err == -ENOENT) {
        *report = (struct early_report){0};
        return 0;
    }
    if (err == 0)
        err = early_report_parse(text, report);
    free(text);
    return err;
}
