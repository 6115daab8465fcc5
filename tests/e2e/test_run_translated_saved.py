# SPDX-License-Identifier: Apache-2.0
"""test_run_translated_saved.py - translated code that is kept from one container to the next: taken by
run and exec, made from layers only, and nothing that a guest could write to.

How much a container has translated itself is counted by the lines of STRATA_JIT=asm."""

import os
import re
from pathlib import Path

import pytest

from conftest import wait_until
from test_translate_saved import FEW, kept, maker_pids

NONE = ("--network", "none")
ASM = ("-e", "STRATA_JIT=asm")
SCRIPT = 'i=0; while [ $i -lt 50 ]; do i=$((i + 1)); done; printf "%s %d\\n" done $i'


def folder(box):
    return box.root / "translations/code"


def wait_made(box):
    """The files, once whoever makes them is gone."""
    wait_until(lambda: kept(folder(box)) and not maker_pids(folder(box)), 60, what="kept code")
    return kept(folder(box))


def count(done, output="done 50\n"):
    assert done.returncode == 0 and done.stdout == output, done.stderr[-500:]
    return len(re.findall(r"^code 0x", done.stderr, re.M))


@pytest.fixture
def run(strata, foreign_image):
    def run(*options, script=SCRIPT, command=("run", "--rm", *NONE), where=("busybox",)):
        return strata(*command, *ASM, *options, *where, "sh", "-c", script)

    return run


@pytest.mark.needs_root
def test_the_second_container_takes_it(strata, run):
    full = count(run())
    assert full > 200
    files = wait_made(strata)
    assert count(run()) < full * FEW
    wait_until(lambda: not maker_pids(folder(strata)), 60, what="no maker")
    assert kept(folder(strata)) == files
    # As another user, whose files they are not, and in another user namespace.
    assert count(run("--user", "1234:1234")) < full * FEW
    assert count(run("--userns", "private")) < full * FEW


@pytest.mark.needs_root
def test_exec_takes_it(strata, run):
    full = count(run())
    wait_made(strata)
    strata.ok("run", "-d", "--name", "box", *NONE, "busybox", "sleep", "1000")
    assert count(strata("exec", *ASM, "box", "sh", "-c", SCRIPT)) < full * FEW
    assert count(strata("exec", *ASM, "--user", "1234", "box", "sh", "-c", SCRIPT)) < full * FEW


@pytest.mark.needs_root
def test_exec_adds_to_it(strata, run):
    """At its end, while the instance runs on; and what nobody waits for at the end of that."""
    strata.ok("run", "-d", "--name", "box", *NONE, "busybox", "sleep", "1000")
    full = count(run(command=("exec",), where=("box",)))
    assert full > 200
    wait_made(strata)
    assert count(run(command=("exec",), where=("box",))) < full * FEW
    for path in kept(folder(strata)):
        path.unlink()
    strata.ok("exec", "-d", "box", "sh", "-c", SCRIPT + "; touch /done")
    wait_until(lambda: strata("exec", "box", "test", "-e", "/done").returncode == 0, 30,
               what="the detached command's end")
    strata.ok("rm", "-f", "box")
    wait_made(strata)
    assert count(run()) < full * FEW


@pytest.mark.needs_root
def test_each_run_of_an_instance_adds_to_it(strata, foreign_image):
    """What a run has told is made while the next ones go on."""
    strata.ok("run", "-d", "--name", "box", "--restart", "always", *NONE, "busybox", "sh", "-c",
              f"{SCRIPT}; if [ -e /was ]; then sleep 1000; fi; touch /was; exit 1")
    wait_made(strata)
    assert strata.state("box")["Running"] or strata.state("box")["Restarting"]


@pytest.mark.needs_root
def test_health_checks_take_it_and_add_to_it(strata, foreign_image):
    strata.ok("run", "-d", "--name", "box", "--health-cmd", SCRIPT, "--health-interval", "1s", *NONE,
              "busybox", "sleep", "1000")
    wait_made(strata)


