/*
 * verdict.h - what an update did to a machine, judged from how its boots ended. Values in, values
 * out; the exit codes of `rig try` are these.
 */
#ifndef BACKSTOP_RIG_VERDICT_H
#define BACKSTOP_RIG_VERDICT_H

#include <stdbool.h>
#include <stddef.h>

/* How one boot after the update went. Those from ENDING_CRASHED on are failed boots. */
enum ending {
    ENDING_WELL = 0,  /* up with its normal target, good, there as long as it was watched */
    ENDING_SAFE,      /* up in Backstop's safe mode, and good */
    ENDING_CRASHED,   /* a panic, or a reset that nobody asked for, before it was up */
    ENDING_UNHEALTHY, /* up, but a health check failed */
    ENDING_HUNG,      /* said and did nothing any more, or not up by the deadline */
    ENDING_LATE,      /* up and well, then a crash while it was watched */
};

struct trial_boot {
    enum ending ending;
    bool recovery;  /* Backstop put something back, or kept drivers from loading */
    bool uncounted; /* Backstop's stage did not start it, though Backstop is to be there */
};

struct trial_rules {
    size_t wanted; /* good boots in a row that make "boots well" */
    bool backstop; /* is installed */
};

/* The values are exit codes and are never renumbered; 1 and 2 are those of the rig itself. */
enum trial_verdict {
    TRIAL_WELL = 0,
    TRIAL_UNDECIDED = 3, /* one boot more is needed; never an exit code */
    TRIAL_RECOVERED = 10,
    TRIAL_LOOPS = 11,
    TRIAL_HANGS = 12,
    TRIAL_LATE = 13,
    TRIAL_UNSTEADY = 14, /* some boots fail and others do not, and nothing was put back */
};

/* Failed boots in a row after which a machine that Backstop does not start is taken as lost. */
#define TRIAL_LOST_AFTER 3u
/* Boots from the first that did not go well on, within which Backstop must have brought it back:
 * its own bound of 12, the safe boot, the boot after it, and room to see more than the bound. No
 * trial goes on behind it. */
#define TRIAL_BOUND 16u
/* The most good boots that may be asked for; and so the most boots of a trial. */
#define TRIAL_WANTED_MAX 20u
#define TRIAL_BOOTS_MAX (TRIAL_WANTED_MAX + TRIAL_BOUND)

struct finding_of_trial {
    enum trial_verdict verdict;
    bool stays_safe, comes_up; /* at the end: in safe mode twice; normal and good */
    bool put_back;             /* Backstop acted in one of them */
    enum ending first; /* how the first boot ended that did not go well; ENDING_WELL: none */
    size_t failed;     /* failed boots */
    size_t safe;       /* boots in safe mode */
    size_t well;       /* normal, good boots behind the first that did not go well */
    size_t uncounted;  /* boots that Backstop's stage did not start */
    size_t recovered;  /* boots from the first that did not go well to the first normal, good one,
                          both counted; 0: it did not come to that by Backstop's doing */
};

struct finding_of_trial trial_judge(const struct trial_boot *boots, size_t count,
                                    const struct trial_rules *rules);
/* "crash-loops, and Backstop recovers in 5 boots ..."; caller frees. */
char *trial_words(const struct finding_of_trial *finding, const struct trial_rules *rules,
                  size_t boots);
/* "well", "recovered", ... as in JSON. */
const char *trial_verdict_string(enum trial_verdict verdict);
const char *ending_string(enum ending ending);

#endif
