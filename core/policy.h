/*
 * policy.h - every figure and switch that a person may set.
 *
 * One table serves \EFI\backstop\stage.conf, /etc/backstop/backstop.conf and
 * the tests. Every value is clamped to its range, and the ladder's figures
 * together to the bound: threshold + 4 * step < BOOT_BOUND.
 */
#ifndef BACKSTOP_CORE_POLICY_H
#define BACKSTOP_CORE_POLICY_H

#include <stddef.h>
#include <stdint.h>

#define BOOT_BOUND 12u /* from any ledger, boots until the machine stays up or holds */

/* With return=auto each of four rungs may cost a good boot in safe mode and a failed one on
 * probation, and one more is the hold: threshold + 2 * 4 + 1 <= BOOT_BOUND. */
#define THRESHOLD_MAX_AUTO (BOOT_BOUND - 9u)

enum return_how { RETURN_AUTO = 0, RETURN_BY_HAND };

struct policy {
    uint8_t threshold;  /* failures in a row before the first rung: 1..7 (3 with return=auto),
                           default 3 */
    uint8_t step;       /* further failures for each next rung: 1..2, default 2 */
    uint8_t quiet;      /* good boots that take the rung down by one: 1..20, default 3 */
    uint8_t return_how; /* enum return_how: after a good boot in safe mode; default auto */
    uint16_t
        hold_pause; /* s the stage waits before it starts a held boot again: 0..300, default 60 */
    uint16_t stage_watchdog; /* s, firmware watchdog until ExitBootServices: 0 (off), 60..3600,
                                default 300 */
    uint16_t panic_timeout;  /* s, kernel.panic: 1..600, default 10 */
    uint8_t panic_on_oops;   /* 0 or 1, default 1 */
    uint16_t stability; /* s a boot must stay healthy before it is good: 0..3600, default 120 */
    uint16_t deadline; /* s after which a boot that is not good is ended: 0 (off), 60..7200, default
                          900 */
    uint8_t safe_network; /* 0 or 1: networking in safe mode, default 1 */
    uint8_t safe_ssh;     /* 0 or 1: ssh in safe mode, default 1 */
    uint8_t generations;  /* good generations kept: 2..16, default 3 */
};

enum policy_result {
    POLICY_OK = 0,
    POLICY_CLAMPED,     /* taken, but brought into range */
    POLICY_UNKNOWN_KEY, /* no such setting; nothing changed */
    POLICY_BAD_VALUE,   /* not a number or a known word; nothing changed */
};

const char *policy_result_string(enum policy_result result);

void policy_defaults(struct policy *policy);

/*
 * Sets one value. Key and value are given with lengths and need no NUL. Keys
 * are the field names above with '-' for '_'; `return` takes auto|hand,
 * switches take yes|no|1|0, times take seconds or a number with s, m or h.
 * The value is brought into its own range only: policy_clamp() once after the
 * last one, so that the order of lines does not matter.
 * After POLICY_UNKNOWN_KEY and POLICY_BAD_VALUE the policy is as before.
 */
enum policy_result policy_set(struct policy *policy, const char *key, size_t key_length,
                              const char *value, size_t value_length);

/*
 * Brings every field into its range (below a range that allows 0 for off: up to
 * its least value), the ladder within the bound (lowers step first) and a
 * stability time that its deadline would never let pass to half the deadline.
 */
void policy_clamp(struct policy *policy);

/* Names of all keys, for messages, completion and documentation; NULL past the end. */
const char *policy_key(size_t index);

/* Value of key `index` as text into out (NUL-terminated, cut at size); its length uncut. */
size_t policy_value(const struct policy *policy, size_t index, char *out, size_t size);

#endif
