# SPDX-License-Identifier: Apache-2.0
"""test_units.py - the unit tests of cgroups, on a kernel whose controllers are v2's.

On the build machine, whose controllers may be v1's, most of them see the other half of the code.
"""

import subprocess
from pathlib import Path

import pytest

from test_systemd import as_user, session, session_user, user_argv  # noqa: F401

UNITS = Path("/strata/units")


def check(done, nothing_but_skips=False):
    lines = done.stdout.splitlines()
    passed = [line for line in lines if line.startswith("[       OK ]")]
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    assert passed or nothing_but_skips, "every test was skipped"


@pytest.mark.parametrize("name", sorted(p.name for p in UNITS.glob("test-*")))
def test_as_root(name):
    check(subprocess.run([str(UNITS / name)], env={"LD_LIBRARY_PATH": str(UNITS)}, text=True,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120))


def test_as_a_user_with_a_delegated_scope(session):  # noqa: F811
    check(as_user(session, *user_argv(session, "env", f"LD_LIBRARY_PATH={UNITS}",
                                      str(UNITS / "test-container-cgroup"))))
