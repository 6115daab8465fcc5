# SPDX-License-Identifier: Apache-2.0
"""Machines that have booted are kept for those that come after, which go on from there and are
machines of their own all the same."""

import json
import os
import time

import pytest
from conftest import wait_until

pytestmark = pytest.mark.slow
BOOT_S = 300
FORKED = "crng reseeded due to virtual machine fork"  # what Linux says to another VMGenID


def run(box, *args, **kw):
    return box.ok("run", "--rm", "--isolation", "vm", "--memory", "256m", "--privileged", *args[:-1],
                  "busybox", *args[-1], timeout=BOOT_S, **kw)


def kept(box):
    return sorted((box.root / "machines").glob("golden-*"))


def code_of(golden):
    return golden.parent / golden.name.replace("golden-", "code-", 1)


def wait_for_code(golden):
    """Until what the first machine has translated is kept; nothing else is left of who made it."""
    code = code_of(golden)
    wait_until(code.exists, BOOT_S, what="kept code")
    wait_until(lambda: not code.with_name(code.name + ".new").exists(), what="the end of who made it")
    return code


def count_code(box, *args):
    """Of a machine that has run something: how much it has translated, and how much was there."""
    box.ok("run", "-d", "--name", "counted", "--isolation", "vm", "--memory", "256m", *args, "busybox",
           "sh", "-c", "echo ready; sleep 1000", timeout=BOOT_S)
    wait_until(lambda: box.ok("logs", "counted") == "ready", BOOT_S)
    monitor, = box.root.glob("run/*.machine/monitor")
    counts = json.loads(box.ok("vm", "monitor", "--format", "json", "monitor", "code", cwd=monitor.parent))
    box.ok("rm", "-f", "counted")
    return counts["blocks"] + counts["regions"], counts["restored"]


def test_another_machine_goes_on(strata, machine_image, tmp_path):
    box = strata
    script = ["sh", "-c", "cat /proc/sys/kernel/random/boot_id /proc/sys/kernel/random/uuid; hostname; "
              f"date +%s; touch /new; dmesg | grep -c '{FORKED}'; true"]
    first = run(box, "--hostname", "first", script).split()
    assert len(kept(box)) == 1 and first[4] == "0"
    others = [run(box, "--hostname", name, script).split() for name in ("second", "third")]
    assert len(kept(box)) == 1
    for name, other in zip(("second", "third"), others):
        assert other[2] == name and other[4] == "1"
        assert abs(int(other[3]) - time.time()) < 60
    assert len({boot for boot, *_ in (first, *others)}) == 3
    assert len({uuid for _, uuid, *_ in (first, *others)}) == 3
    # What belongs to one instance only: folders, disks of another size, CPUs.
    (tmp_path / "file").write_text("of the host\n")
    look = ["sh", "-c", f"cat /mnt/file; df -m / | tail -1; nproc; dmesg | grep -c '{FORKED}'; true"]
    for forked in ("0", "1"):
        words = run(box, "-v", f"{tmp_path}:/mnt", "--disk-size", "3g", "--cpus", "2", look).split()
        assert words[:3] == ["of", "the", "host"] and 2000 < int(words[4]) < 3072
        assert words[-2:] == ["2", forked]
        # Another size of the disk is another disk of the same machine.
        assert run(box, "-v", f"{tmp_path}:/mnt", "--disk-size", "20g", "--cpus", "2",
                   look).split()[-1] == "1"
    assert len(kept(box)) == 2


def test_restarted_and_many_at_once(strata, machine_image):
    box = strata
    run(box, ["true"])
    for name in ("one", "two", "three"):
        box.ok("run", "-d", "--name", name, "--isolation", "vm", "--memory", "256m", "busybox", "sh", "-c",
               f"cat /said 2>/dev/null; echo {name} > /said; sleep 1000", timeout=BOOT_S)
    for name in ("one", "two", "three"):
        box.ok("exec", name, "sh", "-c", "until [ -s /said ]; do sleep 0.1; done")
        assert box.ok("exec", name, "cat", "/said") == name
    box.ok("exec", "two", "sync")
    box.ok("restart", "-t", "0", "two", timeout=BOOT_S)
    wait_until(lambda: box.ok("logs", "two") == "two")
    box.ok("rm", "-f", "one", "two", "three")
    assert len(kept(box)) == 1


