# SPDX-License-Identifier: Apache-2.0
"""test_boot.py - what comes back after a reboot, and what is told of the rest.

The first boot makes instances of root and of a lingering user in their default places; the second
looks at them.
"""

import json
import os
import subprocess
from pathlib import Path

import pytest

from conftest import wait_until

STRATA = os.environ.get("STRATA_BIN", "strata")
INSTANCES = {
    "always": ["--restart", "always"],
    "unless": ["--restart", "unless-stopped"],
    "stopped": ["--restart", "unless-stopped"],
    "always-stopped": ["--restart", "always"],
    "never": [],
}


def sh(*argv, **kw):
    done = subprocess.run([str(a) for a in argv], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, stdin=subprocess.DEVNULL, timeout=120, **kw)
    assert done.returncode == 0, f"{argv}: {done.returncode}: {done.stderr}"
    return done.stdout.strip()


def as_tester(*argv):
    return sh("setpriv", "--reuid", "tester", "--regid", "tester", "--init-groups", "env", "-i",
              "PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin", "HOME=/home/tester", "USER=tester",
              f"XDG_RUNTIME_DIR=/run/user/{uid()}", *argv, cwd="/home/tester")


def uid():
    return int(sh("id", "-u", "tester"))


def status(call):
    names = call("strata", "ps", "-a", "--format", "{{.Names}}").split()
    return {n: json.loads(call("strata", "inspect", n))[0]["State"] for n in names}


def test_set_up_roots_instances(busybox_layout):
    sh(STRATA, "import", busybox_layout)
    for name, options in INSTANCES.items():
        sh(STRATA, "run", "-d", "--network", "none", "--name", name, *options, "busybox", "sleep",
           "100000")
    sh(STRATA, "stop", "-t", "0", "stopped", "always-stopped")
    sh("systemctl", "enable", "strata-boot.service")


def test_set_up_a_users_instance(busybox_layout):
    sh("loginctl", "enable-linger", "tester")
    wait_until(lambda: Path(f"/run/user/{uid()}/bus").exists(), 60)
    as_tester("strata", "import", busybox_layout)
    as_tester("strata", "run", "-d", "--network", "none", "--name", "mine", "--restart", "always",
              "busybox", "sleep", "100000")
    sh("systemctl", "--global", "enable", "strata-boot.service")


def test_ask_for_a_reboot():
    Path("/strata/want-reboot").touch()


@pytest.mark.after_boot
def test_this_is_another_boot():
    assert Path("/strata/boot").read_text().strip() == "2"


@pytest.mark.after_boot
def test_promises_are_kept():
    wait_until(lambda: status(sh)["always"]["Status"] == "running", 60)
    wait_until(lambda: status(sh)["unless"]["Status"] == "running", 60)
    told = status(sh)
    assert sh("strata", "exec", "always", "echo", "alive") == "alive"
    # Docker starts `always` even when it was stopped by hand, `unless-stopped` not.
    wait_until(lambda: status(sh)["always-stopped"]["Status"] == "running", 20)
    assert told["stopped"]["Status"] == "exited"


@pytest.mark.after_boot
def test_what_the_reboot_ended_is_told_so():
    never = status(sh)["never"]
    # A machine that goes down in order ends processes with signals; 255 is an end nobody saw.
    assert never["Status"] == "exited" and never["Pid"] == 0
    assert never["ExitCode"] in (255, 143, 137)
    sh("strata", "start", "never")
    assert status(sh)["never"]["Status"] == "running"


@pytest.mark.after_boot
def test_the_users_instance_is_back():
    wait_until(lambda: Path(f"/run/user/{uid()}/bus").exists(), 60)
    wait_until(lambda: status(as_tester)["mine"]["Status"] == "running", 60)


@pytest.mark.after_boot
def test_the_units_did_not_fail():
    said = sh("journalctl", "-b", "-u", "strata-boot.service", "--no-pager")
    assert sh("systemctl", "show", "-p", "Result", "strata-boot.service") == "Result=success", said
