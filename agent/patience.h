/*
 * patience.h - what a boot may wait for without being at fault, so that its deadline waits as well.
 *
 *   a passphrase prompt     as long as it is there; from the answer on the boot has its whole time
 *   a file system check     the same, but not for ever: a driver may be what hangs it
 *   a person at the shell   of emergency or rescue mode, behind its password
 *   packages, firmware      being installed: whoever blocks shutdowns in logind, for an hour
 *   images of the initramfs being made anew after a recovery; the same as a check, with its own
 * limit the confirmation        the machine has come up, and proves itself or keeps what it proved:
 * for the stability time, and hours for what it has to read then
 *
 * And what no deadline ends, since the boot cannot prove good: one with the confirmation switched
 * off, and one that leads elsewhere than to a target that wants the confirmation: an offline
 * update, a relabelling of all files, rescue mode as the default. In those, once sysinit.target is
 * reached: what they do begins there (systemd.offline-updates(7)), and a boot that hangs before is
 * a failed one like any other.
 *
 * systemd is asked by programs, and these may hang where the boot does: a product that has to allow
 * each start of one, a disk. Each has its time; a boot in which several looks in a row got no
 * answer is one like any other that has not proved good.
 *
 * Only the monotonic clock is asked.
 */
#ifndef BACKSTOP_AGENT_PATIENCE_H
#define BACKSTOP_AGENT_PATIENCE_H

#include <stdbool.h>
#include <stdint.h>

#include "policy.h"

#define CHECK_LIMIT_SECONDS (6u * 3600u) /* of file system checks, counted from the deadline on */
#define BUSY_LIMIT_SECONDS 3600u         /* of what blocks a shutdown, likewise */
/* Of the confirmation, beyond the stability time: it reads every file that became good, and gives
 * way to everything else. */
#define PROOF_LIMIT_SECONDS (2u * 3600u)
#define REBUILD_LIMIT_SECONDS 3600u /* its unit has three commands, of 20 minutes each */
#define UNANSWERED_LOOKS 3u /* in a row; a machine that is merely slow answers one of them */

struct waiting {
    bool prompt, check, person, busy, rebuild, proof;
    bool off;       /* backstop-confirm.service, or what it requires, is masked */
    bool disabled;  /* so that only a unit's own Wants= may pull it in */
    bool up;        /* sysinit.target is reached */
    bool errand;    /* this boot is for an offline update or a relabelling */
    bool goal;      /* default.target is there; else systemd takes another */
    bool unwanted;  /* and it does not pull in backstop-confirm.service */
    uint64_t ended; /* us, monotonic: when the last prompt, check or rebuild ended; 0: none did */
    uint64_t begun; /* likewise: when the rebuild or the proof began, whichever came last */
    unsigned unanswered; /* looks in a row at which systemd did not answer in time */
};

struct patience_places {
    const char *asked;       /* "/run/systemd/ask-password" */
    const char *cgroup;      /* "/sys/fs/cgroup/system.slice" */
    const char *proc;        /* "/proc" */
    unsigned answer_seconds; /* for each question to systemd */
};

/* Reads where things stand; *waiting is the former look's, at first all zero. What cannot be read
 * is not waited for. */
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
 * since the deadline was first looked at.
 */
unsigned patience_seconds(const struct waiting *waiting, uint64_t now, unsigned waited,
                          const struct policy *policy);

#endif
