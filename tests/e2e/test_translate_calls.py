# SPDX-License-Identifier: Apache-2.0
"""test_translate_calls.py - system calls of translated programs: the programs in calls/ are built
for this machine's CPU and for riscv64, and must print the same on both."""

import os
import platform
import shutil
import subprocess
from pathlib import Path

import pytest

SOURCES = Path(__file__).parent / "calls"
NATIVE, FOREIGN = "gcc", "riscv64-linux-gnu-gcc"
TIMEOUT_S = 60
# Bad addresses and sizes are given on purpose.
FLAGS = ["-D_GNU_SOURCE", "-O1", "-Wall", "-Werror", "-Wno-stringop-overflow",
         "-Wno-stringop-overread", "-static", "-pthread"]

pytestmark = [
    pytest.mark.skipif(platform.machine() != "x86_64", reason="translates to x86-64 only"),
    pytest.mark.skipif(not shutil.which(FOREIGN), reason=f"{FOREIGN} is not installed"),
]


def build(source, compiler, target):
    done = subprocess.run([compiler, *FLAGS, "-o", target, source], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 0, done.stdout
    return target


def result(argv, folder):
    """What a program prints when it is run in a fresh folder, and its exit status."""
    folder.mkdir()
    done = subprocess.run([str(a) for a in argv], cwd=folder, text=True, timeout=TIMEOUT_S,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, env={"PATH": os.environ["PATH"]})
    return f"{done.stdout}\nexit status {done.returncode}"


@pytest.mark.parametrize("name", sorted(p.stem for p in SOURCES.glob("*.c")))
def test_calls_do_what_they_do_natively(strata_binary, tmp_path, name):
    source = SOURCES / f"{name}.c"
    native = result([build(source, NATIVE, tmp_path / "native")], tmp_path / "here")
    foreign = build(source, FOREIGN, tmp_path / "foreign")
    assert native.endswith("exit status 0") and len(native.splitlines()) > 5
    assert result([strata_binary, "translate", foreign], tmp_path / "there") == native
