/*
 * start.h - starting the next loader, by LoadImage and StartImage alone.
 */
#ifndef BACKSTOP_EFI_START_H
#define BACKSTOP_EFI_START_H

#include "stage.h"

/* What is tried where stage.conf names nothing that starts; NULL past the end. */
const char *start_usual(size_t index);

/*
 * Starts what stage.conf names, then the usual loaders, each at most once, never the stage itself;
 * what cannot be loaded or comes back is followed by the next. Each gets the stage's own load
 * options and a fresh watchdog. Returns when none is left, and never EFI_SUCCESS, so that firmware
 * goes on with its own BootOrder (UEFI 2.10, 3.1.1): EFI_NOT_FOUND where none could be started,
 * else what the last one that was started returned with, or EFI_ABORTED for its EFI_SUCCESS.
 */
EFI_STATUS start_next(struct stage *stage);

/* The firmware's watchdog, as policy has it (UEFI 2.10, 7.5); 0 s leaves what firmware set. */
void start_watchdog(struct stage *stage);

/*
 * Path of an image on its volume from the file path nodes of its device path, as ASCII with
 * backslashes; out[STAGECONF_PATH_MAX] is empty where it has none or does not fit.
 */
void start_path_of(const EFI_DEVICE_PATH *file_path, char *out);

#endif
