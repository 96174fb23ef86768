/*
 * install.c - install.json, stage.conf, and putting the stage in its place. uninstall.c takes it
 * away.
 */
#include "install.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "config.h"
#include "image.h"
#include "inventory.h"
#include "install_parts.h"
#include "io.h"
#include "journal.h"
#include "json.h"
#include "thisboot.h"
#include "vars.h"

#define STATE_MAX 65536u
#define OPTIONS_MAX 768u /* the stage looks at no longer entry than 1024 bytes when it retires */

/* ---- install.json ---- */

static bool get_entry(struct json_object *value, uint16_t *entry)
{
    int64_t number = json_object_get_int64(value);

    if (!json_object_is_type(value, json_type_int) || number < 0 || number > 0xffff)
        return false;
    *entry = (uint16_t)number;
    return true;
}

static bool get_order(struct json_object *object, struct boot_order *order)
{
    struct json_object *list;

    if (!json_object_object_get_ex(object, "former_order", &list) ||
        !json_object_is_type(list, json_type_array))
        return false;
    order->count = 0;
    for (size_t i = 0; i < json_object_array_length(list) && i < BOOT_ORDER_MAX; i++)
        if (get_entry(json_object_array_get_idx(list, i), &order->items[order->count]))
            order->count++;
    return true;
}

static void get_next(struct json_object *object, struct next_list *next)
{
    struct json_object *list;

    if (!json_object_object_get_ex(object, "next", &list) ||
        !json_object_is_type(list, json_type_array))
        return;
    for (size_t i = 0; i < json_object_array_length(list) && next->count < STAGECONF_NEXT_MAX;
         i++) {
        const char *path = json_object_get_string(json_object_array_get_idx(list, i));

        if (path && strlen(path) < BOOT_PATH_MAX && stageconf_path_is_safe(path))
            memcpy(next->paths[next->count++], path, strlen(path) + 1);
    }
}

int install_state_parse(const char *text, struct install_state *state)
{
    struct json_object *object, *entry;
    struct install_state found = {.present = true};

    if (json_parse(text, strlen(text), &object) < 0)
        return -ENOMEM;
    if (!object)
        return -EBADMSG;
    found.complete = json_flag(object, "complete");
    found.retired = json_flag(object, "retired");
    found.removable = json_flag(object, "removable");
    found.has_entry =
        json_object_object_get_ex(object, "entry", &entry) && get_entry(entry, &found.entry);
    found.has_former = get_order(object, &found.former);
    get_next(object, &found.next);
    snprintf(found.partuuid, sizeof found.partuuid, "%s", journal_text(object, "partuuid"));
    snprintf(found.stage_sha256, sizeof found.stage_sha256, "%s",
             journal_text(object, "stage_sha256"));
    json_object_put(object);
    *state = found;
    return 0;
}

int install_state_read(const struct place *place, struct install_state *state, struct diag *diag)
{
    char *text = NULL;
    size_t size = 0;
    int error;

    *state = (struct install_state){0};
    if (place->state_fd < 0)
        return 0;
    error = io_read_all(place->state_fd, INSTALL_NAME, STATE_MAX, &text, &size);
    if (error)
        return error == -ENOENT ? 0 : error;
    error = install_state_parse(text, state);
    if (error == -EBADMSG) {
        error = 0;
        diag_report(diag, DIAG_WARNING,
                    STATE_DIR "/" INSTALL_NAME " cannot be read as JSON and is passed over; "
                              "`backstop install` writes it anew");
    }
    free(text);
    return error;
}

static struct json_object *order_json(const struct boot_order *order)
{
    struct json_object *list = json_object_new_array();
    bool whole = list != NULL;

    for (size_t i = 0; whole && i < order->count; i++)
        whole = json_append(list, json_object_new_int(order->items[i]));
    return json_whole(whole, list);
}

struct json_object *next_json(const struct next_list *next)
{
    struct json_object *list = json_object_new_array();
    bool whole = list != NULL;

    for (size_t i = 0; whole && i < next->count; i++)
        whole = json_append(list, json_object_new_string(next->paths[i]));
    return json_whole(whole, list);
}

