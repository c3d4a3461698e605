"""The wall clock of one server, which a test may set while it runs. Its other clocks go on as ever."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

from tests.conftest import require

if TYPE_CHECKING:
    from pathlib import Path

# What reads the wall clock in a process gets its time and so many seconds more as stand in a file that it has mapped.
_SOURCE = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
static volatile const long long *step;
__attribute__((constructor)) static void begin(void) {
    void *mapped = mmap(0, sizeof *step, PROT_READ, MAP_SHARED, open(getenv("CLOCK_STEP"), O_RDONLY), 0);
    if (mapped != MAP_FAILED) step = mapped;
}
int clock_gettime(clockid_t clock, struct timespec *answer) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int failed = real(clock, answer);
    if (!failed && step && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) answer->tv_sec += *step;
    return failed;
}
int gettimeofday(struct timeval *restrict answer, void *restrict zone) {
    struct timespec now;
    int failed = clock_gettime(CLOCK_REALTIME, &now);
    answer->tv_sec = now.tv_sec, answer->tv_usec = now.tv_nsec / 1000;
    return failed;
}
time_t time(time_t *answer) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (answer) *answer = now.tv_sec;
    return now.tv_sec;
}
"""


class SetClock:
    """A wall clock in *folder*, for processes that are started in `environ`."""

    def __init__(self, folder: Path) -> None:
        """Build what makes it."""
        if shutil.which("gcc") is None:
            require("gcc", "it builds what sets the clock of one process only")
        source, library = folder / "clock.c", folder / "clock.so"
        source.write_text(_SOURCE)
        subprocess.run(["gcc", "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"], check=True)
        self._step = folder / "step"
        self._step.write_bytes(bytes(8))
        self.environ = {"LD_PRELOAD": str(library), "CLOCK_STEP": str(self._step)}

    def jump(self, seconds: int) -> None:
        """Let the clock be that far from the machine's."""
        with self._step.open("r+b") as file:  # in place, because it is mapped
            file.write(seconds.to_bytes(8, "little", signed=True))
