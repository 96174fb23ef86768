/*
 * patience.h - what a boot may wait for without being at fault, so that its deadline waits as well.
 *
 *   a passphrase prompt     as long as it is there; from the answer on the boot has its whole time
 *   a file system check     the same, but not for ever: a driver may be what hangs it
 *   a person at the shell   of emergency or rescue mode, behind its password
 *   packages, firmware      being installed: whoever blocks shutdowns in logind, for an hour
 *   the confirmation        the machine has come up, and proves itself or keeps what it proved
 *
 * And what no deadline ends, since the boot cannot prove good: one with the confirmation switched
 * off, and one that leads elsewhere than to a target that wants the confirmation: an offline
 * update, a relabelling of all files, rescue mode as the default. In those, once sysinit.target is
 * reached: what they do begins there (systemd.offline-updates(7)), and a boot that hangs before is
 * a failed one like any other.
 *
 * Only the monotonic clock is asked.
 */
#ifndef BACKSTOP_AGENT_PATIENCE_H
#define BACKSTOP_AGENT_PATIENCE_H

#include <stdbool.h>
#include <stdint.h>

#define CHECK_LIMIT_SECONDS (6u * 3600u) /* of file system checks, counted from the deadline on */
#define BUSY_LIMIT_SECONDS 3600u         /* of what blocks a shutdown, likewise */

struct waiting {
    bool prompt, check, person, busy, proof;
    bool off;       /* backstop-confirm.service, or what it requires, is masked */
    bool disabled;  /* so that only a unit's own Wants= may pull it in */
    bool up;        /* sysinit.target is reached */
    bool errand;    /* this boot is for an offline update or a relabelling */
    bool goal;      /* default.target is there; else systemd takes another */
    bool unwanted;  /* and it does not pull in backstop-confirm.service */
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
/* What `systemctl list-dependencies` says of default.target. */
void patience_parse_wanted(const char *text, struct waiting *waiting);
/* What busctl says of logind's BlockInhibited. */
void patience_parse_inhibited(const char *text, struct waiting *waiting);
/* Why this boot cannot prove good, so that it is not to be ended for it; NULL: it can. Pure. */
const char *patience_hopeless(const struct waiting *waiting);
/*
 * Seconds after which to look again, 0: the deadline is over. Pure. now: us, monotonic; waited: s
 * since the deadline was first looked at; deadline: s, policy.
 */
unsigned patience_seconds(const struct waiting *waiting, uint64_t now, unsigned waited,
                          unsigned deadline);

#endif