/* Whole or not at all: a field left out would be a former state forgotten. */
static bool describe_state(struct json_object *object, const struct install_state *state)
{
    return json_add_number(object, "version", 1) &&
           json_add_flag(object, "complete", state->complete) &&
           json_add_flag(object, "retired", state->retired) &&
           json_add_flag(object, "removable", state->removable) &&
           (!state->has_entry || json_add_number(object, "entry", state->entry)) &&
           (!state->has_former || json_add(object, "former_order", order_json(&state->former))) &&
           json_add(object, "next", next_json(&state->next)) &&
           json_add_text(object, "partuuid", state->partuuid) &&
           json_add_text(object, "stage_sha256", state->stage_sha256);
}

int install_state_write(const struct place *place, const struct install_state *state)
{
    struct json_object *object = json_object_new_object();
    const char *text = NULL;
    int error;

    if (describe_state(object, state))
        text = json_text(object, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE, NULL);
    error =
        text ? io_write_atomic(place->state_fd, INSTALL_NAME, text, strlen(text), 0600) : -ENOMEM;
    json_object_put(object);
    return error;
}

/* ---- stage.conf ---- */

static bool stage_reads(const char *key)
{
    static const char *const keys[] = {"threshold", "step",       "quiet",
                                       "return",    "hold-pause", "stage-watchdog"};

    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (strcmp(key, keys[i]) == 0)
            return true;
    return false;
}

size_t install_conf_text(const struct policy *policy, const struct next_list *next, bool retire,
                         char *out, size_t size)
{
    struct policy defaults;
    FILE *text = fmemopen(out, size, "w");
    char value[32], usual[32];
    long length;

    if (!text)
        return 0;
    policy_defaults(&defaults);
    fputs("# Written by `backstop install`, which overwrites it. Settings belong in " CONF_FILE
          ".\n",
          text);
    for (size_t i = 0; i < next->count; i++)
        fprintf(text, "next=%s\n", next->paths[i]);
    for (size_t i = 0; policy_key(i); i++) {
        policy_value(policy, i, value, sizeof value);
        policy_value(&defaults, i, usual, sizeof usual);
        if (stage_reads(policy_key(i)) || strcmp(value, usual) != 0)
            fprintf(text, "%s=%s\n", policy_key(i), value);
    }
    if (retire)
        fputs("retire=yes\n", text);
    length = fflush(text) == 0 ? ftell(text) : -1;
    fclose(text);
    return length > 0 && (size_t)length < size ? (size_t)length : 0;
}

/* ---- the parts of an installation ---- */

int install_open_esp(const struct place *place, const char *dir, bool installed, struct esp *esp,
                     struct diag *diag)
{
    struct install_state state;

    if (install_state_read(place, &state, NULL) < 0)
        state = (struct install_state){0};
    return esp_open(place,
                    &(struct esp_query){.dir = dir,
                                        .preferred = *state.partuuid ? state.partuuid : NULL,
                                        .installed = installed},
                    esp, diag);
}

const char *install_variables_obstacle(void)
{
    if (vars_available() == 0)
        return NULL;
    if (access("/sys/firmware/efi", F_OK) < 0)
        return "this system was not started by UEFI firmware, or this is a container or chroot; "
               "start the machine in UEFI mode";
    if (access("/sys/firmware/efi/runtime", F_OK) < 0)
        return "EFI run-time services are off; take efi=noruntime from the kernel command line, or "
               "use --removable";
    return "EFI variables are not mounted; mount -t efivarfs efivarfs /sys/firmware/efi/efivars";
}

int parts_open(struct parts *parts, const struct place *place, const char *esp_dir, bool installed,
               struct diag *diag)
{
    int error;

    *parts = (struct parts){.place = place, .diag = diag, .esp = {.fd = -1}};
    error = install_state_read(place, &parts->state, diag);
    if (error) {
        diag_report(diag, DIAG_ERROR, STATE_DIR "/" INSTALL_NAME ": %s", strerror(-error));
        return error;
    }
    config_load(place, &parts->policy, diag);
    return install_open_esp(place, esp_dir, installed, &parts->esp, diag);
}

void parts_close(struct parts *parts)
{
    esp_close(&parts->esp);
    free(parts->stage);
    free(parts->options);
    parts->stage = NULL;
    parts->options = NULL;
}

