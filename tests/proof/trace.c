/* trace.c - see trace.h */
#include "trace.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef O_TMPFILE_BIT
#define O_TMPFILE_BIT 020000000 /* O_TMPFILE without O_DIRECTORY */
#endif
#define MAKES (O_CREAT | O_TRUNC | O_TMPFILE_BIT)

/* ---- which calls ---- */

static const struct call_rule rules[] = {
#ifdef __NR_open
    {__NR_open, "open", CALL_CREATE, -1},
    {__NR_creat, "creat", CALL_CREATE, -1},
    {__NR_rename, "rename", CALL_RENAME, -1},
    {__NR_mkdir, "mkdir", CALL_CREATE, -1},
    {__NR_rmdir, "rmdir", CALL_REMOVE, -1},
    {__NR_unlink, "unlink", CALL_REMOVE, -1},
    {__NR_link, "link", CALL_CREATE, -1},
    {__NR_symlink, "symlink", CALL_CREATE, -1},
    {__NR_mknod, "mknod", CALL_CREATE, -1},
    {__NR_chmod, "chmod", CALL_META, -1},
    {__NR_chown, "chown", CALL_META, -1},
    {__NR_lchown, "lchown", CALL_META, -1},
    {__NR_utime, "utime", CALL_META, -1},
    {__NR_utimes, "utimes", CALL_META, -1},
    {__NR_futimesat, "futimesat", CALL_META, -1},
#endif
#ifdef __NR_renameat
    {__NR_renameat, "renameat", CALL_RENAME, -1},
#endif
    {__NR_openat, "openat", CALL_CREATE, -1},
    {__NR_openat2, "openat2", CALL_CREATE, -1},
    {__NR_renameat2, "renameat2", CALL_RENAME, -1},
    {__NR_mkdirat, "mkdirat", CALL_CREATE, -1},
    {__NR_mknodat, "mknodat", CALL_CREATE, -1},
    {__NR_linkat, "linkat", CALL_CREATE, -1},
    {__NR_symlinkat, "symlinkat", CALL_CREATE, -1},
    {__NR_unlinkat, "unlinkat", CALL_REMOVE, -1},
    {__NR_write, "write", CALL_WRITE, 2},
    {__NR_pwrite64, "pwrite64", CALL_WRITE, 2},
    {__NR_writev, "writev", CALL_WRITE, 2},
    {__NR_pwritev, "pwritev", CALL_WRITE, 2},
    {__NR_pwritev2, "pwritev2", CALL_WRITE, 2},
    {__NR_sendfile, "sendfile", CALL_WRITE, 3},
    {__NR_copy_file_range, "copy_file_range", CALL_WRITE, 4},
    {__NR_splice, "splice", CALL_WRITE, 4},
    {__NR_truncate, "truncate", CALL_SIZE, -1},
    {__NR_ftruncate, "ftruncate", CALL_SIZE, -1},
    {__NR_fallocate, "fallocate", CALL_SIZE, -1},
    {__NR_fchmod, "fchmod", CALL_META, -1},
    {__NR_fchmodat, "fchmodat", CALL_META, -1},
    {__NR_fchown, "fchown", CALL_META, -1},
    {__NR_fchownat, "fchownat", CALL_META, -1},
    {__NR_utimensat, "utimensat", CALL_META, -1},
    {__NR_setxattr, "setxattr", CALL_META, -1},
    {__NR_lsetxattr, "lsetxattr", CALL_META, -1},
    {__NR_fsetxattr, "fsetxattr", CALL_META, -1},
    {__NR_removexattr, "removexattr", CALL_META, -1},
    {__NR_lremovexattr, "lremovexattr", CALL_META, -1},
    {__NR_fremovexattr, "fremovexattr", CALL_META, -1},
    {__NR_ioctl, "ioctl", CALL_META, -1},
    {__NR_fsync, "fsync", CALL_SYNC, -1},
    {__NR_fdatasync, "fdatasync", CALL_SYNC, -1},
    {__NR_syncfs, "syncfs", CALL_SYNC, -1},
    {__NR_sync, "sync", CALL_SYNC, -1},
};

static const struct call_rule memory_rules[] = {
    {__NR_mmap, "mmap", CALL_MEMORY, -1},
    {__NR_brk, "brk", CALL_MEMORY, -1},
    {__NR_mremap, "mremap", CALL_MEMORY, -1},
    /* seen, not counted */
    {__NR_munmap, "munmap", CALL_MEMORY, -1},
    {__NR_write, "write", CALL_WRITE, 2},
};

