# SPDX-License-Identifier: Apache-2.0
"""test_layers.py - layers unpack exactly, held against umoci file by file; archives in and out,
held against skopeo; what goes wrong leaves nothing behind."""

import fcntl
import gzip
import hashlib
import io
import json
import os
import re
import stat
import subprocess
import tarfile
import time
from pathlib import Path

import pytest

import oci

pytestmark = pytest.mark.needs_root

CAP_NET_RAW = bytes([1, 0, 0, 2, 0, 0x20, 0, 0] + [0] * 12)


def run(*argv, **kw):
    done = subprocess.run([str(a) for a in argv], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **kw)
    assert done.returncode == 0, f"{argv}: {done.stdout}"
    return done.stdout


# --- two trees, file by file -----------------------------------------------------------------


def describe(root):
    """{path: everything that can be seen of it}, hard links as the sorted set of their names."""
    found, links = {}, {}
    for folder, dirs, files in os.walk(os.fsencode(root)):
        for name in [b"."] + dirs + files:
            path = os.path.join(folder, name) if name != b"." else folder
            st = os.lstat(path)
            key = os.path.relpath(path, os.fsencode(root))
            kind = stat.S_IFMT(st.st_mode)
            item = {"mode": oct(st.st_mode), "uid": st.st_uid, "gid": st.st_gid,
                    "mtime": st.st_mtime_ns}
            item["xattrs"] = {a: os.getxattr(path, a, follow_symlinks=False)
                              for a in os.listxattr(path, follow_symlinks=False)
                              if not a.startswith("trusted.overlay.") and a != "security.selinux"
                              and not a.startswith("user.rootlesscontainers")}
            if kind == stat.S_IFREG:
                item["size"] = st.st_size
                item["content"] = hashlib.sha256(Path(os.fsdecode(path)).read_bytes()).hexdigest()
            elif kind == stat.S_IFLNK:
                item["target"] = os.readlink(path)
            elif kind in (stat.S_IFCHR, stat.S_IFBLK):
                item["device"] = (os.major(st.st_rdev), os.minor(st.st_rdev))
            if kind != stat.S_IFDIR and st.st_nlink > 1:
                links.setdefault((st.st_dev, st.st_ino), set()).add(key)
            found[key] = item
    for names in links.values():
        # In an overlay, another name of the file may be hidden by an upper layer.
        for name in names if len(names) > 1 else ():
            found[name]["links"] = sorted(names)
    return found


def assert_same(ours, theirs, ignore=()):
    def view(tree):
        return {p: {k: v for k, v in i.items() if (p, k) not in ignore} for p, i in tree.items()}
    ours, theirs = view(ours), view(theirs)
    wrong = [f"{p!r}: only {'ours' if p in ours else 'theirs'}"
             for p in sorted(set(ours) ^ set(theirs))]
    for path in sorted(set(ours) & set(theirs)):
        for key in sorted(set(ours[path]) | set(theirs[path])):
            if ours[path].get(key) != theirs[path].get(key):
                wrong.append(f"{path!r} {key}: {ours[path].get(key)!r} not {theirs[path].get(key)!r}")
    assert not wrong, f"{len(wrong)} differences:\n" + "\n".join(wrong[:20])


def diff_ids(layout, name):
    """Of the image that index.json calls `name`, bottom first."""
    layout = Path(layout)

    def blob(digest):
        return json.loads((layout / "blobs/sha256" / digest.split(":")[1]).read_text())

    index = json.loads((layout / "index.json").read_text())
    entry = next(m for m in index["manifests"] if m["annotations"][oci.REF_NAME] == name)
    return blob(blob(entry["digest"])["config"]["digest"])["rootfs"]["diff_ids"]


class Overlay:
    """The image's layers of a store as overlayfs shows them."""

    def __init__(self, strata, layout, name, path):
        layers = [str(strata.root / "layers" / d.split(":")[1]) for d in diff_ids(layout, name)]
        self.path = path
        path.mkdir()
        if len(layers) == 1:
            layers.append(str(path.parent / "empty"))
            (path.parent / "empty").mkdir()
        run("mount", "-t", "overlay", "overlay", "-o", "ro,lowerdir=" + ":".join(reversed(layers)), path)

    def __enter__(self):
        return self.path

    def __exit__(self, *_):
        run("umount", self.path)


def compare_with_umoci(strata, layout, name, tmp_path):
    strata.ok("import", layout, timeout=300)
    run("umoci", "unpack", "--image", f"{layout}:{name}", tmp_path / "bundle")
    theirs = describe(tmp_path / "bundle/rootfs")
    with Overlay(strata, layout, name, tmp_path / "merged") as merged:
        ours = describe(merged)
    # Neither image describes its root: umoci and overlayfs each make one up.
    assert_same(ours, theirs, ignore={(b".", "mtime"), (b".", "mode")})
    return ours


