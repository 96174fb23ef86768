/*
 * patience.h - what a boot may wait for without being at fault, so that its deadline waits as well.
 *
 *   a passphrase prompt     as long as it is there; from the answer on the boot has its whole time
 *   a file system check     the same, but not for ever: a driver may be what hangs it
 *   a person at the shell   of emergency or rescue mode, behind its password
 *   the confirmation        the machine has come up, and proves itself or keeps what it proved
 *
 * Only the monotonic clock is asked.
 */
#ifndef BACKSTOP_AGENT_PATIENCE_H
#define BACKSTOP_AGENT_PATIENCE_H

#include <stdbool.h>
#include <stdint.h>

#define CHECK_LIMIT_SECONDS (6u * 3600u) /* of file system checks, counted from the deadline on */

struct waiting {
    bool prompt, check, person, proof;
    bool hopeless;  /* backstop-confirm.service is switched off: no boot can prove good */
    uint64_t ended; /* us, monotonic: when the last prompt or check ended; 0: there was none */
};

struct patience_places {
    const char *asked;  /* "/run/systemd/ask-password" */
    const char *cgroup; /* "/sys/fs/cgroup/system.slice" */
    const char *proc;   /* "/proc" */
};

/* Reads where things stand. What cannot be read is not waited for. */
void patience_probe(const struct patience_places *places, struct waiting *waiting);
/* What `systemctl show` says of the units that are waited for. */
void patience_parse_units(const char *text, struct waiting *waiting);
/*
 * Seconds after which to look again, 0: the deadline is over. Pure. now: us, monotonic; waited: s
 * since the deadline was first looked at; deadline: s, policy.
 */
unsigned patience_seconds(const struct waiting *waiting, uint64_t now, unsigned waited,
                          unsigned deadline);

#endif