@pytest.mark.needs_root
def test_what_the_instance_has_written_is_not_kept(strata, run):
    """A copy is another file, and one that was changed is not taken for what it was."""
    copied = f"mkdir /x; cp /bin/busybox /x; exec /x/busybox sh -c '{SCRIPT}'"
    full = count(run())
    files = wait_made(strata)
    assert count(run(script=copied)) > full / 2
    wait_until(lambda: not maker_pids(folder(strata)), 60, what="no maker")
    names = {p.name for p in kept(folder(strata))}
    assert {p.name for p in files} <= names
    inodes = {os.stat(p).st_ino for p in (strata.root / "layers").rglob("*")
              if p.is_file() and not p.is_symlink()}
    assert {int(n.split("-")[1], 16) for n in names} <= inodes


@pytest.mark.needs_root
def test_the_guest_sees_none_of_it(strata, run):
    count(run())
    wait_made(strata)
    done = strata("run", "--rm", *NONE, "busybox", "sh", "-c",
                  "ls /proc/self/fd; cat /proc/self/mountinfo; ls -l /proc/1/fd")
    assert "translations" not in done.stdout
    fds = done.stdout.split("\n\n")[0].split("\n")
    assert all(int(n) < 100 for n in fds if n.isdigit())


@pytest.mark.needs_root
def test_it_cannot_be_written_to_by_who_has_broken_out(strata, run, strata_binary):
    """From outside, as root, through the descriptors of a process inside."""
    count(run())
    wait_made(strata)
    strata.ok("run", "-d", "--name", "box", "--privileged", *NONE, "busybox", "sleep", "1000")
    pid = strata.state("box")["Pid"]
    names = sorted(p.name for p in kept(folder(strata)))
    (path,) = (p for p in Path(f"/proc/{pid}/fd").iterdir()
               if p.is_dir() and sorted(os.listdir(p)) == names)
    with pytest.raises(OSError, match="Read-only"):
        os.mkdir(f"{path}/new")
    with pytest.raises(OSError, match="Read-only"):
        open(f"{path}/{kept(folder(strata))[0].name}", "r+b")
    # Nothing above it is reached.
    assert os.path.samestat(os.stat(path), os.stat(f"{path}/.."))


@pytest.mark.needs_root
def test_a_damaged_file_is_replaced(strata, run):
    full = count(run())
    (file,) = wait_made(strata)
    good = file.read_bytes()
    file.write_bytes(good[:-1000])
    assert count(run()) == full
    wait_until(lambda: file.stat().st_size > len(good) - 1000 and not maker_pids(folder(strata)),
               60, what="a file made again")
    assert count(run()) < full * FEW


@pytest.mark.needs_root
def test_a_detached_instance_fills_it(strata, foreign_image):
    strata.ok("run", "-d", "--name", "box", *NONE, "busybox", "sh", "-c", SCRIPT)
    strata.wait_status("box", "exited")
    wait_made(strata)


@pytest.mark.needs_root
def test_without_a_folder_it_runs_all_the_same(strata, run):
    (strata.root / "translations").write_text("in the way")
    full = count(run())
    assert full > 200 and count(run()) == full
    (strata.root / "translations").unlink()


def test_rootless(rootless_foreign):
    def run():
        return count(rootless_foreign("run", "--rm", *NONE, *ASM, "busybox", "sh", "-c", SCRIPT))

    full = run()
    assert full > 200
    wait_made(rootless_foreign)
    assert run() < full * FEW


def test_rootless_exec(rootless_foreign):
    box = rootless_foreign
    box.ok("run", "-d", "--name", "box", *NONE, "busybox", "sleep", "1000")

    def run():
        return count(box("exec", *ASM, "box", "sh", "-c", SCRIPT))

    full = run()
    assert full > 200
    wait_made(box)
    assert run() < full * FEW
