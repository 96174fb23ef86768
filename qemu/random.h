/*
 * random.h - numbers from a seed, the same everywhere and for ever.
 *
 * SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014): the state
 * goes up by 0x9e3779b97f4a7c15 a step, and a number is the state mixed:
 *     z = state; z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9; z = (z ^ z >> 27) * 0x94d049bb133111eb;
 *     z ^ z >> 31
 * The state begins as the seed. A number below n is number % n: what this favours is less than one
 * part in 2^50 for any n that is used here.
 */
#ifndef BACKSTOP_RIG_RANDOM_H
#define BACKSTOP_RIG_RANDOM_H

#include <stdint.h>

struct randoms {
    uint64_t state;
};

uint64_t random_next(struct randoms *randoms);
/* 0 .. n - 1; n is not 0. */
unsigned random_below(struct randoms *randoms, unsigned n);

#endif
