/*
 * install_parts.h - what install.c and uninstall.c share: one installation being worked on.
 * Internal to those two.
 */
#ifndef BACKSTOP_AGENT_INSTALL_PARTS_H
#define BACKSTOP_AGENT_INSTALL_PARTS_H

#include <fcntl.h>
#include <json-c/json.h>
#include "install.h"

struct parts {
    const struct place *place;
    struct diag *diag;
    struct policy policy;
    struct install_state state;
    struct esp esp;
    struct next_list next;
    bool use_variables, removable;
    bool changed; /* anything was written */
    char *stage;  /* the package's stage, owned */
    size_t stage_size;
    char stage_sha256[SHA256_TEXT_SIZE];
    uint8_t *options; /* load options for our entry, owned */
    size_t options_size;
};

/* All: 0 or -errno, reported. */
int parts_open(struct parts *parts, const struct place *place, const char *esp_dir, bool installed,
               struct diag *diag);
void parts_close(struct parts *parts);
int parts_write(struct parts *parts, const char *path, const void *bytes, size_t size);
int parts_choose_next(struct parts *parts);
int parts_put_conf(struct parts *parts, bool retire);
int parts_put_entry(struct parts *parts, uint16_t *number);
int parts_remember(struct parts *parts);
/* True if what lies at REMOVABLE_PATH is a stage of ours, of whatever version. */
bool removable_is_ours(const struct parts *parts);
struct json_object *next_json(const struct next_list *next);

#endif
