/*
 * qmp.h - one line of QEMU's machine protocol. Source: docs/interop/qmp-spec.txt,
 * qapi/run-state.json, qapi/block-core.json.
 */
#ifndef BACKSTOP_RIG_QMP_H
#define BACKSTOP_RIG_QMP_H

#include <stdbool.h>
#include <stdint.h>

enum qmp_kind {
    QMP_GREETING = 0,
    QMP_RETURN,
    QMP_ERROR,
    QMP_SHUTDOWN, /* reason: "guest-reset", "guest-shutdown", "guest-panic", "host-..." */
    QMP_EVENT,    /* another event; reason is its name */
};

struct qmp_message {
    enum qmp_kind kind;
    char reason[64]; /* for QMP_ERROR its description */
    bool read;       /* of a BLOCK_IO_ERROR: it was a read that failed */
    int64_t icount;  /* answer to query-replay: instructions that the guest has executed; else -1 */
};

/* 0, or -EBADMSG for what is not a QMP message; *message changes only on success. */
int qmp_parse(const char *line, struct qmp_message *message);

#endif
