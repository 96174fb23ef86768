#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conftext.h"
#include "dropins.h"
#include "io.h"

static void on_key(struct conftext *text, const char *section, const char *key, const char *value)
{
    struct policy *policy = text->user;

    if (strcmp(section, "policy") != 0) {
        conftext_fault(text, "put it below [policy]", "\"%s\" is in section [%s]", key, section);
        return;
    }
    switch (policy_set(policy, key, strlen(key), value, strlen(value))) {
    case POLICY_OK:
        return;
    case POLICY_CLAMPED:
        diag_report(text->diag, DIAG_WARNING,
                    "%s:%u: %s=%s is out of range; the nearest allowed is used", text->file,
                    text->line, key, value);
        return;
    case POLICY_UNKNOWN_KEY:
        conftext_fault(text, "backstop.conf(5) lists the settings", "there is no setting \"%s\"",
                       key);
        return;
    case POLICY_BAD_VALUE:
        conftext_fault(text, "the default stands", "\"%s\" is no value for %s", value, key);
        return;
    }
}

static void apply_text(const char *file, const char *bytes, size_t size, struct policy *policy,
                       unsigned *faults, struct diag *diag)
{
    struct conftext text = {.file = file, .user = policy, .diag = diag, .level = DIAG_WARNING};

    conftext_read(&text, bytes, size, on_key);
    *faults += text.faults;
}

static void report_unread(const char *file, int error, unsigned *faults, struct diag *diag)
{
    diag_report(diag, DIAG_WARNING, "%s: cannot be read: %s; defaults stand for what it sets", file,
                strerror(-error));
    ++*faults;
}

static void apply_main(const struct place *place, struct policy *policy, unsigned *faults,
                       struct diag *diag)
{
    char *bytes;
    size_t size;
    int etc = place_openat(place, "/etc/backstop", O_RDONLY | O_DIRECTORY, 0, true);
    int error = etc < 0 ? etc : io_read_all(etc, "backstop.conf", DROPIN_MAX_SIZE, &bytes, &size);

    if (etc >= 0)
        close(etc);
    if (error == -ENOENT)
        return;
    if (error) {
        report_unread(CONF_FILE, error, faults, diag);
        return;
    }
    apply_text(CONF_FILE, bytes, size, policy, faults, diag);
    free(bytes);
}

/* The settings are bounded together as well as each for itself. */
static void clamp(struct policy *policy, struct diag *diag)
{
    const struct policy wished = *policy;
    char before[32], after[32];

    policy_clamp(policy);
    for (size_t i = 0; policy_key(i); i++) {
        policy_value(&wished, i, before, sizeof before);
        policy_value(policy, i, after, sizeof after);
        if (strcmp(before, after) != 0)
            diag_report(diag, DIAG_WARNING,
                        "%s: %s=%s does not go with the other settings; %s is used", CONF_FILE,
                        policy_key(i), before, after);
    }
}

int config_load(const struct place *place, struct policy *policy, struct diag *diag)
{
    struct dropins dropins = {0};
    unsigned faults = 0;
    int error;

    policy_defaults(policy);
    apply_main(place, policy, &faults, diag);
    error = dropins_read(place, CONF_DIR_VENDOR, CONF_DIR_LOCAL, &dropins);
    if (error)
        report_unread(CONF_DIR_LOCAL, error, &faults, diag);
    for (size_t i = 0; i < dropins.count; i++) {
        const struct dropin *item = &dropins.items[i];

        if (item->error)
            report_unread(item->path, item->error, &faults, diag);
        else
            apply_text(item->path, item->text, item->size, policy, &faults, diag);
    }
    dropins_free(&dropins);
    clamp(policy, diag);
    return faults ? -EINVAL : 0;
}
