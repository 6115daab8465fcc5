# SPDX-License-Identifier: Apache-2.0
"""test_kvm_snapshots.py - a machine of KVM that is saved, whole and by differences, and what goes on
from each."""

import os
import subprocess

import pytest

import guests
import machines  # by way of guests

# What is typed before the driver opens the serial port is lost: it empties that, as everywhere.
SCRIPT = """
echo begins > /word
echo "the word $(cat /word)"
while read -r line; do eval "$line"; done
"""


@pytest.fixture
def runs():
    with machines.runs() as start:
        yield start


def test_differences(runs, tmp_path):
    binary = os.environ["STRATA_BIN"]
    (tmp_path / "initrd").write_bytes(guests.initramfs(SCRIPT))
    options = [binary, "vm", "run", "--memory", "128m", "--net", "none"]
    run = runs(*options, "--kernel", guests.SHARE / "tiny-vmlinux", "--initrd", tmp_path / "initrd",
               "--append", guests.APPEND, "--monitor", tmp_path / "monitor", "--track-dirty-pages")

    def save(question, name):
        subprocess.run([binary, "vm", "monitor", tmp_path / "monitor", question, tmp_path / name],
                       check=True, timeout=guests.BOOT_S)

    def check(run, word):
        before = run.said.count(b"it is " + word)
        run.tell("echo it is $(cat /word)")
        run.wait_until(lambda: run.said.count(b"it is " + word) > before)

    run.wait_for(b"the word begins")
    save("save", "whole")
    for word in ("first", "second"):
        run.tell(f"echo {word} > /word")
        check(run, word.encode())
        save("save-diff", word)
    check(run, b"second")
    run.end()
    whole = (tmp_path / "whole/memory-0").stat().st_blocks
    assert (tmp_path / "first/memory-0").stat().st_blocks < whole / 2
    refused = subprocess.run([*options, "--cpu", "x86-64-v3", "--restore", tmp_path / "whole"],
                             stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, timeout=guests.BOOT_S)
    assert refused.returncode == 125 and b"or with another --cpu" in refused.stderr, refused
    for name, word in (("whole", b"begins"), ("first", b"first"), ("second", b"second")):
        run = runs(*options, "--restore", tmp_path / name)
        check(run, word)
        run.tell("poweroff -f")
        assert run.process.wait(guests.BOOT_S) == 0