def nasty_layers():
    """Three layers with everything the image-spec and the file system know."""
    long = "long/" + "/".join(c * 90 for c in "abcdef")
    xattr = {"SCHILY.xattr.user.note": "über\n", "SCHILY.xattr.trusted.note": "t"}
    caps = {"SCHILY.xattr.security.capability": CAP_NET_RAW.decode("latin-1")}
    a = oci.Tar()
    for folder in ("bin", "long", "keep", "gone", "gone/deep", "hidden", "hidden/sub", "swap", "mix"):
        a.dir(folder, uid=1, gid=2)
    for i in range(1, 7):
        a.dir("long/" + "/".join(c * 90 for c in "abcdef"[:i]))
    a.dir("sticky", 0o1777).dir("setgid", 0o2775, 0, 50).dir("locked", 0, 7, 7)
    a.file("bin/su", b"setuid" * 1000, 0o4755).file("bin/wall", b"x", 0o2755, 0, 5)
    a.file("bin/ping", b"caps", 0o755, pax=caps)
    a.file("setgid/inside", b"not the directory's group", 0o640, 12, 13)
    a.file(long + "/" + "f" * 200, b"far down")
    a.file("umläut-\u00fc\u4e2d", b"utf-8").file("raw-\udcff\udcfe", b"no utf-8 at all")
    a.file("with space and\nnewline", b"")
    a.file("noted", b"has xattrs", pax={**xattr, "mtime": "1234567890.987654321"})
    a.file("old", b"before 1970", pax={"mtime": "-1000.5"})
    a.file("bigid", b"", uid=3000000, gid=4000000)
    a.link("absolute", "/bin/su").link("relative", "../../bin/su").link("dangling", "no/where", 5, 6)
    a.link("t" * 90, "/" + "target/" * 30)
    a.hardlink("bin/su-again", "bin/su").hardlink("hard-link-to-link", "absolute")
    a.device("null", 1, 3, 0o666).device("disk", 8, 17, 0o660, char=False)
    info = a._info("fifo", tarfile.FIFOTYPE, 0o620, 3, 4, None)
    a._tar.addfile(info)
    a.file("keep/one", b"1").file("keep/two", b"2").file("gone/file", b"x").file("gone/deep/file", b"x")
    a.file("hidden/old", b"x").file("hidden/sub/old", b"x").file("file-to-dir", b"x")
    a.dir("dir-to-file").file("dir-to-file/x", b"x").link("link-to-dir", "keep").dir("dir-to-link")
    a.file("swap/a", b"a").file("swap/b", b"b").file("mix/a", b"a").hardlink("mix/b", "mix/a")

    b = oci.Tar()
    b.file(".wh.gone").dir("keep", 0o700, 8, 9).file("keep/.wh.one").file("keep/three", b"3")
    b.dir("hidden").file("hidden/.wh..wh..opq").file("hidden/new", b"new").dir("hidden/sub")
    b.file("hidden/sub/new", b"new")
    b.dir("file-to-dir").file("file-to-dir/in", b"in").file("dir-to-file", b"now a file")
    b.dir("link-to-dir", 0o711).file("link-to-dir/f", b"f").link("dir-to-link", "keep")
    b.dir("swap").file("swap/.wh.a").file("swap/b", b"other b", 0o600, 4, 4)
    b.dir("mix").file("mix/a", b"no longer linked")
    b.file("twice", b"first").file("twice", b"second", 0o600)
    b.device("null", 1, 7, 0o600)

    c = oci.Tar()
    c.dir("gone", 0o750, 3, 3).file("gone/again", b"back").dir("keep", 0o755).file("keep/one", b"again")
    c.dir("hidden").file("hidden/.wh.new").dir("swap").file("swap/.wh.b").file("swap/a", b"a is back")
    c.file(".wh.twice").file(".wh.fifo").dir("sticky", 0o1777).file("sticky/x", b"x", 0o600, 33, 33)
    c.hardlink("sticky/y", "sticky/x")
    return [t.bytes() for t in (a, b, c)]


