/*
 * main.c - the EFI stage, from top to bottom.
 *
 * It never waits for a key and never stops a boot: whatever fails here, the next loader is started.
 */
#include "stage.h"
#include "console.h"
#include "file.h"
#include "mem.h"
#include "probe.h"
#include "retire.h"
#include "start.h"
#include "store.h"

static EFI_GUID loaded_image_protocol = EFI_LOADED_IMAGE_PROTOCOL_GUID;

/* A protocol of ours on the image that runs: it says that one does. It has no functions. */
static EFI_GUID running = {
    0x1c3f10a5, 0x64e1, 0x4a1d, {0x9a, 0x5e, 0x2f, 0x0c, 0x5b, 0x8e, 0x6d, 0x71}};

static void stage_open(struct stage *stage, EFI_HANDLE image, EFI_SYSTEM_TABLE *table)
{
    memset(stage, 0, sizeof *stage);
    stage->image = image;
    stage->table = table;
    stage->bs = table->BootServices;
    stage->rt = table->RuntimeServices;
    if (stage->bs->HandleProtocol(image, &loaded_image_protocol, (void **)&stage->self) !=
        EFI_SUCCESS)
        stage->self = NULL;
    if (stage->self == NULL)
        return;
    start_path_of(stage->self->FilePath, stage->path);
    stage->root = volume_open(stage->bs, stage->self->DeviceHandle);
}

static void stage_close(struct stage *stage)
{
    volume_close(stage->root);
    stage->root = NULL;
}

/* A copy of the stage among the loaders (\EFI\BOOT often is one) would go round for ever. */
static int stage_runs_already(struct stage *stage)
{
    void *interface = NULL;

    return stage->bs->LocateProtocol(&running, NULL, &interface) == EFI_SUCCESS;
}

static void count_boot(struct stage *stage)
{
    /* 4. What is known of the boots before? */
    probe_ledger(stage);
    probe_receipt(stage);
    probe_dumps(stage);

    /* 5. What does this boot do? */
    decide(&stage->known, &stage->conf.policy, &stage->decision);

    /* 6. Write before risk; what could not be stored is in the ticket. */
    store_attempt(stage);
    store_ticket(stage);

    /* 7. A recovery says so; one that has nothing left to try takes its time. */
    console_report(stage);
    console_hold(stage);
}

EFI_STATUS EFIAPI efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *table)
{
    struct stage stage;
    EFI_STATUS status;

    /* 1. Where do we come from, and are we the first? */
    stage_open(&stage, image, table);
    if (stage_runs_already(&stage)) {
        stage_close(&stage);
        return EFI_ALREADY_STARTED;
    }
    stage.bs->InstallProtocolInterface(&stage.image, &running, EFI_NATIVE_INTERFACE, &running);

    /* 2. What did a person set, and what comes next? */
    probe_conf(&stage);

    /* 3. From here on a hang is ended by firmware. */
    start_watchdog(&stage);

    if (stage.conf.retire)
        retire(&stage);
    else if (!probe_is_counted(&stage))
        count_boot(&stage);

    /* 8. On with the boot. */
    stage_close(&stage);
    status = start_next(&stage);
    stage.bs->UninstallProtocolInterface(image, &running, &running);
    return status;
}
