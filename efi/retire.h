/*
 * retire.h - the last start of a stage that was uninstalled (retire=yes in stage.conf).
 *
 * What the running system cannot reach is deleted from here. Every step may run twice, and the
 * order is such that a cut leaves either another start that goes on, or files alone.
 */
#ifndef BACKSTOP_EFI_RETIRE_H
#define BACKSTOP_EFI_RETIRE_H

#include "stage.h"

/*
 * Deletes our variables, the slot files, the Boot#### entry that started us (only if it leads to
 * STAGE_PATH) with its place in BootOrder, and then stage.conf and the stage itself. A stage that
 * runs from another path leaves stage.conf and its own file alone: whoever put it there takes it
 * away.
 */
void retire(struct stage *stage);

#endif
