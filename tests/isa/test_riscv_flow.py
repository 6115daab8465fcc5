# SPDX-License-Identifier: Apache-2.0
"""test_riscv_flow.py - our RISC-V and QEMU 10's give the same registers, memory and fcsr for random
programs of many instructions with branches, loops, calls and faults (flow.py).

The interpreter, translated code, translated code without regions and translated code whose cache is
emptied all the time are each held against QEMU. STRATA_ISA_PROGRAMS is how many programs there are;
a failure names its seed. For more of them by hand, from another seed on:

    STRATA_ISA_SEED=1000 STRATA_ISA_PROGRAMS=5000 pytest tests/isa/test_riscv_flow.py
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import flow  # noqa: E402
import programs  # noqa: E402
import qemu  # noqa: E402

TOP = Path(__file__).resolve().parents[2]
STRATA = Path(os.environ.get("STRATA_BIN", TOP / "build/src/front/strata"))
RUNNER = STRATA.parents[2] / "tests/isa/run-riscv"
LISTER = STRATA.parents[2] / "tests/isa/list-riscv"
FIRST = int(os.environ.get("STRATA_ISA_SEED", "0"))
COUNT = int(os.environ.get("STRATA_ISA_PROGRAMS", "40"))
CHAPTERS = 30
WAYS = [("interpret", ""), ("translate", ""), ("translate", "noregions"), ("flush", "")]
TABLE = [i for i in programs.instructions(LISTER) if not programs.is_vector(i)]


def output(*argv, words=""):
    env = dict(os.environ, STRATA_JIT=words)
    return subprocess.run([str(a) for a in argv], stdout=subprocess.PIPE, check=True, timeout=120,
                          env=env).stdout


@pytest.fixture(scope="module")
def reference():
    return qemu.riscv64()


@pytest.mark.parametrize("seed", range(FIRST, FIRST + COUNT))
def test_programs(tmp_path, reference, seed):
    path = tmp_path / "program"
    path.write_bytes(flow.program(seed, TABLE, CHAPTERS))
    path.chmod(0o755)
    theirs = output(reference, "-cpu", "max", path)
    assert len(theirs) == flow.CHAPTER_BYTES * CHAPTERS + flow.SCRATCH_BYTES
    for how, words in WAYS:
        ours = output(RUNNER, how, path, words=words)
        if ours != theirs:  # QEMU 10 loses flags between instructions that it translates together
            theirs = output(reference, "-cpu", "max", "-one-insn-per-tb", path)
        difference = flow.first_difference(CHAPTERS, ours, theirs)
        assert difference is None, f"{how} {words}: {difference}"
