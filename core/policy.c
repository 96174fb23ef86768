#include "policy.h"

#include "chars.h"

enum kind {
    KIND_NUMBER,
    KIND_SECONDS,
    KIND_SWITCH,
    KIND_RETURN,
};

struct setting {
    const char *key;
    uint8_t offset; /* in struct policy */
    uint8_t width;  /* bytes there: 1 or 2 */
    uint8_t kind;   /* enum kind */
    uint8_t off;    /* 1: 0 switches it off, though below min */
    uint16_t min;
    uint16_t max;
    uint16_t fallback;
};

#define THRESHOLD_MAX 7
#define STEP_MIN 1
/* So lowering the step alone always brings the ladder within the bound. */
_Static_assert(THRESHOLD_MAX + 4 * STEP_MIN < BOOT_BOUND, "the ladder can be bounded");

#define AT(field) (uint8_t) offsetof(struct policy, field), sizeof(((struct policy *)0)->field)

static const struct setting settings[] = {
    {"threshold", AT(threshold), KIND_NUMBER, 0, 1, THRESHOLD_MAX, 3},
    {"step", AT(step), KIND_NUMBER, 0, STEP_MIN, 2, 2},
    {"quiet", AT(quiet), KIND_NUMBER, 0, 1, 20, 3},
    {"return", AT(return_how), KIND_RETURN, 0, RETURN_AUTO, RETURN_BY_HAND, RETURN_AUTO},
    {"hold-pause", AT(hold_pause), KIND_SECONDS, 0, 0, 300, 60},
    {"stage-watchdog", AT(stage_watchdog), KIND_SECONDS, 1, 60, 3600, 300},
    {"panic-timeout", AT(panic_timeout), KIND_SECONDS, 0, 1, 600, 10},
    {"panic-on-oops", AT(panic_on_oops), KIND_SWITCH, 0, 0, 1, 1},
    {"stability", AT(stability), KIND_SECONDS, 0, 0, 3600, 120},
    {"deadline", AT(deadline), KIND_SECONDS, 1, 60, 7200, 900},
    {"safe-network", AT(safe_network), KIND_SWITCH, 0, 0, 1, 1},
    {"safe-ssh", AT(safe_ssh), KIND_SWITCH, 0, 0, 1, 1},
    {"generations", AT(generations), KIND_NUMBER, 0, 2, 16, 3},
};
#define SETTING_COUNT (sizeof settings / sizeof settings[0])

/* Of several words for a value the first is printed. */
static const struct word {
    const char *text;
    uint8_t kind;
    uint8_t value;
} words[] = {
    {"yes", KIND_SWITCH, 1},
    {"no", KIND_SWITCH, 0},
    {"1", KIND_SWITCH, 1},
    {"0", KIND_SWITCH, 0},
    {"auto", KIND_RETURN, RETURN_AUTO},
    {"hand", KIND_RETURN, RETURN_BY_HAND},
};
#define WORD_COUNT (sizeof words / sizeof words[0])

/* Far beyond every range, and an hour of them still fits 32 bits. */
#define NUMBER_CEILING 1000000u

static uint16_t setting_get(const struct setting *setting, const struct policy *policy)
{
    const uint8_t *at = (const uint8_t *)policy + setting->offset;

    return setting->width == 1 ? *at : *(const uint16_t *)(const void *)at;
}

static void setting_put(const struct setting *setting, struct policy *policy, uint16_t value)
{
    uint8_t *at = (uint8_t *)policy + setting->offset;

    if (setting->width == 1)
        *at = (uint8_t)value;
    else
        *(uint16_t *)(void *)at = value;
}

static uint16_t setting_clamp(const struct setting *setting, uint32_t value)
{
    if (value == 0 && setting->off)
        return 0;
    if (value < setting->min)
        return setting->min;
    return value > setting->max ? setting->max : (uint16_t)value;
}

static const struct setting *setting_find(const char *key, size_t length)
{
    for (size_t i = 0; i < SETTING_COUNT; i++)
        if (text_equals(key, length, settings[i].key))
            return &settings[i];
    return NULL;
}

void policy_defaults(struct policy *policy)
{
    for (size_t i = 0; i < SETTING_COUNT; i++)
        setting_put(&settings[i], policy, settings[i].fallback);
}

