# SPDX-License-Identifier: Apache-2.0
"""Kernels for machines: in from files and from Debian, to registries and back, and out."""

import gzip
import json
import subprocess
from pathlib import Path

import kernels
import pytest
from registry import DockerRegistry


@pytest.fixture
def files(open_tmp):
    (open_tmp / "Image").write_bytes(kernels.image())
    kernels.make_modules(open_tmp)
    return open_tmp


def import_kernel(strata, files, *options):
    return strata.ok("kernel", "import", files / "Image", "--modules", files, *options)


def inspect(strata, name="kernel:riscv64"):
    return json.loads(strata.ok("kernel", "inspect", "--platform", "linux/riscv64", name))[0]


def first_filesystem(kernel):
    """Names in the archive, and the list of modules."""
    archive = Path(kernel["FirstFilesystem"]).read_bytes()
    names = subprocess.run(["cpio", "-t", "--quiet"], input=archive, stdout=subprocess.PIPE,
                           check=True).stdout.decode().split()
    listed = subprocess.run(["cpio", "-i", "--quiet", "--to-stdout", "modules/list"], input=archive,
                            stdout=subprocess.PIPE, check=True).stdout.decode().splitlines()
    return names, [line.split()[0] for line in listed]


def test_import_ls_inspect_rm(strata, files):
    assert import_kernel(strata, files) == "kernel:riscv64"
    kernel = inspect(strata)
    assert (kernel["Release"], kernel["Format"], kernel["Platform"]) == (
        kernels.RELEASE, "Image", "linux/riscv64")
    assert Path(kernel["Kernel"]).read_bytes() == (files / "Image").read_bytes()
    listed = strata.ok("kernel", "ls", "--format", "{{.Name}} {{.Release}} {{.Format}}")
    assert listed == f"kernel:riscv64 {kernels.RELEASE} Image"
    assert strata.ok("images", "-q") == ""
    strata.ok("kernel", "rm", "kernel:riscv64")
    assert strata.ok("kernel", "ls", "-q") == ""
    assert not Path(kernel["Kernel"]).exists() and not Path(kernel["FirstFilesystem"]).exists()
    strata.fails("kernel", "inspect", "--platform", "linux/riscv64", "kernel:riscv64", status=1,
                 saying="there is no kernel")


def test_one_for_each_cpu(strata, files):
    """The host's own CPU has a bzImage, which stays as it is."""
    import_kernel(strata, files)
    (files / "bzImage").write_bytes(kernels.bzimage())
    assert strata.ok("kernel", "import", files / "bzImage", "--modules", files) == "kernel:amd64"
    kernel = json.loads(strata.ok("kernel", "inspect", "kernel:amd64", "--platform", "linux/amd64"))[0]
    assert (kernel["Release"], kernel["Format"], kernel["Platform"]) == (
        kernels.RELEASE, "bzImage", "linux/amd64")
    assert Path(kernel["Kernel"]).read_bytes() == (files / "bzImage").read_bytes()
    assert inspect(strata)["Platform"] == "linux/riscv64"
    (files / "newer").write_bytes(kernels.bzimage("6.9"))
    strata.fails("kernel", "import", files / "newer", "--modules", files, status=1,
                 saying="has the modules of 6.1.2-test")
    for old in (kernels.bzimage(version=0x20b), kernels.bzimage(flags=0)):
        (files / "old").write_bytes(old)
        strata.fails("kernel", "import", files / "old", status=1, saying="no machines for 386")


def test_first_filesystem_has_what_is_needed_in_order(strata, files):
    import_kernel(strata, files)
    names, listed = first_filesystem(inspect(strata))
    assert names[:3] == ["init", "dev", "dev/console"]
    assert "not_needed.ko" not in listed
    assert set(listed) == {f"{name.replace('-', '_')}.ko" for name in kernels.MODULES} - {
        "not_needed.ko"}
    for name, needs in kernels.MODULES.items():
        for need in needs:
            if name != "not_needed":
                assert listed.index(f"{need.replace('-', '_')}.ko") < listed.index(
                    f"{name.replace('-', '_')}.ko")
    assert all(f"modules/{name}" in names for name in listed)


