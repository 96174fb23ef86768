/*
 * update.h - an update that somebody brings: what kind it is, and what it needs of the machine.
 *
 * The kind follows from the content, not from the name.
 */
#ifndef BACKSTOP_RIG_UPDATE_H
#define BACKSTOP_RIG_UPDATE_H

enum update_kind { UPDATE_DEB = 0, UPDATE_TAR, UPDATE_MODULE, UPDATE_DIRECTORY };

struct update {
    enum update_kind kind;
    const char *path;   /* the caller's */
    char *file;         /* the same, absolute: what tools are given */
    char *architecture; /* of UPDATE_DEB, as dpkg names it */
    char *name;         /* of UPDATE_DEB the package, of UPDATE_MODULE the module, else NULL */
    char *kernel;       /* of UPDATE_MODULE: the release that it is built for */
};

/* 0, or with a reason (caller frees) -EINVAL for what is wrong with it, another -errno for what is
 * wrong here: a tool is not installed. update_free() in either case. */
int update_inspect(struct update *update, const char *path, char **reason);
void update_free(struct update *update);
const char *update_kind_string(enum update_kind kind);

#endif
