/*
 * early_main.c - `backstop-early`, which the initramfs carries.
 *
 *   backstop-early top           before udev
 *   backstop-early bottom ROOT   the root is mounted on ROOT and not in use yet
 *   backstop-early figures ROOT  prints panic= and panic_on_oops= of the policy on ROOT
 *   backstop-early needs         prints the modules that the running system's root stands on
 *
 * Options, before the word, for tests: --run DIR for /run, --image DIR for the initramfs's own
 * files, --sysctl DIR for /proc/sys, --stderr to report there instead of the kernel's log.
 *
 * Exit status: 0 whatever happened, since a boot goes on in any case, but for needs, which says a
 * failure; 2 for words that are none.
 */
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "config.h"
#include "early.h"
#include "masks.h"
#include "verb.h"

#define SELF_LIMIT_SECONDS 600u /* a recovery that hangs must not hang the boot */

/* The intent is in the journal: the next recovery finishes it. */
static void give_up(int signal_number)
{
    static const char message[] =
        "<3>backstop: recovery took too long and was ended; the next one finishes it\n";
    (void)signal_number;
    int fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
    if (fd >= 0 && write(fd, message, sizeof message - 1) < 0)
        _exit(EXIT_OK);
    _exit(EXIT_OK);
}

static void limit_self(void)
{
    struct sigaction action = {.sa_handler = give_up};
    sigaction(SIGALRM, &action, NULL);
    alarm(SELF_LIMIT_SECONDS);
}

static void print_figures(const char *root, struct diag *diag)
{
    struct place place;
    struct policy policy;
    policy_defaults(&policy);
    if (place_open(&place, root) == 0) {
        config_load(&place, &policy, diag);
        place_close(&place);
    }
    printf("panic=%u\npanic_on_oops=%u\n", policy.panic_timeout, policy.panic_on_oops);
}

/* One a line, also of what the initramfs mounts for the root. */
static int print_needs(const struct needs_source *kernel)
{
    struct strings modules = {0};
    int err = needs_of_root(kernel, "/", &modules);
    for (size_t i = 0; i < modules.count; i++)
        puts(modules.items[i]);
    masks_free(&modules);
    return err < 0 ? EXIT_FAILED : EXIT_OK;
}

static bool parse_options(int argc, char **argv, struct early *early, bool *to_stderr)
{
    static const struct option options[] = {
        {"run", required_argument, NULL, 'r'},
        {"image", required_argument, NULL, 'i'},
        {"sysctl", required_argument, NULL, 's'},
        {"stderr", no_argument, NULL, 'e'},
        {NULL, 0, NULL, 0},
    };
    int option;
    while ((option = getopt_long(argc, argv, "+", options, NULL)) != -1) {
        if (option == 'r')
            early->run = optarg;
        else if (option == 'i')
            early->image = optarg;
        else if (option == 's')
            early->sysctl = optarg;
        else if (option == 'e')
            *to_stderr = true;
        else
            return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    struct diag diag;
    struct early early = {.run = "/run",
                          .image = "",
                          .sysctl = "/proc/sys",
                          .kernel = {.sys = "/sys", .mounts = "/proc/self/mountinfo"},
                          .diag = &diag};
    bool to_stderr = false, understood = parse_options(argc, argv, &early, &to_stderr);
    const char *word = optind < argc ? argv[optind] : "";
    int words = argc - optind;

    if (understood && words == 2 && strcmp(word, "figures") == 0) {
        diag_to_stderr(&diag);
        print_figures(argv[optind + 1], &diag);
        return EXIT_OK;
    }
    if (understood && words == 1 && strcmp(word, "needs") == 0)
        return print_needs(&early.kernel);
    if (to_stderr)
        diag_to_stderr(&diag);
    else
        diag_to_kmsg(&diag);
    limit_self();
    if (understood && words == 1 && strcmp(word, "top") == 0) {
        early_top(&early);
    } else if (understood && words == 2 && strcmp(word, "bottom") == 0) {
        early_bottom(&early, argv[optind + 1]);
    } else {
        fputs("usage: backstop-early top | bottom ROOT | figures ROOT | needs\n", stderr);
        return EXIT_USAGE;
    }
    return EXIT_OK;
}
