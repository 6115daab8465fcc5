# SPDX-License-Identifier: Apache-2.0
"""foreign.py - programs for this CPU and for riscv64, and what can execute the latter here.

A machine (native, strata, a QEMU) turns a program into a command line. A machine that is missing or
does not start is reported with its reason and left out.
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


# --- what is run -----------------------------------------------------------------------------


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


class Program:
    """A program that is there for both CPUs. check(OUTPUT) is the part of its output that must be
    the same, on every machine, or (not portable) on every machine of one CPU. An extra one is
    measured, but in no mean."""

    def __init__(self, name, check=bytes.strip, extra=False, portable=True):
        self.name, self.check, self.extra, self.portable = name, check, extra, portable

    def argv(self, machine, quick=False):
        raise NotImplementedError

    def run(self, machine, quick=False):
        return run(self.argv(machine, quick))


class Built(Program):
    """One that is compiled here: what it is run with, and what it is tried with, quickly."""

    def __init__(self, name, folder, arguments=(), quick=("1",), **kw):
        super().__init__(name, **kw)
        self.arguments, self.quick = list(arguments), list(quick)
        self.paths = {cpu: folder / cpu / name for cpu in COMPILERS}

    def build(self, sources, flags=()):
        for cpu, compiler in COMPILERS.items():
            self.paths[cpu].parent.mkdir(parents=True, exist_ok=True)
            output(compiler, *FLAGS, *flags, *sources, "-o", self.paths[cpu], "-lm")
        return self

    def argv(self, machine, quick=False):
        return [*machine.prefix, str(self.paths[machine.cpu]),
                *(self.quick if quick else self.arguments)]


def build_programs(folder, wanted):
    """The programs of bench/programs; CoreMark too if STRATA_COREMARK names its sources."""
    programs = [Built(source.stem, folder).build([source])
                for source in sorted(SOURCES.glob("*.c")) if wanted(source.stem)]
    coremark = os.environ.get("STRATA_COREMARK")
    if coremark and wanted("coremark"):
        programs.append(_build_coremark(folder, Path(coremark)))
    return programs


def _build_coremark(folder, sources):
    program = Built("coremark", folder, [*COREMARK_SEEDS, "15000"], [*COREMARK_SEEDS, "1"],
                    check=lambda out: b"\n".join(re.findall(rb".*crc.*", out)), extra=True)
    return program.build([*sorted(sources.glob("core_*.c")), sources / "posix/core_portme.c"],
                         [f"-I{sources}", f"-I{sources}/posix", "-DPERFORMANCE_RUN=1",
                          '-DFLAGS_STR="-O2"'])


# --- what runs it ----------------------------------------------------------------------------


class Machine:
    """Something that executes programs of one CPU: a command line before the program's own."""

    def __init__(self, name, cpu, prefix):
        self.name, self.cpu, self.prefix = name, cpu, [str(p) for p in prefix]

    def in_root(self, roots, path):
        """The command line for a program of a root file system of its CPU, with its libraries."""
        root = roots[self.cpu]
        if self.cpu == "native":
            loader = next(root.glob("usr/lib64/ld-linux-*"))
            libraries = next(root.glob("usr/lib/*-linux-gnu"))
            return [str(loader), "--library-path", str(libraries), str(root / path)]
        return [*self.prefix, "-L", str(root), str(root / path)]


NATIVE = Machine("native", "native", [])


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
    found, wanted = [NATIVE], program.check(program.run(NATIVE, quick=True).out)
    for make in (_strata, _qemu_of_debian, _qemu_of_backports):
        try:
            machine = make()
            out = program.run(machine, quick=True).out
            if program.portable and program.check(out) != wanted:
                raise RuntimeError(f"{program.name} prints {out!r}, not {wanted!r}")
            found.append(machine)
        except (OSError, RuntimeError, subprocess.SubprocessError) as error:
            note(f"without {make.__name__.strip('_')}: {error}")
    return found


# --- running them ----------------------------------------------------------------------------


class Wanted:
    """What a program must print: what it printed natively; if that differs between CPUs, what it
    printed on the last of the machines of the same one, which is a QEMU."""

    def __init__(self, program, found):
        self.program = program
        self._native = None if not program.portable else program.check(program.run(found[0]).out)
        self._last = {} if program.portable else {m.cpu: m for m in found}

    def of(self, machine):
        if self._native is not None:
            return self._native
        known = self._last[machine.cpu]
        if isinstance(known, Machine):
            known = self._last[machine.cpu] = self.program.check(self.program.run(known).out)
        return known


def checked_run(program, machine, wanted):
    result = program.run(machine)
    if program.check(result.out) != wanted.of(machine):
        raise RuntimeError(f"it prints {result.out[:200]!r}, not {wanted.of(machine)[:200]!r}")
    return result


def measure(programs, found, rounds):
    """{(program, machine): [Run]}: each round in another order, so that drift hits all alike. What
    fails is reported and its value None."""
    commands = {(p, m): w for p in programs for w in [Wanted(p, found)] for m in found}
    order, results = random.Random(1), {key: [] for key in commands}
    for _ in range(rounds):
        for program, machine in order.sample(list(commands), len(commands)):
            key = (program, machine)
            if results[key] is None:
                continue
            try:
                results[key].append(checked_run(program, machine, commands[key]))
            except (OSError, RuntimeError) as error:
                note(f"{program.name} on {machine.name} failed: {error}")
                results[key] = None
    return {(p.name, m.name): runs for (p, m), runs in results.items()}
