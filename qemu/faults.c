/* The vocabulary of faults: which words there are, and which of them make sense together. */
#include "faults.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BIT(when) (1u << (when))
#define RUNNING                                                                                    \
    (BIT(WHEN_INITRAMFS) | BIT(WHEN_EARLY) | BIT(WHEN_BOOTED) | BIT(WHEN_NETWORK) |                \
     BIT(WHEN_AFTER) | BIT(WHEN_CONSOLE))
#define BY_AGENT (BIT(WHEN_BOOTED) | BIT(WHEN_NETWORK) | BIT(WHEN_AFTER))
#define ANYWHERE (RUNNING | BIT(WHEN_FIRMWARE) | BIT(WHEN_KERNEL))

static const struct {
    const char *name;
    bool with_value; /* NAME=VALUE */
} whens[WHENS] = {
    [WHEN_FIRMWARE] = {"firmware", false},   [WHEN_KERNEL] = {"kernel", false},
    [WHEN_INITRAMFS] = {"initramfs", false}, [WHEN_EARLY] = {"early", false},
    [WHEN_BOOTED] = {"booted", false},       [WHEN_NETWORK] = {"network", false},
    [WHEN_AFTER] = {"after", true},          [WHEN_WRITE] = {"write", true},
    [WHEN_CONSOLE] = {"console", true},
};

static const char at_rest[] =
    "that is done before power-on, while nothing uses the disk or the flash: its time is firmware";
static const char of_disk[] = "that is done before power-on, or by the guest's agent: its time is "
                              "firmware, booted, network or "
                              "after=SECONDS";
static const char by_writes[] = "that is counted in writes: its time is write=N";
static const char no_kernel[] =
    "there is no kernel yet that could, or a write is not its time: its time is initramfs, early, "
    "booted, network, after=SECONDS or console=TEXT";

static const struct {
    const char *name;
    unsigned whens;
    const char *otherwise; /* why not at another time */
    const char *subject;   /* what the word behind it is, NULL: none */
} whats[WHATS] = {
    [WHAT_PANIC] = {"panic", RUNNING, no_kernel, NULL},
    [WHAT_OOPS] = {"oops", BY_AGENT,
                   "the guest's agent loads the driver that does it: its time is booted, network "
                   "or after=SECONDS",
                   NULL},
    [WHAT_HANG] = {"hang", ANYWHERE, "a hang is not counted in writes: use another time", NULL},
    [WHAT_RESET] = {"reset", ANYWHERE, "a reset is not counted in writes: use another time", NULL},
    [WHAT_POWER_CUT] = {"power-cut", ANYWHERE | BIT(WHEN_WRITE), "", NULL},
    [WHAT_IO_ERROR] = {"io-error", BIT(WHEN_WRITE), by_writes, NULL},
    [WHAT_IO_ERROR_ONCE] = {"io-error-once", BIT(WHEN_WRITE), by_writes, NULL},
    [WHAT_BAD_SECTOR] = {"bad-sector", BIT(WHEN_FIRMWARE), at_rest, "a path"},
    [WHAT_READ_ONLY] = {"read-only", BIT(WHEN_FIRMWARE) | BY_AGENT, of_disk, NULL},
    [WHAT_DISK_FULL] = {"disk-full", BIT(WHEN_FIRMWARE) | BY_AGENT, of_disk, NULL},
    [WHAT_CORRUPT] = {"corrupt", BIT(WHEN_FIRMWARE), at_rest, "a path"},
    [WHAT_CLOCK] = {"clock", BIT(WHEN_FIRMWARE), at_rest, "a date"},
    [WHAT_NVRAM_FULL] = {"nvram-full", BIT(WHEN_FIRMWARE), at_rest, NULL},
    [WHAT_VARIABLE_LOST] = {"variable-lost", BIT(WHEN_FIRMWARE), at_rest, "a variable"},
    [WHAT_VARIABLE_DAMAGED] = {"variable-damaged", BIT(WHEN_FIRMWARE), at_rest, "a variable"},
    [WHAT_BOOT_ORDER] = {"boot-order", BIT(WHEN_FIRMWARE), at_rest, NULL},
};

const char *fault_what_string(enum fault_what what)
{
    return whats[what].name;
}

const char *fault_when_string(enum fault_when when)
{
    return whens[when].name;
}

/* The time that a word names, its value behind '='; WHENS where it names none. */
static enum fault_when when_named(const char *word, const char **value)
{
    size_t length = strcspn(word, "=");

    *value = word[length] == '=' ? word + length + 1 : NULL;
    for (enum fault_when when = 0; when < WHENS; when++)
        if (strlen(whens[when].name) == length && text_starts(word, whens[when].name))
            return whens[when].with_value == (*value != NULL) ? when : WHENS;
    return WHENS;
}

static enum fault_what what_named(const char *word)
{
    enum fault_what what = 0;

    while (what < WHATS && strcmp(word, whats[what].name) != 0)
        what++;
    return what;
}

/* "90" or "90s". */
static int seconds_read(const char *value, long *number)
{
    TEXT_AUTO digits = text_copy(value);

    if (text_ends(digits, "s"))
        digits[strlen(digits) - 1] = '\0';
    return text_number(digits, 1, 3000, number);
}

