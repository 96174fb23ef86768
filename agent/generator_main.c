/*
 * generator_main.c - backstop-generator: NORMAL-DIR EARLY-DIR LATE-DIR. Its exit status is always
 * 0: a boot is never failed by it.
 */
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "diag.h"
#include "generator.h"

int main(int argc, char **argv)
{
    struct generator generator = {.run = "/run"};
    struct this_boot boot;
    struct policy policy;
    struct place place;
    struct diag diag;
    int error;

    /* a crash kernel sees the ticket of the boot that crashed, a container its host's */
    if (argc < 4 || access("/proc/vmcore", F_OK) == 0 ||
        access("/run/systemd/container", F_OK) == 0)
        return 0;
    diag_to_kmsg(&diag);
    if (place_open(&place, NULL) < 0)
        return 0;
    config_load(&place, &policy, NULL);
    this_boot_probe(RUN_DIR, &boot);
    generator.place = &place;
    generator.normal_dir = argv[1];
    generator.early_dir = argv[2];
    generator.boot = &boot;
    generator.policy = &policy;
    error = generator_run(&generator);
    if (error)
        diag_report(&diag, DIAG_ERROR, "generator: %s; safe mode or the deadline may not be set up",
                    strerror(-error));
    place_close(&place);
    return 0;
}
