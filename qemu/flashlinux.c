/*
 * Cases of `rig flash` whose update is one of Linux's: a scenario of the rig's image, with the
 * package in it, takes the place of the recipe. What its last boot programs is logged; the points
 * are judged on the small machine like all others, with the slot files of the image's ESP: those at
 * its end, or, since a package that goes deletes them behind the variables, those it began with,
 * which healthy boots do not write.
 */
#include "command.h"
#include "flash.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define LINUX "linux "

bool flash_is_linux(const struct flash_case *one)
{
    return text_starts(one->recipe, LINUX);
}

static char *scenario_path(const struct flash_run *run, const struct flash_case *one)
{
    return text_format("%s/flash/%s.scn", run->rig->scenarios, one->recipe + strlen(LINUX));
}

static int scenario_of(const struct flash_run *run, const struct flash_case *one,
                       struct scenario *scenario, char **reason)
{
    TEXT_AUTO path = scenario_path(run, one);

    memset(scenario, 0, sizeof *scenario);
    return scenario_load(scenario, path, verbs, reason);
}

int flash_linux_hash(const struct flash_run *run, const struct flash_case *one, struct hash *hash,
                     char **reason)
{
    TEXT_AUTO path = scenario_path(run, one);
    TEXT_AUTO state = NULL;
    struct scenario scenario;
    int error = scenario_of(run, one, &scenario, reason);

    if (error == 0 && (state = state_key(run->rig, scenario.start, "", reason)) == NULL)
        error = -ENOENT;
    if (error == 0) {
        hash_add_text(hash, state);
        error = hash_add_file(hash, path);
    }
    scenario_free(&scenario);
    return error;
}

/* A file of the image's ESP, if it is there. */
static int slots_take(const char *image, const char *path, const char *small, char **reason)
{
    struct disk disk;
    size_t size = 0;
    TEXT_AUTO bytes = NULL;
    int error = disk_open(&disk, image);

    if (error < 0 || (bytes = esp_read(&disk, path, &size)) == NULL)
        return error;
    return small_put_bytes(small, bytes, size, path, reason);
}

/* The disk of the small machine that stands for the image as it is now. Where the package goes, the
 * loader at the removable path is the image's own: the stage is started by its entry alone. */
static int small_take(const struct flash_run *run, bool goes, const char *dir, char **reason)
{
    TEXT_AUTO image = text_format("%s/disk.raw", dir);
    TEXT_AUTO small = text_format("%s/after.raw", dir);
    int error = small_disk_make(small, run->stage, run->next, reason);

    if (error == 0 && goes)
        error = small_put(small, run->next, SMALL_FALLBACK, reason);
    if (error == 0)
        error = slots_take(image, "/EFI/backstop/ledger.esp", small, reason);
    return error == 0 ? slots_take(image, "/EFI/backstop/receipt.esp", small, reason) : error;
}

static int perform(const struct rig *rig, const struct scenario *scenario, const char *dir,
                   const char *writes, char **reason)
{
    TEXT_AUTO payload = text_format("%s/payload.img", rig->dir);
    TEXT_AUTO outbox = text_format("%s/outbox", rig->dir);
    struct session session = {
        .accel = rig->accel, .payload = payload, .outbox = outbox, .vars_log = writes};
    int error = session_open(&session, scenario, dir);

    if (error == 0)
        error = session_perform(&session);
    if (session.reason != NULL)
        text_replace(reason, text_format("%s; its logs are in %s", session.reason, dir));
    session_close(&session);
    return error;
}

static int log_scenario(const struct flash_run *run, const struct flash_case *one,
                        const struct scenario *scenario, const char *dir, char **reason)
{
    TEXT_AUTO cache = text_format("%s/accel", run->rig->dir);
    TEXT_AUTO vars = text_format("%s/vars.fd", dir);
    TEXT_AUTO start = text_format("%s/before.fd", dir);
    TEXT_AUTO end = text_format("%s/after.fd", dir);
    TEXT_AUTO writes = text_format("%s/writes", dir);
    TEXT_AUTO before = text_format("%s.before", writes);
    bool goes = one->kind == FLASH_LEAVE || one->kind == FLASH_RETIRE;
    struct rig rig = *run->rig;
    int error;

    rig.accel = machine_accel(cache);
    error = state_prepare(&rig, scenario->start, reason);
    if (error == 0)
        error = state_copy(&rig, scenario->start, dir, reason);
    if (error == 0 && goes)
        error = small_take(run, goes, dir, reason);
    if (error == 0)
        error = perform(&rig, scenario, dir, writes, reason);
    if (error == 0 && !goes)
        error = small_take(run, goes, dir, reason);
    return error == 0 && (rename(before, start) < 0 || rename(vars, end) < 0) ? -errno : error;
}

int flash_linux_log(const struct flash_run *run, const struct flash_case *one, const char *dir,
                    char **reason)
{
    TEXT_AUTO disk = text_format("%s/disk.raw", dir);
    struct scenario scenario;
    int error = scenario_of(run, one, &scenario, reason);

    if (error == 0)
        error = log_scenario(run, one, &scenario, dir, reason);
    if (error == 0)
        unlink(disk);
    scenario_free(&scenario);
    return error;
}
