/*
 * stage.h - what the modules of the EFI stage share.
 *
 * The stage is one thread without an allocator: everything it knows is in one struct on the stack
 * of efi_main (UEFI 2.10, 2.3.4.1: at least 128 kB), so no lack of memory can stop a boot. Nothing
 * read from NVRAM or the ESP is used as a pointer, size or path, but for paths that
 * stageconf_path_is_safe() has passed.
 */
#ifndef BACKSTOP_EFI_STAGE_H
#define BACKSTOP_EFI_STAGE_H

#include <efi.h>

#include "decide.h"
#include "slots.h"
#include "stageconf.h"

#if defined(__aarch64__)
#define ARCH_SUFFIX "aa64"
#define FALLBACK_PATH "\\EFI\\BOOT\\BOOTAA64.EFI"
#else
#define ARCH_SUFFIX "x64"
#define FALLBACK_PATH "\\EFI\\BOOT\\BOOTX64.EFI"
#endif

#define STAGE_DIRECTORY "\\EFI\\backstop"
#define STAGE_PATH STAGE_DIRECTORY "\\backstop" ARCH_SUFFIX ".efi"

/* A wide literal from a narrow one that is a macro. */
#define WIDE(text) WIDE_EXPANDED(text)
#define WIDE_EXPANDED(text) L"" text

/* One of the two-slot files. */
struct slots {
    int usable;    /* it is there and has the size it was laid out with */
    unsigned next; /* slot to write next */
};

struct stage {
    EFI_HANDLE image;
    EFI_SYSTEM_TABLE *table;
    EFI_BOOT_SERVICES *bs;
    EFI_RUNTIME_SERVICES *rt;
    EFI_LOADED_IMAGE *self;        /* NULL where firmware does not say */
    EFI_FILE_HANDLE root;          /* of the file system that the stage came from; NULL: none */
    char path[STAGECONF_PATH_MAX]; /* of the stage on it; empty: unknown */
    struct stageconf conf;
    struct slots slots; /* ledger.esp */
    struct known known;
    struct decision decision;
};

/* The entry point (UEFI 2.10, 4.1). Returns only where nothing that it started stayed. */
EFI_STATUS EFIAPI efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *table);

#endif
