# SPDX-License-Identifier: Apache-2.0
"""test_scripts.py - what scripts/demo and scripts/check say when something they need is missing."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


@pytest.fixture
def scripts(open_tmp):
    """A copy that ordinary users can read, and write beside of."""
    for name in ("scripts", "tools"):
        shutil.copytree(SCRIPTS.parent / name, open_tmp / name)
    open_tmp.chmod(0o777)
    return open_tmp / "scripts"


def run(*argv, env, user=None):
    as_user = {"user": user.uid, "group": user.gid, "extra_groups": []} if user else {}
    return subprocess.run(argv, env={**os.environ, **env}, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=60, **as_user)


@pytest.mark.needs_root
@pytest.mark.parametrize("script", [["demo"], ["check", "packages"]])
def test_an_ordinary_user_is_told_which_packages_are_missing(scripts, rootless_user, script):
    nothing = {"DPKG_ADMINDIR": str(scripts), "HOME": rootless_user.home}
    done = run(scripts / script[0], *script[1:], env=nothing, user=rootless_user)
    assert done.returncode == 1
    assert "these packages are missing: " in done.stdout and " gcc " in done.stdout
    assert "scripts/packages --install build" in done.stdout


@pytest.mark.needs_root
def test_packages_that_cannot_be_installed_are_named(scripts, tmp_path):
    apt = tmp_path / "apt-get"
    apt.write_text("#!/bin/sh\necho no mirror >&2; exit 100\n")
    apt.chmod(0o755)
    env = {"DPKG_ADMINDIR": str(scripts), "PATH": f"{tmp_path}:/usr/bin:/bin"}
    done = run(scripts / "packages", "--install", "demo", env=env)
    assert done.returncode == 1
    assert re.search(r"could not install these: docker-registry .*\bpython3\b.* \(is", done.stdout)


def test_what_is_installed_is_not_missing():
    done = run(SCRIPTS / "packages", "--missing", "demo", env={})
    assert (done.returncode, done.stdout) == (0, "")
