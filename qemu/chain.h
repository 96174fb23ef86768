/*
 * chain.h - reads Backstop's journal by its published format alone (agent/JOURNAL.md), so that a
 * fault in Backstop's own reader cannot hide one in its writer.
 */
#ifndef BACKSTOP_RIG_CHAIN_H
#define BACKSTOP_RIG_CHAIN_H

#include <stddef.h>

/* NULL where the chain is whole, else what is wrong and in which line; caller frees. */
char *chain_fault(const char *journal, size_t size);

#endif
