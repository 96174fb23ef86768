/*
 * generator.h - what backstop-generator leaves for PID 1 (systemd.generator(7)).
 *
 * In a safe mode default.target is backstop-safe.target, with networking and ssh as policy says; in
 * every boot the deadline's timer has its figure from the policy. A failure leaves systemd's own
 * choice standing.
 */
#ifndef BACKSTOP_AGENT_GENERATOR_H
#define BACKSTOP_AGENT_GENERATOR_H

#include "policy.h"
#include "thisboot.h"

#define SAFE_TARGET "backstop-safe.target"

struct generator {
    const struct place *place;          /* where units are enabled */
    const char *normal_dir, *early_dir; /* first and second argument of a generator */
    const char *run;                    /* "/run": motd.d and issue.d beneath it */
    const struct this_boot *boot;
    const struct policy *policy;
};

/* 0 or the first -errno; everything that can be done is done. */
int generator_run(const struct generator *generator);

#endif
