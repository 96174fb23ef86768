/*
 * sign.h - signs of what a recording holds, by which states are told apart. Of the recording alone:
 * inode numbers and the time of day are no part of them, so they tell the same states apart in
 * every run.
 */
#ifndef BACKSTOP_PROOF_SIGN_H
#define BACKSTOP_PROOF_SIGN_H

#include <time.h>

#include "record.h"

#define SIGN_START UINT64_C(14695981039346656037)

uint64_t sign_mix(uint64_t sign, const void *bytes, size_t size);
/* To be added to others: without it, sums of signs that differ in their last bytes are often equal.
 */
uint64_t sign_end(uint64_t sign);
/* Of what is in a file, or a link names. */
uint64_t sign_bytes(const struct version *version);
/* Fills in bytes_sign and attributes_sign of all versions. Times from `since` on are all "now". */
void sign_versions(struct recording *recording, time_t since);

#endif
