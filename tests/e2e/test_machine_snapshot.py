# SPDX-License-Identifier: Apache-2.0
"""test_machine_snapshot.py - a machine that is saved goes on, and so does what is restored from it;
what is damaged, or another machine's, is told."""

import os
import re
import shutil
import signal
import subprocess

import pytest

import machines
from machines import WAIT_S, wait_for_folder

MODULES = ("virtio_mmio", "virtio_blk", "virtio-rng")
SCRIPT = """
echo word > /word
cat /proc/sys/kernel/random/boot_id
(n=0; while sleep 0.1; do n=$((n + 1)); echo tick $n; done) &
while read -r line; do eval "$line"; done
"""


@pytest.fixture
def runs():
    with machines.runs() as start:
        yield start


@pytest.fixture
def saved(strata_binary, runs, tmp_path, request):
    """A machine that has been saved and went on: its options, and the folder."""
    boot, disk = machines.files(), tmp_path / "disk"
    (tmp_path / "initrd").write_bytes(machines.initramfs(boot, SCRIPT, MODULES))
    disk.write_bytes(b"on the disk".ljust(1 << 20, b"\0"))
    options = [strata_binary, "vm", "run", "--memory", "256m", "--cpus",
               str(getattr(request, "param", 1)), "--disk", disk]
    folder = tmp_path / "snapshot"
    run = runs(*options, "--kernel", boot["kernel"], "--initrd", tmp_path / "initrd", "--append",
               "console=ttyS0 quiet panic=-1", "--snapshot", folder)
    run.wait_for(b"tick 3")
    run.process.send_signal(signal.SIGUSR1)
    wait_for_folder(folder, run)
    told = run.said.count(b"tick")
    run.wait_for(b"tick %d" % (told + 3))
    run.end()
    return options, folder


@pytest.mark.parametrize("saved", [1, 3], indirect=True)
def test_goes_on_where_it_was(saved, runs):
    options, folder = saved
    for _ in range(2):  # a snapshot is not used up
        run = runs(*options, "--restore", folder)
        run.wait_for(b"tick")
        first = int(run.said.split(b"tick ")[1].split()[0])
        assert 3 <= first <= 40
        # In one write: no tick comes between.
        run.tell('echo "$(cat /word) is $(head -c 11 /dev/vda)"; poweroff -f')
        run.wait_for(b"word is on the disk")
        assert run.process.wait(WAIT_S) == 0


def test_saves_what_was_restored(saved, runs, tmp_path):
    options, folder = saved
    again = tmp_path / "again"
    run = runs(*options, "--restore", folder, "--monitor", tmp_path / "monitor")
    run.wait_for(b"tick")
    run.tell("echo other > /word; echo is written")
    run.wait_for(b"is written\r\n")
    subprocess.run([options[0], "vm", "monitor", "monitor", "save", "again"], cwd=tmp_path, check=True)
    run.end()
    shutil.rmtree(folder)
    run = runs(*options, "--restore", again)
    run.wait_for(b"tick")
    run.tell("cat /word; poweroff -f")
    run.wait_for(b"other")


def monitor(options, tmp_path, *words):
    return subprocess.run([options[0], "vm", "monitor", "monitor", *words], cwd=tmp_path, text=True,
                          capture_output=True, timeout=WAIT_S)


def said_word(run, word):
    """Let the guest say it now: what is in its memory, not what it had said before or was told."""
    before = run.said.count(b"it is: " + word)
    run.tell('echo "it is: $(cat /word)"')
    run.wait_until(lambda: run.said.count(b"it is: " + word) > before)


@pytest.mark.parametrize("saved", [1, 2], indirect=True)
def test_differences(saved, runs, tmp_path):
    """Each has what was written since the one before, and is nothing without that."""
    options, folder = saved
    run = runs(*options, "--restore", folder, "--monitor", tmp_path / "monitor",
               "--track-dirty-pages")
    run.wait_for(b"tick")
    for number, word in enumerate(("first", "second", "third")):
        run.tell(f"echo {word} > /word; echo is written {number}")
        run.wait_for(b"is written %d\r\n" % number)
        done = monitor(options, tmp_path, "save-diff", word)
        assert done.returncode == 0, done
        said_word(run, word.encode())  # it goes on
    run.end()
    whole = (folder / "memory-0").stat().st_blocks
    assert all((tmp_path / w / "memory-0").stat().st_blocks < whole / 4 for w in ("first", "third"))

    moved = tmp_path / "moved"  # all together
    moved.mkdir()
    for name in ("snapshot", "first", "second", "third"):
        shutil.move(tmp_path / name, moved / name)
    for word in ("second", "third"):
        run = runs(*options, "--restore", moved / word)
        run.wait_for(b"tick")
        said_word(run, word.encode())
        run.tell("poweroff -f")
        assert run.process.wait(WAIT_S) == 0

    # By another's name, or cut short, or not there.
    shutil.move(moved / "first", moved / "kept")
    assert "No such file" in refused(options, moved / "second")
    shutil.copytree(moved / "snapshot", moved / "first")
    assert "another snapshot" in refused(options, moved / "second")
    shutil.rmtree(moved / "first")
    shutil.move(moved / "kept", moved / "first")
    os.truncate(moved / "first/memory-0", 4096)
    assert "cannot map" in refused(options, moved / "third")


