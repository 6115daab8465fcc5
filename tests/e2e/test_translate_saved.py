# SPDX-License-Identifier: Apache-2.0
"""test_translate_saved.py - translated code that is kept: the next run takes it, nothing old is ever
run, and whoever makes it leaves nothing behind.

How much a run has translated itself is counted by the lines of STRATA_JIT=asm."""

import fcntl
import os
import platform
import pwd
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from conftest import wait_until

FOREIGN = "riscv64-linux-gnu-gcc"
TIMEOUT_S = 60
SETTLED_S = 3.2  # a file younger than this is not kept
FEW = 0.2  # of what a run without kept code translates
MOST = 0.9  # the environment changes which code runs

pytestmark = [
    pytest.mark.skipif(platform.machine() != "x86_64", reason="translates to x86-64 only"),
    pytest.mark.skipif(not shutil.which(FOREIGN), reason=f"{FOREIGN} is not installed"),
]

PROGRAM = """
#define _GNU_SOURCE
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
static int compare(const void *a, const void *b) { return *(int *)a - *(int *)b; }
int main(int argc, char **argv)
{
	static int values[1000];
	char text[64];
	regex_t regex;
	if (argc > 1 && strcmp(argv[1], "close") == 0)
		close(0), close(2);
	else if (argc > 1 && strcmp(argv[1], "other") == 0)
		regcomp(&regex, "^(a|b[c-e]*)+$", REG_EXTENDED), regexec(&regex, "abcde", 0, NULL, 0);
	else if (argc > 1)
		return execv(argv[1], argv + 1);
	for (int i = 0; i < 1000; i++)
		values[i] = i * 7919 % 4001;
	qsort(values, 1000, sizeof(int), compare);
	snprintf(text, sizeof(text), "%s %.3f %d", WORD, 0.5, values[17]);
	puts(text);
	return 0;
}
"""


def compile_program(target, word):
    text = target.with_suffix(".c")
    text.write_text(PROGRAM)
    subprocess.run([FOREIGN, "-O1", "-static", f'-DWORD="{word}"', "-o", target, text], check=True)
    return target


def settle():
    time.sleep(SETTLED_S)


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    made = compile_program(tmp_path_factory.mktemp("saved") / "one", "one")
    settle()
    return made


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "kept"


