# SPDX-License-Identifier: Apache-2.0
"""test_debs.py - that packages are unpacked into a layer as dpkg itself would do it (debs.py)."""

import subprocess
import tarfile

import debs
import pytest

CONTROL = """Package: {name}
Version: 1
Architecture: riscv64
Multi-Arch: same
Maintainer: nobody <nobody@invalid>
Description: a test
 of two lines
"""


@pytest.fixture
def make_deb(tmp_path):
    def make(name, files, conffiles=(), links=()):
        root = tmp_path / f"{name}.tree"
        for path, text in files.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)
        for path, target in dict(links).items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).symlink_to(target)
        (root / "DEBIAN").mkdir()
        (root / "DEBIAN/control").write_text(CONTROL.format(name=name))
        (root / "DEBIAN/conffiles").write_text("".join(f"{path}\n" for path in conffiles))
        (root / "DEBIAN/postinst").write_text("#!/bin/sh\necho configured >/configured\n")
        (root / "DEBIAN/postinst").chmod(0o755)
        deb = tmp_path / f"{name}.deb"
        subprocess.run(["dpkg-deb", "--build", "--root-owner-group", root, deb], check=True,
                       stdout=subprocess.DEVNULL)
        return deb
    return make


@pytest.fixture
def unpacked(make_deb, tmp_path):
    """A folder with the files of two layers, the second on top of the first."""
    base = make_deb("base", {"usr/share/base-passwd/passwd.master": "root:*:0:0::/root:/bin/sh\n",
                             "usr/share/doc/base/copyright": "", "usr/bin/mawk": ""},
                    links={"bin": "usr/bin", "lib": "usr/lib"})
    more = make_deb("more", {"lib/more.so": "code", "etc/more.conf": "one\n", "bin/more": ""},
                    ["/etc/more.conf"])
    database = debs.Database()
    lower = debs.Layer(tmp_path / "lower.tar", database)
    lower.package(base)
    lower.close()
    upper = debs.Layer(tmp_path / "upper.tar", database, lower)
    upper.package(more)
    upper.close()
    root = tmp_path / "root"
    root.mkdir()
    for layer in (lower, upper):
        with tarfile.open(layer.path) as tar:
            tar.extractall(root)
    return root


def test_files_lie_where_the_links_into_usr_lead(unpacked):
    assert (unpacked / "bin").readlink().name == "bin"
    assert (unpacked / "usr/lib/more.so").read_text() == "code"
    assert (unpacked / "usr/bin/more").exists()
    assert not (unpacked / "usr/share/doc").exists()


def test_what_programs_need_of_configuring_is_done(unpacked):
    assert (unpacked / "etc/passwd").read_text().startswith("root:")
    assert str((unpacked / "etc/alternatives/awk").readlink()) == "/usr/bin/mawk"
    assert not (unpacked / "etc/alternatives/java").is_symlink()
    assert not (unpacked / "configured").exists()


def test_dpkg_takes_the_database_for_its_own(unpacked):
    def dpkg(*args):
        return subprocess.run(["dpkg-query", f"--admindir={unpacked}/var/lib/dpkg", *args],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              check=True).stdout

    assert dpkg("-W", "-f", "${binary:Package} ${Status}\n") == (
        "base:riscv64 install ok unpacked\nmore:riscv64 install ok unpacked\n")
    assert dpkg("-W", "-f", "${Conffiles}", "more").split() == [
        "/etc/more.conf", "5bbf5a52328e7439ae6e719dfe712200"]
    assert "/usr/share/base-passwd/passwd.master" in dpkg("-L", "base").splitlines()
    assert dpkg("--control-list", "more").split() == ["postinst"]  # not: what dpkg keeps for itself
    assert (unpacked / "var/lib/dpkg/info/more:riscv64.conffiles").read_text() == "/etc/more.conf\n"
    assert dpkg("-W", "-f", "${Description}", "more") == "a test\n of two lines"