static uint32_t seconds_in(char unit)
{
    switch (unit) {
    case 's':
        return 1;
    case 'm':
        return 60;
    case 'h':
        return 3600;
    }
    return 0;
}

/* Digits and, where `timed`, one unit. 1 and *number, which stops at a ceiling, or 0. */
static int number_parse(uint32_t *number, const char *text, size_t length, int timed)
{
    uint32_t unit = 1;
    uint32_t value = 0;

    if (timed && length > 1 && seconds_in(text[length - 1]) != 0)
        unit = seconds_in(text[--length]);
    if (length == 0)
        return 0;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9')
            return 0;
        value = value * 10 + (uint32_t)(text[i] - '0');
        if (value > NUMBER_CEILING)
            value = NUMBER_CEILING;
    }
    *number = value * unit;
    return 1;
}

static int word_parse(uint32_t *number, const char *text, size_t length, enum kind kind)
{
    for (size_t i = 0; i < WORD_COUNT; i++) {
        if (words[i].kind == kind && text_equals(text, length, words[i].text)) {
            *number = words[i].value;
            return 1;
        }
    }
    return 0;
}

static int value_parse(uint32_t *number, const char *text, size_t length, enum kind kind)
{
    switch (kind) {
    case KIND_NUMBER:
        return number_parse(number, text, length, 0);
    case KIND_SECONDS:
        return number_parse(number, text, length, 1);
    case KIND_SWITCH:
    case KIND_RETURN:
        return word_parse(number, text, length, kind);
    }
    return 0;
}

enum policy_result policy_set(struct policy *policy, const char *key, size_t key_length,
                              const char *value, size_t value_length)
{
    const struct setting *setting = setting_find(key, key_length);
    uint32_t asked;
    uint16_t taken;

    if (setting == NULL)
        return POLICY_UNKNOWN_KEY;
    if (!value_parse(&asked, value, value_length, (enum kind)setting->kind))
        return POLICY_BAD_VALUE;
    taken = setting_clamp(setting, asked);
    setting_put(setting, policy, taken);
    return taken == asked ? POLICY_OK : POLICY_CLAMPED;
}

void policy_clamp(struct policy *policy)
{
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        uint16_t value = setting_get(&settings[i], policy);

        setting_put(&settings[i], policy, setting_clamp(&settings[i], value));
    }
    if (policy->return_how == RETURN_AUTO && policy->threshold > THRESHOLD_MAX_AUTO)
        policy->threshold = THRESHOLD_MAX_AUTO;
    while (policy->step > STEP_MIN && policy->threshold + 4u * policy->step >= BOOT_BOUND)
        policy->step--;
    if (policy->deadline != 0 && policy->stability >= policy->deadline)
        policy->stability = policy->deadline / 2;
}

const char *policy_key(size_t index)
{
    return index < SETTING_COUNT ? settings[index].key : NULL;
}

static void word_print(struct text *text, uint16_t value, enum kind kind)
{
    for (size_t i = 0; i < WORD_COUNT; i++) {
        if (words[i].kind == kind && words[i].value == value) {
            text_string(text, words[i].text);
            return;
        }
    }
}

size_t policy_value(const struct policy *policy, size_t index, char *out, size_t size)
{
    struct text text;
    uint16_t value;

    text_begin(&text, out, size);
    if (index >= SETTING_COUNT)
        return 0;
    value = setting_get(&settings[index], policy);
    switch ((enum kind)settings[index].kind) {
    case KIND_NUMBER:
    case KIND_SECONDS:
        text_number(&text, value, 1);
        break;
    case KIND_SWITCH:
    case KIND_RETURN:
        word_print(&text, value, (enum kind)settings[index].kind);
        break;
    }
    return text.length;
}

const char *policy_result_string(enum policy_result result)
{
    switch (result) {
    case POLICY_OK:
        return "taken";
    case POLICY_CLAMPED:
        return "out of range; brought into it";
    case POLICY_UNKNOWN_KEY:
        return "no such setting";
    case POLICY_BAD_VALUE:
        return "not a value for this setting";
    }
    return "unknown";
}