def test_what_is_built_in_is_no_module(strata, files, open_tmp):
    few = open_tmp / "few"
    kernels.make_modules(few, modules={"ext4": []}, builtin=[
        name for name in kernels.MODULES if name != "ext4"])
    strata.ok("kernel", "import", files / "Image", "--modules", few)
    assert first_filesystem(inspect(strata))[1] == ["ext4.ko"]
    none = open_tmp / "none"
    kernels.make_modules(none, modules={"ext4": []}, builtin=["virtio_mmio"])
    strata.fails("kernel", "import", files / "Image", "--modules", none, status=1,
                 saying="has no virtio_blk")
    strata.ok("kernel", "import", files / "Image")  # all of it may be built in
    assert first_filesystem(inspect(strata))[1] == []


@pytest.mark.parametrize("pack", [gzip.compress, kernels.zboot, lambda b: kernels.zboot(
    gzip.compress(b)), lambda b: gzip.compress(kernels.zboot(gzip.compress(b)))])
def test_compressed_kernels_are_stored_as_they_boot(strata, files, pack):
    (files / "packed").write_bytes(pack(kernels.image()))
    strata.ok("kernel", "import", files / "packed")
    assert Path(inspect(strata)["Kernel"]).read_bytes() == kernels.image()


def test_wrong_input(strata, files):
    def fails(saying, *args):
        strata.fails("kernel", *args, status=1, saying=saying)
        assert strata.ok("kernel", "ls", "-q") == ""

    (files / "arm").write_bytes(kernels.image(arch="arm64"))
    fails("is a kernel for arm64, not for riscv64", "import", files / "arm", "--platform", "linux/riscv64")
    fails("has no machines for arm64", "import", files / "arm")
    fails("is no kernel", "import", "/etc/passwd")
    fails("No such file", "import", files / "nothing")
    (files / "cut").write_bytes(kernels.zboot(gzip.compress(kernels.image()))[:-64])
    fails("cut short", "import", files / "cut")
    (files / "newer").write_bytes(kernels.image("6.9"))
    fails("has the modules of 6.1.2-test", "import", files / "newer", "--modules", files)
    fails("no modules in it", "import", files / "Image", "--modules", files / "lib/modules" / kernels.RELEASE / "kernel")
    kernels.make_modules(files, "6.1.3")
    fails("several kernels", "import", files / "Image", "--modules", files)
    fails("not from \"fedora\"", "fetch", "fedora")
    assert not [p for p in (strata.root / "kernels").iterdir() if p.name.startswith(".new")]


def test_registry_and_back(strata, make_strata, files, tmp_path):
    with DockerRegistry(tmp_path / "registry") as registry:
        name = f"{registry.name}/team/linux:1"
        assert import_kernel(strata, files, "--name", name) == name
        assert inspect(strata)["Digest"] == inspect(strata, name)["Digest"]
        strata("kernel", "push", name)
        other = make_strata()
        other("kernel", "pull", "--platform", "linux/riscv64", name)
        assert inspect(other)["Digest"] == inspect(strata)["Digest"]
        assert first_filesystem(inspect(other)) == first_filesystem(inspect(strata))


def test_ordinary_user(rootless, files):
    rootless.ok("kernel", "import", files / "Image", "--modules", files)
    kernel = inspect(rootless)
    assert Path(kernel["Kernel"]).stat().st_uid == rootless.user.uid
    rootless.ok("kernel", "rm", "kernel:riscv64")


@pytest.mark.slow
def test_debian(strata):
    """The real one, from the mirror that this host's apt uses."""
    if not Path("/usr/bin/apt-get").exists():
        pytest.skip("this host has no apt")
    assert strata.ok("kernel", "fetch", "debian", "--platform", "linux/riscv64",
                     timeout=600) == "kernel:riscv64"
    kernel = inspect(strata)
    assert kernel["Release"].endswith("-riscv64") and kernel["Format"] == "Image"
    listed = first_filesystem(kernel)[1]
    assert {"virtio_mmio.ko", "virtio_blk.ko", "squashfs.ko", "ext4.ko", "overlay.ko"} <= set(listed)
    assert listed.index("jbd2.ko") < listed.index("ext4.ko")
