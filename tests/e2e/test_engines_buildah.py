# SPDX-License-Identifier: Apache-2.0
"""test_engines_buildah.py - strata-runtime under buildah."""

import os
import subprocess

import pytest

from engines import Buildah, Machine

pytestmark = pytest.mark.needs_root


@pytest.fixture(params=["root", "user"])
def buildah(request, runtime, busybox_archive):
    """buildah with a working container `work`, as root and as an ordinary user."""
    user = request.getfixturevalue("rootless_user") if request.param == "user" else None
    with Machine("buildah") as machine:
        image = machine.folder / "image.tar"
        subprocess.run(["cp", str(busybox_archive), str(image)], check=True)
        os.chmod(image, 0o644)
        buildah = Buildah(machine, runtime, user)
        # Not chroot, which it may choose as an ordinary user, and which has no runtime.
        buildah.how = ["--isolation", "rootless"] if user else [
            "--isolation", "oci", "--cgroup-parent", f"{machine.cgroup}/build"]
        buildah.ok("from", *buildah.how, "--name", "work", f"docker-archive:{image}")
        yield buildah
        buildah.end_processes()


def run(buildah, *args, **kw):
    return buildah("run", "--runtime", buildah.runtime, "--network", "none", *args, **kw)


def test_run(buildah):
    done = run(buildah, "work", "--", "sh", "-c", "echo out; echo err >&2; exit 3")
    assert (done.returncode, done.stdout) == (3, "out\n"), done.stderr
    assert "err" in done.stderr.splitlines()
    done = run(buildah, "--user", "user", "--workingdir", "/tmp", "--env", "A=b", "work", "--", "sh",
               "-c", "id -u; pwd; echo $A; touch ~/mine; cat /proc/1/comm; true")
    assert done.stdout.split() == ["1000", "/tmp", "b", "sh"], done.stderr
    assert "no-such-command" in run(buildah, "work", "--", "no-such-command").stderr
    terminal = buildah.terminal("run", "--runtime", buildah.runtime, "--network", "none", "-t", "work",
                                "--", "sh")
    terminal.expect("# ")
    terminal.line("tty; exit 5")
    terminal.expect("/dev/pts/0")
    assert terminal.wait() == 5
    assert not {n for n in buildah.machine.processes().values() if n not in ("buildah", "catatonit")}


def test_build(buildah):
    folder = buildah.machine.folder / "context"
    folder.mkdir()
    (folder / "Dockerfile").write_text(
        "FROM docker.io/library/busybox\n"
        "RUN echo built by $(id -u) >/made\n"
        "USER user\n"
        "RUN test $(id -u) = 1000 && touch ~/mine\n"
        "RUN --mount=type=tmpfs,dst=/scratch touch /scratch/x && test ! -e /made/x\n")
    buildah.ok("build", "--runtime", buildah.runtime, *buildah.how, "--network", "none", "-t", "made",
               folder)
    buildah.ok("from", *buildah.how, "--name", "again", "made")
    done = run(buildah, "again", "--", "sh", "-c", "cat /made; stat -c %u ~/mine")
    assert done.stdout == "built by 0\n1000\n", done.stderr
    (folder / "Dockerfile").write_text("FROM docker.io/library/busybox\nRUN exit 41\n")
    buildah.fails("build", "--runtime", buildah.runtime, *buildah.how, "--network", "none", folder,
                  saying="exit status 41")
