/*
 * Whatever bytes: a set that keeps its promises, or a refusal that says why.
 */
#include <stdlib.h>
#include <string.h>

#include "sets.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_glob(const char *text, bool is_path)
{
    struct glob glob;
    const char *why;

    if (glob_compile(text, &glob, &why) != 0)
        abort();
    for (const char *const *place = set_forbidden_places; is_path && *place; place++)
        if (glob_covers(&glob, *place, true))
            abort();
    glob_covers(&glob, "/opt/acme/sub/content-00000291-00000000-00000032.sys", true);
    glob_free(&glob);
}

static void check_set(const struct set *set)
{
    if (!set->paths.count || (int)set->set_class < 0 || set->set_class >= CLASS_COUNT)
        abort();
    for (size_t i = 0; i < set->paths.count; i++)
        check_glob(set->paths.items[i], true);
    for (size_t i = 0; i < set->never.count; i++)
        check_glob(set->never.items[i], false);
    for (size_t i = 0; i < set->drivers.count; i++)
        if (!*set->drivers.items[i] || strpbrk(set->drivers.items[i], " /.\n\t'\""))
            abort();
    for (size_t i = 0; i < set->comms.count; i++)
        if (strlen(set->comms.items[i]) > 15)
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct diag diag = {0};
    struct set set;
    int error = set_parse("fuzz", "fuzz.conf", (const char *)data, size, &set, &diag);

    if (error == 0) {
        check_set(&set);
        set_free(&set);
    } else if (!diag.errors) {
        abort();
    }
    return 0;
}
