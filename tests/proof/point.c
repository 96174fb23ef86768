/* point.c - see point.h */
#include "point.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "machine.h"

#define MEMORY_LIMIT 200000 /* each allocation that fails is two requests and more */

const int point_errors[] = {EIO, ENOSPC, EROFS, EINTR, ENOMEM};
const size_t point_error_count = sizeof point_errors / sizeof *point_errors;

const char *error_name(int error)
{
    return error == EIO      ? "EIO"
           : error == ENOSPC ? "ENOSPC"
           : error == EROFS  ? "EROFS"
           : error == EINTR  ? "EINTR"
                             : "ENOMEM";
}

static int error_of(const char *name)
{
    for (size_t i = 0; i < point_error_count; i++)
        if (strcmp(name, error_name(point_errors[i])) == 0)
            return point_errors[i];
    return 0;
}

void verdict_fails(struct verdict *verdict, const char *format, ...)
{
    va_list more;
    if (!verdict->well)
        return; /* the first reason is kept */
    verdict->well = false;
    va_start(more, format);
    if (vasprintf(&verdict->detail, format, more) < 0)
        verdict->detail = NULL;
    va_end(more);
}

/* ---- a run ---- */

int point_trace(const struct subject *subject, const char *work, struct trace_plan *plan,
                struct trace_end *end)
{
    char output[POINT_PATH], variables[POINT_PATH];
    char **argv = case_argv(subject->proof_case, subject->programs, work);
    char **env = case_environment(subject->proof_case, work);
    snprintf(output, sizeof output, "%s.output", work);
    snprintf(variables, sizeof variables, "%s" JAIL_VARIABLES, work);
    plan->argv = argv;
    plan->env = env;
    plan->output = output;
    plan->directory = work;
    plan->jail = case_jail(subject->proof_case, subject->programs, work);
    plan->variables = variables;
    plan->limit = plan->memory ? MEMORY_LIMIT : 20 * (unsigned)subject->call_count + 500;
    int err = trace_run(plan, end);
    words_free(argv);
    words_free(env);
    return err;
}

static void say_end(const struct trace_end *end, const char *work, struct verdict *verdict,
                    const char *which)
{
    char path[POINT_PATH];
    snprintf(path, sizeof path, "%s.output", work);
    char *said = file_text(path, NULL);
    if (end->endless)
        verdict_fails(verdict, "%s: it never ends", which);
    else if (WIFSIGNALED(end->status))
        verdict_fails(verdict, "%s: ended by signal %d in %s: %s", which, WTERMSIG(end->status),
                      end->where, said ? said : "");
    else
        verdict_fails(verdict, "%s: exit status %d: %s", which, WEXITSTATUS(end->status),
                      said ? said : "");
    free(said);
}

static bool ended_well(const struct trace_end *end)
{
    return !end->endless && WIFEXITED(end->status) && WEXITSTATUS(end->status) == 0;
}

void point_check_lost(const struct subject *subject, const char *work, enum form form,
                      struct verdict *verdict)
{
    struct tree after;
    int err = tree_read(work, &after);
    if (err < 0) {
        verdict_fails(verdict, "%s: %s", work, strerror(-err));
        return;
    }
    bool other_end = form == FORM_FAULT && subject->proof_case->other_end;
    variables_after_boot(work, &after);
    char *lost =
        variables_wrong(work, &subject->before_tree, &subject->end_tree, &after, other_end);
    if (!lost && !subject->proof_case->destroys)
        lost =
            tree_lost(&subject->before_tree, form == FORM_CUT ? &subject->end_tree : NULL, &after);
    if (!lost && subject->proof_case->spare)
        lost = tree_promises(work, &after);
    if (lost)
        verdict_fails(verdict, "%s", lost);
    free(lost);
    tree_free(&after);
}

static void compare(const struct subject *subject, const char *work, enum form form, bool live,
                    struct verdict *verdict, const char *when)
{
    struct lines found;
    int err = normal_read(work, subject->since, form, &found);
    if (err < 0) {
        verdict_fails(verdict, "%s: %s", work, strerror(-err));
        return;
    }
    char *differs = lines_differ(
        &subject->end[form], &found,
        &(struct tolerance){.form = form, .live = live, .spare = subject->proof_case->spare});
    if (differs)
        verdict_fails(verdict, "%s: %s", when, differs);
    free(differs);
    lines_free(&found);
}

