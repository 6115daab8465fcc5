# SPDX-License-Identifier: Apache-2.0
"""A guest that has taken its machine over and speaks to strata as it likes: a program in place of
strata-machine. Whatever it says, strata says what is wrong, ends with 125, and nothing is left."""

import re
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import kernels
import pytest
from conftest import Strata, give_image

MACHINE = '''#!/usr/bin/python3
import os, socket, struct, sys, time
sys.path.insert(0, HERE)
import agent

kept = []  # open as long as we live

def connect():
    path = next(a for a in sys.argv if a.startswith("--vsock=")).split("=", 1)[1]
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(path + "_1024")
    kept.append(agent.Session(sock, greet=False))
    return kept[-1]

def hello(s, version=agent.VERSION):
    s.send("HELLO", struct.pack("<II", 0x61727473, version))
    s.receive()

def result(s, code=0, text=b""):
    s.send("RESULT", struct.pack("<i", code) + text)

def serve(s, until="EXEC"):
    """Agree with everything, until this is asked for."""
    hello(s)
    while s.receive()[0] != until:
        result(s)

def started():
    s = connect()
    serve(s)
    s.send("STARTED", struct.pack("<i", 1))
    return s

BODY
time.sleep(100)
'''


@pytest.fixture
def guest(strata_binary, foreign_store, open_tmp):
    """guest(BODY) -> what `run` of an image does on a machine that does that."""
    folder = Path(tempfile.mkdtemp(prefix="strata-e2e-hostile-"))
    shutil.copytree(strata_binary.parent, folder / "bin")
    strata = Strata(folder / "bin/strata", folder / "state/root")
    give_image(strata, foreign_store)
    (open_tmp / "Image").write_bytes(kernels.image())
    kernels.make_modules(open_tmp)
    strata.ok("kernel", "import", open_tmp / "Image", "--modules", open_tmp)

    def be(body):
        program = folder / "bin/strata-machine"
        program.unlink(missing_ok=True)
        program.write_text(MACHINE.replace("HERE", repr(str(Path(__file__).parent)))
                           .replace("BODY", body))
        program.chmod(0o755)

    def run(body, *options, **kw):
        be(body)
        return strata("run", "--rm", "--isolation", "vm", "--no-snapshot", *options, "busybox", "sh",
                      timeout=60, **kw)

    run.strata, run.be = strata, be
    yield run
    strata.close()
    shutil.rmtree(folder, ignore_errors=True)


BEFORE_THE_COMMAND = {
    "sys.exit(0)": "the machine ended before its command did",
    "sys.stderr.write('strata: no memory for you\\n'); sys.exit(1)": "no memory for you",
    "connect().sock.sendall(os.urandom(4096))": "speaks nonsense",
    "connect().sock.sendall(b'\\xff' * 64)": "speaks nonsense",
    "connect().send('RESULT')": "speaks nonsense",
    "connect().send('STARTED', bytes(4))": "another version",
    "hello(connect(), 99)": "another version",
    "connect().send('HELLO', bytes(9))": "speaks nonsense",
    "s = connect(); hello(s); s.send('OUTPUT', b'x', 1)": "answers another question",
    "s = connect(); hello(s); result(s, 5, b'x' * 600)": "speaks nonsense",
    "s = connect(); hello(s); result(s, -2000000000, b'odd')": "odd",
    "s = connect(); hello(s); sys.exit(0)": "the machine ended before its command did",
    "s = connect(); serve(s); s.send('EXITED', bytes(4))": "answers another question",
    "s = connect(); serve(s); s.send('FAILED', struct.pack('<i', 13) + b'so there', 0)": "so there",
}


@pytest.mark.parametrize("body", BEFORE_THE_COMMAND)
def test_before_the_command(guest, body):
    done = guest(body)
    assert done.returncode == 125 and BEFORE_THE_COMMAND[body] in done.stderr
    assert done.stdout == ""


