/*
 * console.h - the few words that a recovery shows on the firmware's console. A normal boot shows
 * none, and nothing ever waits for a key.
 */
#ifndef BACKSTOP_EFI_CONSOLE_H
#define BACKSTOP_EFI_CONSOLE_H

#include "stage.h"

/* Says what a recovery boot is about to do, with case and code; nothing in any other boot. */
void console_report(struct stage *stage);

/*
 * The pause before a held machine is started again after yet another failure, so that it never
 * reboots in a tight loop. The firmware's watchdog is kept from ending it.
 */
void console_hold(struct stage *stage);

#endif