static const char *value_fault(enum fault_when when, const char *value)
{
    long number;

    if (when == WHEN_AFTER && seconds_read(value, &number) < 0)
        return "after= takes 1..3000 seconds, as 90 or 90s";
    if (when == WHEN_WRITE && text_number(value, 1, FAULT_WRITES_MAX, &number) < 0)
        return "write= takes 1..2000";
    if (when == WHEN_CONSOLE && *value == '\0')
        return "console= takes the text to wait for";
    return NULL;
}

/* "1970-01-01"; a day that there is. */
static bool is_date(const char *date)
{
    static const char digits[] = "0123456789";
    struct tm given = {0}, meant;

    if (strlen(date) != 10 || strspn(date, digits) != 4 || strspn(date + 5, digits) != 2 ||
        strptime(date, "%Y-%m-%d", &given) != date + 10)
        return false;
    meant = given;
    timegm(&meant);
    return meant.tm_mday == given.tm_mday && meant.tm_mon == given.tm_mon;
}

/* As ours and the firmware's are called; so what says how often is taken for none. */
static bool is_variable(const char *name)
{
    for (const char *at = name; *at != '\0'; at++)
        if (!isalnum((unsigned char)*at))
            return false;
    return name[0] != '\0' && strcmp(name, "always") != 0;
}

static const char *subject_fault(enum fault_what what, const char *subject)
{
    if (what == WHAT_CLOCK && !is_date(subject))
        return "not a date like 1970-01-01";
    if ((what == WHAT_CORRUPT || what == WHAT_BAD_SECTOR) && subject[0] != '/' &&
        !text_starts(subject, FAULT_OBJECT))
        return "the path does not begin with /, nor is it object=DELIVERED";
    if ((what == WHAT_VARIABLE_LOST || what == WHAT_VARIABLE_DAMAGED) && !is_variable(subject))
        return "not the name of a variable";
    return NULL;
}

static const char *often_fault(const char *word)
{
    long number;

    if (strcmp(word, "always") == 0)
        return NULL;
    if (!text_starts(word, "count="))
        return "how often is count=N or always";
    return text_number(word + strlen("count="), 1, 20, &number) == 0 ? NULL
                                                                     : "count is not within 1..20";
}

const char *fault_words_fault(char *const words[], int count)
{
    const char *value, *found;
    enum fault_when when;
    enum fault_what what;
    int need;

    if (count == 1 && strcmp(words[0], "none") == 0)
        return NULL;
    if (count < 2)
        return "when and what are to be said, or none";
    when = when_named(words[0], &value);
    what = what_named(words[1]);
    if (when == WHENS)
        return "not a time for a fault";
    if (what == WHATS)
        return "not a fault";
    found = value != NULL ? value_fault(when, value) : NULL;
    if (found != NULL)
        return found;
    if ((whats[what].whens & BIT(when)) == 0)
        return whats[what].otherwise;
    need = whats[what].subject != NULL ? 3 : 2;
    if (count < need)
        return "of what is not said: a path, a variable or a date";
    found = need == 3 ? subject_fault(what, words[2]) : NULL;
    if (found != NULL)
        return found;
    if (count > need + 1)
        return "too many words";
    return count == need + 1 ? often_fault(words[need]) : NULL;
}

void fault_read(struct fault *fault, char *const words[], int count)
{
    const char *value;
    int need;

    memset(fault, 0, sizeof *fault);
    fault->when = when_named(words[0], &value);
    fault->what = what_named(words[1]);
    fault->left = 1;
    if (fault->when == WHEN_CONSOLE)
        fault->text = text_copy(value);
    else if (value != NULL)
        seconds_read(value, &fault->number);
    need = whats[fault->what].subject != NULL ? 3 : 2;
    if (need == 3)
        fault->subject = text_copy(words[2]);
    if (count > need && strcmp(words[need], "always") == 0)
        fault->left = FAULT_ALWAYS;
    else if (count > need)
        text_number(words[need] + strlen("count="), 1, 20, &fault->left);
}

void fault_free(struct fault *fault)
{
    free(fault->text);
    free(fault->subject);
    memset(fault, 0, sizeof *fault);
}

/*
 * States count from 1, which is where blkdebug begins. Write k moves state k on to k + 1, up to N;
 * write N finds state N and fails, and since nothing moves on from there so does every later one,
 * but for the fault that strikes once. Reads are let through.
 */
char *fault_disk_rules(const struct fault *fault)
{
    bool always = fault->what == WHAT_IO_ERROR;
    char *rules = text_copy("");

    for (long state = 1; state < fault->number; state++) {
        TEXT_AUTO rule = text_format(
            "[set-state]\nevent = \"write_aio\"\nstate = \"%ld\"\nnew_state = \"%ld\"\n\n", state,
            state + 1);

        text_append(&rules, rule);
    }
    {
        TEXT_AUTO rule = text_format("[inject-error]\nevent = \"write_aio\"\niotype = \"write\"\n"
                                     "state = \"%ld\"\nerrno = \"5\"\nonce = \"%s\"\n",
                                     fault->number, always ? "off" : "on");

        text_append(&rules, rule);
    }
    return rules;
}

/* QEMU tells sectors of 512 bytes. */
char *fault_sector_rule(uint64_t byte)
{
    return text_format("[inject-error]\nevent = \"read_aio\"\niotype = \"read\"\n"
                       "sector = \"%" PRIu64 "\"\nerrno = \"5\"\nonce = \"off\"\n",
                       byte / 512);
}