int parts_write(struct parts *parts, const char *path, const void *bytes, size_t size)
{
    bool changed = false;
    int error = esp_write(&parts->esp, path, bytes, size, &changed);

    if (error)
        diag_report(parts->diag, DIAG_ERROR, "%s on the ESP (%s): %s%s", path, parts->esp.path,
                    strerror(-error),
                    error == -EROFS    ? "; mount it read-write"
                    : error == -ENOSPC ? "; make room there"
                                       : "");
    parts->changed |= changed;
    return error;
}

static int load_stage(struct parts *parts)
{
    int fd = place_openat(parts->place, "/usr/lib/backstop", O_RDONLY | O_DIRECTORY, 0, true);
    int error = fd;

    if (fd >= 0) {
        error = io_read_all(fd, STAGE_NAME, ESP_FILE_MAX, &parts->stage, &parts->stage_size);
        close(fd);
    }
    if (!error && parts->stage_size == 0)
        error = -ENODATA;
    if (!error)
        error = io_sha256_text(parts->stage, parts->stage_size, parts->stage_sha256);
    if (error)
        diag_report(parts->diag, DIAG_ERROR, "the stage %s: %s; install the backstop package again",
                    STAGE_SOURCE, strerror(-error));
    return error;
}

static int put_slots(struct parts *parts)
{
    bool changed = false;
    int error = esp_lay_out_slots(&parts->esp, &changed);

    if (error)
        diag_report(parts->diag, DIAG_ERROR, "the slot files in %s on the ESP (%s): %s", ESP_DIR,
                    parts->esp.path, strerror(-error));
    parts->changed |= changed;
    return error;
}

/* Every version of the stage has its ledger's name in it, as UTF-16; no other loader has. */
static bool is_a_stage(const char *bytes, size_t size)
{
    static const char name[] = LEDGER_VARIABLE;
    char wide[2 * (sizeof name - 1)] = {0};

    for (size_t i = 0; i < sizeof name - 1; i++)
        wide[2 * i] = name[i];
    return memmem(bytes, size, wide, sizeof wide) != NULL;
}

bool removable_is_ours(const struct parts *parts)
{
    char *bytes = NULL;
    size_t size = 0;
    bool ours;

    if (esp_read(&parts->esp, REMOVABLE_PATH, &bytes, &size) < 0)
        return false;
    ours = is_a_stage(bytes, size);
    free(bytes);
    return ours;
}

/* Keeps a loader that is not ours as FORMER_PATH, before anything takes its place. */
static int keep_former(struct parts *parts)
{
    char *bytes = NULL;
    size_t size = 0;
    int error;

    if (!esp_has(&parts->esp, REMOVABLE_PATH) || removable_is_ours(parts))
        return 0;
    error = esp_read(&parts->esp, REMOVABLE_PATH, &bytes, &size);
    if (error) {
        diag_report(parts->diag, DIAG_ERROR, "%s on the ESP: %s", REMOVABLE_PATH, strerror(-error));
        return error;
    }
    error = parts_write(parts, FORMER_PATH, bytes, size);
    free(bytes);
    return error;
}

static bool exists_on_esp(const char *path, void *user)
{
    return esp_has(user, path);
}

/* Entries in order of preference. Those of ours stand for what was remembered behind them. */
struct entries {
    struct boot_entry items[BOOT_ORDER_MAX + 8];
    size_t count;
    bool first_booted;
};

static void add_remembered(struct entries *entries, const struct next_list *next)
{
    for (size_t i = 0; i < next->count; i++) {
        struct boot_entry *entry = &entries->items[entries->count++];

        *entry = (struct boot_entry){0};
        memcpy(entry->path, next->paths[i], sizeof entry->path);
    }
}

static void collect_entries(const struct parts *parts, struct entries *entries)
{
    struct boot_entry entry = {0};
    struct boot_order order = {0};
    uint16_t current;

    if (parts->use_variables && boot_current_read(&current) == 0 &&
        boot_entry_read(current, &entry) == 0) {
        if (boot_entry_is_ours(&entry) ||
            (parts->removable && strcasecmp(entry.path, REMOVABLE_PATH) == 0)) {
            boot_entry_free(&entry);
        } else {
            entries->items[entries->count++] = entry;
            entries->first_booted = true;
        }
    }
    if (!entries->first_booted)
        add_remembered(entries, &parts->state.next);
    if (parts->use_variables && boot_order_read(&order) < 0)
        order.count = 0;
    for (size_t i = 0; i < order.count; i++)
        if (boot_entry_read(order.items[i], &entries->items[entries->count]) == 0)
            entries->count++;
}