void point_again(const struct subject *subject, const char *work, enum form form,
                 struct verdict *verdict)
{
    struct trace_plan plan = {0};
    struct trace_end end = {0};
    int err = point_trace(subject, work, &plan, &end);
    verdict->again = end.calls;
    if (err < 0)
        verdict_fails(verdict, "cannot be traced: %s", strerror(-err));
    else if (!ended_well(&end))
        say_end(&end, work, verdict, "the run after it");
    else if (form == FORM_CUT || !subject->proof_case->other_end)
        compare(subject, work, form, false, verdict, "after the run after it");
    point_check_lost(subject, work, form, verdict);
}

/* ---- ids ---- */

/* "c12" or "h12"; what follows it, or NULL. */
static const char *parse_cut(const char *text, struct trace_plan *plan)
{
    char *rest;
    if (*text != 'c' && *text != 'h')
        return NULL;
    plan->die_half = *text == 'h';
    plan->die_at = (unsigned)strtoul(text + 1, &rest, 10);
    return plan->die_at ? rest : NULL;
}

static bool parse_fault(const char *text, struct trace_plan *plan)
{
    char *rest;
    bool refused = *text == 'e' || *text == 'E';
    if (!*text || !strchr("eEsSmM", *text))
        return false;
    plan->fail_on = *text == 'E' || *text == 'S' || *text == 'M';
    plan->memory = *text == 'm' || *text == 'M';
    plan->fail_at = (unsigned)strtoul(text + 1, &rest, 10);
    plan->error = plan->memory ? ENOMEM : refused && *rest == ':' ? error_of(rest + 1) : 0;
    return plan->fail_at > 0 && (refused ? plan->error != 0 : !*rest);
}

/* ---- cuts ---- */

/* False: the point is decided. */
static bool cut_once(const struct subject *subject, const char *work, struct trace_plan *plan,
                     struct verdict *verdict)
{
    struct trace_end end;
    int err = point_trace(subject, work, plan, &end);
    if (err < 0)
        verdict_fails(verdict, "cannot be traced: %s", strerror(-err));
    else if (!end.cut)
        verdict_fails(verdict, "it was to be cut at call %u and made %u", plan->die_at, end.calls);
    else
        point_check_lost(subject, work, FORM_CUT, verdict);
    return verdict->well;
}

static void run_cuts(const struct subject *subject, const char *id, const char *work,
                     struct verdict *verdict)
{
    while (*id) {
        struct trace_plan plan = {0};
        id = parse_cut(id + (*id == '.'), &plan);
        if (!id) {
            verdict_fails(verdict, "this is no id of a point");
            return;
        }
        if (!cut_once(subject, work, &plan, verdict))
            return;
    }
    point_again(subject, work, FORM_CUT, verdict);
}

/* ---- faults ---- */

static void run_fault(const struct subject *subject, const char *id, const char *work,
                      struct verdict *verdict)
{
    struct trace_plan plan = {0};
    struct trace_end end;
    if (!parse_fault(id, &plan)) {
        verdict_fails(verdict, "this is no id of a point");
        return;
    }
    int err = point_trace(subject, work, &plan, &end);
    if (err < 0)
        verdict_fails(verdict, "cannot be traced: %s", strerror(-err));
    else if (end.endless || !WIFEXITED(end.status))
        say_end(&end, work, verdict, "with the fault");
    else if (!end.struck)
        verdict_fails(verdict, "call %u was not reached, or there was nothing to refuse: %u made",
                      plan.fail_at, end.calls);
    else if (WEXITSTATUS(end.status) == 0 && !subject->proof_case->always_ok &&
             !subject->proof_case->other_end)
        compare(subject, work, FORM_FAULT, true, verdict, "it says that all went well");
    point_check_lost(subject, work, FORM_FAULT, verdict);
    if (verdict->well)
        point_again(subject, work, FORM_FAULT, verdict);
}

