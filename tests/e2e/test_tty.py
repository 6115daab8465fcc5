# SPDX-License-Identifier: Apache-2.0
"""test_tty.py - a terminal works as a person expects."""

import os
import termios
import time

import pytest

from conftest import wait_until

pytestmark = pytest.mark.needs_root


@pytest.fixture
def person(strata, busybox_image):
    """Start a command on a terminal and wait for the shell's prompt."""

    def person(*args, **kw):
        return strata.terminal("run", "--rm", "-it", *args, **kw)

    return person


def test_shell_on_a_terminal(person):
    t = person("busybox", "sh", rows=33, columns=99)
    t.expect("[#$] ")
    t.line("stty size; tty; exit 5")
    t.expect("33 99")
    t.expect("/dev/(pts/0|console)")
    assert t.wait() == 5


def test_our_terminal_is_raw_then_restored(person):
    t = person("busybox", "sh")
    before = None
    t.expect("[#$] ")
    assert not t.attributes()[3] & termios.ICANON
    t.line("exit")
    t.wait()
    assert t.attributes()[3] & termios.ICANON and t.attributes()[3] & termios.ECHO


def test_control_c_goes_to_the_program(person):
    t = person("busybox", "sh")
    t.expect("[#$] ")
    t.line("sleep 100")
    time.sleep(0.3)
    t.send("\x03")
    t.expect("[#$] ")
    t.line("echo status $?; exit")
    t.expect("status 130")
    t.wait()


def test_resize_is_passed_on(person):
    t = person("busybox", "sh", "-c",
               "trap 'echo size $(stty size)' WINCH; echo set; while :; do sleep 0.05; done")
    t.expect("set")
    t.resize(40, 120)
    t.expect("size 40 120")
    t.resize(25, 81)
    t.expect("size 25 81")
    t.close()


def test_detach_keys_leave_it_running(strata, busybox_image):
    t = strata.terminal("run", "-it", "--name", "kept", "busybox", "sh")
    t.expect("[#$] ")
    t.line("x=remembered")
    t.expect("[#$] ")
    t.send("\x10\x11")
    assert t.wait() == 0
    assert t.attributes()[3] & termios.ICANON
    assert strata.state("kept")["Status"] == "running"
    again = strata.terminal("attach", "kept")
    again.line("")
    again.expect("[#$] ")
    again.line("echo $x")
    again.expect("\nremembered")
    again.line("exit 3")
    assert again.wait() == 3
    assert strata.state("kept")["Status"] == "exited"


def test_own_detach_keys(strata, busybox_image):
    t = strata.terminal("run", "-it", "--name", "own", "--detach-keys", "ctrl-x,q", "busybox", "sh")
    t.expect("[#$] ")
    t.send("\x10\x11")
    t.line("echo still here")
    t.expect("\nstill here")
    t.send("\x18q")
    assert t.wait() == 0
    assert strata.state("own")["Status"] == "running"


def test_vi_edits_a_file(strata, busybox_image, tmp_path):
    t = strata.terminal("run", "--rm", "-it", "-v", f"{tmp_path}:/d", "busybox", "vi", "/d/file")
    t.expect(r"/d/file")
    t.send("ihello from vi")
    # vi takes what follows an escape at once for a function key.
    t.send("\x1b")
    time.sleep(0.3)
    t.send(":wq\r")
    assert t.wait() == 0
    assert (tmp_path / "file").read_text() == "hello from vi\n"


def test_top_draws_and_quits(person):
    t = person("busybox", "top")
    t.expect("Mem:")
    t.expect("PID")
    t.send("q")
    assert t.wait() == 0


def test_terminal_without_a_terminal_is_refused(strata, busybox_image):
    done = strata.fails("run", "--rm", "-it", "busybox", "true")
    assert "terminal" in done.stderr.lower() or "TTY" in done.stderr


def test_exec_with_a_terminal(strata, busybox_image):
    strata.ok("run", "-d", "--name", "host", "busybox", "sleep", "100")
    t = strata.terminal("exec", "-it", "host", "sh", rows=20, columns=70)
    t.expect("[#$] ")
    t.line("stty size; tty; ps | grep -c 'sleep 100'; exit 9")
    t.expect("20 70")
    assert t.wait() == 9


def test_nano_in_debian(strata, debian_image):
    t = strata.terminal("run", "--rm", "-it", "--network", "none", debian_image, "bash")
    t.expect("[#$] ")
    t.line("nano /tmp/file")
    t.expect("GNU nano")
    t.send("typed\x0f\r")
    t.expect("Wrote 1 line")
    t.send("\x18")
    t.expect("[#$] ")  # nano throws away what was typed before it ended
    t.line("cat /tmp/file; exit 4")
    t.expect("typed")
    assert t.wait() == 4
