/*
 * install.h - putting the stage before the machine's loader, and taking it away again.
 *
 * Idempotent: again is "already so", and what is missing is made good. Before BootOrder is touched,
 * the former state is in STATE_DIR/install.json and synced.
 *
 * Taking away needs one more start of the stage: the ledger has no run-time access, so only the
 * stage can delete it. uninstall takes our entry out of BootOrder at once, leaves the stage and a
 * stage.conf with retire=yes on the ESP, and names our entry in BootNext. That next start deletes
 * the ledger, the entry and those files, and goes on to the machine's loader.
 */
#ifndef BACKSTOP_AGENT_INSTALL_H
#define BACKSTOP_AGENT_INSTALL_H

#include "bootentry.h"
#include "inventory.h"
#include "policy.h"
#include "stageconf.h"

#define INSTALL_NAME "install.json" /* in STATE_DIR */

/* install.json */
struct install_state {
    bool present;   /* the file was there and whole */
    bool complete;  /* the firmware starts the stage: entry made, or removable path taken */
    bool retired;   /* uninstalled, state kept */
    bool removable; /* REMOVABLE_PATH is the stage */
    bool has_entry;
    uint16_t entry;
    bool has_former; /* former is BootOrder as it was before us */
    struct boot_order former;
    struct next_list next;
    char partuuid[37];
    char stage_sha256[SHA256_TEXT_SIZE]; /* of the stage put on the ESP */
};

/* An absent file leaves *state empty and is no error; a damaged one too, after a warning. */
int install_state_read(const struct place *place, struct install_state *state, struct diag *diag);
int install_state_write(const struct place *place, const struct install_state *state);
/* For tests and fuzzing: 0, -EBADMSG or -ENOMEM. */
int install_state_parse(const char *text, struct install_state *state);

/* Text of stage.conf: next=, the ladder's keys, and whatever else differs from the defaults.
 * Length, or 0 if it would not fit. */
size_t install_conf_text(const struct policy *policy, const struct next_list *next, bool retire,
                         char *out, size_t size);

/* The ESP that Backstop is (to be) on, with what install.json remembers taken into account. */
int install_open_esp(const struct place *place, const char *dir, bool installed, struct esp *esp,
                     struct diag *diag);

/* Why EFI variables cannot be used here, as a sentence with its remedy; NULL if they can. */
const char *install_variables_obstacle(void);

struct install_options {
    const char *esp_dir; /* or NULL */
    bool removable;
    bool no_variables;
    const char *run_dir;
    const struct partition *partition; /* that esp_dir is; NULL: found out from its file system */
};

struct install_result {
    bool changed; /* anything was written */
    bool complete;
    bool has_entry;
    uint16_t entry;
    struct next_list next;
};

/* 0; -ENOTSUP: no variables, or Secure Boot and a stage without a signature; -ENOENT: no ESP or no
 * stage to install; -errno. All reported. */
int install_run(const struct place *place, const struct install_options *options,
                struct install_result *result, struct diag *diag);

struct uninstall_options {
    const char *esp_dir; /* or NULL */
    bool purge;          /* the state directory too */
    const char *run_dir; /* gets RETIRED_NAME of thisboot.h: no more receipts from this boot */
    const struct partition *partition; /* as above */
};

struct uninstall_result {
    bool was_there; /* there was something to take away */
    bool retiring;  /* the next start of the machine finishes it */
};

/* 0 or -errno, reported; what could be taken away was. */
int uninstall_run(const struct place *place, const struct uninstall_options *options,
                  struct uninstall_result *result, struct diag *diag);

#endif
