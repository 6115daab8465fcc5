# SPDX-License-Identifier: Apache-2.0
"""test_riscv.py - our RISC-V and QEMU 10's give the same registers, memory and fcsr for random
programs with every instruction (programs.py).

STRATA_BIN names the built strata, beside whose folder run-riscv and list-riscv are.
STRATA_ISA_CASES is how many
cases a seed has; a failure names its seed.
"""

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import programs  # noqa: E402
import qemu  # noqa: E402

TOP = Path(__file__).resolve().parents[2]
STRATA = Path(os.environ.get("STRATA_BIN", TOP / "build/src/front/strata"))
RUNNER = STRATA.parents[2] / "tests/isa/run-riscv"
LISTER = STRATA.parents[2] / "tests/isa/list-riscv"
CASES = int(os.environ.get("STRATA_ISA_CASES", "3000"))
TABLE = [i for i in programs.instructions(LISTER)
         if i.name not in programs.LEFT_OUT and not programs.is_vector(i)]


def output(*argv):
    return subprocess.run([str(a) for a in argv], stdout=subprocess.PIPE, check=True,
                          timeout=300).stdout


@pytest.fixture(scope="module")
def reference():
    return qemu.riscv64()


def compare(tmp_path, reference, cases, table):
    """None, or what differs first: the interpreter and translated code each against QEMU."""
    path = tmp_path / "program"
    path.write_bytes(programs.program(cases))
    path.chmod(0o755)
    theirs = output(reference, "-cpu", "max", path)
    assert len(theirs) == programs.CASE_BYTES * len(cases) + programs.SCRATCH_BYTES
    for how in ("interpret", "translate"):
        difference = programs.first_difference(cases, table, output(RUNNER, how, path), theirs)
        if difference:
            return f"{how}: {difference}"
    return None


@pytest.mark.parametrize("seed", range(3))
def test_every_instruction(tmp_path, reference, seed):
    cases = programs.random_cases(random.Random(seed), TABLE, CASES)
    assert compare(tmp_path, reference, cases, TABLE) is None


def test_every_compressed_instruction(tmp_path, reference):
    """All 16-bit words that neither jump nor leave the frame."""
    rng = random.Random(16)
    words = [w for w in range(1 << 16) if programs.is_harmless_compressed(w)]
    cases = []
    for word in rng.sample(words, CASES):
        xs = [programs.integer_value(rng) for _ in range(programs.NR_X)]
        fs = [programs.float_value(rng, 64) for _ in range(programs.NR_F)]
        cases.append((word.to_bytes(2, "little") + b"\x01\x00", xs, fs, 0))
    programs.point_to_scratch(cases)
    table = [programs.Instruction("16 bits", "C", 0, 0)]
    assert compare(tmp_path, reference, cases, table) is None
