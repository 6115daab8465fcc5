# SPDX-License-Identifier: Apache-2.0
"""test_apparmor.py - profiles, where the kernel has AppArmor: in this machine only."""

import subprocess
from pathlib import Path

import pytest

from test_runtime import rootfs, runtime  # noqa: F401 (fixtures)
from test_runtime_process import make

UNKNOWN = 'cannot use the profile "strata-test-missing" (is it loaded?)'
NAME = "strata-test"
PROFILE = f"""
profile {NAME} flags=(attach_disconnected,mediate_deleted) {{
  file,
  capability,
  signal,
  deny /tmp/secret rw,
}}
"""


@pytest.fixture
def profile():
    """A profile that denies one file, loaded."""
    subprocess.run(["apparmor_parser", "--replace", "--skip-cache"], input=PROFILE, text=True,
                   check=True)
    yield NAME
    subprocess.run(["apparmor_parser", "--remove"], input=PROFILE, text=True, check=True)


def confined(runtime, rootfs, *args, name=NAME):  # noqa: F811
    return make(runtime, rootfs, *args, apparmorProfile=name).path


def test_a_profile_confines(runtime, rootfs, profile):  # noqa: F811
    """What `run` starts, what `create` and `start` do, and what `exec` adds."""
    script = "cat /proc/self/attr/current; echo x >/tmp/open && echo x >/tmp/secret || echo denied"
    done = runtime("run", "--bundle", confined(runtime, rootfs, "sh", "-c", script),
                   runtime.new_id())
    assert done.stdout.splitlines() == [f"{profile} (enforce)", "denied"]
    name = runtime.new_id()
    runtime("create", "--bundle", confined(runtime, rootfs, "sleep", "1000"), name)
    runtime("start", name)
    pid = runtime.state(name)["pid"]
    assert Path(f"/proc/{pid}/attr/current").read_text() == f"{profile} (enforce)\n"
    assert runtime("exec", name, "cat", "/proc/self/attr/current").stdout == \
        f"{profile} (enforce)\n"
    runtime("delete", "--force", name)


def test_unconfined(runtime, rootfs):  # noqa: F811
    done = runtime("run", "--bundle",
                   confined(runtime, rootfs, "cat", "/proc/self/attr/current", name="unconfined"),
                   runtime.new_id())
    assert done.stdout == "unconfined\n"


def test_an_unknown_profile_is_refused(runtime, rootfs):  # noqa: F811
    bundle = confined(runtime, rootfs, "true", name="strata-test-missing")
    assert UNKNOWN in runtime.fail("run", "--bundle", bundle, runtime.new_id())
    name = runtime.new_id()
    runtime("create", "--bundle", bundle, name)
    assert UNKNOWN in runtime.fail("start", name)
    runtime("delete", "--force", name)
