/*
 * spare.h - memory had beforehand, for libraries that do not bear to be refused it.
 */
#ifndef BACKSTOP_AGENT_SPARE_H
#define BACKSTOP_AGENT_SPARE_H

#include <stdbool.h>
#include <stddef.h>

/* True where `size` bytes can be had. The heap keeps them for what asks next, where they are fewer
 * than 32 MiB (4 MiB by the C library's tables on 32 bit). */
bool memory_to_spare(size_t size);

#endif
