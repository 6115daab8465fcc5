# SPDX-License-Identifier: Apache-2.0
"""debuggers.py - gdb, and programs for it that are all the software of a machine."""

import shutil
import subprocess
from pathlib import Path

SOURCES = Path(__file__).parent / "machine"
GDB = next((name for name in ("gdb-multiarch", "gdb") if shutil.which(name)), None)
TIMEOUT_S = 120
SETTINGS = ["set pagination off", "set confirm off", "set debuginfod enabled off", "set width 0"]
COMMON = ["-g", "-O1", "-Wall", "-Werror", "-static", "-nostdlib", "-no-pie",
          "-fno-omit-frame-pointer", "-Wl,--build-id=none", "-Wl,-N"]
X86_64 = ["-ffreestanding", "-fno-pic", "-mno-red-zone", "-mgeneral-regs-only",
          "-fno-stack-protector", "-fcf-protection=none", "-Wl,-Ttext=0x100000",
          "-Wl,--no-warn-rwx-segments"]


def build(folder, name, *options, compiler="gcc"):
    """The program of SOURCES of that name."""
    target = folder / name
    subprocess.run([compiler, *COMMON, *options, "-o", target, SOURCES / f"{name}.c"], check=True)
    return target


def argv(program, where, *commands):
    """gdb without its own settings, with a program's symbols, connected."""
    words = [GDB, "-nx", "-q", "-batch"]
    for command in (*SETTINGS, f"file {program}", f"target remote {where}", *commands):
        words += ["-ex", command]
    return words


def ask(program, where, *commands, timeout=TIMEOUT_S):
    """What it says."""
    return subprocess.run(argv(program, where, *commands), stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=timeout).stdout
