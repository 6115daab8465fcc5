# SPDX-License-Identifier: Apache-2.0
"""memory.py - how much memory the processes of a run have; for tests and benchmarks."""

import contextlib
import os
import subprocess
from pathlib import Path

EXECVE = {"x86_64": 59, "aarch64": 221}


def rollup_kib(pid, *fields):
    """Sum of fields of /proc/PID/smaps_rollup."""
    total = 0
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        name = line.split(":")[0]
        if name in fields:
            total += int(line.split()[1])
    return total


def _traced_by(tracer):
    found = []
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if f"\nTracerPid:\t{tracer}\n" in Path(entry.path, "status").read_text():
                    found.append(int(entry.name))
    return found


def _execve_path(pid):
    """What a process that stands at the entry of execve wants to execute."""
    with contextlib.suppress(OSError, ValueError):
        words = Path(f"/proc/{pid}/syscall").read_text().split()
        if words[0] == str(EXECVE[os.uname().machine]):
            with open(f"/proc/{pid}/mem", "rb", 0) as memory:
                memory.seek(int(words[1], 16))
                return memory.read(256).split(b"\0")[0].decode()
    return None


def together_kib(argv, command, env):
    """(proportional memory, number) of all processes of a run, at the moment before the execve of
    `command`, an absolute path: strace holds every execve for a while, and whom it traces is part
    of the run."""
    hold_us = 300000
    tracer = subprocess.Popen(
        ["strace", "-f", "-qq", "-o", os.devnull, "-e", "trace=execve",
         "-e", f"inject=execve:delay_enter={hold_us}", *argv],
        env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    sizes = []
    while tracer.poll() is None and not sizes:
        traced = _traced_by(tracer.pid)
        if any(_execve_path(pid) == command for pid in traced):
            with contextlib.suppress(OSError):  # one has just ended: look again
                sizes = [rollup_kib(pid, "Pss", "SwapPss") for pid in traced]
    if tracer.wait() != 0 or not sizes:
        raise RuntimeError(f"{' '.join(argv)}: its execve was not seen")
    return sum(sizes), len(sizes)
