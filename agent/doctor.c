#include "doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "config.h"

const char *finding_level_string(enum finding_level level)
{
    switch (level) {
    case FINDING_OK:
        return "ok";
    case FINDING_INFO:
        return "info";
    case FINDING_WARNING:
        return "warning";
    case FINDING_FAULT:
        return "fault";
    }
    return "fault";
}

void finding_add(struct findings *findings, const char *name, enum finding_level level,
                 const char *mend, const char *format, ...)
{
    struct finding *finding = &findings->items[findings->count];
    va_list args;

    if (findings->count == FINDINGS_MAX)
        return;
    *finding = (struct finding){.name = name, .level = level};
    va_start(args, format);
    vsnprintf(finding->text, sizeof finding->text, format, args);
    va_end(args);
    if (mend)
        snprintf(finding->mend, sizeof finding->mend, "%s", mend);
    findings->count++;
    findings->faults += level == FINDING_FAULT;
    findings->warnings += level == FINDING_WARNING;
}

bool doctor_has(const struct doctor *doctor, const char *path)
{
    int fd = place_openat(doctor->place, path, O_PATH, 0, true);

    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

int doctor_run(struct doctor *doctor, struct findings *findings)
{
    *findings = (struct findings){0};
    doctor->esp = (struct esp){.fd = -1};
    if (config_load(doctor->place, &doctor->policy, NULL) < 0)
        finding_add(findings, "configuration", FINDING_WARNING, "backstop install",
                    CONF_FILE " or a drop-in of it has a line that cannot be used; the default "
                              "stands in its place (install names file and line)");
    install_state_read(doctor->place, &doctor->state, NULL);
    if (doctor->running)
        this_boot_probe(doctor->run_dir, &doctor->boot);
    doctor->variables = doctor->running && !install_variables_obstacle();
    if (doctor->esp_dir || doctor->running)
        if (install_open_esp(doctor->place, doctor->esp_dir, true, &doctor->esp, NULL) < 0)
            doctor->esp = (struct esp){.fd = -1};
    doctor_check_firmware(doctor, findings);
    doctor_check_system(doctor, findings);
    doctor_check_target(doctor, findings);
    doctor_check_state(doctor, findings);
    esp_close(&doctor->esp);
    return 0;
}
