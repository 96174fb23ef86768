/* runstate.c - see runstate.h */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "io.h"
#include "journal.h"
#include "runstate.h"

#define EARLY_REPORT_LIMIT ((size_t)64 << 10)

static void add_number(struct json_object *json, const char *key, int64_t number)
{
    json_object_object_add(json, key, json_object_new_int64(number));
}

static struct json_object *report_to_json(const struct early_report *report)
{
    struct json_object *json = json_object_new_object();
    if (!json)
        return NULL;
    add_number(json, "boot", report->number);
    add_number(json, "case", report->case_number);
    json_object_object_add(json, "mode", json_object_new_string(mode_string(report->mode)));
    json_object_object_add(json, "applied",
                           json_object_new_string(applied_string(report->applied)));
    add_number(json, "put-back", (int64_t)report->summary.put_back);
    add_number(json, "taken-out", (int64_t)report->summary.taken_out);
    add_number(json, "unprotected", (int64_t)report->summary.unprotected);
    add_number(json, "beyond-help", (int64_t)report->summary.beyond_help);
    json_object_object_add(json, "rebuild-initramfs",
                           json_object_new_boolean(report->rebuild_initramfs));
    add_number(json, "error", report->error);
    return json;
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
    const char *text = json ? json_object_to_json_string_ext(json, JSON_C_TO_STRING_PRETTY) : NULL;
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
    struct json_object *rebuild = NULL;
    int mode = mode_from_string(journal_text(json, "mode"));
    int applied = applied_from_string(journal_text(json, "applied"));
    if (mode < 0 || applied < 0)
        return -EBADMSG;
    json_object_object_get_ex(json, "rebuild-initramfs", &rebuild);
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
        .rebuild_initramfs = json_object_get_boolean(rebuild),
        .error = (int)journal_number(json, "error"),
    };
    return 0;
}

int early_report_parse(const char *text, struct early_report *report)
{
    struct json_object *json = json_tokener_parse(text);
    int err =
        json_object_is_type(json, json_type_object) ? report_from_json(json, report) : -EBADMSG;
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
