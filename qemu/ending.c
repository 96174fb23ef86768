#include "ending.h"

#include <string.h>

/* The receipt is of this boot, and not of an earlier one. */
static bool receipt_is_news(const struct boot *boot)
{
    uint32_t attempt = 0, receipt = 0;

    return boot->counted && boot->receipt.whole &&
           record_field(&boot->ledger, "number", &attempt) &&
           record_field(&boot->receipt, "number", &receipt) && attempt == receipt;
}

static bool receipt_says(const struct boot *boot, const char *field, const char *word)
{
    const char *found = receipt_is_news(boot) ? record_word(&boot->receipt, field) : NULL;

    return found != NULL && strcmp(found, word) == 0;
}

enum ending boot_ending(const struct boot *boot, bool was_good)
{
    if (!boot->panic && !boot->reset && !boot->poweroff)
        return ENDING_HUNG;
    if (!boot->panic && receipt_says(boot, "outcome", "failed"))
        return boot->hello ? ENDING_UNHEALTHY : ENDING_HUNG;
    return was_good ? ENDING_LATE : ENDING_CRASHED;
}

bool boot_in_order(const struct boot *boot)
{
    if (boot->panic)
        return false;
    return boot->poweroff || (boot->reset && (boot->farewell || !boot->kernel));
}

bool boot_recovers(const struct boot *boot)
{
    return receipt_says(boot, "applied", "put-back") || receipt_says(boot, "applied", "masked");
}
