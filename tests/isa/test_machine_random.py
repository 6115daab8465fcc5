# SPDX-License-Identifier: Apache-2.0
"""test_machine_random.py - our harts and QEMU 10's give the same traps, registers, page tables and
memory for random programs of machine mode (privileged.py).

The interpreter and translated code are each held against QEMU. STRATA_ISA_PROGRAMS is how many
programs there are; a failure names its seed. For more of them by hand, from another seed on:

    STRATA_ISA_SEED=1000 STRATA_ISA_PROGRAMS=500 pytest tests/isa/test_machine_random.py
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import privileged  # noqa: E402
import qemu  # noqa: E402

TOP = Path(__file__).resolve().parents[2]
STRATA = Path(os.environ.get("STRATA_BIN", TOP / "build/src/front/strata"))
RUNNER = STRATA.parents[2] / "tests/isa/run-machine"
FIRST = int(os.environ.get("STRATA_ISA_SEED", "0"))
COUNT = int(os.environ.get("STRATA_ISA_PROGRAMS", "30"))
MEMORY_BYTES = 16 << 20
# What our harts have, and atomics that want their alignment.
CPU = "rv64,h=false,v=true,zicbom=true,zicboz=true,svinval=true,svnapot=true,svpbmt=true," \
      "svadu=true,svade=true,smstateen=true,sstc=true,zama16b=false,zcb=true,zcmop=true," \
      "zimop=true,zfa=true,zfh=true,zicond=true,zbkb=true,zbkx=true,zkn=true,zvfh=true," \
      "zvbb=true,zvbc=true,zvkng=true"
RESULT = slice(privileged.LOG - privileged.MEMORY, privileged.END - privileged.MEMORY)


def theirs(tmp_path, reference, program):
    """With two harts, the other of which sleeps: else QEMU's atomics are a load and a store."""
    memory = tmp_path / "theirs"
    with open(memory, "wb") as file:
        file.truncate(MEMORY_BYTES)
    backend = f"memory-backend-file,id=ram,size={MEMORY_BYTES},mem-path={memory},share=on"
    try:
        subprocess.run([reference, "-M", "virt,memory-backend=ram", "-cpu", CPU, "-m", "16M",
                        "-smp", "2", "-object", backend, "-bios", "none", "-display", "none",
                        "-serial", "null", "-monitor", "none", "-kernel", program], check=True,
                       timeout=60)
    except subprocess.TimeoutExpired:
        pytest.skip("the program has come upon a loop")
    return memory.read_bytes()[RESULT]


@pytest.fixture(scope="module")
def reference():
    return qemu.system_riscv64()


@pytest.mark.parametrize("seed", range(FIRST, FIRST + COUNT))
def test_programs(tmp_path, reference, seed):
    program = privileged.build(tmp_path, seed)
    expected = theirs(tmp_path, reference, program)
    for how, words in (("interpret", ""), ("translate", ""), ("translate", "dense")):
        memory = tmp_path / how
        subprocess.run([RUNNER, how, program, memory], check=True, timeout=60,
                       env=dict(os.environ, STRATA_JIT=words))
        ours = memory.read_bytes()
        difference = privileged.first_difference(ours[RESULT], expected)
        assert difference is None, f"{how} {words}: {difference}"
