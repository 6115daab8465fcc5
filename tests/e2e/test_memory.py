# SPDX-License-Identifier: Apache-2.0
"""test_memory.py - what SPECIFICATION.md promises about memory; bench/memory compares with others."""

import os
import subprocess

import pytest

from memory import rollup_kib, together_kib


@pytest.fixture(autouse=True)
def _not_sanitized():
    if "ASAN_OPTIONS" in os.environ:
        pytest.skip("sanitizers take memory of their own")


def test_the_run_path_is_small(strata, busybox_image, tmp_path):
    run = strata.argv("run", "--rm", "--network", "none", busybox_image, "/bin/true")
    together, processes = together_kib(run, "/bin/true", strata.env())
    assert processes == 3  # the command line, the monitor, the command to be
    assert together <= 3 * 1024
    subprocess.run(["time", "-q", "-f", "%M", "-o", tmp_path / "peak", *run], env=strata.env(),
                   check=True, timeout=60)
    assert int((tmp_path / "peak").read_text()) <= 3 * 1024


def test_a_monitor_is_small(strata, busybox_image):
    # The pages of a program that was just copied are dirty until they are on the disk.
    with open(strata.binary, "rb") as program:
        os.fsync(program.fileno())
    strata.ok("run", "-d", "--name", "small", busybox_image, "sleep", "1000")
    assert rollup_kib(strata.monitor_pid("small"), "Private_Dirty", "Swap") <= 400
