# SPDX-License-Identifier: Apache-2.0
"""test_machine.py - small programs of machine mode (machine/*.S) on harts of ours, interpreted and
translated: each checks by itself what it expects of traps, page tables, PMP, timers, counters.

STRATA_BIN names the built strata, beside whose folder run-machine is. With STRATA_RISCV_TESTS
naming a folder with the sources of riscv-tests (and riscv-test-env as its `env`), those of them
that the compiler can build run, too, as `p` and as `v`.
"""

import os
import re
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
TOP = HERE.parents[1]
STRATA = Path(os.environ.get("STRATA_BIN", TOP / "build/src/front/strata"))
RUNNER = STRATA.parents[2] / "tests/isa/run-machine"
SOURCES = HERE / "machine"
GCC = ["riscv64-linux-gnu-gcc", "-mabi=lp64d", "-static", "-nostdlib", "-nostartfiles", "-no-pie",
       "-fno-pic", "-mcmodel=medany", "-Wl,--build-id=none", "-Wl,--no-warn-rwx-segments"]
MARCH = "-march=rv64gcv_zicbom_zicboz"
WAYS = ["interpret", "translate"]
HARTS = {"harts": 4}  # programs that want more than one

SUITE = os.environ.get("STRATA_RISCV_TESTS")


def build(target, *arguments):
    return subprocess.run([*GCC, *map(str, arguments), "-o", str(target)], check=False,
                          stderr=subprocess.PIPE, text=True)


def run(how, program, *more):
    return subprocess.run([RUNNER, how, program, *map(str, more)], timeout=60, check=False,
                          stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("name", sorted(p.stem for p in SOURCES.glob("*.S")))
def test_program(tmp_path, name, how):
    program = tmp_path / name
    built = build(program, MARCH, "-T", SOURCES / "link.ld", SOURCES / f"{name}.S")
    assert built.returncode == 0, built.stderr
    result = run(how, program, tmp_path / "memory", HARTS.get(name, 1))
    assert result.returncode == 0, f"check {result.returncode} failed: {result.stderr}"


# --- riscv-tests -------------------------------------------------------------------------------


def suite():
    """(name, march, source) of every program, as its Makefile has them."""
    isa = Path(SUITE) / "isa"
    templates = re.findall(r"compile_template,(rv64\w+),(-march=\w+)", (isa / "Makefile").read_text())
    return [(f"{folder}-{kind}-{source.stem}", march, source)
            for folder, march in templates for source in sorted((isa / folder).glob("*.S"))
            for kind in kinds(isa / folder / "Makefrag")]


def kinds(makefrag):
    return [kind for kind in "pv" if f"_{kind}_tests" in makefrag.read_text()]


def run_riscv_test(tmp_path, name, march, source):
    isa, kind = Path(SUITE) / "isa", name.split("-")[1]
    environment = isa.parent / "env" / kind
    extra = [environment / "entry.S", *environment.glob("*.c")] if kind == "v" else []
    built = build(tmp_path / name, march, "-w", "-std=gnu99", "-O2", "-fvisibility=hidden",
                  "-DENTROPY=0x1234567", f"-I{environment}", f"-I{isa}/macros/scalar",
                  f"-T{environment}/link.ld", *extra, source)
    if built.returncode:
        pytest.skip(f"the compiler: {built.stderr.splitlines()[0]}")
    for how in WAYS:
        result = run(how, tmp_path / name)
        assert result.returncode == 0, f"{how}: {result.returncode} {result.stderr}"


if SUITE:  # the sources are not this project's, so nothing is skipped without them
    test_riscv_tests = pytest.mark.parametrize("name,march,source", suite())(run_riscv_test)
