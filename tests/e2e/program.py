# SPDX-License-Identifier: Apache-2.0
"""program.py - run a program from a test: to its end, in the background, on a terminal.

Nothing of pytest is used here, so that the benchmarks can drive the same programs.
"""

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

COMMAND_TIMEOUT_S = 60


def wait_until(condition, timeout_s=10, interval_s=0.02, what=None):
    """Call `condition` until it is true; its value is returned."""
    end = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {timeout_s} s: {what or condition}")
        time.sleep(interval_s)


# --- terminals -------------------------------------------------------------------------------


class Terminal:
    """A command on a pseudo terminal of its own, and a person in front of it."""

    def __init__(self, argv, rows=24, columns=80, env=None, **popen):
        self.master, slave = pty.openpty()
        self.resize(rows, columns, tell=False)
        self.output = b""
        self._seen = 0

        def controlling_terminal():
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        self.process = subprocess.Popen(
            argv, stdin=slave, stdout=slave, stderr=slave, env=env, close_fds=True,
            preexec_fn=controlling_terminal, **popen)
        os.close(slave)

    def resize(self, rows, columns, tell=True):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        if tell:
            os.kill(self.process.pid, signal.SIGWINCH)

    def send(self, text):
        os.write(self.master, text.encode() if isinstance(text, str) else text)

    def line(self, text):
        self.send(text + "\r")

    def _read(self, timeout_s):
        ready, _, _ = select.select([self.master], [], [], timeout_s)
        if not ready:
            return True
        try:
            data = os.read(self.master, 65536)
        except OSError:
            return False
        self.output += data
        return bool(data)

    def expect(self, pattern, timeout_s=15):
        """Read until `pattern` (a regular expression) appears after what was expected before."""
        regex = re.compile(pattern.encode() if isinstance(pattern, str) else pattern, re.DOTALL)
        end = time.monotonic() + timeout_s
        more = True
        while True:
            match = regex.search(self.output, self._seen)
            if match:
                self._seen = match.end()
                return match
            left = end - time.monotonic()
            if left <= 0 or not more:
                raise AssertionError(f"{pattern!r} did not appear in {self.output[self._seen:]!r}")
            more = self._read(left)

    def attributes(self):
        return termios.tcgetattr(self.master)

    def wait(self, timeout_s=15):
        """Exit status of the command, reading what it still says."""
        end = time.monotonic() + timeout_s
        while self.process.poll() is None:
            if time.monotonic() > end:
                raise AssertionError(f"still running; it said {self.output!r}")
            self._read(0.05)
        while self._read(0) and select.select([self.master], [], [], 0)[0]:
            pass
        return self.process.returncode

    def text(self):
        return self.output.decode(errors="replace")

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.master >= 0:
            os.close(self.master)
            self.master = -1


# --- programs --------------------------------------------------------------------------------


class Program:
    """A program with arguments it always gets; calling it runs it. A child class says which: argv()
    and env()."""

    def __init__(self, user=None):
        self.user = user
        self._closing = []

    def __str__(self):
        return type(self).__name__.lower()

    def _as_user(self):
        if not self.user:
            return {}
        return {"user": self.user.uid, "group": self.user.gid, "extra_groups": [],
                "cwd": self.user.home}

    def __call__(self, *args, input=None, timeout=COMMAND_TIMEOUT_S, env=None, check=None, **kw):
        """Run it to its end. check=N: that must be its exit status. Text in, text out."""
        kw = {**self._as_user(), **kw}
        if input is None:
            kw.setdefault("stdin", subprocess.DEVNULL)
        kw.setdefault("stdout", subprocess.PIPE)
        kw.setdefault("stderr", subprocess.PIPE)
        kw.setdefault("text", True)
        done = subprocess.run(self.argv(*args), input=input, timeout=timeout, env=self.env(env), **kw)
        if check is not None:
            assert done.returncode == check, (
                f"{self} {' '.join(map(str, args))}: exit status {done.returncode}, not {check}\n"
                f"stdout: {done.stdout}\nstderr: {done.stderr}")
        return done

    def ok(self, *args, **kw):
        """Run it, insist on success, return stdout without the last newline."""
        out = self(*args, check=0, **kw).stdout
        return out.rstrip("\n") if isinstance(out, str) else out

    def fails(self, *args, status=None, saying=None, **kw):
        """Run it, insist on failure and on one sentence (no crash, no second line)."""
        done = self(*args, **kw)
        assert done.returncode != 0, f"{self} {args} succeeded: {done.stdout}"
        if status is not None:
            assert done.returncode == status, f"{done.returncode} != {status}: {done.stderr}"
        assert done.returncode >= 0, f"died of signal {-done.returncode}: {done.stderr}"
        assert done.stderr.strip(), "it failed without a word"
        if saying:
            assert re.search(saying, done.stderr, re.I), f"{saying!r} not in: {done.stderr}"
        return done

    def popen(self, *args, env=None, **kw):
        kw = {**self._as_user(), **kw}
        kw.setdefault("stdin", subprocess.PIPE)
        kw.setdefault("stdout", subprocess.PIPE)
        kw.setdefault("stderr", subprocess.PIPE)
        kw.setdefault("text", True)
        process = subprocess.Popen(self.argv(*args), env=self.env(env), **kw)
        self._closing.append(lambda: (process.kill(), process.wait()))
        return process

    def terminal(self, *args, rows=24, columns=80, env=None):
        env = self.env({"TERM": "xterm", **(env or {})})
        terminal = Terminal(self.argv(*args), rows, columns, env, **self._as_user())
        self._closing.append(terminal.close)
        return terminal

    def end_processes(self):
        """Kill what popen() and terminal() started."""
        for close in reversed(self._closing):
            with contextlib.suppress(OSError, ProcessLookupError):
                close()
        self._closing.clear()