static void free_entries(struct entries *entries)
{
    for (size_t i = 0; i < entries->count; i++)
        boot_entry_free(&entries->items[i]);
    free(entries);
}

/* The load options that the loader to be started next has had so far, for the stage to pass on. */
static int take_options(struct parts *parts, const struct entries *entries)
{
    for (size_t i = 0; i < entries->count && parts->next.count > 0; i++) {
        const struct boot_entry *entry = &entries->items[i];

        if (!entry->options_size || entry->options_size > OPTIONS_MAX ||
            boot_entry_options_are_marks(entry) ||
            strcasecmp(entry->path, parts->next.paths[0]) != 0)
            continue;
        parts->options = malloc(entry->options_size);
        if (!parts->options)
            return -ENOMEM;
        memcpy(parts->options, entry->options, entry->options_size);
        parts->options_size = entry->options_size;
        return 0;
    }
    return 0;
}

static int same_file(const struct parts *parts, const char *a, const char *b)
{
    char *bytes[2] = {NULL, NULL};
    size_t size[2] = {0, 0};
    int same = esp_read(&parts->esp, a, &bytes[0], &size[0]) == 0 &&
               esp_read(&parts->esp, b, &bytes[1], &size[1]) == 0 && size[0] == size[1] &&
               memcmp(bytes[0], bytes[1], size[0]) == 0;

    free(bytes[0]);
    free(bytes[1]);
    return same;
}

/*
 * A loader kept as FORMER_PATH no longer lies among its companions (shim looks for GRUB beside
 * itself): where the same file lies in its own directory as well, that one is started first.
 */
static void prefer_home_of_former(struct parts *parts)
{
    struct next_list *next = &parts->next;
    char former[BOOT_PATH_MAX];

    for (size_t i = 1; i < next->count; i++) {
        if (strcasecmp(next->paths[0], FORMER_PATH) != 0 ||
            !same_file(parts, FORMER_PATH, next->paths[i]))
            continue;
        memcpy(former, next->paths[0], sizeof former);
        memcpy(next->paths[0], next->paths[i], sizeof former);
        memcpy(next->paths[i], former, sizeof former);
    }
}

int parts_choose_next(struct parts *parts)
{
    struct entries *entries = calloc(1, sizeof *entries);
    struct next_query query;
    int error;

    if (!entries)
        return -ENOMEM;
    collect_entries(parts, entries);
    query = (struct next_query){
        .entries = entries->items,
        .count = entries->count,
        .first_booted = entries->first_booted,
        .partuuid = parts->esp.partition.partuuid,
        .former = parts->removable ? FORMER_PATH : NULL,
        .exists = exists_on_esp,
        .user = &parts->esp,
    };
    boot_choose_next(&query, &parts->next);
    prefer_home_of_former(parts);
    error = take_options(parts, entries);
    free_entries(entries);
    if (!error && parts->next.count == 0) {
        diag_report(parts->diag, DIAG_ERROR,
                    "no loader was found on the ESP (%s) to start after the stage; is it the one "
                    "that this machine boots from? Give the right one with --esp DIR",
                    parts->esp.path);
        error = -ENOENT;
    }
    return error;
}

int parts_put_conf(struct parts *parts, bool retire)
{
    char text[STAGECONF_MAX_SIZE + 1];
    size_t size = install_conf_text(&parts->policy, &parts->next, retire, text, sizeof text);

    if (size == 0)
        return -E2BIG;
    return parts_write(parts, ESP_DIR "\\" STAGECONF_NAME, text, size);
}

int parts_remember(struct parts *parts)
{
    int error = install_state_write(parts->place, &parts->state);

    if (error)
        diag_report(parts->diag, DIAG_ERROR,
                    STATE_DIR "/" INSTALL_NAME ": %s; nothing was changed in the firmware",
                    strerror(-error));
    return error;
}