@pytest.mark.parametrize("compression", ["gzip", "zstd", "none"])
def test_nasty_image_like_umoci(strata, tmp_path, compression):
    layout = oci.Layout(tmp_path / "oci")
    layers = nasty_layers()
    # umoci 0.4 does not know zstd: it gets the same layers as gzip.
    layout.name(layout.manifest(layers, compression=compression), "nasty:1")
    peer = oci.Layout(tmp_path / "peer")
    peer.name(peer.manifest(layers), "nasty:1")
    strata.ok("import", layout.path)
    run("umoci", "unpack", "--image", f"{peer.path}:nasty:1", tmp_path / "bundle")
    with Overlay(strata, layout.path, "nasty:1", tmp_path / "merged") as merged:
        ours = describe(merged)
    theirs = describe(tmp_path / "bundle/rootfs")
    assert_same(ours, theirs, ignore={(b".", "mtime"), (b".", "mode")})
    # What both could have wrong together.
    assert ours[b"bin/ping"]["xattrs"]["security.capability"] == CAP_NET_RAW
    assert ours[b"bin/su"]["links"] == [b"bin/su", b"bin/su-again"]
    assert ours[b"null"]["device"] == (1, 7)
    assert ours[b"noted"]["mtime"] == 1234567890987654321
    assert not any(p.startswith(b"gone/deep") for p in ours)
    assert b"hidden/old" not in ours and b"hidden/new" not in ours and b"hidden/sub/new" in ours
    assert ours[b"raw-\xff\xfe"]["size"] == 15


