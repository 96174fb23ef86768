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

/* Runs argv (NULL-terminated) to its end, stdin empty. Its exit code, 128+signal, or -errno:
 * -ENOENT where it is not installed. It is ended where the rig is (breakoff.h). */
int command_run(const char *const argv[], struct output *output);
void output_free(struct output *output);
/* What is said of a tool that did not end with 0: one that is not installed is told as such. */
char *command_complaint(const char *tool, int code, const struct output *output);

/* The same complaint before anything is begun: 0, or -ENOENT with a reason (caller frees). */
int command_there(const char *tool, char **reason);

/* Runs argv, which must end with 0. 0, or -EIO; `reason` (caller frees; may be NULL) is what the
 * tool said. */
int command_must(const char *const argv[], char **reason);
/* The same, with what the tool prints going to stderr at once. */
int command_show(const char *const argv[], char **reason);
/* Copies a file with its holes. 0, or -EIO with a reason. */
int file_copy(const char *from, const char *to, char **reason);

#endif
