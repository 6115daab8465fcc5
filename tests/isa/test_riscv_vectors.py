# SPDX-License-Identifier: Apache-2.0
"""test_riscv_vectors.py - our RISC-V and QEMU 10's give the same registers, vectors among them, and
memory for random programs with every vector instruction, and refuse the same ones (vectors.py).

STRATA_BIN and STRATA_ISA_CASES are as in test_riscv.py.
"""

import random
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import programs  # noqa: E402
import qemu  # noqa: E402
import vectors  # noqa: E402
from test_riscv import CASES, LISTER, RUNNER, output  # noqa: E402

# They change what they use next: QEMU 10.0.2 fails assertions of its own for some of that.
NOT_IN_LOOPS = {f"vle{width}ff.v" for width in (8, 16, 32, 64)}
TABLE = [i for i in programs.instructions(LISTER) if programs.is_vector(i)]


@pytest.fixture(scope="module")
def reference():
    return qemu.riscv64()


def write_program(path, rng, cases, turns=1):
    path.write_bytes(vectors.program(rng, cases, turns))
    path.chmod(0o755)
    return path


def mark(result, number):
    """What a case has left in x5."""
    at = number * vectors.CASE_BYTES + 8 * 4
    return int.from_bytes(result[at:at + 8], "little")


@pytest.mark.parametrize("how", ("interpret", "translate"))
@pytest.mark.parametrize("seed", range(4))
def test_every_vector_instruction(tmp_path, reference, seed, how):
    rng = random.Random(seed)
    cases = vectors.random_cases(rng, TABLE + vectors.csr_instructions(), CASES)
    path = write_program(tmp_path / "program", rng, cases)
    ours, theirs = output(RUNNER, how, path), output(reference, "-cpu", "max", path)
    assert len(theirs) == vectors.CASE_BYTES * len(cases) + vectors.SCRATCH_BYTES
    found = list(vectors.differences(cases, ours, theirs))
    assert not found, found[0]
    # Not all of them may have been refused.
    executed = {case.name for number, case in enumerate(cases)
                if mark(ours, number) != vectors.MARK_ILLEGAL}
    assert len(executed) > len(TABLE) * 4 // 5


def changes_its_indices(case):
    """May it load into the group that it takes indices from? Then the next turn goes anywhere."""
    return "xei" in case.name and abs((case.word >> 7 & 31) - (case.word >> 20 & 31)) < 8


# Above JIT_LOOP_HOT: they become regions, which have vectors in registers.
@pytest.mark.parametrize("seed", range(2))
def test_vector_instructions_in_loops(tmp_path, reference, seed):
    rng = random.Random(1000 + seed)
    table = [i for i in TABLE if i.name not in NOT_IN_LOOPS]
    cases = vectors.random_cases(rng, table, CASES // 2)
    steady = [case for case in cases if not changes_its_indices(case)]
    cases = (steady + steady)[:len(cases)]  # as many, or all addresses were others
    path = write_program(tmp_path / "program", rng, cases, 1200)
    ours, theirs = output(RUNNER, "translate", path), output(reference, "-cpu", "max", path)
    found = list(vectors.differences(cases, ours, theirs))
    assert not found, found[0]


def test_registers_read_in_two_widths_are_refused(tmp_path):
    """Where QEMU 10.0.2 is lenient and the specification is not."""
    rng = random.Random(1)
    cases = vectors.cases_beyond_qemu(rng, TABLE, CASES // 4)
    ours = output(RUNNER, "interpret", write_program(tmp_path / "program", rng, cases))
    accepted = [case.name for number, case in enumerate(cases)
                if mark(ours, number) != vectors.MARK_ILLEGAL]
    assert accepted == []
