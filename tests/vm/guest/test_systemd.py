# SPDX-License-Identifier: Apache-2.0
"""test_systemd.py - beside systemd: login scopes that end, users with a delegated tree."""

import subprocess
import tempfile
from pathlib import Path

import pytest

import conftest
from conftest import Strata, User, give_image, wait_until


class SessionUser(User):
    """A user whose systemd instance runs without a login (linger)."""

    def __init__(self):
        super().__init__("lingerer", True)
        Path(self.runtime_dir).rmdir()
        subprocess.run(["loginctl", "enable-linger", self.name], check=True)
        self.runtime_dir = f"/run/user/{self.uid}"
        wait_until(lambda: Path(self.runtime_dir, "bus").exists(), 60)

    def remove(self):
        subprocess.run(["loginctl", "disable-linger", self.name], check=True)
        subprocess.run(["loginctl", "terminate-user", self.name], check=False)
        super().remove()


@pytest.fixture(scope="module")
def session_user():
    user = SessionUser()
    yield user
    user.remove()


@pytest.fixture
def session(strata_binary, session_user, busybox_layout):
    one = conftest._rootless(strata_binary, session_user, busybox_layout)
    yield one
    one.close()


def user_argv(strata, *argv):
    """argv as the user, in a scope of the user's systemd that was delegated to them."""
    return ["systemd-run", "--user", "--scope", "--quiet", "-p", "Delegate=yes", *argv]


def as_user(strata, *argv):
    env = strata.env({"DBUS_SESSION_BUS_ADDRESS": f"unix:path={strata.user.runtime_dir}/bus"})
    return subprocess.run(list(map(str, argv)), env=env, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=60, **strata._as_user())


def test_monitor_outlives_the_login_scope(strata, busybox_image):
    """What a login leaves behind when it ends is killed, unless it has a scope of its own."""
    argv = strata.argv("run", "-d", "--name", "it", "--network", "none", "busybox", "sleep", "1000")
    subprocess.run(["systemd-run", "--scope", "--quiet", "--unit=fake-login", *argv], check=True,
                   env=strata.env(), stdout=subprocess.DEVNULL)
    pid = strata.state("it")["Pid"]
    subprocess.run(["systemctl", "stop", "fake-login.scope"], check=False)
    subprocess.run(["systemctl", "kill", "--signal=KILL", "fake-login.scope"], check=False,
                   stderr=subprocess.DEVNULL)
    assert strata.state("it")["Status"] == "running"
    assert strata.state("it")["Pid"] == pid
    assert strata.monitor_pid("it") and Path(f"/proc/{strata.monitor_pid('it')}").exists()


def test_limits_of_a_user_with_delegation(session):
    done = as_user(session, *user_argv(
        session, *session.argv("run", "--name", "fat", "--memory", "16m", "--memory-swap", "16m",
                               "busybox", "sh", "-c",
                               "x=0123456789abcdef; while :; do x=$x$x; done")))
    assert done.returncode == 137, done.stderr
    assert session.state("fat")["OOMKilled"] is True


def test_limits_of_a_user_at_their_own_systemd(session):
    """Without systemd-run: strata asks the user's systemd for a delegated scope itself."""
    done = as_user(session, *session.argv("run", "--rm", "--pids-limit", "20", "--memory", "64m",
                                          "busybox", "echo", "limited"))
    assert (done.returncode, done.stdout) == (0, "limited\n"), done.stderr


def test_pause_and_stats_of_a_user_with_delegation(session):
    done = as_user(session, *user_argv(session, *session.argv(
        "run", "-d", "--name", "it", "--memory", "64m", "busybox", "sleep", "1000")))
    assert done.returncode == 0, done.stderr
    session.ok("pause", "it")
    assert session.state("it")["Status"] == "paused"
    session.ok("unpause", "it")
    assert "64MiB" in session.ok("stats", "--no-stream", "it")
