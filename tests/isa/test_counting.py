# SPDX-License-Identifier: Apache-2.0
"""test_counting.py - translated code counts the same instructions as the interpreter, which counts
them one by one: in random programs of control flow (counting.py) and of traps (privileged.py).

STRATA_ISA_SEED and STRATA_ISA_PROGRAMS are as in test_riscv_flow.py.
"""

import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import counting  # noqa: E402
import flow  # noqa: E402
import privileged  # noqa: E402
import programs  # noqa: E402

TOP = Path(__file__).resolve().parents[2]
STRATA = Path(os.environ.get("STRATA_BIN", TOP / "build/src/front/strata"))
RUNNER = STRATA.parents[2] / "tests/isa/run-machine"
LISTER = STRATA.parents[2] / "tests/isa/list-riscv"
FIRST = int(os.environ.get("STRATA_ISA_SEED", "0"))
COUNT = int(os.environ.get("STRATA_ISA_PROGRAMS", "6"))
CHAPTERS = 30
WAYS = ["", "noregions"]
TABLE = [i for i in programs.instructions(LISTER) if not programs.is_vector(i)]


def run(how, program, memory, words=""):
    subprocess.run([RUNNER, how, program, memory], check=True, timeout=120,
                   env=dict(os.environ, STRATA_JIT=words))
    return memory.read_bytes()


@pytest.mark.parametrize("seed", range(FIRST, FIRST + COUNT))
def test_flow(tmp_path, seed):
    program, where = counting.build(tmp_path, seed, TABLE, CHAPTERS)
    expected = run("interpret", program, tmp_path / "memory")[where]
    counts = [struct.unpack_from("<I", expected, (n + 1) * flow.CHAPTER_BYTES - 4)[0]
              for n in range(CHAPTERS)]
    assert counts[0] > 0 and counts == sorted(counts)
    for words in WAYS:
        ours = run("translate", program, tmp_path / "memory", words)[where]
        difference = flow.first_difference(CHAPTERS, ours, expected)
        assert difference is None, f"{words}: {difference}"


@pytest.mark.parametrize("seed", range(FIRST, FIRST + COUNT))
def test_traps(tmp_path, seed):
    program = privileged.build(tmp_path, seed, counts=True)
    where = slice(privileged.LOG - privileged.MEMORY, privileged.END - privileged.MEMORY)
    expected = run("interpret", program, tmp_path / "memory")[where]
    ours = run("translate", program, tmp_path / "memory")
    difference = privileged.first_difference(ours[where], expected)
    assert difference is None, difference