def maker_pids(folder):
    found = []
    for path in Path("/proc").iterdir():
        try:
            words = (path / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"--keep-code" in words and bytes(folder) in words:
            found.append(int(path.name))
    return found


def kept(folder):
    return sorted(p for p in folder.iterdir()) if folder.is_dir() else []


def wait_kept(folder, count=1):
    """The files, once whoever makes them is gone."""
    wait_until(lambda: len(kept(folder)) >= count and not maker_pids(folder), TIMEOUT_S,
               what=f"{count} files in {folder}")
    return kept(folder)


@pytest.fixture
def run(strata_binary, folder, tmp_path):
    """Run a program; how many pieces of code it has translated itself."""

    def one(*argv, cache=folder, word="one", **kwargs):
        option = [] if cache is None else ["--code-cache", str(cache)]
        kwargs.setdefault("env", {"PATH": os.environ["PATH"]})
        kwargs["env"]["STRATA_JIT"] = "asm"
        done = subprocess.run([strata_binary, "translate", *option, *map(str, argv)], text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=TIMEOUT_S, **kwargs)
        assert done.returncode == 0, done.stdout + done.stderr[-500:]
        assert done.stdout == f"{word} 0.500 68\n"
        return len(re.findall(r"^code 0x", done.stderr, re.M))

    return one


@pytest.fixture
def full(run, program):
    """What a run translates with nothing kept."""
    return run(program, cache="none")


def test_the_second_run_takes_it(run, program, folder, full):
    assert full > 200
    assert run(program) == full
    files = wait_kept(folder)
    before = [(p.name, p.stat().st_ino) for p in files]
    assert run(program) < full * FEW
    # And has nothing to tell: nobody makes it again.
    assert not maker_pids(folder)
    assert [(p.name, p.stat().st_ino) for p in kept(folder)] == before
    assert all(p.stat().st_mode & 0o077 == 0 for p in [folder, *files])


def test_what_was_restored_is_counted_apart(run, strata_binary, program, folder):
    def stats():
        argv = [strata_binary, "translate", "--code-cache", folder, program]
        done = subprocess.run(argv, env={**os.environ, "STRATA_JIT": "stats"}, check=True,
                              capture_output=True, text=True, timeout=TIMEOUT_S)
        return {name: int(n) for name, n in re.findall(r"^(\w+) (\d+)$", done.stderr, re.M)}

    first = stats()
    assert first["restored"] == 0 and first["blocks"] > 200
    wait_kept(folder)
    again = stats()
    assert again["restored"] > 200 and again["blocks"] < first["blocks"] * FEW


def test_none_keeps_nothing(run, program, tmp_path, full):
    home = tmp_path / "home"
    home.mkdir()
    env = {"PATH": os.environ["PATH"], "HOME": str(home)}
    assert run(program, cache="none", env=env) > full * MOST
    assert not list(home.iterdir())


def test_the_home_is_where_it_is_kept(run, program, tmp_path, full):
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    run(program, cache=None, env=env)
    wait_kept(tmp_path / ".cache/strata/translations")
    assert run(program, cache=None, env=env) < full * FEW
    env = {"PATH": os.environ["PATH"], "XDG_CACHE_HOME": str(tmp_path / "other")}
    run(program, cache=None, env=env)
    wait_kept(tmp_path / "other/strata/translations")


@pytest.mark.parametrize("home", [None, "", "relative", "/proc/none"])
def test_without_a_home_it_runs_all_the_same(run, program, full, home):
    env = {"PATH": os.environ["PATH"], **({} if home is None else {"HOME": home})}
    for _ in range(2):
        assert run(program, cache=None, env=env) > full * MOST


@pytest.mark.parametrize("way", ["rewritten", "replaced", "times"])
def test_what_has_changed_is_not_run_from_what_was_kept(run, program, folder, tmp_path, way):
    target = tmp_path / "program"
    shutil.copy(program, target)
    other = compile_program(tmp_path / "two", "two")
    assert target.stat().st_size == other.stat().st_size
    settle()
    run(target)
    wait_kept(folder)
    times = target.stat()
    if way == "replaced":
        os.rename(other, target)
    else:
        target.write_bytes(other.read_bytes())
    if way == "times":  # the time of the last change tells
        os.utime(target, ns=(times.st_atime_ns, times.st_mtime_ns))
    run(target, word="two")


@pytest.mark.parametrize("damage", ["cut", "bit", "empty", "garbage", "header"])
def test_a_damaged_file_is_replaced(run, program, folder, full, damage):
    run(program)
    (file,) = wait_kept(folder)
    good = file.read_bytes()
    bad = {"cut": good[:len(good) // 2], "empty": b"", "garbage": os.urandom(len(good)),
           "bit": good[:-100] + bytes([good[-100] ^ 1]) + good[-99:],
           "header": good[:60] + b"\xff" * 60 + good[120:]}[damage]
    file.write_bytes(bad)
    assert run(program) == full
    wait_until(lambda: file.read_bytes() != bad and not maker_pids(folder), TIMEOUT_S,
               what="a file made again")
    assert run(program) < full * FEW
    assert kept(folder) == [file]


def test_two_at_once(run, strata_binary, program, folder, full):
    several = [subprocess.Popen([strata_binary, "translate", "--code-cache", folder, program],
                                stdout=subprocess.PIPE, text=True) for _ in range(4)]
    for one in several:
        assert one.communicate(timeout=TIMEOUT_S)[0] == "one 0.500 68\n"
    assert len(wait_kept(folder)) == 1
    assert run(program) < full * FEW


def test_what_two_tell_at_once_is_all_kept(run, program, folder, full):
    """Both wait for whoever has the folder, and the second reads what the first has made."""
    other = run(program, "other", cache="none")
    assert other > full * 1.5
    folder.mkdir(mode=0o700)
    holder = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(holder, fcntl.LOCK_EX)
        run(program)
        run(program, "other")
        wait_until(lambda: len(maker_pids(folder)) == 2, TIMEOUT_S, what="two makers")
        assert not kept(folder)
    finally:
        os.close(holder)
    assert len(wait_kept(folder)) == 1
    assert run(program) < full * FEW
    assert run(program, "other") < full * FEW


def test_a_use_is_told_now_and_then(run, program, folder, full):
    run(program)
    (file,) = wait_kept(folder)
    ago = time.time() - 2 * 86400
    os.utime(file, (ago, ago))
    inode = file.stat().st_ino
    assert run(program) < full * FEW
    wait_until(lambda: file.stat().st_mtime > ago + 86400 and not maker_pids(folder), TIMEOUT_S,
               what="a file that was used today")
    assert file.stat().st_ino == inode
    assert run(program) < full * FEW and not maker_pids(folder)


def test_what_was_not_used_for_longest_goes(run, program, folder):
    """Of files of 300 MiB, all hole, only one has a place beside what is made."""
    folder.mkdir(mode=0o700)
    ages = {"1-1-1-1.1-1.1-1-1": 300, "2-2-2-2.2-2.2-2-2": 100, "3-3-3-3.3-3.3-3-3": 200}
    for name, age in ages.items():
        with open(folder / name, "w") as file:
            file.truncate(300 << 20)
        os.utime(folder / name, (time.time() - age,) * 2)
    (folder / "mine").write_text("")
    run(program)
    wait_until(lambda: {p.name for p in kept(folder)} - set(ages) - {"mine"}, TIMEOUT_S,
               what="what the maker keeps")
    wait_until(lambda: not maker_pids(folder), TIMEOUT_S, what="no maker")
    left = {p.name for p in kept(folder)}
    assert "2-2-2-2.2-2.2-2-2" in left and not left & {"1-1-1-1.1-1.1-1-1", "3-3-3-3.3-3.3-3-3"}
    assert "mine" in left and len(left) == 3


def test_a_program_that_executes_another(run, program, folder, full, tmp_path):
    first = compile_program(tmp_path / "first", "first")
    settle()
    assert run(first, first, program) > full
    files = wait_kept(folder)
    assert len(files) == 1  # what was given up by execve(2) tells nothing
    assert run(program) < full * FEW


def test_descriptors_that_the_guest_has_closed(run, strata_binary, program, folder, full):
    subprocess.run([strata_binary, "translate", "--code-cache", folder, program, "close"],
                   check=True, stdout=subprocess.DEVNULL, timeout=TIMEOUT_S)
    wait_kept(folder)
    assert run(program) < full * FEW


@pytest.mark.parametrize("mode", [0o775, 0o777])
def test_a_folder_of_others_is_refused(strata_binary, program, folder, mode):
    folder.mkdir()
    folder.chmod(mode)
    done = subprocess.run([strata_binary, "translate", "--code-cache", folder, program],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 125 and not done.stdout
    assert str(folder) in done.stderr and "only you can write" in done.stderr


@pytest.mark.needs_root
def test_a_folder_that_cannot_be_written_to(run, strata_binary, program, open_tmp, full):
    user = pwd.getpwnam("nobody")
    shutil.copy(program, open_tmp / "program")
    inner = open_tmp / "inner"
    inner.mkdir()
    os.chown(inner, user.pw_uid, user.pw_gid)
    inner.chmod(0o500)
    env = {"PATH": os.environ["PATH"], "HOME": "/none"}
    who = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    for cache in (inner, inner / "deeper"):
        for _ in range(2):
            assert run(open_tmp / "program", cache=cache, env=dict(env), **who) > full * MOST
    wait_until(lambda: not maker_pids(inner), TIMEOUT_S, what="no maker")
    assert not list(inner.iterdir())
    # One of somebody else's, by default: nothing of it is taken.
    env["XDG_CACHE_HOME"] = str(open_tmp)
    (open_tmp / "strata/translations").mkdir(parents=True)
    assert run(open_tmp / "program", cache=None, env=env, **who) > full * MOST
    assert not kept(open_tmp / "strata/translations")


def test_a_maker_that_is_killed(run, program, folder, full, tmp_path):
    """It can leave its temporary file behind, which goes when it is old; others' files do not."""
    folder.mkdir(mode=0o700)
    name = "fe00-1-2-3.4-5.6-7-8"
    old, young, mine = folder / f"new.1.{name}", folder / f"new.2.{name}", folder / "new.1.mine"
    for path in (old, young, mine):
        path.write_text("")
    for path in (old, mine):
        os.utime(path, (time.time() - 3600,) * 2)
    run(program)
    # It may be done already; then there is nothing to kill, and the old file is gone.
    wait_until(lambda: maker_pids(folder) or not old.exists(), TIMEOUT_S, what="a maker")
    for pid in maker_pids(folder):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    wait_until(lambda: not maker_pids(folder), TIMEOUT_S, what="no maker")
    run(program)
    wait_until(lambda: not maker_pids(folder) and not old.exists(), TIMEOUT_S,
               what="the old one gone")
    assert young.exists() and mine.exists()
    assert run(program) < full * FEW