static bool entry_is(uint16_t number, const uint8_t *bytes, size_t size)
{
    struct variable now = {0};
    char name[9];
    bool same;

    snprintf(name, sizeof name, "Boot%04X", number);
    if (vars_get(GLOBAL_GUID_TEXT, name, &now) < 0)
        return false;
    same = now.size == size && memcmp(now.bytes, bytes, size) == 0;
    variable_free(&now);
    return same;
}

static void report_nvram(const struct parts *parts, const char *what, int error)
{
    const char *remedy = "";

    if (error == -ENOSPC)
        remedy = "; NVRAM is full: archive and delete old crash records in /sys/fs/pstore, or "
                 "delete unused boot entries with efibootmgr -b XXXX -B";
    if (error == -EROFS)
        remedy = "; mount -o remount,rw /sys/firmware/efi/efivars";
    if (error == -EACCES || error == -EPERM)
        remedy = "; run this as root, and see that kernel lockdown allows it";
    diag_report(parts->diag, DIAG_ERROR, "%s: %s%s", what, strerror(-error), remedy);
}

/* The number that was ours, where the entry alone is gone, or a free one. */
static int number_for_new_entry(const struct parts *parts, uint16_t *number)
{
    struct boot_entry there = {0};
    int error = parts->state.has_entry ? boot_entry_read(parts->state.entry, &there) : 0;

    boot_entry_free(&there);
    if (error != -ENOENT)
        return boot_entry_free_number(number);
    *number = parts->state.entry;
    return 0;
}

/* Number of our entry: the one there is, or a new one. */
static int number_of_entry(const struct parts *parts, uint16_t *number)
{
    struct boot_entry ours = {0};
    int error = boot_entry_find_ours(parts->esp.partition.partuuid, &ours);

    if (error == -ENOENT)
        return number_for_new_entry(parts, number);
    if (!error)
        *number = ours.number;
    boot_entry_free(&ours);
    return error;
}

int parts_put_entry(struct parts *parts, uint16_t *number)
{
    uint8_t *bytes = NULL;
    size_t size = 0;
    int error;

    if (!*parts->esp.partition.partuuid) {
        diag_report(parts->diag, DIAG_ERROR,
                    "%s is not on a partition that a boot entry could name; give the mounted ESP, "
                    "or use --no-variables",
                    parts->esp.path);
        return -EINVAL;
    }
    error = number_of_entry(parts, number);
    if (!error)
        error = boot_entry_make(&parts->esp.partition, BACKSTOP_ENTRY_NAME, STAGE_PATH,
                                parts->options, parts->options_size, &bytes, &size);
    if (!error && !entry_is(*number, bytes, size)) {
        error = boot_entry_write(*number, bytes, size);
        parts->changed |= !error;
    }
    free(bytes);
    if (error)
        report_nvram(parts, "the boot entry \"" BACKSTOP_ENTRY_NAME "\" could not be written",
                     error);
    return error;
}

/* Before our entry is put first: what there was, without us. */
static int remember_former(struct parts *parts, uint16_t ours)
{
    if (!parts->state.has_former || parts->state.retired) {
        if (boot_order_read(&parts->state.former) < 0)
            parts->state.former.count = 0;
        boot_order_remove(&parts->state.former, ours);
        parts->state.has_former = true;
    }
    parts->state.has_entry = true;
    parts->state.entry = ours;
    parts->state.retired = false;
    return parts_remember(parts);
}

static int put_first(struct parts *parts, uint16_t ours)
{
    struct boot_order order = {0};
    uint16_t next;
    int error = boot_order_read(&order);

    if (error && error != -ENOENT) {
        report_nvram(parts, "BootOrder could not be read", error);
        return error;
    }
    if (boot_order_put_first(&order, ours)) {
        error = boot_order_write(&order);
        if (error) {
            report_nvram(parts, "BootOrder could not be written", error);
            return error;
        }
        parts->changed = true;
    }
    /* left by an uninstall that this undoes */
    if (boot_next_read(&next) == 0 && next == ours)
        boot_next_clear();
    return 0;
}

static int put_before_loader(struct parts *parts)
{
    uint16_t number = 0;
    int error;

    if (parts->removable) {
        error = parts_write(parts, REMOVABLE_PATH, parts->stage, parts->stage_size);
        if (error)
            return error;
    }
    if (!parts->use_variables)
        return 0;
    error = parts_put_entry(parts, &number);
    if (!error)
        error = remember_former(parts, number);
    return error ? error : put_first(parts, number);
}

