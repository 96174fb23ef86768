/*
 * doctor.h - what would keep recovery from working on this machine, and how to mend each. Probe
 * only.
 */
#ifndef BACKSTOP_AGENT_DOCTOR_H
#define BACKSTOP_AGENT_DOCTOR_H

#include <stdio.h>
#include "install.h"
#include "thisboot.h"

enum finding_level { FINDING_OK = 0, FINDING_INFO, FINDING_WARNING, FINDING_FAULT };

struct finding {
    const char *name; /* stable, for scripts: "efi", "boot-entry" ... */
    enum finding_level level;
    char text[400];
    char mend[240]; /* a command, or ""  */
};

#define FINDINGS_MAX 48

struct findings {
    struct finding items[FINDINGS_MAX];
    size_t count;
    size_t faults, warnings;
};

struct doctor {
    const struct place *place;
    bool running; /* place is the running system: /proc, /sys and EFI variables tell of it */
    const char *run_dir;
    const char *esp_dir; /* or NULL */
    /* filled by doctor_run */
    struct policy policy;
    struct install_state state;
    struct this_boot boot;
    struct esp esp; /* .fd < 0: none */
    bool variables;
};

/* 0 or -errno. */
int doctor_run(struct doctor *doctor, struct findings *findings);
const char *finding_level_string(enum finding_level level);

/* For the checks: adds one. */
__attribute__((format(printf, 5, 6))) void finding_add(struct findings *findings, const char *name,
                                                       enum finding_level level, const char *mend,
                                                       const char *format, ...);
/* True if path is there beneath the place's root. */
bool doctor_has(const struct doctor *doctor, const char *path);
/* The groups of checks; firmware's and the stage's, the system's, the
 * default target's, our own state's. */
void doctor_check_firmware(const struct doctor *doctor, struct findings *findings);
void doctor_check_system(const struct doctor *doctor, struct findings *findings);
void doctor_check_target(const struct doctor *doctor, struct findings *findings);
void doctor_check_state(const struct doctor *doctor, struct findings *findings);

#endif
