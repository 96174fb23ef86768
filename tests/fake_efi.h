/*
 * fake_efi.h - a firmware for the stage's tests: tables, flash, ESP and clock, all in memory.
 *
 * It does what UEFI says, strictly, unless it is told to lie; each lie is named after what it does.
 * What happens is recorded as one line an event, so that tests can ask for the order. The flash and
 * the files that tests look at are the truth, whatever the stage was told.
 */
#ifndef BACKSTOP_TESTS_FAKE_EFI_H
#define BACKSTOP_TESTS_FAKE_EFI_H

#include <stddef.h>
#include <stdint.h>

enum fake_lie {
    NVRAM_FULL = 0,      /* no non-volatile write finds room, whatever is deleted */
    NVRAM_FULL_OF_DUMPS, /* ... until the three oldest dumps are gone */
    WRITE_PROTECTED,     /* no non-volatile write or delete at all */
    TORN_WRITE,          /* half of the new bytes, the rest as erased flash; says yes */
    READS_BACK_OLD, /* written, but reads give what was there before, until the next power-on */
    LYING_SUCCESS,  /* says yes and does nothing */
    NO_RUNTIME_SERVICES,  /* every variable function is unsupported */
    VARIABLE_WRITE_SLOW,  /* 20 s for each write */
    SIZE_LIES,            /* reading a variable gives a size beyond the buffer */
    LOOPING_NAMES,        /* after the last name comes the first */
    ENDLESS_NAMES,        /* there is always another name */
    LONG_NAME,            /* a name that fits no buffer, halfway */
    NAME_WITHOUT_END,     /* names without their NUL */
    ESP_MISSING,          /* the device has no file system */
    ESP_READ_ONLY,        /* no file opens for writing */
    ESP_UNREADABLE,       /* no file can be read */
    ESP_SHORT_READ,       /* reads give one byte less */
    ESP_FULL_SECTOR_TORN, /* half of the record gets there; says yes */
    ESP_WRITE_LOST,       /* says yes and does nothing */
    LOAD_FAILS,           /* LoadImage: load error */
    LOAD_VIOLATES,        /* LoadImage: security violation, with a handle */
    START_RETURNS,        /* what is started comes back, content */
    START_VIOLATES,       /* StartImage: security violation, not started */
    NO_LOADED_IMAGE,      /* images have no loaded image protocol */
    BROKEN_DEVICE_PATH,   /* a device path whose first node has no length */
    NO_CONSOLE,           /* ConOut is NULL */
    NO_WATCHDOG,          /* the watchdog is unsupported */
    OUT_OF_MEMORY,        /* no allocation: pools, protocols, volatile variables */
    FAKE_LIE_COUNT
};
#define LIE(lie) (UINT64_C(1) << (lie))
const char *fake_lie_string(enum fake_lie lie);

enum fake_space { SPACE_OURS = 0, SPACE_CRASH, SPACE_GLOBAL };
#define ATTRIBUTES_NV_BS 3u
#define ATTRIBUTES_NV_BS_RT 7u
#define ATTRIBUTES_BS_RT 6u

#define FAKE_VARIABLE_MAX 1100u
struct fake_variable {
    enum fake_space space;
    char name[64];
    uint32_t attributes;
    size_t size; /* 0 with used: a variable of no bytes */
    int used;
    uint8_t bytes[FAKE_VARIABLE_MAX];
};

enum fake_kind { KIND_DATA = 0, KIND_DIRECTORY, KIND_LOADER, KIND_STAGE };

#define FAKE_FILE_MAX 8448u
struct fake_file {
    char path[256];
    enum fake_kind kind;
    int used;
    size_t size;
    uint8_t bytes[FAKE_FILE_MAX];
};

/* A machine as after installation: flash empty, stage.conf naming FAKE_NEXT, slots laid out. */
#define FAKE_STAGE "\\EFI\\backstop\\backstopx64.efi"
#define FAKE_NEXT "\\EFI\\debian\\shimx64.efi"
#define FAKE_CONF "\\EFI\\backstop\\stage.conf"
#define FAKE_LEDGER_SLOTS "\\EFI\\backstop\\ledger.esp"
#define FAKE_RECEIPT_SLOTS "\\EFI\\backstop\\receipt.esp"
void fake_reset(void);

void fake_lie(uint64_t lies); /* LIE() | LIE() ...; stays until told otherwise or reset */

/* The `number`th firmware call of each boot, from 1, gives EFI_DEVICE_ERROR; or all from there. 0:
 * none. */
void fake_fail_call(unsigned number);
void fake_fail_from(unsigned number);
unsigned fake_calls(void); /* firmware calls of the last boot */

/* Volatile variables and everything of the last boot but flash and files goes. */
void fake_power_on(void);

/* Runs the stage from `path` of the ESP. 1: a loader was started and stayed; 0: the stage returned.
 */
int fake_run(const char *path);
int fake_boot(void); /* power on and run FAKE_STAGE */

struct _EFI_SYSTEM_TABLE *fake_table(void); /* for tests of single modules */

const char *fake_started(void);    /* path of what stayed, or "" */
uint64_t fake_status(void);        /* what the stage returned */
const char *fake_options(void);    /* load options that the started image got */
const char *fake_printed(void);    /* everything on the console */
uint64_t fake_seconds(void);       /* time that passed */
int fake_was_reset(void);          /* the firmware's watchdog would have bitten */
unsigned fake_watchdog(void);      /* s it is set to at the end; 300 at power-on */
unsigned fake_watchdog_left(void); /* s until it bites */
unsigned fake_open_files(void);    /* file handles left open when the last image was started */

struct fake_file *fake_file(const char *path); /* or NULL */
struct fake_file *fake_file_put(const char *path, enum fake_kind kind, const void *bytes,
                                size_t size);
void fake_file_remove(const char *path);
void fake_conf_put(const char *text);

struct fake_variable *fake_variable(enum fake_space space, const char *name); /* or NULL */
struct fake_variable *fake_variable_put(enum fake_space space, const char *name,
                                        uint32_t attributes, const void *bytes, size_t size);
void fake_variable_remove(enum fake_space space, const char *name);
/* `parts` records of one panic, as efi-pstore names them. */
void fake_panic(unsigned parts, unsigned count, unsigned long long time);
/* The first so many of all crash records are taken out, as by systemd-pstore. */
void fake_dumps_archive(unsigned parts);
unsigned fake_dumps(void);

/*
 * Events, in order: "set NAME", "delete NAME", "write PATH@OFFSET", "remove PATH", "load PATH",
 * "start PATH", "unload", "watchdog SECONDS". Tried, whatever came of it.
 */
size_t fake_events(void);
const char *fake_event(size_t index);
long fake_event_first(const char *beginning); /* index or -1 */
unsigned fake_event_count(const char *beginning);

#endif