static const struct call_rule *find_rule(const struct call_rule *from, size_t count, int nr)
{
    for (size_t i = 0; i < count; i++)
        if (from[i].nr == nr)
            return &from[i];
    return NULL;
}

static const struct call_rule *rule_of(bool memory, int nr)
{
    return memory ? find_rule(memory_rules, sizeof memory_rules / sizeof *memory_rules, nr)
                  : find_rule(rules, sizeof rules / sizeof *rules, nr);
}

/* Of the errors of the proof; man pages of the calls, section ERRORS. EROFS comes at any of them
 * where the file system has gone read-only by itself: ext4(5), errors=remount-ro. */
bool call_can_fail(enum call_kind kind, int error)
{
    switch (kind) {
    case CALL_CREATE:
        return error != 0;
    case CALL_RENAME:
        return error == EIO || error == ENOSPC || error == EROFS || error == ENOMEM;
    case CALL_REMOVE:
        return error == EIO || error == EROFS || error == ENOMEM;
    case CALL_WRITE:
        return error == EIO || error == ENOSPC || error == EROFS || error == EINTR || error == 0;
    case CALL_SIZE:
        return error == EIO || error == ENOSPC || error == EROFS || error == EINTR;
    case CALL_META:
        return error == EIO || error == ENOSPC || error == EROFS || error == ENOMEM;
    case CALL_SYNC:
        return error == EIO || error == ENOSPC || error == EROFS;
    case CALL_MEMORY:
        return error == ENOMEM;
    }
    return false;
}

/* ---- the filter ---- */

#define FILTER_MAX 512
#define LOW(n) ((unsigned)offsetof(struct seccomp_data, args[n]))

struct filter {
    struct sock_filter code[FILTER_MAX];
    unsigned short count;
};

static void emit(struct filter *filter, unsigned short code, unsigned value, unsigned char yes,
                 unsigned char no)
{
    filter->code[filter->count++] =
        (struct sock_filter){.code = code, .k = value, .jt = yes, .jf = no};
}

static void load(struct filter *filter, unsigned offset)
{
    emit(filter, BPF_LD | BPF_W | BPF_ABS, offset, 0, 0);
}

static void give(struct filter *filter, unsigned answer)
{
    emit(filter, BPF_RET | BPF_K, answer, 0, 0);
}

static void is_equal(struct filter *filter, unsigned value, unsigned char yes, unsigned char no)
{
    emit(filter, BPF_JMP | BPF_JEQ | BPF_K, value, yes, no);
}

/* A call of which an argument tells whether it changes anything; these give their own answer. */
static void filter_by_argument(struct filter *filter, int nr)
{
    if (nr == __NR_openat || nr == __NR_mmap) { /* any of these bits */
        load(filter, LOW(nr == __NR_openat ? 2 : 3));
        emit(filter, BPF_JMP | BPF_JSET | BPF_K,
             nr == __NR_openat ? (unsigned)MAKES : (unsigned)MAP_ANONYMOUS, 0, 1);
        give(filter, SECCOMP_RET_TRACE);
        give(filter, SECCOMP_RET_ALLOW);
    } else if (nr == __NR_write || nr == __NR_writev) { /* not what is said to people */
        load(filter, LOW(0));
        emit(filter, BPF_JMP | BPF_JGT | BPF_K, 2, 0, 1);
        give(filter, SECCOMP_RET_TRACE);
        give(filter, SECCOMP_RET_ALLOW);
    } else if (nr == __NR_ioctl) {
        load(filter, LOW(1));
        is_equal(filter, (unsigned)FICLONE, 2, 0);
        is_equal(filter, (unsigned)FICLONERANGE, 1, 0);
        is_equal(filter, (unsigned)FS_IOC_SETFLAGS, 0, 1);
        give(filter, SECCOMP_RET_TRACE);
        give(filter, SECCOMP_RET_ALLOW);
    } else {
        give(filter, SECCOMP_RET_TRACE);
    }
}

static void filter_rule(struct filter *filter, const struct call_rule *rule)
{
    load(filter, (unsigned)offsetof(struct seccomp_data, nr));
    unsigned short jump = filter->count;
    is_equal(filter, (unsigned)rule->nr, 0, 0);
    filter_by_argument(filter, rule->nr);
    filter->code[jump].jf = (unsigned char)(filter->count - jump - 1);
}

static void filter_threads(struct filter *filter)
{
    load(filter, (unsigned)offsetof(struct seccomp_data, nr));
    is_equal(filter, (unsigned)__NR_clone3, 1, 0);
    is_equal(filter, (unsigned)__NR_clone, 0, 1);
    give(filter, SECCOMP_RET_ERRNO | EAGAIN);
}

