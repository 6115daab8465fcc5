# SPDX-License-Identifier: Apache-2.0
"""Layers as machines mount them: what is in the squashfs files, and when they go."""

import os
import subprocess
from pathlib import Path

import oci
import pytest


def squash(strata, image="squash"):
    """Make them; their paths, bottom first."""
    helper = Path(strata.binary).with_name("strata-image")
    done = subprocess.run([helper, "--root", strata.root, "__squash", image], stderr=subprocess.PIPE,
                          text=True)
    assert done.returncode == 0, done.stderr
    return done


def listing(path):
    """{name: (mode, owner, rest of the line)}"""
    lines = subprocess.run(["unsquashfs", "-lln", "-d", "", path], stdout=subprocess.PIPE, text=True,
                           check=True).stdout.splitlines()
    found = {}
    for line in lines:
        mode, owner, *rest = line.split(None, 2)
        name = line.split(" /", 1)[-1].split(" -> ")[0] if " /" in line else ""
        found[name] = (mode, owner, rest[0] if rest else "")
    return found


def opaque(path, tmp_path):
    """Names of folders with the mark; a user that is not root sees no trusted attribute."""
    out = tmp_path / "out"
    subprocess.run(["unsquashfs", "-d", out, "-q", "-n", path], check=True,
                   stdout=subprocess.DEVNULL)
    marked = set()
    for folder, _, _ in os.walk(out):
        try:
            if os.getxattr(folder, "trusted.overlay.opaque") == b"y":
                marked.add(str(Path(folder).relative_to(out)))
        except OSError:
            pass
    return marked, out


@pytest.fixture
def layers(strata, tmp_path):
    def make(*tars):
        layout = oci.Layout(tmp_path / "layout")
        layout.name(layout.manifest(list(tars), {"Cmd": ["/x"]}), "squash")
        strata.ok("import", layout.path, "squash")
        squash(strata)
        return sorted((strata.root / "layers").glob("*.squashfs"), key=lambda p: p.stat().st_mtime_ns)
    return make


@pytest.mark.needs_root
def test_whiteouts_and_marks(layers, tmp_path):
    tar = (oci.Tar().dir("kept").file("kept/.wh..wh..opq").file("kept/new", "new\n")
           .file("bare/.wh..wh..opq").file("bare/file", "x").file("a/.wh.gone").file(".wh.top")
           .file(".wh..wh.plnk").file(".wh.back", "").file("back", "back\n")
           .file(".wh.folder").dir("folder").file("folder/x", "x"))
    path, = layers(tar.bytes())
    found = listing(path)
    marked, out = opaque(path, tmp_path)
    assert marked == {"kept", "bare", "folder"}
    assert found["a/gone"][0][0] == "c" and found["top"][0][0] == "c"
    assert not any(".wh." in name for name in found)
    assert (out / "back").read_text() == "back\n"
    assert (out / "kept/new").read_text() == "new\n"


def test_an_opaque_root_is_marked_by_a_whiteout(layers):
    path, = layers(oci.Tar().file(".wh..wh..opq").file("x", "x").bytes())
    assert listing(path)[".strata-opaque"][0][0] == "c"


def test_owners_modes_links_and_the_last_of_a_name(layers, tmp_path):
    tar = (oci.Tar().file("su", "x", mode=0o4755, uid=1234, gid=99).file("twice", "first")
           .file("twice", "second").link("link", "/anywhere").hardlink("hard", "su")
           .file("/abs/../dot/./file", "x"))
    path, = layers(tar.bytes())
    found = listing(path)
    assert found["su"][:2] == ("-rwsr-xr-x", "1234/99")
    assert found["hard"][:2] == ("-rwsr-xr-x", "1234/99")
    assert found["link"][2].endswith("-> /anywhere")
    assert "dot/file" in found
    assert subprocess.run(["unsquashfs", "-cat", path, "twice"], stdout=subprocess.PIPE).stdout == (
        b"second")


def test_made_once_and_gone_with_the_image(strata, layers):
    base, top = oci.Tar().file("base", "x").bytes(), oci.Tar().file("top", "y").bytes()
    made = layers(base, top)
    assert len(made) == 2
    times = [path.stat().st_mtime_ns for path in made]
    squash(strata)
    assert [path.stat().st_mtime_ns for path in made] == times
    strata.ok("rmi", "squash")
    assert not list((strata.root / "layers").glob("*.squashfs"))


def test_damaged_layers_and_no_sqfstar(strata, layers, tmp_path):
    path, = layers(oci.Tar().file("x", "x").bytes())
    path.unlink()
    helper = Path(strata.binary).with_name("strata-image")
    done = subprocess.run([helper, "--root", strata.root, "__squash", "squash"], text=True,
                          stderr=subprocess.PIPE, env={"PATH": "/nowhere"})
    assert done.returncode == 1 and "squashfs-tools" in done.stderr
    blobs = sorted((strata.root / "images/blobs/sha256").iterdir(), key=lambda p: p.stat().st_size)
    layer = next(p for p in blobs if p.read_bytes()[:2] == b"\x1f\x8b")
    layer.write_bytes(layer.read_bytes()[:-5])
    done = subprocess.run([helper, "--root", strata.root, "__squash", "squash"], text=True,
                          stderr=subprocess.PIPE)
    assert done.returncode == 1 and "cannot make a squashfs of layer" in done.stderr
    assert not [p for p in (strata.root / "layers").iterdir() if ".squashfs" in p.name or
                p.name.startswith(".tmp")]
