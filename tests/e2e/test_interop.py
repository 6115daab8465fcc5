# SPDX-License-Identifier: Apache-2.0
"""test_interop.py - other tools read our store in place, and we read theirs."""

import json
import os
import stat
import subprocess
from pathlib import Path

import pytest

import oci

pytestmark = pytest.mark.needs_root


def sh(*argv):
    done = subprocess.run([str(a) for a in argv], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True)
    assert done.returncode == 0, f"{argv}: {done.stderr}"
    return done.stdout


def tree(root):
    """Everything a file system tells about a folder, by path."""
    result = {}
    links = {}
    for path, folders, files in os.walk(root):
        for name in [*folders, *files, "."]:
            full = os.path.join(path, name)
            info = os.lstat(full)
            key = os.path.normpath(os.path.relpath(full, root))
            entry = [stat.filemode(info.st_mode), info.st_uid, info.st_gid]
            if not stat.S_ISDIR(info.st_mode):
                entry.append(int(info.st_mtime))
            if stat.S_ISLNK(info.st_mode):
                entry.append(os.readlink(full))
            elif stat.S_ISREG(info.st_mode):
                entry += [info.st_size, oci.sha256(Path(full).read_bytes())]
                if info.st_nlink > 1:
                    links.setdefault(info.st_ino, []).append(key)
            elif stat.S_ISCHR(info.st_mode) or stat.S_ISBLK(info.st_mode):
                entry.append(info.st_rdev)
            if not stat.S_ISLNK(info.st_mode):
                entry.append(sorted((x, os.getxattr(full, x)) for x in os.listxattr(full)
                                    if not x.startswith("trusted.overlay")))
            result[key] = entry
    return result, sorted(sorted(group) for group in links.values())


def test_skopeo_reads_our_store(strata, busybox_image, tmp_path):
    doc = json.loads((strata.root / "images/index.json").read_text())
    name = doc["manifests"][0]["annotations"][oci.REF_NAME]
    told = json.loads(sh("skopeo", "inspect", f"oci:{strata.root}/images:{name}"))
    assert told["Architecture"] == "amd64"
    sh("skopeo", "copy", f"oci:{strata.root}/images:{name}", f"oci:{tmp_path}/copy:x")


def test_debian_unpacks_as_umoci_does(strata, debian_image, debian_layout, tmp_path):
    sh("umoci", "unpack", "--image", f"{debian_layout}:debian:test", tmp_path / "umoci")
    theirs = tree(tmp_path / "umoci/rootfs")
    strata.ok("run", "-d", "--network", "none", "--name", "it", debian_image, "sleep", "100")
    pid = strata.state("it")["Pid"]
    layers = [strata.root / "layers" / n for n in strata.layer_names() if not n.startswith(".")]
    assert len(layers) == 2
    # The lower layers alone: what a run adds (mount points, /etc/hosts) is not the unpacker's.
    big = max(layers, key=lambda p: len(list(p.iterdir())))
    small = next(p for p in layers if p != big)
    merged = tmp_path / "merged"
    sh("cp", "-a", big, merged)
    sh("cp", "-a", f"{small}/.", merged)
    ours = tree(merged)
    assert pid
    for key in set(ours[0]) | set(theirs[0]):
        if key in (".",):
            continue
        assert ours[0].get(key) == theirs[0].get(key), key
    assert ours[1] == theirs[1]


def test_whiteouts_as_umoci_does(strata, tmp_path):
    lower = (oci.Tar().dir("a").file("a/one", "1").file("a/two", "2").dir("b").file("b/x", "x")
             .dir("c").file("c/old", "o").dir("c/sub").file("c/sub/deep", "d"))
    upper = (oci.Tar().dir("a").file("a/.wh.one", "").file(".wh.b", "").dir("c")
             .file("c/.wh..wh..opq", "").file("c/new", "n"))
    third = oci.Tar().dir("b", 0o700).file("b/again", "y")
    layout = oci.Layout(tmp_path / "oci")
    layers = [oci.busybox_tar(), lower.bytes(), upper.bytes(), third.bytes()]
    layout.name(layout.manifest(layers, {"Cmd": ["sh"]}), "wh:latest")
    sh("umoci", "unpack", "--image", f"{tmp_path}/oci:wh:latest", tmp_path / "umoci")
    theirs = sh("sh", "-c", f"cd {tmp_path}/umoci/rootfs && find a b c | sort")
    strata.ok("import", tmp_path / "oci")
    assert strata.ok("run", "--rm", "wh", "sh", "-c", "find a b c | sort") == theirs.strip()


def test_docker_archive_from_skopeo(strata, busybox_layout, tmp_path):
    sh("skopeo", "copy", f"oci:{busybox_layout}:busybox:latest",
       f"docker-archive:{tmp_path}/d.tar:fromskopeo:1")
    strata.ok("load", "-i", tmp_path / "d.tar")
    assert strata.ok("run", "--rm", "fromskopeo:1", "echo", "ran") == "ran"


def test_save_is_read_by_skopeo(strata, busybox_image, tmp_path):
    strata.ok("save", "-o", tmp_path / "s.tar", "busybox")
    told = json.loads(sh("skopeo", "inspect", f"docker-archive:{tmp_path}/s.tar"))
    assert told["Architecture"] == "amd64"
    strata.ok("save", "--format", "oci", "-o", tmp_path / "o.tar", "busybox")
    assert json.loads(sh("skopeo", "inspect", f"oci-archive:{tmp_path}/o.tar"))["Layers"]


def test_export_and_import_of_a_root_file_system(strata, busybox_image, tmp_path):
    strata.ok("run", "--name", "it", "busybox", "sh", "-c", "echo mine >/mark; rm /etc/group")
    strata.ok("export", "-o", tmp_path / "root.tar", "it")
    strata.ok("import", tmp_path / "root.tar", "flat:1")
    out = strata.ok("run", "--rm", "flat:1", "/bin/sh", "-c", "cat /mark; ls /etc/group 2>&1; true")
    assert out.startswith("mine\n") and "No such file" in out