static int filter_install(bool memory)
{
    struct filter filter = {.count = 0};
    const struct call_rule *from = memory ? memory_rules : rules;
    size_t count =
        memory ? sizeof memory_rules / sizeof *memory_rules : sizeof rules / sizeof *rules;
    filter_threads(&filter);
    for (size_t i = 0; i < count; i++)
        filter_rule(&filter, &from[i]);
    give(&filter, SECCOMP_RET_ALLOW);
    struct sock_fprog program = {.len = filter.count, .filter = filter.code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1L, 0L, 0L, 0L) < 0)
        return -errno;
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0L, 0L) < 0 ? -errno : 0;
}

/* ---- registers ---- */

#if defined __x86_64__
struct registers {
    struct user_regs_struct set;
};
static int number_of(const struct registers *registers)
{
    return (int)registers->set.orig_rax;
}
static void arguments_of(const struct registers *registers, uint64_t args[6])
{
    const struct user_regs_struct *set = &registers->set;
    const uint64_t all[6] = {set->rdi, set->rsi, set->rdx, set->r10, set->r8, set->r9};
    memcpy(args, all, sizeof all);
}
static long result_of(const struct registers *registers)
{
    return (long)registers->set.rax;
}
static unsigned long long place_of(const struct registers *registers)
{
    return registers->set.rip;
}
static void set_argument(struct registers *registers, int n, uint64_t value)
{
    if (n == 0)
        registers->set.rdi = value;
    else if (n == 2)
        registers->set.rdx = value;
    else if (n == 3)
        registers->set.r10 = value;
    else
        registers->set.r8 = value;
}
static void set_skipped(pid_t pid, struct registers *registers, int error)
{
    (void)pid;
    registers->set.orig_rax = (unsigned long long)-1;
    registers->set.rax = (unsigned long long)-(long long)error;
}
#elif defined __aarch64__
struct registers {
    struct user_pt_regs set;
};
static int number_of(const struct registers *registers)
{
    return (int)registers->set.regs[8];
}
static void arguments_of(const struct registers *registers, uint64_t args[6])
{
    memcpy(args, registers->set.regs, 6 * sizeof *args);
}
static long result_of(const struct registers *registers)
{
    return (long)registers->set.regs[0];
}
static unsigned long long place_of(const struct registers *registers)
{
    return registers->set.pc;
}
static void set_argument(struct registers *registers, int n, uint64_t value)
{
    registers->set.regs[n] = value;
}
static void set_skipped(pid_t pid, struct registers *registers, int error)
{
    int none = -1;
    struct iovec nr = {&none, sizeof none};
    ptrace(PTRACE_SETREGSET, pid, (void *)NT_ARM_SYSTEM_CALL, &nr);
    registers->set.regs[0] = (uint64_t) - (int64_t)error;
}
#else
#error "the registers of this machine's system calls are not written down here"
#endif

static bool registers_get(pid_t pid, struct registers *registers)
{
    struct iovec set = {&registers->set, sizeof registers->set};
    return ptrace(PTRACE_GETREGSET, pid, (void *)NT_PRSTATUS, &set) == 0;
}

static bool registers_put(pid_t pid, struct registers *registers)
{
    struct iovec set = {&registers->set, sizeof registers->set};
    return ptrace(PTRACE_SETREGSET, pid, (void *)NT_PRSTATUS, &set) == 0;
}

bool trace_read(pid_t pid, uint64_t address, void *bytes, size_t size)
{
    struct iovec here = {bytes, size}, there = {(void *)(uintptr_t)address, size};
    return process_vm_readv(pid, &here, 1, &there, 1, 0) == (ssize_t)size;
}

bool trace_read_text(pid_t pid, uint64_t address, char *text, size_t size)
{
    for (size_t i = 0; i + 1 < size; i++) {
        if (!trace_read(pid, address + i, text + i, 1))
            return false;
        if (!text[i])
            return true;
    }
    text[size - 1] = '\0';
    return false;
}

/* ---- a run ---- */

static void child(const struct trace_plan *plan)
{
    int out = open(plan->output, O_WRONLY | O_CREAT | O_TRUNC, 0600),
        in = open("/dev/null", O_RDONLY);
    if (out < 0 || in < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0 ||
        chdir(plan->directory) < 0 || (plan->jail.root && !jail_enter(&plan->jail)))
        _exit(125);
    close(in);
    close(out);
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0 || raise(SIGSTOP) != 0 ||
        filter_install(plan->memory) < 0)
        _exit(125);
    execve(plan->argv[0], plan->argv, plan->env);
    fprintf(stderr, "%s: %s\n", plan->argv[0], strerror(errno));
    _exit(125);
}