static void tell_journal(const struct parts *parts)
{
    struct json_object *record = journal_record("install", 0, 0, "");

    record = json_whole(
        (!parts->state.has_entry || json_add_number(record, "entry", parts->state.entry)) &&
            json_add(record, "next", next_json(&parts->next)) &&
            json_add_flag(record, "removable", parts->removable) &&
            json_add_text(record, "stage", parts->stage_sha256),
        record);
    if (!record || journal_append(parts->place, record) < 0)
        diag_report(parts->diag, DIAG_WARNING, STATE_DIR "/" JOURNAL_NAME " could not be written");
}

/*
 * Under Secure Boot firmware refuses a stage without a signature, some with a message that waits
 * for a key, and behind the removable path there is nothing else to start. A stage that somebody
 * signed and put on the ESP is not overwritten either.
 */
static int check_signature(const struct parts *parts)
{
    if (!parts->place->live || (!parts->use_variables && !parts->removable) ||
        !vars_secure_boot() || image_is_signed((const uint8_t *)parts->stage, parts->stage_size))
        return 0;
    diag_report(parts->diag, DIAG_ERROR,
                "Secure Boot is on and %s is not signed: this firmware would refuse to start it. "
                "Sign it with a key that the firmware trusts (sbsign), then `backstop install`",
                STAGE_SOURCE);
    return -ENOTSUP;
}

/* Everything that the firmware will be told to start. */
static int put_files(struct parts *parts)
{
    int error = load_stage(parts);

    if (!error)
        error = check_signature(parts);
    if (!error && parts->removable)
        error = keep_former(parts);
    if (!error)
        error = parts_choose_next(parts);
    if (!error)
        error = parts_write(parts, STAGE_PATH, parts->stage, parts->stage_size);
    if (!error)
        error = put_slots(parts);
    if (!error)
        error = parts_put_conf(parts, false);
    return error;
}

/*
 * The ESP first, then what is to be remembered, then the firmware. An image that is being made
 * (neither entry nor removable path) remembers nothing: its first own boot does the rest.
 */
static int put_parts(struct parts *parts)
{
    int error = put_files(parts);

    if (error || (!parts->place->live && !parts->removable))
        return error;
    memcpy(parts->state.stage_sha256, parts->stage_sha256, sizeof parts->stage_sha256);
    memcpy(parts->state.partuuid, parts->esp.partition.partuuid, sizeof parts->state.partuuid);
    parts->state.next = parts->next;
    parts->state.removable = parts->removable;
    error = parts_remember(parts);
    if (!error)
        error = put_before_loader(parts);
    if (error)
        return error;
    /* before it is complete: what a cut keeps from the journal is told when it runs again */
    if (parts->changed || !parts->state.complete)
        tell_journal(parts);
    parts->state.complete = true;
    parts->state.retired = false;
    return parts_remember(parts);
}

static void lower_retired_flag(const char *run_dir)
{
    char path[PATH_MAX];

    snprintf(path, sizeof path, "%s/" RETIRED_NAME, run_dir);
    unlink(path);
}

int install_run(const struct place *place, const struct install_options *options,
                struct install_result *result, struct diag *diag)
{
    const char *obstacle = install_variables_obstacle();
    struct install_state state;
    struct parts parts;
    bool removable;
    int error;

    removable =
        options->removable || (install_state_read(place, &state, NULL) == 0 && state.removable);
    if (place->live && obstacle && !options->no_variables && !removable) {
        diag_report(diag, DIAG_ERROR, "no boot entry can be made: %s", obstacle);
        return -ENOTSUP;
    }
    error = parts_open(&parts, place, options->esp_dir, false, diag);
    if (error) {
        parts_close(&parts);
        return error;
    }
    if (options->partition)
        parts.esp.partition = *options->partition;
    parts.use_variables = place->live && !obstacle && !options->no_variables;
    parts.removable = removable;
    error = put_parts(&parts);
    if (!error) {
        if (place->live)
            lower_retired_flag(options->run_dir);
        *result = (struct install_result){
            .changed = parts.changed,
            .complete = parts.state.complete,
            .has_entry = parts.use_variables,
            .entry = parts.state.entry,
            .next = parts.next,
        };
    }
    parts_close(&parts);
    return error;
}
