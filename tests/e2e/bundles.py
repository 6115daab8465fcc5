# SPDX-License-Identifier: Apache-2.0
"""bundles.py - strata-runtime as the tests drive it: containers made from bundles by hand."""

import contextlib
import json
import os
import subprocess
import tempfile
import time
import uuid
from pathlib import Path

import pytest

from program import COMMAND_TIMEOUT_S

HOOKS = ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"]


class Runtime:
    """strata-runtime with a root of its own; everything it made is deleted after the test."""

    def __init__(self, binary, tmp, user=None):
        self.argv = [str(binary.parent / "strata-runtime"), "--root", str(tmp / "root")]
        self.root = tmp / "root"
        self.tmp = tmp
        self.user = user
        self.ids = []

    def __call__(self, *argv, check=True, **kw):
        # Through files: a container that stays keeps its standard streams, so a pipe never ends.
        if self.user:
            kw = {"user": self.user.uid, "group": self.user.gid, "extra_groups": []} | kw
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            done = subprocess.run([*self.argv, *map(str, argv)], text=True, timeout=COMMAND_TIMEOUT_S,
                                  **({"stdin": subprocess.DEVNULL, "stdout": out, "stderr": err} | kw))
            out.seek(0)
            err.seek(0)
            done.stdout, done.stderr = out.read(), err.read()
        if check:
            assert done.returncode == 0, done.stderr
        return done

    def fail(self, *argv, **kw):
        done = self(*argv, check=False, **kw)
        assert done.returncode == 1, (done.returncode, done.stdout, done.stderr)
        return done.stderr

    def new_id(self):
        self.ids.append(f"strata-test-{uuid.uuid4().hex[:12]}")
        return self.ids[-1]

    def bundle(self, rootfs, *args, **process):
        """A bundle on a busybox root; the document is .config until save()."""
        return Bundle(self, rootfs, args, process)

    def state(self, name):
        return json.loads(self("state", name).stdout)

    def wait(self, name, status):
        deadline = time.monotonic() + COMMAND_TIMEOUT_S
        while self.state(name)["status"] != status:
            assert time.monotonic() < deadline, f"{name} never was {status}"
            time.sleep(0.01)


class Bundle:
    def __init__(self, runtime, rootfs, args, process):
        self.path = runtime.tmp / uuid.uuid4().hex[:8]
        self.path.mkdir()
        if runtime.user:
            os.chown(self.path, runtime.user.uid, runtime.user.gid)
        runtime("spec", *["--rootless"][:bool(runtime.user)], "--bundle", self.path)
        self.config = json.loads((self.path / "config.json").read_text())
        self.config["process"] |= {"terminal": False, "args": list(args)} | process
        self.config["root"]["path"] = str(rootfs)
        self.save()

    def save(self):
        (self.path / "config.json").write_text(json.dumps(self.config))
        return self


def make_rootfs(root, busybox="/usr/bin/busybox"):
    """A root filesystem with busybox, maybe one for another CPU."""
    root.mkdir(exist_ok=True)
    root.chmod(0o755)
    for name in ("bin", "etc", "tmp", "proc", "dev", "sys"):
        (root / name).mkdir()
    subprocess.run(["cp", busybox, root / "bin/busybox"], check=True)
    names = subprocess.run(["/usr/bin/busybox", "--list"], capture_output=True, text=True,
                           check=True).stdout.split()
    for name in names:
        if name != "busybox":
            (root / "bin" / name).symlink_to("busybox")
    return root


@pytest.fixture(scope="session")
def rootfs(tmp_path_factory):
    return make_rootfs(tmp_path_factory.mktemp("rootfs"))


def cgroups(name):
    # Others come and go meanwhile: os.walk() passes over them.
    return [Path(parent, d) for parent, directories, _ in os.walk("/sys/fs/cgroup")
            for d in directories if name in os.path.join(parent, d)]


@contextlib.contextmanager
def runtime_in(binary, folder, user=None):
    it = Runtime(binary, folder, user)
    yield it
    for name in it.ids:
        it("delete", "--force", name)
    assert not it.root.exists() or list(it.root.iterdir()) == []
    for name in it.ids:
        assert cgroups(name) == []


@pytest.fixture
def runtime(strata_binary, tmp_path):
    with runtime_in(strata_binary, tmp_path) as it:
        yield it


def tagged(tag):
    """The processes that have the tag in their environment: ours, and what they left behind."""
    found = []
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdigit() and tag.encode() in (process / "environ").read_bytes():
                found.append(int(process.name))
        except OSError:
            continue
    return found
