# SPDX-License-Identifier: Apache-2.0
"""test_machine_disks.py - Linux in a machine reads and writes its disks: what it sees is what is in
the files, and what it wrote is there afterwards."""

import fcntl
import os
import random

import guest_disk
import machines
import pytest

BOOT_S = 240  # on a busy machine
SECTOR, MIB = 512, 1 << 20

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def guest(tmp_path_factory):
    """The options that boot it."""
    boot = machines.files()
    folder = tmp_path_factory.mktemp("guest")
    initrd = folder / "initrd"
    initrd.write_bytes(guest_disk.initramfs(boot, guest_disk.build(folder)))
    return ["--kernel", boot["kernel"], "--initrd", initrd, "--net", "none"]


@pytest.fixture
def run(strata_binary, guest):
    """Boot it with wishes: what it has said."""

    def boot(wishes, *args):
        done = machines.Machine(strata_binary)(
            *guest, "--append", f"console=ttyS0 quiet panic=-1 {wishes}", *args, timeout=BOOT_S,
            input="")
        assert done.returncode == 0, done.stdout + done.stderr
        return guest_disk.said(done.stdout)

    return boot


def noise(path, size, seed):
    data = random.Random(seed).randbytes(size)
    path.write_bytes(data)
    return data


def test_what_is_read_is_what_is_there(run, tmp_path):
    data = noise(tmp_path / "disk", 3 * MIB + 7 * SECTOR, 1)
    before = os.stat(tmp_path / "disk").st_mtime_ns
    said = run("disk.sum=vda disk.id=vda", "--disk", f"{tmp_path}/disk,readonly")
    assert said == [["sum", "vda", str(len(data)), guest_disk.fnv(data), "twice"],
                    ["id", "vda", "strata-disk0"]]
    assert os.stat(tmp_path / "disk").st_mtime_ns == before


@pytest.mark.parametrize("options", ["", ",direct", ",iops=2000,bps=20m"])
def test_what_is_written_is_there(run, tmp_path, options):
    disk = tmp_path / "disk"
    noise(disk, 4 * MIB, 2)
    said = run("disk.fill=vda", "--cpus", 2, "--disk", f"{disk}{options}")
    assert said == [["fill", "vda", str(4 * MIB), guest_disk.fnv(disk.read_bytes())]]


def test_partitions(run, tmp_path):
    parts = {f"part{i}": noise(tmp_path / f"file{i}", size, i)
             for i, size in enumerate([MIB, SECTOR, 2 * MIB + SECTOR - 100], 1)}
    args = [arg for i, name in enumerate(parts, 1)
            for arg in ("--part", f"{name}={tmp_path}/file{i}")]
    said = run(" ".join(f"disk.sum=vda{i}" for i in (1, 2, 3)), *args)
    padded = [data + bytes(-len(data) % SECTOR) for data in parts.values()]
    assert said == [["sum", f"vda{i}", str(len(data)), guest_disk.fnv(data), "twice"]
                    for i, data in enumerate(padded, 1)]


def test_random_numbers(run):
    first, second = run("disk.random")[0], run("disk.random")[0]
    assert first[0] == second[0] == "random" and first[1] != second[1]


@pytest.mark.parametrize("options, saying", [
    ("missing", "cannot open the disk"),
    ("", "neither a file nor a block device|Is a directory"),
    ("empty", "empty, which no disk is"),
    ("disk,fast", '"fast" is none of'),
    ("disk,iops=many", "iops wants a number"),
    ("disk,readonly=yes", "readonly has no value"),
])
def test_no_disks(strata_binary, guest, tmp_path, options, saying):
    noise(tmp_path / "disk", MIB, 1)
    (tmp_path / "empty").touch()
    done = machines.Machine(strata_binary)(*guest, "--disk", f"{tmp_path}/{options}", timeout=60,
                                           input="")
    assert done.returncode == 125
    assert any(part in done.stderr for part in saying.split("|")), done.stderr


def test_a_disk_is_used_once(strata_binary, guest, tmp_path):
    noise(tmp_path / "disk", MIB, 1)
    with open(tmp_path / "disk") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        done = machines.Machine(strata_binary)(
            *guest, "--disk", f"{tmp_path}/disk,readonly", timeout=60, input="")
    assert done.returncode == 125 and "in use by one who writes" in done.stderr
