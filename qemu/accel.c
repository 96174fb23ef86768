/* Which accelerator to use: decided by booting, since /dev/kvm may open and still run no firmware.
 */
#include "machine.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PROBE_SECONDS 20

/* OVMF's boot manager says this on the serial console, whatever it then finds to boot. */
static void look_for_firmware(void *context, const char *line)
{
    if (strstr(line, "BdsDxe:") != NULL)
        *(bool *)context = true;
}

static void pass_channel(void *context, const struct channel_message *message)
{
    (void)context;
    (void)message;
}

static void pass_qmp(void *context, const struct qmp_message *message)
{
    (void)context;
    (void)message;
}

static bool firmware_boots(const char *accel, const char *dir)
{
    TEXT_AUTO vars = text_format("%s/vars.fd", dir);
    TEXT_AUTO console = text_format("%s/console.log", dir);
    TEXT_AUTO errors = text_format("%s/qemu.log", dir);
    struct machine_setup setup = {
        .accel = accel, .vars = vars, .console = console, .errors = errors};
    bool seen = false;
    struct machine_taker taker = {look_for_firmware, pass_channel, pass_qmp, &seen};
    struct machine machine;
    time_t limit = time(NULL) + PROBE_SECONDS;
    size_t size = 0;
    TEXT_AUTO bytes = file_read(OVMF_VARS, &size);

    if (bytes == NULL || file_write(vars, bytes, size) < 0 ||
        machine_start(&machine, &setup, &taker) < 0)
        return false;
    while (!seen && time(NULL) < limit && machine_pump(&machine, 500) >= 0)
        ;
    machine_kill(&machine);
    unlink(vars);
    unlink(console);
    unlink(errors);
    return seen;
}

static const char *probe(void)
{
    char dir[] = "/tmp/rig-probe-XXXXXX";
    bool boots;

    if (access("/dev/kvm", R_OK | W_OK) < 0 || mkdtemp(dir) == NULL)
        return "tcg";
    boots = firmware_boots("kvm", dir);
    rmdir(dir);
    return boots ? "kvm" : "tcg";
}

const char *machine_accel(const char *cache)
{
    TEXT_AUTO known = file_read(cache, NULL);
    const char *accel;

    if (known != NULL && strcmp(known, "kvm\n") == 0)
        return "kvm";
    if (known != NULL && strcmp(known, "tcg\n") == 0)
        return "tcg";
    accel = probe();
    (void)file_write(cache, strcmp(accel, "kvm") == 0 ? "kvm\n" : "tcg\n", 4);
    return accel;
}
