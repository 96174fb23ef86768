#include "enter.h"
#include "command.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* What there is to lay down; the directories are made where they are missing. */
static const struct {
    const char *directory, *name;
    unsigned mode;
} agent_files[] = {
    {"/etc/systemd/system", "rig-agent.service", 0644},
    {"/etc/systemd/system", "payload.mount", 0644},
    {"/etc/udev/rules.d", "90-rig.rules", 0644},
    {"/usr/local/bin", "rig-agent", 0755},
};

int enter_root(const struct image *image, const char *agent, char **reason)
{
    int error = disk_settle(&image->disk, reason);

    for (size_t i = 0; i < sizeof agent_files / sizeof *agent_files && error == 0; i++) {
        TEXT_AUTO to = text_format("%s/%s", agent_files[i].directory, agent_files[i].name);
        TEXT_AUTO from = text_format("%s%s", agent, to);
        size_t size = 0;
        TEXT_AUTO bytes = file_read(from, &size);

        if (bytes == NULL) {
            text_replace(reason,
                         text_format("%s: %s: `make try-ready` makes it", from, strerror(errno)));
            return -EIO;
        }
        error = disk_mkdir(&image->disk, agent_files[i].directory, reason);
        if (error == 0)
            error = disk_put(&image->disk, to, bytes, size, agent_files[i].mode, reason);
    }
    return error;
}

static const char user_data[] =
    "#cloud-config\n"
    "bootcmd:\n"
    "  - [sh, -c, 'mkdir -p /payload; mountpoint -q /payload || mount -o ro LABEL=payload /payload;"
    " sh /payload/try/enter.sh']\n";

/* The machine has no network, and cloud-init need not look for one. */
static const struct {
    const char *name, *text;
} seed_files[] = {
    {"::meta-data", "instance-id: backstop-rig\n"},
    {"::user-data", user_data},
    {"::network-config", "network:\n  config: disabled\n"},
};

int enter_seed(const char *path, char **reason)
{
    const char *make[] = {"mkfs.vfat", "-n", "CIDATA", "-C", path, "1024", NULL};
    int error;

    unlink(path);
    error = command_must(make, reason);
    for (size_t i = 0; i < sizeof seed_files / sizeof *seed_files && error == 0; i++) {
        char from[] = "/tmp/rig-seed-XXXXXX";
        const char *copy[] = {"mcopy", "-i", path, from, seed_files[i].name, NULL};

        error = file_write_temporary(from, seed_files[i].text, strlen(seed_files[i].text));
        if (error == 0)
            error = command_must(copy, reason);
        unlink(from);
    }
    return error;
}
