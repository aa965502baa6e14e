"""System calls that a candidate may make: name, number on x86_64, number on aarch64 (`-`: it has none).

Everything a Python program needs to compute, to use files in its scratch folder, threads, child processes, timers and
pipes. Not here, so refused: exec, sockets, ptrace and other processes' memory, mounts, namespaces, keys, memory that
outlives the process or counts in no limit (shared memory segments, memfd), io_uring, bpf, performance counters, and
everything that is newer than this list.
"""

from __future__ import annotations

_FREE = """
read 0 63; write 1 64; readv 19 65; writev 20 66; pread64 17 67; pwrite64 18 68; preadv 295 69
pwritev 296 70; preadv2 327 286; pwritev2 328 287; open 2 -; openat 257 56; openat2 437 437
creat 85 -; close 3 57; close_range 436 436; stat 4 -; fstat 5 80; lstat 6 -; newfstatat 262 79
statx 332 291; poll 7 -; ppoll 271 73; select 23 -; pselect6 270 72; lseek 8 62; mmap 9 222
mprotect 10 226; munmap 11 215; mremap 25 216; madvise 28 233; brk 12 214; msync 26 227
mincore 27 232; mlock 149 228; munlock 150 229; mlock2 325 284; rt_sigaction 13 134
rt_sigprocmask 14 135; rt_sigreturn 15 139; rt_sigpending 127 136; rt_sigtimedwait 128 137
rt_sigsuspend 130 133; sigaltstack 131 132; flock 73 32; fsync 74 82
fdatasync 75 83; ftruncate 77 46; access 21 -; faccessat 269 48; faccessat2 439 439
pipe 22 -; pipe2 293 59; dup 32 23; dup2 33 -; dup3 292 24; sched_yield 24 124
sched_getaffinity 204 123; sched_getparam 143 121; sched_getscheduler 145 120
sched_get_priority_max 146 125; sched_get_priority_min 147 126; getpriority 140 141; getpid 39 172
gettid 186 178; getppid 110 173; getuid 102 174; geteuid 107 175; getgid 104 176; getegid 108 177
getresuid 118 148; getresgid 120 150; getgroups 115 158; getpgrp 111 -; getpgid 121 155
getsid 124 156; setresuid 117 147; setresgid 119 149
setgroups 116 159; capget 125 90; capset 126 91; nanosleep 35 101; clock_nanosleep 230 115
clock_gettime 228 113; clock_getres 229 114; gettimeofday 96 169; time 201 -; times 100 153
getrusage 98 165; getitimer 36 102; setitimer 38 103; alarm 37 -; timer_create 222 107
timer_settime 223 110; timer_gettime 224 108; timer_getoverrun 225 109; timer_delete 226 111
timerfd_create 283 85; timerfd_settime 286 86; timerfd_gettime 287 87; uname 63 160; sysinfo 99 179
getcwd 79 17; chdir 80 49; fchdir 81 50; rename 82 -; renameat 264 38; renameat2 316 276; mkdir 83 -
mkdirat 258 34; rmdir 84 -; unlink 87 -; unlinkat 263 35; link 86 -; linkat 265 37; symlink 88 -
symlinkat 266 36; readlink 89 -; readlinkat 267 78; fchmod 91 52
utimensat 280 88; utime 132 -; utimes 235 -; futimesat 261 -; umask 95 166; getdents 78 -
getdents64 217 61; statfs 137 43; fstatfs 138 44; fork 57 -; vfork 58 -; exit 60 93
exit_group 231 94; wait4 61 260; waitid 247 95; futex 202 98; futex_waitv 449 449
set_tid_address 218 96; set_robust_list 273 99; get_robust_list 274 100; rseq 334 293
membarrier 324 283; arch_prctl 158 -; prctl 157 167; getrlimit 97 163; setrlimit 160 164
getrandom 318 278; eventfd 284 -; eventfd2 290 19; epoll_create 213 -
epoll_create1 291 20; epoll_ctl 233 21; epoll_wait 232 -; epoll_pwait 281 22; epoll_pwait2 441 441
signalfd 282 -; signalfd4 289 74; sendfile 40 71; splice 275 76; tee 276 77; copy_file_range 326 285
fallocate 285 47; fadvise64 221 223; sendto 44 206; recvfrom 45 207; sendmsg 46 211; recvmsg 47 212
shutdown 48 210; getsockname 51 204; getpeername 52 205; getsockopt 55 209; setsockopt 54 208
pidfd_open 434 434; restart_syscall 219 128; pause 34 -; getcpu 309 168
landlock_create_ruleset 444 444; landlock_add_rule 445 445; landlock_restrict_self 446 446
"""

# allowed with conditions, or refused in a special way (`seccomp.py`)
_CONDITIONAL = """
clone 56 220; clone3 435 435; socketpair 53 199; prlimit64 302 261; kill 62 129; tkill 200 130; tgkill 234 131;
setsid 112 157; setpgid 109 154; fcntl 72 25; ioctl 16 29; chmod 90 -; fchmodat 268 53; truncate 76 45
"""


def _table(text: str, column: int) -> dict[str, int]:
    rows = (row.split() for row in text.replace("\n", ";").split(";") if row.strip())
    return {row[0]: int(row[column]) for row in rows if row[column] != "-"}


def numbers(architecture: str) -> tuple[dict[str, int], dict[str, int]]:
    """(freely allowed, conditional) on `x86_64` or `aarch64`. Raises KeyError for another."""
    column = {"x86_64": 1, "aarch64": 2}[architecture]
    return _table(_FREE, column), _table(_CONDITIONAL, column)
