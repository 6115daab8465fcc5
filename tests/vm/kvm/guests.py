# SPDX-License-Identifier: Apache-2.0
"""guests.py - what KVM machines boot in the nested tier: run-kvm's kernels and a busybox initramfs."""

import functools
import os
import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(TOP / "tests/e2e"))
from machines import INIT, Machine, entry  # noqa: E402,F401 (the tests import Machine here)
from program import Program  # noqa: E402

SHARE = Path("/run/share")  # run-kvm puts the kernels there
APPEND = "console=ttyS0 quiet panic=-1"
BOOT_S = 150  # two emulators deep, on a busy host


@functools.cache
def int3_stops():
    """Does the processor let KVM intercept it? QEMU's does not, when it emulates SVM; real ones do."""
    done = subprocess.run([Path(os.environ["STRATA_UNIT_TESTS"]) / "test-vcpu-kvm", "int3*"],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          stdin=subprocess.DEVNULL)
    return "not tried: " not in done.stdout


class Strata(Program):
    """The program, with run-kvm's state root or another."""

    def __init__(self, root=SHARE / "root"):
        super().__init__()
        self.root = root

    def argv(self, *args):
        return [os.environ["STRATA_BIN"], "--root", str(self.root), *map(str, args)]

    def env(self, extra=None):
        return {**os.environ, **(extra or {})}

    def machines(self):
        """The arguments of strata-machine's processes, by their number; a porter has another name."""
        found = {}
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = path.read_text().split("\0")
                name = path.with_name("comm").read_text().strip()
            except OSError:
                continue
            if name == "strata-machine" and words[0].endswith(name):
                found[int(path.parent.name)] = words
        return found


def initramfs(script, modules=()):
    """An archive whose /init runs `script`; modules of the cloud kernel are loaded before."""
    parts = [entry(name, 0o40755) for name in ("bin", "dev", "proc", "sys", "mnt")]
    parts.append(entry("bin/busybox", 0o100755, Path("/bin/busybox").read_bytes()))
    loads = ""
    if modules:
        folder = Path(os.environ["STRATA_CLOUD_MODULES"])
        lines = subprocess.run(
            ["modprobe", "-d", folder.parents[2], "-S", folder.name, "--show-depends", "-a",
             *modules], check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
        for path in dict.fromkeys(line.split()[1] for line in lines if line.startswith("insmod ")):
            name = Path(path).name
            parts.append(entry(name, 0o100644, Path(path).read_bytes()))
            loads += f"insmod /{name}\n"
    parts.append(entry("init", 0o100755, (INIT + loads + script + "\n").encode()))
    return b"".join(parts) + entry("TRAILER!!!", 0)
