/*
 * command.h - runs one of the host's tools and takes what it says.
 */
#ifndef BACKSTOP_RIG_COMMAND_H
#define BACKSTOP_RIG_COMMAND_H

#include <stddef.h>

struct output {
    char *out; /* NUL-terminated; caller frees with output_free() */
    size_t out_size;
    char *err;
};

/* Runs argv (NULL-terminated) to its end, stdin empty. Its exit code, 128+signal, or -errno. */
int command_run(const char *const argv[], struct output *output);
void output_free(struct output *output);

/* Runs argv, which must end with 0. 0, or -EIO; `reason` (caller frees; may be NULL) is what the
 * tool said. */
int command_must(const char *const argv[], char **reason);
/* Copies a file with its holes. 0, or -EIO with a reason. */
int file_copy(const char *from, const char *to, char **reason);

#endif
