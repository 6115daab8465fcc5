# SPDX-License-Identifier: Apache-2.0
"""foreign.py - programs for this CPU and for riscv64, and what can execute the latter here.

A machine (native, strata, a QEMU) turns the name of a program into a command line. A machine that
is missing or does not start is reported with its reason and left out.
"""

import os
import random
import re
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from lib import STRATA, TOP, note, output

sys.path.insert(0, str(TOP / "tests/isa"))
import qemu  # noqa: E402

SOURCES = TOP / "bench/programs"
COMPILERS = {"native": "gcc", "riscv64": "riscv64-linux-gnu-gcc"}
FLAGS = ["-std=gnu17", "-O2", "-static"]
COREMARK_SEEDS = ["0x0", "0x0", "0x66"]  # of a performance run; iterations follow


class Program:
    """A program built for both CPUs: what it is run with, and what it is tried with, quickly.
    check(OUTPUT) is the part of its output that must be the same everywhere."""

    def __init__(self, name, folder, arguments=(), quick=("1",), check=bytes.strip, extra=False):
        self.name, self.arguments, self.quick = name, list(arguments), list(quick)
        self.check, self.extra = check, extra
        self.paths = {cpu: folder / cpu / name for cpu in COMPILERS}

    def build(self, sources, flags=()):
        for cpu, compiler in COMPILERS.items():
            self.paths[cpu].parent.mkdir(parents=True, exist_ok=True)
            output(compiler, *FLAGS, *flags, *sources, "-o", self.paths[cpu], "-lm")


def build_programs(folder, only=()):
    """The programs of bench/programs; CoreMark too if STRATA_COREMARK names its sources."""
    programs = []
    for source in sorted(SOURCES.glob("*.c")):
        if not only or source.stem in only:
            programs.append(Program(source.stem, folder))
            programs[-1].build([source])
    coremark = os.environ.get("STRATA_COREMARK")
    if coremark and (not only or "coremark" in only):
        programs.append(_build_coremark(folder, Path(coremark)))
    return programs


def _build_coremark(folder, sources):
    program = Program("coremark", folder, [*COREMARK_SEEDS, "15000"], [*COREMARK_SEEDS, "1"],
                      lambda out: b"\n".join(re.findall(rb".*crc.*", out)), extra=True)
    program.build([*sorted(sources.glob("core_*.c")), sources / "posix/core_portme.c"],
                  [f"-I{sources}", f"-I{sources}/posix", "-DPERFORMANCE_RUN=1",
                   '-DFLAGS_STR="-O2"'])
    return program


class Machine:
    """Something that executes programs of one CPU: a command line before the program's own."""

    def __init__(self, name, cpu, prefix):
        self.name, self.cpu, self.prefix = name, cpu, [str(p) for p in prefix]

    def argv(self, program, quick=False):
        arguments = program.quick if quick else program.arguments
        return [*self.prefix, str(program.paths[self.cpu]), *arguments]


def _strata():
    return Machine("strata", "riscv64", [STRATA, "translate"])


def _qemu_of_debian():
    return _qemu("qemu-riscv64-static")


def _qemu_of_backports():
    return _qemu(qemu.riscv64())


def _qemu(path):
    version = re.search(r"version (\d+)\.(\d+)", output(path, "--version"))
    return Machine("QEMU " + ".".join(version.groups()), "riscv64", [path])


def machines(program):
    """Those that can execute this program; native is the first."""
    native = Machine("native", "native", [])
    found, wanted = [native], program.check(run(native.argv(program, quick=True)).out)
    for make in (_strata, _qemu_of_debian, _qemu_of_backports):
        try:
            machine = make()
            out = run(machine.argv(program, quick=True)).out
            if program.check(out) != wanted:
                raise RuntimeError(f"{program.name} prints {out!r}, not {wanted!r}")
            found.append(machine)
        except (OSError, RuntimeError, subprocess.SubprocessError) as error:
            note(f"without {make.__name__.strip('_')}: {error}")
    return found


class Run:
    """What one run printed and took."""

    def __init__(self, out, wall_ms, usage):
        self.out, self.wall_ms = out, wall_ms
        self.cpu_ms = (usage.ru_utime + usage.ru_stime) * 1000


def run(argv, timeout_s=300, **kw):
    """Run a command that must end with 0."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        began = time.perf_counter_ns()
        child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=err, **kw)
        timer = threading.Timer(timeout_s, child.kill)
        timer.start()
        _, status, usage = os.wait4(child.pid, 0)
        took = (time.perf_counter_ns() - began) / 1e6
        timer.cancel()
        child.returncode = os.waitstatus_to_exitcode(status)
        for file in (out, err):
            file.seek(0)
        if child.returncode:
            said = err.read().decode(errors="replace").strip()[-300:]
            raise RuntimeError(f"{' '.join(map(str, argv))} ended with {child.returncode}: {said}")
        return Run(out.read(), took, usage)


def interleaved(commands, rounds):
    """{key: [Run]} of {key: function that runs it once}: each round in another order, so that drift
    hits all alike. One that fails is reported and left out."""
    order, results = random.Random(1), {key: [] for key in commands}
    for _ in range(rounds):
        for key in order.sample(list(commands), len(commands)):
            if results[key] is None:
                continue
            try:
                results[key].append(commands[key]())
            except (OSError, RuntimeError) as error:
                note(f"{' on '.join(key)} failed: {error}")
                results[key] = None
    return results