struct tracing {
    const struct trace_plan *plan;
    struct trace_end end;
    pid_t pid;
    struct call call;
    bool kill_after; /* at the end of the call under way */
    bool loaded;     /* the dynamic loader is through */
    int altered;     /* argument that is to be as it was when the call returns; -1: none */
};

static bool waits_for(struct tracing *tracing, int *status)
{
    while (waitpid(tracing->pid, status, __WALL) < 0)
        if (errno != EINTR)
            return false;
    return true;
}

/* openat2's flags are behind a pointer. */
static bool is_counted(struct tracing *tracing, const struct registers *registers)
{
    struct open_how how = {.flags = 0};
    uint64_t args[6];
    int nr = number_of(registers);
    if (nr == __NR_munmap) {
        tracing->loaded = true;
        return false;
    }
    if (tracing->plan->memory)
        return tracing->loaded && nr != __NR_write;
    if (nr != __NR_openat2)
        return true;
    arguments_of(registers, args);
    return trace_read(tracing->pid, args[2], &how, sizeof how) && (how.flags & MAKES);
}

static bool is_refused(const struct tracing *tracing)
{
    const struct trace_plan *plan = tracing->plan;
    unsigned number = tracing->call.number;
    if (!plan->fail_at || number < plan->fail_at)
        return false;
    return number == plan->fail_at ||
           (plan->fail_on && call_can_fail(tracing->call.rule->kind, plan->error));
}

/* The program relies on its registers being kept by a system call. */
static void alter(struct tracing *tracing, struct registers *registers, int arg, uint64_t value)
{
    set_argument(registers, arg, value);
    if (registers_put(tracing->pid, registers))
        tracing->altered = arg;
}

static bool writes_variable(const struct tracing *tracing)
{
    const char *variables = tracing->plan->variables;
    char link[64], path[PATH_MAX];
    if (!variables || tracing->call.rule->kind != CALL_WRITE)
        return false;
    snprintf(link, sizeof link, "/proc/%d/fd/%d", (int)tracing->pid, (int)tracing->call.args[0]);
    ssize_t length = readlink(link, path, sizeof path - 1);
    path[length < 0 ? 0 : length] = '\0';
    return strncmp(path, variables, strlen(variables)) == 0 && path[strlen(variables)] == '/';
}

/* A plain file keeps what is behind the bytes that were written. */
static void end_variable(const struct tracing *tracing)
{
    char link[64];
    snprintf(link, sizeof link, "/proc/%d/fd/%d", (int)tracing->pid, (int)tracing->call.args[0]);
    if (tracing->call.result > 0 && truncate(link, tracing->call.result) < 0)
        abort();
}

static void strikes(struct tracing *tracing, bool does)
{
    if (tracing->call.number == tracing->plan->fail_at)
        tracing->end.struck = does;
}

/* Half of what was to be written: of one byte nothing at a cut, and that byte in a short write. */
static void halve(struct tracing *tracing, struct registers *registers)
{
    int arg = tracing->call.rule->size_arg;
    if (arg < 0 || tracing->call.variable)
        return;
    uint64_t half = (tracing->call.args[arg] + !tracing->kill_after) / 2;
    alter(tracing, registers, arg, half);
    strikes(tracing, half < tracing->call.args[arg]);
}

/* brk(2) has no error: where there is no memory the break stays, as where it is asked for (0). */
static void refuse(struct tracing *tracing, struct registers *registers)
{
    if (tracing->call.rule->nr == __NR_brk) {
        alter(tracing, registers, 0, 0);
    } else {
        set_skipped(tracing->pid, registers, tracing->plan->error);
        strikes(tracing, registers_put(tracing->pid, registers));
    }
}

/* A call that is not counted: where it writes a variable, its end is to be seen. */
static bool at_other(struct tracing *tracing, const struct registers *registers)
{
    struct call *call = &tracing->call;
    *call = (struct call){.rule = rule_of(tracing->plan->memory, number_of(registers))};
    arguments_of(registers, call->args);
    call->variable = call->rule && writes_variable(tracing);
    return call->variable;
}