def test_sparse_files_like_umoci(strata, tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    with open(source / "sparse", "wb") as f:
        f.truncate(64 << 20)
        for at in (0, 5 << 20, 40 << 20, (64 << 20) - 7):
            f.seek(at)
            f.write(b"content")
    with open(source / "many", "wb") as f:
        for i in range(200):
            f.seek(i * 65536)
            f.write(b"piece %d" % i)
    (source / "plain").write_bytes(b"after")
    for path in (*source.iterdir(), source):
        os.utime(path, (1700000000, 1700000000))  # the GNU format has whole seconds
    for kind in ("gnu", "posix", "posix-0.0", "posix-0.1"):
        options = ["--format", kind.split("-")[0], "--sparse"]
        if "-" in kind:
            options += ["--sparse-version", kind.split("-")[1]]
        tar = run("tar", "-C", source, "-c", *options, ".")
        layout = oci.Layout(tmp_path / f"oci-{kind}")
        layout.name(layout.manifest([tar]), "sparse:1")
        work = tmp_path / kind
        work.mkdir()
        if kind == "gnu":  # umoci: "unknown typeflag 'S'"
            strata.ok("import", layout.path)
        else:
            compare_with_umoci(strata, layout.path, "sparse:1", work)
        layer = strata.root / "layers" / diff_ids(layout.path, "sparse:1")[0].split(":")[1]
        assert_same(describe(layer), describe(source))
        assert (layer / "sparse").stat().st_blocks * 512 < 1 << 20, kind


@pytest.mark.slow
def test_debian_like_umoci(strata, debian_layout, tmp_path):
    index = json.loads((Path(debian_layout) / "index.json").read_text())
    name = index["manifests"][0]["annotations"][oci.REF_NAME]
    ours = compare_with_umoci(strata, debian_layout, name, tmp_path)
    assert len(ours) > 3000


# --- archives --------------------------------------------------------------------------------


def image_id(reference):
    raw = run("skopeo", "inspect", "--raw", reference)
    return json.loads(raw)["config"]["digest"]


@pytest.fixture
def nasty_layout(tmp_path):
    layout = oci.Layout(tmp_path / "nasty")
    layout.name(layout.manifest(nasty_layers(), {"Cmd": ["sh"]}), "docker.io/library/nasty:1")
    return layout.path


def stored_diff_ids(strata, name):
    return diff_ids(strata.root / "images", name)


def test_archives_travel_through_skopeo(make_strata, nasty_layout, tmp_path):
    """strata -> archive -> skopeo -> archive -> strata: the image ID stays."""
    full = "docker.io/library/nasty:1"
    first = make_strata()
    first.ok("import", nasty_layout)
    want = image_id(f"oci:{nasty_layout}:{full}")
    assert image_id(f"oci:{first.root}/images:{full}") == want
    first.ok("save", "-o", tmp_path / "docker.tar", "nasty:1")
    first.ok("save", "--format", "oci", "-o", tmp_path / "oci.tar", "nasty:1")
    first.ok("save", "--format", "oci-dir", "-o", tmp_path / "dir", "nasty:1")
    sources = {
        "docker": f"docker-archive:{tmp_path}/docker.tar:nasty:1",
        "oci": f"oci-archive:{tmp_path}/oci.tar:{full}",
        "dir": f"oci:{tmp_path}/dir:{full}",
    }
    for kind, source in sources.items():
        run("skopeo", "copy", source, f"oci:{tmp_path}/{kind}-back:{full}")
        run("skopeo", "copy", source, f"docker-archive:{tmp_path}/{kind}-docker.tar:{full}")
        run("skopeo", "copy", source, f"oci-archive:{tmp_path}/{kind}-oci.tar:{full}")
        for path in (f"{kind}-back", f"{kind}-docker.tar", f"{kind}-oci.tar"):
            again = make_strata()
            assert again.ok("import", tmp_path / path) == "nasty:1"
            assert stored_diff_ids(again, full) == diff_ids(nasty_layout, full)
            if "docker" not in path:
                assert image_id(f"oci:{again.root}/images:{full}") == want
            assert sorted(os.listdir(again.root / "layers")) == sorted(os.listdir(first.root / "layers"))


def test_load_reads_standard_input_and_compressed_archives(make_strata, nasty_layout, tmp_path):
    first = make_strata()
    first.ok("import", nasty_layout)
    archive = tmp_path / "docker.tar"
    archive.write_bytes(first(
        "save", "nasty:1", text=False, check=0).stdout)
    for command in (["cat"], ["gzip", "-1c"], ["zstd", "-qc"], ["xz", "-0c"]):
        again = make_strata()
        data = run(*command, stdin=open(archive))
        done = again("load", input=data, text=False, check=0)
        assert done.stdout == b"Loaded image: nasty:1\n"
        assert stored_diff_ids(again, "docker.io/library/nasty:1") == \
            diff_ids(nasty_layout, "docker.io/library/nasty:1")


def test_saving_twice_gives_the_same_bytes(strata, nasty_layout, tmp_path):
    strata.ok("import", nasty_layout)
    for name in ("a", "b"):
        strata.ok("save", "-o", tmp_path / name, "nasty:1")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def config_of(strata, full):
    images = strata.root / "images"
    index = json.loads((images / "index.json").read_text())
    entry = next(m for m in index["manifests"] if m["annotations"][oci.REF_NAME] == full)
    manifest = json.loads((images / "blobs/sha256" / entry["digest"].split(":")[1]).read_text())
    config = manifest["config"]["digest"].split(":")[1]
    return manifest, json.loads((images / "blobs/sha256" / config).read_text())


@pytest.mark.parametrize("compressor", [None, "gzip", "zstd", "xz", "bzip2"])
def test_rootfs_tar_becomes_an_image(strata, tmp_path, compressor):
    tar = oci.busybox_tar()
    path = tmp_path / "rootfs.tar"
    path.write_bytes(run(compressor, "-c", input=tar) if compressor else tar)
    assert strata.ok(
        "import", "-c", 'CMD ["sh", "-l"]', "-c", "ENV A=1 B='two words'", "-c", "ENV A=3", "-c",
        "EXPOSE 80 53/udp", "-c", "label k=v", "-c", "USER user", "-m", "made here", path, "box") == "box:latest"
    manifest, config = config_of(strata, "docker.io/library/box:latest")
    assert config["config"] == {
        "Cmd": ["sh", "-l"], "Env": ["A=3", "B=two words"], "User": "user",
        "ExposedPorts": {"80/tcp": {}, "53/udp": {}}, "Labels": {"k": "v"}}
    assert config["history"][0]["comment"] == "made here"
    assert config["rootfs"]["diff_ids"] == [oci.sha256(tar)]
    kind = "+zstd" if compressor == "zstd" else "+gzip"
    assert manifest["layers"][0]["mediaType"] == oci.LAYER + kind
    blob = strata.root / "images/blobs/sha256" / manifest["layers"][0]["digest"].split(":")[1]
    assert manifest["layers"][0]["size"] == blob.stat().st_size
    if compressor == "gzip":
        assert blob.read_bytes() == path.read_bytes(), "what is gzip already stays as it is"
    plain = run("zstd", "-dc", blob) if kind == "+zstd" else gzip.decompress(blob.read_bytes())
    assert plain == tar
    layer = strata.root / "layers" / oci.sha256(tar).split(":")[1]
    assert os.readlink(layer / "bin/sh") == "busybox"


def test_compression_can_be_chosen(strata, tmp_path):
    path = tmp_path / "rootfs.tar"
    path.write_bytes(oci.busybox_tar())
    for method, kind in (("gzip", "+gzip"), ("zstd", "+zstd"), ("none", "")):
        strata.ok("import", "--compress", method, path, f"box:{method}")
        manifest, _ = config_of(strata, f"docker.io/library/box:{method}")
        assert manifest["layers"][0]["mediaType"] == oci.LAYER + kind


def test_platforms_are_added_one_by_one(strata, tmp_path):
    for arch in ("amd64", "riscv64", "arm64"):
        tar = oci.Tar().dir("bin").file("bin/arch", arch, 0o755).bytes()
        (tmp_path / f"{arch}.tar").write_bytes(tar)
    strata.ok("import", "--platform", "linux/amd64", tmp_path / "amd64.tar", "tools:1")
    strata.ok("import", "--platform", "linux/riscv64", "--add-platform", tmp_path / "riscv64.tar", "tools:1")
    strata.ok("import", "--platform", "linux/arm64", "--add-platform", tmp_path / "arm64.tar", "tools:1")
    # Replaces its own platform only.
    strata.ok("import", "--platform", "linux/arm64", "--add-platform", tmp_path / "amd64.tar", "tools:1")
    raw = json.loads(run("skopeo", "inspect", "--raw", f"oci:{strata.root}/images:docker.io/library/tools:1"))
    assert raw["mediaType"] == oci.INDEX
    assert sorted(m["platform"]["architecture"] for m in raw["manifests"]) == ["amd64", "arm64", "riscv64"]
    strata.ok("save", "--format", "oci", "-o", tmp_path / "all.tar", "tools:1")
    strata.ok("save", "--format", "oci", "--platform", "linux/riscv64", "-o", tmp_path / "one.tar", "tools:1")
    for path, count in (("all.tar", 3), ("one.tar", None)):
        raw = json.loads(run(
            "skopeo", "inspect", "--raw", f"oci-archive:{tmp_path}/{path}:docker.io/library/tools:1"))
        assert len(raw.get("manifests", [])) == (count or 0)


def test_docker_load_can_read_it(strata, nasty_layout, tmp_path):
    """The layout of the tar as Docker documents it: paths of manifest.json are there."""
    strata.ok("import", nasty_layout)
    strata.ok("save", "-o", tmp_path / "d.tar", "nasty:1")
    with tarfile.open(tmp_path / "d.tar") as tar:
        names = tar.getnames()
        (entry,) = json.load(tar.extractfile("manifest.json"))
        assert entry["RepoTags"] == ["nasty:1"]
        assert entry["Config"] in names and all(layer in names for layer in entry["Layers"])
        for layer, diff_id in zip(entry["Layers"], diff_ids(nasty_layout, "docker.io/library/nasty:1")):
            assert oci.sha256(gzip.decompress(tar.extractfile(layer).read())) == diff_id


# --- bad input -------------------------------------------------------------------------------


def left_in_store(strata):
    """Everything but what an empty store has."""
    found = []
    for folder in ("images/blobs/sha256", "layers"):
        path = strata.root / folder
        if path.is_dir():
            found += [f"{folder}/{n}" for n in os.listdir(path)
                      if not n.startswith(".unsynced-") and n != "skeleton"]
    index = strata.root / "images/index.json"
    if index.exists() and json.loads(index.read_text())["manifests"]:
        found.append("index.json names something")
    return found


def no_layers(strata):
    return not any(n for n in strata.layer_names() if not n.startswith(".unsynced-"))


def one_sentence(done):
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr


@pytest.mark.parametrize("content,saying", [
    (b"", "no image|not|empty"),
    (b"hello world\n" * 1000, "tar"),
    (b"\x1f\x8b" + b"\xff" * 5000, "damaged|gzip"),
    (gzip.compress(b"no tar at all" * 100), "tar"),
    (oci.Tar().file("manifest.json", "[]").bytes(), "names no image"),
    (oci.Tar().file("manifest.json", '[{"Config": "x.json", "Layers": []}]').bytes(), "x.json"),
    (oci.Tar().file("manifest.json", '[{"Layers": 5}]').bytes(), "array"),
    (oci.Tar().file("manifest.json", "{nope").bytes(), "JSON"),
    (oci.Tar().file("oci-layout", "{}").file("index.json", '{"manifests": []}').bytes(), "no image"),
], ids=["empty", "text", "gzip-noise", "gzip-text", "no-image", "no-config", "layers-no-array",
        "no-json", "no-manifest"])
def test_what_is_no_archive_is_refused(strata, tmp_path, content, saying):
    path = tmp_path / "bad"
    path.write_bytes(content)
    done = strata.fails("load", "-i", path, saying=saying)
    one_sentence(done)
    assert left_in_store(strata) == []


def test_a_layer_that_is_not_what_it_claims(strata, tmp_path):
    layout = oci.Layout(tmp_path / "oci")
    descriptor = layout.manifest([oci.Tar().file("a", b"a").bytes()])
    layout.name(descriptor, "wrong:1")
    manifest = json.loads(layout.blob_path(descriptor["digest"]).read_text())
    blob = layout.blob_path(manifest["layers"][0]["digest"])
    data = bytearray(blob.read_bytes())
    data[20] ^= 0xff
    blob.write_bytes(data)
    one_sentence(strata.fails("import", layout.path, saying="sha256"))
    assert no_layers(strata)
    # The blob is right, its uncompressed digest is not.
    layout = oci.Layout(tmp_path / "oci2")
    descriptor = layout.manifest([oci.Tar().file("a", b"a").bytes()])
    manifest = json.loads(layout.blob_path(descriptor["digest"]).read_text())
    config = json.loads(layout.blob_path(manifest["config"]["digest"]).read_text())
    config["rootfs"]["diff_ids"] = ["sha256:" + "0" * 64]
    manifest["config"] = layout.json(config, oci.CONFIG)
    layout.name(layout.json(manifest, oci.MANIFEST), "wrong:2")
    one_sentence(strata.fails("import", layout.path, saying="not what the image promises"))
    assert no_layers(strata)


def test_hostile_names_stay_inside(strata, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    up = "../" * 30
    tar = (oci.Tar().file(up + "escaped-1", b"x").link("l", str(outside)).file("l/escaped-2", b"x")
           .link("m", up[:-1]).file("m/escaped-3", b"x").dir("d").link("d/loop", "../d")
           .file("d/loop/loop/inside", b"x"))
    # The link "l" leads to a path that the layer does not have: refused, as docker does.
    (tmp_path / "t.tar").write_bytes(tar.bytes())
    strata.fails("import", tmp_path / "t.tar", "hostile")
    assert no_layers(strata)
    tar = (oci.Tar().file(up + "escaped-1", b"x").link("m", up[:-1]).file("m/escaped-3", b"x")
           .dir("d").link("d/loop", "../d").file("d/loop/loop/inside", b"x"))
    data = tar.bytes()
    (tmp_path / "t.tar").write_bytes(data)
    strata.ok("import", tmp_path / "t.tar", "hostile")
    layer = strata.root / "layers" / oci.sha256(data).split(":")[1]
    assert sorted(os.listdir(layer)) == ["d", "escaped-1", "escaped-3", "m"]
    assert not list(outside.iterdir())
    assert not os.path.exists("/escaped-1") and not os.path.exists("/escaped-3")


class SmallDisk:
    def __init__(self, path, size):
        self.path = path
        path.mkdir()
        run("mount", "-t", "tmpfs", "-o", f"size={size},mode=755", "tmpfs", path)

    def __enter__(self):
        return self.path

    def __exit__(self, *_):
        run("umount", "-l", self.path)


def test_full_disk_leaves_nothing(make_strata, tmp_path):
    noise = os.urandom(20 << 20)
    tar = oci.Tar().file("noise", noise).bytes()
    (tmp_path / "t.tar").write_bytes(tar)
    with SmallDisk(tmp_path / "disk", "30m") as disk:
        strata = make_strata(disk / "root")
        done = strata.fails("import", tmp_path / "t.tar", "big")
        one_sentence(done)
        assert re.search("No space left|allowed or free", done.stderr), done.stderr
        assert left_in_store(strata) == []
        used = os.statvfs(disk)
        assert (used.f_blocks - used.f_bfree) * used.f_frsize < 1 << 20
        strata.close()


def test_gzip_bomb_is_refused(make_strata, tmp_path):
    bomb = tmp_path / "bomb.tar.gz"
    info = tarfile.TarInfo("zeros")
    info.size = 4 << 30
    with gzip.open(bomb, "wb", 9) as out:
        out.write(info.tobuf())
        for _ in range(200):
            out.write(bytes(1 << 20))
    assert bomb.stat().st_size < 1 << 20
    with SmallDisk(tmp_path / "disk", "64m") as disk:
        strata = make_strata(disk / "root")
        started = time.monotonic()
        one_sentence(strata.fails("import", bomb, "bomb", saying="allowed or free|No space"))
        assert time.monotonic() - started < 20
        assert left_in_store(strata) == []
        strata.close()


def test_killed_import_is_no_obstacle(make_strata, nasty_layout, tmp_path):
    tar = oci.Tar()
    for i in range(3000):
        tar.file(f"file{i}", os.urandom(10000))
    (tmp_path / "t.tar").write_bytes(tar.bytes())
    strata = make_strata()
    for delay in (0.02, 0.1, 0.25):
        process = strata.popen("import", tmp_path / "t.tar", "big")
        time.sleep(delay)
        process.kill()
        process.wait()
        for name in strata.layer_names():
            assert name.startswith(".") or len(os.listdir(strata.root / "layers" / name)) == 3000
    strata.ok("import", tmp_path / "t.tar", "big")


def test_two_at_once(strata, debian_layout):
    both = [strata.popen("import", debian_layout) for _ in range(2)]
    for process in both:
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
    names = [n for n in strata.layer_names() if not n.startswith(".")]
    assert sorted(names) == sorted(
        d.split(":")[1] for m in [json.loads((Path(debian_layout) / "index.json").read_text())]
        for d in diff_ids(debian_layout, m["manifests"][0]["annotations"][oci.REF_NAME]))
    assert not [n for n in os.listdir(strata.root / "layers") if n.startswith(".tmp")]


FS_IOC_GETFLAGS, FS_TOPDIR_FL = 0x80086601, 0x00020000


def check_spread(strata, folder):
    kind = run("stat", "-f", "-c", "%T", folder).decode().strip()
    if kind != "ext2/ext3":
        pytest.skip(f"{folder} is on {kind}: only ext4 has an allocator to tell about hierarchies")
    (folder / "t.tar").write_bytes(oci.Tar().file("f", b"x").bytes())
    strata.ok("import", folder / "t.tar", "t:1")
    fd = os.open(strata.root / "layers", os.O_RDONLY)
    flags = fcntl.ioctl(fd, FS_IOC_GETFLAGS, bytes(8))
    os.close(fd)
    assert int.from_bytes(flags[:4], "little") & FS_TOPDIR_FL


def test_layers_are_spread_over_an_ext4(strata, tmp_path):
    check_spread(strata, tmp_path)


def test_rootless_layers_are_spread_over_an_ext4(rootless, tmp_path):
    readable_by_all(tmp_path)
    check_spread(rootless, tmp_path)


# --- ordinary users --------------------------------------------------------------------------


def readable_by_all(path):
    subprocess.run(["chmod", "-R", "a+rX", str(path)], check=True)
    for folder in path.parents[:2]:
        folder.chmod(0o755)


def rootless_layout(tmp_path):
    tar = (oci.Tar().dir("d", 0o755, 1000, 1000).file("d/f", b"x", 0o600, 1000, 50)
           .device("null", 1, 3).file("root", b"x").file("su", b"x", 0o4755)
           .file("d/.wh.gone").dir("o").file("o/.wh..wh..opq").bytes())
    layout = oci.Layout(tmp_path / "oci")
    layout.name(layout.manifest([tar]), "mixed:1")
    readable_by_all(tmp_path)
    return layout.path, oci.sha256(tar).split(":")[1]


def subordinate(kind, user):
    for line in Path(f"/etc/sub{kind}").read_text().splitlines():
        name, first, _ = line.split(":")
        if name == user.name:
            return int(first)
    raise AssertionError("no range")


def test_rootless_keeps_owners(rootless, rootless_user, tmp_path):
    path, hexadecimal = rootless_layout(tmp_path)
    done = rootless("import", path, check=0)
    assert "device node" in done.stderr
    layer = rootless.root / "layers" / hexadecimal
    st = (layer / "d/f").stat()
    assert st.st_uid == subordinate("uid", rootless_user) + 999
    assert st.st_gid == subordinate("gid", rootless_user) + 49
    assert (layer / "root").stat().st_uid == rootless_user.uid
    assert (layer / "su").stat().st_mode & 0o7777 == 0o4755
    assert not (layer / "null").exists()
    gone = (layer / "d/gone").stat()
    assert stat.S_ISCHR(gone.st_mode) and gone.st_rdev == 0
    assert os.getxattr(layer / "o", "user.overlay.opaque") == b"y"


def opaque_root_layout(tmp_path):
    """Two layers that an opaque root hides, the one with it, and one above."""
    layers = [oci.Tar().file("old", b"x").dir("etc").file("etc/old", b"x").bytes(),
              oci.Tar().file("older-than-the-mark", b"x").bytes(),
              merge_tars(oci.Tar().file(".wh..wh..opq").bytes(), oci.busybox_tar()),
              oci.Tar().dir("etc").file("etc/new", b"x").bytes()]
    layout = oci.Layout(tmp_path / "oci")
    layout.name(layout.manifest(layers, oci.BUSYBOX_CONFIG), "opaque:1")
    readable_by_all(tmp_path)
    return layout.path


def merge_tars(*tars):
    """One archive of several: each but the last loses its end mark."""
    return b"".join(t[:tarfile_end(t)] for t in tars[:-1]) + tars[-1]


def tarfile_end(data):
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        tar.getmembers()
        return tar.offset


def check_opaque_root(strata, path):
    strata.ok("import", path)
    shown = strata.ok("run", "--rm", "--network", "none", "opaque:1", "sh", "-c",
                      "ls -d /old /older-than-the-mark /etc/old /etc/new /bin/busybox 2>/dev/null; true")
    assert sorted(shown.split()) == ["/bin/busybox", "/etc/new"]


def test_opaque_root_hides_the_layers_below(strata, tmp_path):
    path = opaque_root_layout(tmp_path)
    check_opaque_root(strata, path)
    # The layers below are still the image's: `verify` wants them and `prune` keeps them.
    strata.ok("image", "prune", "-f")
    strata.ok("image", "verify")
    assert strata.ok("image", "inspect", "-f", "{{.Unpacked}}", "opaque:1").strip() == "true"


def test_rootless_opaque_root_hides_the_layers_below(rootless, tmp_path):
    check_opaque_root(rootless, opaque_root_layout(tmp_path))


def test_rootless_single_id_says_so(rootless_single, rootless_user_single, tmp_path):
    path, hexadecimal = rootless_layout(tmp_path)
    done = rootless_single("import", path, check=0)
    assert "owners" in done.stderr
    assert (rootless_single.root / "layers" / hexadecimal / "d/f").stat().st_uid == rootless_user_single.uid


def test_rootless_failure_leaves_nothing(rootless, tmp_path):
    before = sorted(os.listdir(rootless.root / "layers"))
    tar = oci.Tar().dir("d", 0, 1000, 1000).file("d/f", b"x", 0o600, 2000).hardlink("h", "missing").bytes()
    (tmp_path / "t.tar").write_bytes(tar)
    readable_by_all(tmp_path)
    rootless.fails("import", tmp_path / "t.tar", "bad", saying="hard link")
    assert sorted(os.listdir(rootless.root / "layers")) == before


# --- export ----------------------------------------------------------------------------------


def exported(strata, name):
    data = strata("export", name, text=False, check=0).stdout
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return data, {m.name.rstrip("/"): m for m in tar.getmembers()}


CHANGES = ("echo new > /new && ln /new /again && chmod 4711 /new && rm /etc/group && "
           "chown 1000:1001 /etc/notexec && mkdir -m 700 /dir && mkfifo /dir/fifo")


def check_export(members):
    assert members["new"].mode == 0o4711
    assert {members["new"].type, members["again"].type} == {tarfile.REGTYPE, tarfile.LNKTYPE}
    assert "etc/group" not in members
    assert (members["etc/notexec"].uid, members["etc/notexec"].gid) == (1000, 1001)
    assert members["dir"].mode == 0o700 and members["dir/fifo"].isfifo()
    # What is mounted is not part of it.
    assert members["proc"].isdir() and not [n for n in members if n.startswith("proc/")]


def test_export_of_a_stopped_and_a_running_instance(strata, busybox_image, tmp_path):
    strata.ok("run", "--name", "one", "--network", "none", "-v", f"{tmp_path}:/mnt", busybox_image, "sh", "-c", CHANGES)
    (tmp_path / "secret").write_text("of the host")
    first, members = exported(strata, "one")
    check_export(members)
    assert members["mnt"].isdir() and "mnt/secret" not in members
    assert exported(strata, "one")[0] == first, "the same tree gives the same bytes"
    strata.ok("run", "-d", "--name", "two", "--network", "none", "-v", f"{tmp_path}:/mnt", busybox_image,
              "sh", "-c", CHANGES + " && exec sleep 1000")
    members = exported(strata, "two")[1]
    for _ in range(100):
        if "dir/fifo" in members:
            break
        time.sleep(0.05)
        members = exported(strata, "two")[1]
    check_export(members)
    assert members["mnt"].isdir() and "mnt/secret" not in members
    # And back again.
    strata.ok("export", "-o", tmp_path / "a.tar", "one")
    strata.ok("import", "-c", "CMD cat /again", tmp_path / "a.tar", "again")
    assert strata.ok("run", "--rm", "--network", "none", "again") == "new"
    strata.fails("export", "nobody", saying="nobody")
    strata.fails("export", "-o", tmp_path / "no/such", "one", saying="no/such")
    assert not list(tmp_path.glob("*.tmp-*"))


def test_rootless_export_shows_the_owners_of_inside(rootless):
    rootless.ok("run", "--name", "one", "--network", "none", "busybox", "sh", "-c", CHANGES)
    check_export(exported(rootless, "one")[1])


def test_trees_deeper_than_a_path_leave_nothing(strata, tmp_path):
    """Links into links nest directories far below what a path can name."""
    tar = oci.Tar()
    for i in range(12):
        here = f"l{i - 1}/" if i else ""
        deep = "/".join("d" * 1 for _ in range(200))
        tar.dir(here + deep).link(f"l{i}", (f"l{i - 1}/" if i else "") + deep)
    tar.file("l11/bottom", b"x").hardlink("end", "missing")
    (tmp_path / "t.tar").write_bytes(tar.bytes())
    one_sentence(strata.fails("import", tmp_path / "t.tar", "deep", saying="hard link"))
    assert left_in_store(strata) == []