AFTER_ITS_START = {
    "s = started(); s.send('OUTPUT', b'x', 3)": "speaks nonsense",
    "s = started(); s.send('OUTPUT', b'', 1)": "speaks nonsense",
    "s = started(); s.send('STDIN_TAKEN', struct.pack('<I', 70000))": "speaks nonsense",
    "s = started(); s.send('STATS', bytes(96))": "speaks nonsense",
    "s = started(); s.sock.sendall(struct.pack('<IHH', 0xffffffff, 19, 1))": "speaks nonsense",
    "s = started(); s.sock.sendall(b'\\x10'); sys.exit(0)": "the machine ended before",
}


@pytest.mark.parametrize("body", AFTER_ITS_START)
def test_after_its_start(guest, body):
    done = guest(body)
    assert done.returncode == 125 and done.stdout == "" and done.stderr


def test_words_of_a_guest_do_not_speak_to_the_terminal(guest):
    done = guest("s = connect(); hello(s); result(s, 5, b'a\\x1b[2Jb\\nc\\x07')")
    assert done.returncode == 125 and "a?[2Jb?c?" in done.stderr


def test_commands_that_fail_and_odd_statuses(guest):
    assert guest("s = connect(); serve(s); s.send('FAILED', struct.pack('<i', 2), 1)").returncode == 127
    assert guest("s = connect(); serve(s); s.send('FAILED', struct.pack('<i', 0), 1)").returncode == 126
    done = guest("s = started(); s.send('OUTPUT', b'out', 1); s.send('EXITED', struct.pack('<i', -1))")
    assert done.stdout == "out" and 0 <= done.returncode <= 255


def test_a_guest_that_does_not_answer_is_killed_all_the_same(guest):
    strata = guest.strata
    guest.be("s = started(); s.sock.sendall(b'\\x10\\0\\0\\0')")  # the beginning of a frame
    strata.ok("run", "-d", "--name", "m1", "--isolation", "vm", "--no-snapshot", "busybox", "sh")
    assert strata.state("m1")["Status"] == "running"
    strata.ok("stop", "-t", "1", "m1", timeout=30)
    assert strata.state("m1")["ExitCode"] == 128 + signal.SIGKILL
    strata.ok("rm", "m1")


def test_what_a_monitor_answers(guest):
    """`update --memory` asks the machine's process, not only its guest."""
    strata = guest.strata
    answers = {
        b"": "speaks nonsense",
        b"{": "speaks nonsense",
        b"x" * 100000: "speaks nonsense",
        b"[]": "does not tell its memory",
        b'{"memory_bytes": -1}': "does not tell its memory",
        b'{"memory_bytes": "1g"}': "does not tell its memory",
        b'{"error": "a\\u001b[2Jb"}': "a?[2Jb",
        b'{"memory_bytes": 67108864}': "started with 67108864 bytes",
    }
    guest.be("path = next(a for a in sys.argv if a.startswith('--monitor=')).split('=', 1)[1]\n"
             "server = socket.socket(socket.AF_UNIX)\n"
             "server.bind(path)\n"
             "server.listen()\n"
             "s = started()\n"
             f"for answer in {list(answers)!r}:\n"
             "    other, _ = server.accept()\n"
             "    other.recv(100)\n"
             "    try:\n"
             "        other.sendall(answer)\n"
             "    except OSError:\n"
             "        pass  # more than anybody reads\n"
             "    other.close()\n")
    strata.ok("run", "-d", "--name", "m1", "--isolation", "vm", "--no-snapshot", "busybox", "sh")
    for saying in answers.values():
        strata.fails("update", "--memory", "128m", "m1", saying=re.escape(saying))
    assert strata.ok("inspect", "-f", "{{.HostConfig.Memory}}", "m1") == "0"
    strata.ok("rm", "-f", "m1")


def test_without_a_machine_program(guest):
    strata = guest.strata
    Path(strata.binary).with_name("strata-machine").unlink()
    done = strata("run", "--rm", "--isolation", "vm", "busybox", "sh")
    assert done.returncode == 125 and "strata-machine" in done.stderr


def test_without_the_packages(guest, tmp_path):
    strata = guest.strata
    for path in (strata.root / "layers").glob("*.squashfs"):
        path.unlink()
    done = strata("run", "--rm", "--isolation", "vm", "busybox", "sh", env={"PATH": str(tmp_path)})
    assert done.returncode == 125 and "squashfs-tools" in done.stderr
    assert subprocess.run(["pgrep", "-f", str(strata.root)]).returncode == 1
