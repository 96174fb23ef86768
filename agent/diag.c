#include "diag.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MESSAGE_SIZE 2048
#define PROGRESS_AFTER 1000 /* ms: what ends sooner shows nothing */
#define PROGRESS_EVERY 200  /* ms */

static void mask_controls(char *message)
{
    for (char *p = message; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = '?';
}

void diag_report(struct diag *diag, enum diag_level level, const char *format, ...)
{
    char message[MESSAGE_SIZE];
    va_list args;

    if (!diag)
        return;
    if (level == DIAG_WARNING)
        diag->warnings++;
    if (level == DIAG_ERROR)
        diag->errors++;
    if (!diag->sink)
        return;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    mask_controls(message);
    diag->sink(diag, level, message);
}

void diag_progress(struct diag *diag, const char *what, unsigned long long done,
                   unsigned long long total)
{
    if (diag && diag->progress)
        diag->progress(diag, what, done, total);
}

static const char *level_prefix(enum diag_level level)
{
    switch (level) {
    case DIAG_INFO:
        return "";
    case DIAG_WARNING:
        return "warning: ";
    case DIAG_ERROR:
        return "error: ";
    }
    return "";
}

static void clear_progress(struct diag *diag)
{
    if (diag->progress_shown)
        fputs("\r\033[K", stderr);
    diag->progress_shown = 0;
}

static void stderr_sink(struct diag *diag, enum diag_level level, const char *message)
{
    clear_progress(diag);
    fprintf(stderr, "backstop: %s%s\n", level_prefix(level), message);
}

static long long now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void stderr_progress(struct diag *diag, const char *what, unsigned long long done,
                            unsigned long long total)
{
    long long now = now_ms();

    if (done == 0 || !diag->progress_began)
        diag->progress_began = now;
    if (total && done >= total) {
        clear_progress(diag);
        diag->progress_began = 0;
        return;
    }
    if (now - diag->progress_began < PROGRESS_AFTER || now - diag->progress_shown < PROGRESS_EVERY)
        return;
    diag->progress_shown = now;
    if (total)
        fprintf(stderr, "\r\033[K%s: %3llu%%", what, done * 100 / total);
    else
        fprintf(stderr, "\r\033[K%s: %llu", what, done);
    fflush(stderr);
}

void diag_to_stderr(struct diag *diag)
{
    *diag = (struct diag){.sink = stderr_sink};
    if (isatty(STDERR_FILENO))
        diag->progress = stderr_progress;
}

/* Kernel log levels; the kernel shows warnings and worse on a quiet console. */
static int kernel_level(enum diag_level level)
{
    switch (level) {
    case DIAG_INFO:
        return 6;
    case DIAG_WARNING:
        return 4;
    case DIAG_ERROR:
        return 3;
    }
    return 3;
}

static void kmsg_sink(struct diag *diag, enum diag_level level, const char *message)
{
    /* printk takes one record a write and cuts it at about 1 kB */
    char record[976];
    int length =
        snprintf(record, sizeof record, "<%d>backstop: %s\n", kernel_level(level), message);
    size_t size = (size_t)length < sizeof record ? (size_t)length : sizeof record - 1;

    if (write((int)(intptr_t)diag->user, record, size) < 0)
        stderr_sink(diag, level, message);
}

void diag_to_kmsg(struct diag *diag)
{
    int fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);

    if (fd < 0) {
        diag_to_stderr(diag);
        return;
    }
    *diag = (struct diag){.sink = kmsg_sink, .user = (void *)(intptr_t)fd};
}
