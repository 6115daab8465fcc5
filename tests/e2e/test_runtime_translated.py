# SPDX-License-Identifier: Apache-2.0
"""test_runtime_translated.py - strata-runtime with a bundle whose programs are for linux/riscv64: it
sees that by the command's file."""

import json
import subprocess
import tarfile
import time

import pytest

from bundles import make_rootfs, runtime  # noqa: F401 (fixture)

pytestmark = [pytest.mark.needs_root]


@pytest.fixture(scope="session")
def foreign_rootfs(foreign_layout, tmp_path_factory):
    folder = tmp_path_factory.mktemp("foreign")
    index = json.loads((foreign_layout / "index.json").read_text())["manifests"][-1]
    blobs = foreign_layout / "blobs/sha256"
    manifest = json.loads((blobs / index["digest"].split(":")[1]).read_text())
    with tarfile.open(blobs / manifest["layers"][0]["digest"].split(":")[1]) as tar:
        (folder / "busybox").write_bytes(tar.extractfile("bin/busybox").read())
    (folder / "busybox").chmod(0o755)
    root = make_rootfs(folder / "rootfs", folder / "busybox")
    for name, text in (("script", "#!/bin/sh\nuname -m\n"), ("nested", "#! /etc/script x\n")):
        (root / "etc" / name).write_text(text)
        (root / "etc" / name).chmod(0o755)
    return root


def run(runtime, rootfs, *args, **process):
    bundle = runtime.bundle(rootfs, *args, **process)
    return runtime("run", "--bundle", bundle.path, runtime.new_id(), check=False)


@pytest.mark.parametrize(("args", "process"), [
    (["/bin/uname", "-m"], {}), (["uname", "-m"], {}), (["bin/uname", "-m"], {"cwd": "/"}),
    (["./uname", "-m"], {"cwd": "/bin"}), (["/etc/script"], {}), (["/etc/nested"], {}),
    (["uname", "-m"], {"env": ["PATH=/no/where:/bin"]})])
def test_it_is_seen_by_the_commands_file(runtime, foreign_rootfs, args, process):
    done = run(runtime, foreign_rootfs, *args, **process)
    assert (done.stdout, done.stderr, done.returncode) == ("riscv64\n", "", 0)


def test_what_is_not_there_is_told_as_ever(runtime, foreign_rootfs):
    assert "executable file not found" in run(runtime, foreign_rootfs, "nothing").stderr
    assert "no such file" in run(runtime, foreign_rootfs, "/bin/nothing").stderr


def test_create_start_and_exec(runtime, foreign_rootfs):
    name = runtime.new_id()
    bundle = runtime.bundle(foreign_rootfs, "sh", "-c", "sleep 0.1; uname -m; sleep 300")
    with (runtime.tmp / "output").open("w") as output:
        runtime("create", "--bundle", bundle.path, name, stdout=output)
    runtime("start", name)
    assert runtime("exec", name, "uname", "-m").stdout == "riscv64\n"
    done = runtime("exec", name, "nothing", check=False)
    assert done.returncode != 0 and "executable file not found" in done.stderr
    time.sleep(0.5)
    assert (runtime.tmp / "output").read_text() == "riscv64\n"
    runtime("kill", name, "KILL")
    runtime.wait(name, "stopped")


def test_hidden_names_lead_nowhere(runtime, tmp_path):
    """What looks at the root from outside is not led out of it."""
    root = make_rootfs(tmp_path / "rootfs")
    outside = tmp_path / "foreign"
    outside.write_bytes(b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\x00\xf3\x00" + bytes(44))
    (root / "bin/door").symlink_to(outside)
    subprocess.run(["mkfifo", root / "bin/fifo"], check=True)
    assert "no such file" in run(runtime, root, "/bin/door").stderr
    assert run(runtime, root, "/bin/fifo").returncode != 0
    assert run(runtime, root, "/bin/true").returncode == 0
