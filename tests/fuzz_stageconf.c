#include "fuzz.h"

#include "stageconf.h"

static void check_policy(const struct policy *policy)
{
    struct policy again = *policy;

    policy_clamp(&again);
    for (size_t i = 0; policy_key(i) != NULL; i++) {
        char a[16];
        char b[16];

        MUST(policy_value(policy, i, a, sizeof a) < sizeof a);
        policy_value(&again, i, b, sizeof b);
        MUST(strcmp(a, b) == 0);
    }
    MUST(policy->threshold + 4u * policy->step < BOOT_BOUND);
}

static size_t count_lines(const uint8_t *data, size_t size)
{
    size_t lines = size > 0;

    for (size_t i = 0; i < size; i++)
        lines += data[i] == '\n';
    return lines;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct stageconf conf;

    memset(&conf, 0xee, sizeof conf);
    stageconf_parse(&conf, (const char *)data, size);
    MUST(conf.next_count <= STAGECONF_NEXT_MAX && conf.retire <= 1);
    for (size_t i = 0; i < STAGECONF_NEXT_MAX; i++) {
        MUST(memchr(conf.next[i], '\0', STAGECONF_PATH_MAX) != NULL);
        MUST(stageconf_path_is_safe(conf.next[i]) == (i < conf.next_count));
    }
    MUST((conf.bad_lines == 0) == (conf.first_bad_line == 0));
    MUST(conf.bad_lines <= count_lines(data, size));
    MUST(size <= STAGECONF_MAX_SIZE || conf.next_count + conf.bad_lines == 0);
    check_policy(&conf.policy);
    return 0;
}
