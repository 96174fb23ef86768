/* recovery.c - see recovery.h */
#include "recovery.h"
#include "subject.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RUN "/run"
#define TICKET VARIABLES "/BackstopTicket-79bf4a28-fd19-47e3-bb3c-67b65c2f4dd4"

/* core/FORMAT.md */
enum {
    TICKET_SIZE = 48,
    AT_VERSION = 4,
    AT_LENGTH = 6,
    AT_CRC = 8,
    AT_NUMBER = 16,
    AT_CASE = 20,
    AT_FAILURES = 24,
    AT_RUNG = 25,
    AT_STANCE = 26,
    AT_CASE_OPEN = 27,
    AT_STORED = 32,
    AT_LEDGER_FOUND = 33,
};
enum { ALL_CHANGES = 2, RECOVERY = 1, IN_NVRAM = 1, VALID = 1 };
#define BOOT_AND_RUNTIME 6u

static void put32(uint8_t *bytes, uint32_t value)
{
    for (unsigned i = 0; i < 4; i++)
        bytes[i] = (uint8_t)(value >> 8 * i);
}

static uint32_t crc32_of(const uint8_t *bytes, size_t size)
{
    uint32_t crc = 0xffffffffu;

    for (size_t i = 0; i < size; i++) {
        crc ^= bytes[i];
        for (unsigned bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
    }
    return ~crc;
}

char *recovery_ticket(unsigned boot, unsigned failures)
{
    uint8_t variable[4 + TICKET_SIZE] = {0}, *ticket = variable + 4;
    int error;

    put32(variable, BOOT_AND_RUNTIME);
    memcpy(ticket, "BSTK", 4);
    ticket[AT_VERSION] = 1;
    ticket[AT_LENGTH] = TICKET_SIZE;
    put32(ticket + AT_NUMBER, boot);
    put32(ticket + AT_CASE, 1);
    ticket[AT_FAILURES] = (uint8_t)failures;
    ticket[AT_RUNG] = failures < 3 ? 0 : ALL_CHANGES;
    ticket[AT_STANCE] = failures < 3 ? 0 : RECOVERY;
    ticket[AT_CASE_OPEN] = failures >= 3;
    ticket[AT_STORED] = IN_NVRAM;
    ticket[AT_LEDGER_FOUND] = VALID;
    put32(ticket + AT_CRC, crc32_of(ticket, TICKET_SIZE));
    error = file_write(TICKET, variable, sizeof variable);
    return error < 0 ? text_format(TICKET ": %s", strerror(-error)) : NULL;
}

char *recovery_run(const char *root, unsigned boot)
{
    const char *const argv[] = {"/bin/backstop-early", "--run", RUN, "bottom", root, NULL};
    char *complaint = recovery_ticket(boot, 3);

    unlink(RUN "/backstop/early.json");
    return complaint != NULL ? complaint : lab_run(argv, 0, NULL);
}

char *recovery_applied(char **applied)
{
    TEXT_AUTO text = file_read(RUN "/backstop/early.json", NULL);
    struct json_object *report = text != NULL ? json_tokener_parse(text) : NULL;
    struct json_object *value = NULL;

    if (!json_object_object_get_ex(report, "applied", &value)) {
        json_object_put(report);
        return text_copy("recovery left no report");
    }
    text_replace(applied, text_copy(json_object_get_string(value)));
    json_object_put(report);
    return NULL;
}

char *recovery_quarantine(const char *root, char **list)
{
    const char *const argv[] = {"/bin/backstop", "quarantine", "list", "--json",
                                "--root",        root,         NULL};

    return lab_run(argv, 0, list);
}

/* ---- the journal ---- */

struct chain {
    char last[HASH_TEXT_SIZE]; /* digest of the record before */
    bool torn;                 /* a line that is no record stands behind it */
    int64_t open[64];          /* intents that no done has named */
    size_t open_count;
};

static void close_intents(struct chain *chain, struct json_object *record)
{
    struct json_object *named = NULL;

    if (!json_object_object_get_ex(record, "intents", &named))
        return;
    for (size_t i = 0; i < json_object_array_length(named); i++)
        for (size_t k = 0; k < chain->open_count; k++)
            if (chain->open[k] == json_object_get_int64(json_object_array_get_idx(named, i)))
                chain->open[k] = chain->open[--chain->open_count];
}

static const char *text_of(struct json_object *record, const char *key)
{
    struct json_object *value = NULL;

    return json_object_object_get_ex(record, key, &value) ? json_object_get_string(value) : "";
}

static void note_event(struct chain *chain, struct json_object *record)
{
    struct json_object *seq = NULL;

    json_object_object_get_ex(record, "seq", &seq);
    if (strcmp(text_of(record, "event"), "intent") == 0 && chain->open_count < 64)
        chain->open[chain->open_count++] = json_object_get_int64(seq);
    else if (strcmp(text_of(record, "event"), "done") == 0)
        close_intents(chain, record);
}

static char *follow(struct chain *chain, const char *line)
{
    struct json_object *record = json_tokener_parse(line);
    struct hash *hash;
    char *complaint = NULL;

    if (!json_object_is_type(record, json_type_object)) {
        json_object_put(record);
        chain->torn = true;
        return NULL;
    }
    if (strcmp(text_of(record, "prev"), chain->last) != 0)
        complaint = text_format("the journal's chain is broken before: %.60s", line);
    if (chain->torn && strcmp(text_of(record, "after-torn"), "true") != 0)
        complaint = text_format("the journal does not say what was torn before: %.60s", line);
    chain->torn = false;
    hash = hash_new();
    hash_add(hash, line, strlen(line));
    hash_end(hash, chain->last);
    note_event(chain, record);
    json_object_put(record);
    return complaint;
}

char *recovery_journal(const char *root)
{
    TEXT_AUTO path = text_format("%s" STATE "/journal.jsonl", root);
    TEXT_AUTO text = file_read(path, NULL);
    struct chain chain = {0};
    char *save = NULL, *complaint = NULL;

    if (text == NULL)
        return text_format(STATE "/journal.jsonl: %s", strerror(errno));
    memset(chain.last, '0', HASH_TEXT_SIZE - 1);
    for (char *line = strtok_r(text, "\n", &save); line != NULL && complaint == NULL;
         line = strtok_r(NULL, "\n", &save))
        complaint = follow(&chain, line);
    if (complaint == NULL && chain.open_count > 0)
        complaint = text_format("intent %lld of the journal is not done", (long long)chain.open[0]);
    return complaint;
}