/* True: the call goes on and its end is to be seen. */
static bool at_call(struct tracing *tracing, struct registers *registers)
{
    const struct trace_plan *plan = tracing->plan;
    struct call *call = &tracing->call;
    call->number = ++tracing->end.calls;
    call->rule = rule_of(plan->memory, number_of(registers));
    call->pid = tracing->pid;
    arguments_of(registers, call->args);
    call->variable = writes_variable(tracing);
    if (plan->limit && call->number > plan->limit) {
        tracing->end.endless = true;
        kill(tracing->pid, SIGKILL);
    } else if (call->number == plan->die_at) {
        tracing->end.cut = true;
        tracing->kill_after = plan->die_half && call->rule->size_arg >= 0 && !call->variable;
        if (tracing->kill_after)
            halve(tracing, registers);
        else
            kill(tracing->pid, SIGKILL);
    } else if (is_refused(tracing) && plan->error == 0) {
        halve(tracing, registers);
    } else if (is_refused(tracing)) {
        refuse(tracing, registers);
    } else if (plan->before) {
        plan->before(call, plan->user);
    }
    return tracing->kill_after || tracing->altered >= 0 || call->variable || plan->after;
}

static void at_call_end(struct tracing *tracing)
{
    struct registers registers;
    if (tracing->kill_after) {
        kill(tracing->pid, SIGKILL);
        return;
    }
    if (!registers_get(tracing->pid, &registers))
        return;
    if (tracing->altered >= 0) {
        set_argument(&registers, tracing->altered, tracing->call.args[tracing->altered]);
        registers_put(tracing->pid, &registers);
        tracing->altered = -1;
    }
    tracing->call.result = result_of(&registers);
    if (tracing->call.variable)
        end_variable(tracing);
    if (tracing->call.rule->nr == __NR_brk && tracing->plan->fail_at)
        strikes(tracing, tracing->call.args[0] > (uint64_t)tracing->call.result);
    if (tracing->plan->after && tracing->call.number)
        tracing->plan->after(&tracing->call, tracing->plan->user);
}

/* The line of /proc/PID/maps that the instruction is in, and how far behind its start. */
static void note_place(struct tracing *tracing)
{
    char path[64], line[256], name[128];
    struct registers registers;
    unsigned long long from, to, offset;
    snprintf(path, sizeof path, "/proc/%d/maps", (int)tracing->pid);
    FILE *maps = registers_get(tracing->pid, &registers) ? fopen(path, "re") : NULL;
    while (maps && fgets(line, sizeof line, maps))
        if (sscanf(line, "%llx-%llx %*s %llx %*s %*s %127s", &from, &to, &offset, name) == 4 &&
            place_of(&registers) >= from && place_of(&registers) < to)
            snprintf(tracing->end.where, sizeof tracing->end.where, "%s+0x%llx", name,
                     place_of(&registers) - from + offset);
    if (maps)
        fclose(maps);
}

/* Until the process is gone. */
static int follow(struct tracing *tracing)
{
    enum __ptrace_request request = PTRACE_CONT;
    int status, passed = 0;
    struct registers registers;
    for (;;) {
        if (ptrace(request, tracing->pid, NULL, (void *)(intptr_t)passed) < 0 && errno != ESRCH)
            return -errno;
        if (!waits_for(tracing, &status))
            return -errno;
        if (WIFEXITED(status) || WIFSIGNALED(status))
            break;
        request = PTRACE_CONT;
        passed = 0;
        if (status >> 8 == (SIGTRAP | PTRACE_EVENT_SECCOMP << 8)) {
            if (registers_get(tracing->pid, &registers) &&
                (is_counted(tracing, &registers) ? at_call(tracing, &registers)
                                                 : at_other(tracing, &registers)))
                request = PTRACE_SYSCALL;
        } else if (WSTOPSIG(status) == (SIGTRAP | 0x80)) {
            at_call_end(tracing);
        } else if (status >> 16 == 0 && WSTOPSIG(status) != SIGTRAP) {
            passed = WSTOPSIG(status);
            note_place(tracing);
        }
    }
    tracing->end.status = status;
    return 0;
}

int trace_run(const struct trace_plan *plan, struct trace_end *end)
{
    struct tracing tracing = {.plan = plan, .altered = -1};
    int status;
    fflush(NULL);
    tracing.pid = fork();
    if (tracing.pid == 0)
        child(plan);
    if (tracing.pid < 0 || !waits_for(&tracing, &status))
        return -errno;
    if (!WIFSTOPPED(status))
        return -EPERM;
    if (ptrace(PTRACE_SETOPTIONS, tracing.pid, NULL,
               (void *)(PTRACE_O_TRACESECCOMP | PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL |
                        PTRACE_O_TRACEEXEC)) < 0)
        return -errno;
    int err = follow(&tracing);
    *end = tracing.end;
    if (err == 0 && !end->cut && !end->endless && WIFEXITED(end->status) &&
        WEXITSTATUS(end->status) == 125)
        return -EPERM;
    return err;
}
