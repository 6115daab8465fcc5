# SPDX-License-Identifier: Apache-2.0
"""host.py - what this host holds: cgroups, mounts, processes. For tests that look what is left."""

import contextlib
import os
from pathlib import Path


def cgroup_mounts():
    """Mount points of every cgroup hierarchy."""
    found = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        left, right = line.split(" - ")
        if right.split()[0] in ("cgroup", "cgroup2"):
            found.append(Path(left.split()[4]))
    return found


def cgroups_below(path):
    """Every cgroup below `path` (like "/docker") in any hierarchy, deepest first."""
    found = []
    for mount in cgroup_mounts():
        top = str(mount / path.lstrip("/"))
        found += [folder for folder, _, _ in os.walk(top, topdown=False) if folder != top]
    return found


def cgroup_is_empty(folder):
    """No process is in it or below it."""
    with contextlib.suppress(OSError):
        for path, _, _ in os.walk(folder):
            if Path(path, "cgroup.procs").read_text().strip():
                return False
    return True


def remove_cgroups(path):
    """The cgroup and all below it, in every hierarchy, where no process is left in it."""
    for folder in [*cgroups_below(path), *(str(m / path.lstrip("/")) for m in cgroup_mounts())]:
        with contextlib.suppress(OSError):
            os.rmdir(folder)


def describe_pid(pid):
    with contextlib.suppress(OSError):
        line = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        return f"{pid} ({line.strip()})"
    return str(pid)


def mounts(pid="self"):
    """Mount points as that process sees them."""
    return [line.split()[4] for line in Path(f"/proc/{pid}/mountinfo").read_text().splitlines()]