def test_what_is_damaged_is_made_again(strata, machine_image):
    box = strata
    run(box, ["true"])
    folder, = kept(box)
    state = (folder / "state").read_bytes()
    (folder / "state").write_bytes(state[:1000])
    assert run(box, ["echo", "said"]) == "said"
    assert kept(box) == [folder] and len((folder / "state").read_bytes()) == len(state)
    assert run(box, ["sh", "-c", f"dmesg | grep -c '{FORKED}'"]) == "1"


def test_the_next_one_begins_with_its_translated_code(strata, machine_image, tmp_path):
    box = strata
    run(box, ["true"])
    golden, = kept(box)
    wait_for_code(golden)
    new, restored = count_code(box)
    assert restored > 5000 and new < restored / 2
    # Where a second process has the guest's memory, too.
    run(box, "-v", f"{tmp_path}:/mnt", ["true"])
    wait_for_code(next(folder for folder in kept(box) if folder != golden))
    new, restored = count_code(box, "-v", f"{tmp_path}:/mnt")
    assert restored > 5000 and new < restored / 2


def test_a_command_that_goes_on_leaves_its_code_soon(strata, machine_image):
    box = strata
    box.ok("run", "-d", "--name", "long", "--isolation", "vm", "--memory", "256m", "busybox",
           "sleep", "1000", timeout=BOOT_S)
    golden, = kept(box)
    wait_for_code(golden)
    assert box.ok("exec", "long", "echo", "said") == "said"
    box.ok("rm", "-f", "long")
    assert count_code(box)[1] > 5000


def test_code_that_is_not_the_snapshots_is_made_again(strata, machine_image):
    box = strata
    for memory in "256m", "192m":
        run(box, "--memory", memory, ["true"])
    other, golden = sorted(kept(box), key=lambda folder: "-256m-" in folder.name)
    code = wait_for_code(golden)
    foreign = wait_for_code(other).read_bytes()
    whole = code.read_bytes()
    damaged = bytearray(whole)
    damaged[len(damaged) // 2] ^= 1
    for wrong in bytes(damaged), whole[:-4096], foreign:
        # Another file in its place: those that have begun with the old one still run from it.
        code.with_name("wrong").write_bytes(wrong)
        os.rename(code.with_name("wrong"), code)
        assert run(box, ["echo", "said"]) == "said"
        wait_until(lambda: code.exists() and code.read_bytes() != wrong, BOOT_S, what="new code")
    assert count_code(box)[1] > 5000


def test_the_user_wants_none(strata, machine_image):
    box = strata
    run(box, "--no-snapshot", ["true"])
    assert not kept(box)
    box.fails("run", "--rm", "--no-snapshot", "busybox", "true", saying="needs --isolation vm")


def test_only_the_last_ones_stay(strata, machine_image):
    box = strata
    old = [box.root / f"machines/golden-{i}" for i in range(4)]
    for age, folder in enumerate(old):
        folder.mkdir(parents=True)
        (folder / "memory-0").write_text("x")
        os.utime(folder, (1000 - age, 1000 - age))
        code_of(folder).write_text("x")
    run(box, ["true"])
    assert [folder for folder in old if folder.exists()] == old[:3] and len(kept(box)) == 4
    assert [folder for folder in old if code_of(folder).exists()] == old[:3]


def test_they_are_counted_and_removed(strata, machine_image):
    box = strata
    run(box, ["true"])
    golden, = kept(box)
    before = sum(path.stat().st_blocks * 512 for path in golden.iterdir())
    code = wait_for_code(golden)
    rows = [json.loads(line) for line in box.ok("system", "df", "--format", "json").splitlines()]
    row, = [row for row in rows if row["Type"] == "Machines"]
    # On the disk, not what the memory could be.
    assert row["TotalCount"] == "1" and row["Size"].endswith("MB") and float(row["Size"][:-2]) < 200
    assert float(row["Size"][:-2]) * 1e6 > before + code.stat().st_size
    assert "Deleted Machines:\n1 snapshots" in box.ok("system", "prune", "-f")
    assert not list((box.root / "machines").iterdir())
    run(box, ["true"])
    assert len(kept(box)) == 1
