/*
 * scenario.h - one declarative file a scenario: what it proves, where it starts, its steps.
 *
 * README.md describes the format. Lines of words: a heading (title, proves, start, provides, tag)
 * or a step, whose verb is in the table of steps.h. Everything that can be wrong with a step
 * apart from its meeting the machine is found when the file is read.
 */
#ifndef BACKSTOP_RIG_SCENARIO_H
#define BACKSTOP_RIG_SCENARIO_H

#include "text.h"

#define STEP_WORDS_MAX 24

struct session;

/* One verb. `perform` gives 0 or -errno after session_fail(). */
struct verb {
    const char *name;
    int min_words, max_words; /* behind the verb */
    const char *usage;        /* what stands behind the verb */
    const char *help;
    const char *(*fault)(char *const words[], int count); /* what is wrong, or NULL; may be NULL */
    int (*perform)(struct session *session, char *const words[], int count);
    bool is_check; /* a failing check does not end the scenario */
};

struct step {
    const struct verb *verb;
    unsigned line;
    char *text;   /* as written */
    char *buffer; /* words point into it */
    char *words[STEP_WORDS_MAX];
    int count;
};

struct scenario {
    char *name; /* of the file, without .scn */
    char *file;
    char *title;
    char *proves;
    char *start; /* state to start from */
    unsigned start_line;
    char *provides; /* state that its end is kept as, or NULL */
    char *tags;     /* " a b " */
    struct step *steps;
    size_t count;
};

/*
 * Reads a scenario from text. 0, or -EINVAL with *reason "file:line: reason: remedy" (caller
 * frees). `verbs` ends with a verb without a name. scenario_free() in either case.
 */
int scenario_parse(struct scenario *scenario, const char *name, const char *file, const char *text,
                   const struct verb *verbs, char **reason);
int scenario_load(struct scenario *scenario, const char *file, const struct verb *verbs,
                  char **reason);
void scenario_free(struct scenario *scenario);
bool scenario_has_tag(const struct scenario *scenario, const char *tag);

#endif