def test_what_is_no_difference(saved, runs, tmp_path):
    options, folder = saved
    run = runs(*options, "--restore", folder, "--monitor", tmp_path / "monitor")
    run.wait_for(b"tick")
    assert "--track-dirty-pages" in monitor(options, tmp_path, "save-diff", "a").stderr
    run.end()
    os.unlink(tmp_path / "monitor")
    run = runs(*options, "--restore", folder, "--monitor", tmp_path / "monitor",
               "--track-dirty-pages")
    run.wait_for(b"tick")
    shutil.move(folder, tmp_path / "away")
    assert "not there any more" in monitor(options, tmp_path, "save-diff", "a").stderr
    shutil.move(tmp_path / "away", folder)
    for number in range(8):
        assert monitor(options, tmp_path, "save-diff", f"diff{number}").returncode == 0
    assert "a whole one" in monitor(options, tmp_path, "save-diff", "diff8").stderr
    assert monitor(options, tmp_path, "save", "whole").returncode == 0
    assert monitor(options, tmp_path, "save-diff", "diff8").returncode == 0
    run.tell("echo last > /word; echo is written")
    run.wait_for(b"is written\r\n")
    assert not (tmp_path / "a").exists()
    run.end()
    run = runs(*options, "--restore", tmp_path / "diff7")
    run.wait_for(b"tick")
    said_word(run, b"word")


def test_signal_makes_differences(saved, runs, tmp_path):
    options, folder = saved
    name = tmp_path / "again"
    run = runs(*options, "--restore", folder, "--snapshot", name, "--track-dirty-pages")
    run.wait_for(b"tick")
    for number in range(2):
        path = tmp_path / ("again.1" if number else "again")
        run.process.send_signal(signal.SIGUSR1)
        wait_for_folder(path, run)
    assert os.readlink(name / "base") == "../snapshot"
    assert os.readlink(tmp_path / "again.1/base") == "../again"


def test_shares_are_found_again(strata_binary, runs, tmp_path):
    """What the guest has open goes on, and what is gone by then is that alone."""
    boot, shared, folder = machines.files(), tmp_path / "shared", tmp_path / "snapshot"
    (tmp_path / "initrd").write_bytes(machines.initramfs(boot, """
mount -t virtiofs strata /mnt
exec 3< /mnt/rw/lines 4< /mnt/rw/gone 5>> /mnt/rw/log
read -r first <&3
echo "has $first"
while read -r line; do eval "$line"; done
""", ("virtio_mmio",)))
    shared.mkdir()
    (shared / "lines").write_text("one\n" + "-" * 8192 + "\ntwo\n")
    (shared / "gone").write_text("x" * 8192)
    (shared / "log").write_text("begin\n")
    options = [strata_binary, "vm", "run", "--memory", "256m", "--share", f"rw={shared}"]
    run = runs(*options, "--kernel", boot["kernel"], "--initrd", tmp_path / "initrd", "--append",
               "console=ttyS0 quiet panic=-1", "--snapshot", folder)
    run.wait_for(b"has one")
    run.process.send_signal(signal.SIGUSR1)
    wait_for_folder(folder, run)
    run.tell("echo first >&5; sync; echo it $((1 + 1)) goes on")
    run.wait_for(b"it 2 goes on")
    run.end()
    (shared / "gone").unlink()
    (shared / "new").write_text("made meanwhile\n")
    for _ in range(2):
        run = runs(*options, "--restore", folder)
        run.tell("tail -n 1 <&3; cat <&4; echo again >&5; cat /mnt/rw/new; echo is $((1 + 1)) done")
        run.wait_for(b"is 2 done")
        assert b"\ntwo\r\n" in run.said and b"made meanwhile" in run.said, run.said
        assert re.search(b"cat: .*(Stale|error)", run.said), run.said
        run.tell("poweroff -f")
        assert run.process.wait(WAIT_S) == 0
    assert (shared / "log").read_text() == "begin\nfirst\nagain\nagain\n"


def refused(options, folder):
    done = subprocess.run([str(a) for a in [*options, "--restore", folder]], text=True,
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=WAIT_S)
    assert done.returncode == 125, done
    assert done.stderr.count("\n") == 1
    return done.stderr


def test_what_is_no_snapshot_of_this_machine(saved, tmp_path):
    options, folder = saved
    assert "No such file" in refused(options, tmp_path / "nowhere")
    assert "its options differ" in refused(options[:-2], folder)
    assert "MiB of memory" in refused([*options, "--memory", "128m"], folder)
    state = (folder / "state").read_bytes()
    for damage, sentence in ((state[:100], "cut short"), (state[:-1], "cut short"),
                             (b"x" + state[1:], "no snapshot"),
                             (state[:40] + b"other\0" + state[46:], 'a machine "other", which this host'),
                             (state[:8] + b"0.0.0\0" + state[14:], "0.0.0")):
        (folder / "state").write_bytes(damage)
        assert sentence in refused(options, folder)
    (folder / "state").write_bytes(state)
    os.truncate(folder / "memory-0", 4096)
    assert "cannot map" in refused(options, folder)


def test_random_damage_is_survived(saved):
    """Whatever the parts are given, there is an end: a sentence, or a guest that goes on or not."""
    options, folder = saved
    state = bytearray((folder / "state").read_bytes())
    for i in range(40):
        damaged = bytearray(state)
        for k in range(8):
            damaged[200 + (i * 7919 + k * 104729) % (len(state) - 200)] ^= 1 << (i + k) % 8
        (folder / "state").write_bytes(damaged)
        process = subprocess.Popen([str(a) for a in [*options, "--restore", folder]],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.PIPE, text=True)
        try:
            process.wait(0.5)
        except subprocess.TimeoutExpired:
            process.terminate()
        assert process.wait(WAIT_S) >= 0, (i, process.stderr.read())
        process.stderr.close()