struct verdict point_run(const struct subject *subject, const char *id, const char *work, bool keep)
{
    struct verdict verdict = {.well = true};
    char output[POINT_PATH];
    int err = tree_copy(subject->before, work, subject->proof_case->elsewhere);
    if (err < 0)
        verdict_fails(&verdict, "%s cannot be copied: %s", subject->before, strerror(-err));
    else if (*id == 'c' || *id == 'h')
        run_cuts(subject, id, work, &verdict);
    else
        run_fault(subject, id, work, &verdict);
    snprintf(output, sizeof output, "%s.output", work);
    if (!keep) {
        unlink(output);
        tree_remove(work);
    }
    return verdict;
}

/* ---- a case made ready ---- */

static void note_call(const struct call *call, void *user)
{
    struct subject *subject = user;
    subject->calls = realloc(subject->calls, call->number * sizeof *subject->calls);
    if (!subject->calls)
        abort();
    int size_arg = call->rule->size_arg;
    subject->calls[call->number - 1] =
        (struct called){call->rule, size_arg < 0 || call->variable ? 0 : call->args[size_arg]};
    subject->call_count = call->number;
}

/* brk(2) moves the break up and down, and is asked where it stands as well. */
static bool asks_for_memory(struct subject *subject, const struct call *call)
{
    uint64_t was = subject->memory_break;
    if (call->rule->nr == __NR_mremap)
        return call->args[2] > call->args[1];
    if (call->rule->nr != __NR_brk)
        return true;
    subject->memory_break = (uint64_t)call->result;
    return call->args[0] > was;
}

static void note_request(const struct call *call, void *user)
{
    struct subject *subject = user;
    if (!asks_for_memory(subject, call))
        return;
    subject->requests =
        realloc(subject->requests, (subject->request_count + 1) * sizeof *subject->requests);
    if (!subject->requests)
        abort();
    subject->requests[subject->request_count++] = call->number;
}

/* The uncut run: its calls are noted, or its requests for memory. */
static int run_uncut(struct subject *subject, const char *work, bool memory)
{
    struct trace_end end = {0};
    struct trace_plan plan = {.before = memory ? NULL : note_call,
                              .after = memory ? note_request : NULL,
                              .user = subject,
                              .memory = memory};
    int err = tree_copy(subject->before, work, subject->proof_case->elsewhere);
    if (err == 0)
        err = point_trace(subject, work, &plan, &end);
    if (err == 0 && !ended_well(&end)) {
        struct verdict verdict = {.well = true};
        say_end(&end, work, &verdict, "uncut");
        fprintf(stderr, "proof-calls: %s: %s\n", subject->proof_case->name, verdict.detail);
        free(verdict.detail);
        err = -EINVAL;
    }
    return err;
}

static int read_end(struct subject *subject, const char *work)
{
    int err = tree_read(work, &subject->end_tree);
    for (int form = FORM_CUT; err == 0 && form <= FORM_FAULT; form++)
        err = normal_read(work, subject->since, (enum form)form, &subject->end[form]);
    return err;
}

int subject_make(struct subject *subject, const struct proof_case *proof_case,
                 const struct programs *programs, const char *dir)
{
    char work[POINT_PATH];
    *subject =
        (struct subject){.proof_case = proof_case, .programs = programs, .since = time(NULL) - 1};
    snprintf(subject->dir, sizeof subject->dir, "%s", dir);
    snprintf(subject->before, sizeof subject->before, "%s/before", subject->dir);
    snprintf(work, sizeof work, "%s/" WORK_UNCUT, subject->dir);
    if (mkdir(subject->before, 0755) < 0)
        return -errno;
    int err = tree_mount(subject->before, proof_case->elsewhere);
    if (err < 0)
        return err;
    if (!proof_case->make(subject->before, programs))
        return -EINVAL;
    err = tree_read(subject->before, &subject->before_tree);
    if (err == 0)
        err = run_uncut(subject, work, false);
    if (err == 0)
        err = read_end(subject, work);
    tree_remove(work);
    if (err == 0)
        err = run_uncut(subject, work, true);
    tree_remove(work);
    return err;
}

void subject_free(struct subject *subject)
{
    tree_free(&subject->before_tree);
    tree_free(&subject->end_tree);
    lines_free(&subject->end[FORM_CUT]);
    lines_free(&subject->end[FORM_FAULT]);
    free(subject->calls);
    free(subject->requests);
    tree_remove(subject->dir);
}
