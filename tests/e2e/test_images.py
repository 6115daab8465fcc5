# SPDX-License-Identifier: Apache-2.0
"""The image store: what it lists, names, removes, checks, and shows to other tools."""

import json
import os
import shutil
import subprocess

import pytest

import oci

REFERENCE = "docker.io/library/busybox:latest"


def run(*argv):
    return subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def blob(strata, digest):
    return strata.root / "images/blobs/sha256" / digest.split(":")[1]


def image(strata, name):
    return json.loads(strata.ok("image", "inspect", name))[0]


def rows(strata, *args):
    out = strata.ok("images", "--format", "{{.Repository}}:{{.Tag}}", *args)
    return sorted(out.split())


@pytest.fixture
def two_platforms(strata, tmp_path):
    """multi:1 with an amd64 and a riscv64 image whose layers differ."""
    layout = oci.Layout(tmp_path / "multi")
    images = []
    for arch in ("amd64", "riscv64"):
        layer = oci.Tar()
        layer.file("arch", arch.encode())
        images.append(layout.manifest([layer.bytes()], {"Cmd": ["/arch"]}, arch=arch))
    layout.name(layout.index(images), "multi:1")
    strata.ok("import", layout.path)
    return "multi:1"


# --- other tools read the store in place ---


def test_skopeo_reads_the_store(strata, busybox_image, tmp_path):
    place = f"oci:{strata.root}/images:{REFERENCE}"
    seen = run("skopeo", "inspect", place)
    assert seen.returncode == 0, seen.stdout
    assert json.loads(seen.stdout)["Architecture"] == "amd64"
    copied = run("skopeo", "copy", "-q", place, f"dir:{tmp_path}/copy")
    assert copied.returncode == 0, copied.stdout


def test_umoci_reads_the_store(strata, busybox_image, tmp_path):
    listed = run("umoci", "ls", "--layout", f"{strata.root}/images")
    assert listed.stdout.split() == [REFERENCE], listed.stdout
    unpacked = run("umoci", "unpack", "--rootless", "--image", f"{strata.root}/images:{REFERENCE}",
                   str(tmp_path / "bundle"))
    assert unpacked.returncode == 0, unpacked.stdout
    assert (tmp_path / "bundle/rootfs/bin/busybox").exists()


def test_what_skopeo_puts_in_is_seen(strata, busybox_layout):
    strata.ok("images")  # makes the layout
    put = run("skopeo", "copy", "-q", f"oci:{busybox_layout}:busybox:latest",
              f"oci:{strata.root}/images:docker.io/library/from-skopeo:1")
    assert put.returncode == 0, put.stdout
    assert rows(strata) == ["from-skopeo:1"]
    assert image(strata, "from-skopeo:1")["Os"] == "linux"


# --- listing and naming ---


def test_images_lists_every_platform(strata, two_platforms):
    out = strata.ok("images", "--format", "{{.Tag}} {{.Platform}}").splitlines()
    assert sorted(out) == ["1 linux/amd64", "1 linux/riscv64"]
    table = strata.ok("images").splitlines()
    assert table[0].split() == ["REPOSITORY", "TAG", "IMAGE", "ID", "PLATFORM", "CREATED", "SIZE"]


def test_images_table_is_dockers(strata, busybox_image):
    lines = strata.ok("images").splitlines()
    assert lines[0].split() == ["REPOSITORY", "TAG", "IMAGE", "ID", "CREATED", "SIZE"]
    assert lines[1].split()[:2] == ["busybox", "latest"]
    short = strata.ok("images", "-q").strip()
    whole = strata.ok("images", "-q", "--no-trunc").strip()
    assert len(short) == 12 and whole.startswith("sha256:" + short)
    assert "DIGEST" in strata.ok("images", "--digests")
    assert json.loads(strata.ok("images", "--format", "json"))["Repository"] == "busybox"


def test_images_is_filtered(strata, busybox_image):
    strata.ok("tag", "busybox", "r.example/team/app:1")
    assert rows(strata, "busybox") == ["busybox:latest"]
    assert rows(strata, "r.example/team/app") == ["r.example/team/app:1"]
    assert rows(strata, "r.example/team/app:2") == []
    assert rows(strata, "--filter", "reference=*/team/*") == ["r.example/team/app:1"]
    assert rows(strata, "--filter", "dangling=true") == []
    strata.fails("images", "--filter", "colour=red", status=1, saying="there are dangling")
    strata.fails("images", "--format", "{{.Nothing}}", status=1, saying="no field .Nothing")


def test_tag_moves_a_name_and_loses_nothing(strata, busybox_image, two_platforms):
    first = image(strata, "busybox")["Id"]
    strata.ok("tag", "multi:1", "busybox")
    assert image(strata, "busybox")["Id"] != first
    assert rows(strata, "--filter", "dangling=true") == ["<none>:<none>"]
    assert image(strata, first)["Id"] == first
    strata.ok("tag", first[7:19], "again")
    assert image(strata, "again")["Id"] == first
    assert rows(strata, "--filter", "dangling=true") == []


def test_inspect_is_dockers(strata, busybox_image):
    seen = image(strata, busybox_image)
    for key in ("Id", "RepoTags", "RepoDigests", "Created", "Config", "Architecture", "Os", "Size",
                "RootFS"):
        assert key in seen
    assert seen["RepoTags"] == ["busybox:latest"]
    assert seen["Config"]["Cmd"] == ["sh"] and seen["Config"]["Labels"] is None
    out = strata.ok("image", "inspect", "-f", "{{.Os}}/{{.Architecture}}", "busybox")
    assert out == "linux/amd64"
    done = strata("image", "inspect", "busybox", "nothing")
    assert done.returncode == 1 and "no such image: nothing" in done.stderr
    assert len(json.loads(done.stdout)) == 1


def test_history_tells_the_steps(strata, busybox_image):
    lines = strata.ok("history", "busybox").splitlines()
    assert lines[0].split() == ["IMAGE", "CREATED", "CREATED", "BY", "SIZE", "COMMENT"]
    assert "tests/e2e/oci.py" in lines[1]


# --- removing ---


def test_rmi_takes_the_name_then_the_content(strata, busybox_image):
    seen = image(strata, busybox_image)
    strata.ok("tag", "busybox", "again:1")
    assert strata.ok("rmi", "again:1") == "Untagged: again:1"
    assert blob(strata, seen["Id"]).exists()
    out = strata.ok("rmi", "busybox").splitlines()
    assert out[0] == "Untagged: busybox:latest" and out[1] == "Deleted: " + seen["Id"]
    assert not list((strata.root / "images/blobs/sha256").iterdir())
    assert not strata.layer_names()
    strata.fails("rmi", "busybox", status=1, saying="no such image: busybox")


def test_rmi_tries_every_operand(strata, busybox_image, two_platforms):
    done = strata("rmi", "nothing", "busybox")
    assert done.returncode == 1 and "no such image: nothing" in done.stderr
    assert rows(strata) == ["multi:1", "multi:1"]


def test_rmi_by_id(strata, busybox_image):
    seen = image(strata, busybox_image)["Id"]
    strata.ok("tag", "busybox", "again:1")
    strata.fails("rmi", seen[7:19], status=1, saying="several names")
    strata.ok("rmi", "-f", seen[7:19])
    assert rows(strata) == []


def test_rmi_spares_what_an_instance_uses(strata, busybox_image):
    strata.ok("create", "--name", "user", "busybox", "true")
    strata.fails("rmi", "busybox", status=1, saying="used by an instance")
    strata.ok("rmi", "-f", "busybox")
    strata.ok("start", "-a", "user")
    strata.ok("image", "prune", "-af")
    strata.ok("start", "-a", "user")
    strata.ok("rm", "user")
    strata.ok("image", "prune", "-f")
    assert not strata.layer_names()


def test_prune_asks(strata, busybox_image):
    done = strata("image", "prune", "-a", input="n\n")
    assert done.returncode == 1 and "[y/N]" in done.stdout
    assert rows(strata) == ["busybox:latest"]
    out = strata.ok("image", "prune", "-a", input="y\n")
    assert "untagged: busybox:latest" in out and "Total reclaimed space:" in out
    assert rows(strata) == []


def test_prune_sweeps_what_nobody_names(strata, busybox_image):
    blobs = strata.root / "images/blobs/sha256"
    (blobs / ("0" * 64)).write_bytes(b"lost")
    (blobs / ".tmp-dead").write_bytes(b"x")
    (strata.root / "layers/.tmp-dead/deep").mkdir(parents=True)
    strata.ok("image", "prune", "-f")
    assert not (blobs / ("0" * 64)).exists() and not (blobs / ".tmp-dead").exists()
    assert not (strata.root / "layers/.tmp-dead").exists()
    assert rows(strata) == ["busybox:latest"]
    strata.ok("image", "verify")


# --- damage ---


def layer_blob(strata):
    manifest = json.loads(blob(strata, image(strata, "busybox")["ManifestDigest"]).read_text())
    return blob(strata, manifest["layers"][0]["digest"])


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_verify_finds_a_flipped_bit(strata, busybox_image):
    strata.ok("image", "verify")
    victim = layer_blob(strata)
    flip(victim)
    done = strata("image", "verify")
    assert done.returncode == 1 and str(victim) in done.stdout and "damaged" in done.stdout
    strata.ok("image", "inspect", "busybox")
    strata("image", "verify", "--repair")
    assert not victim.exists()
    done = strata("image", "verify")
    assert done.returncode == 1 and "pull it again" in done.stdout


def test_verify_unpacks_a_lost_layer_again(strata, busybox_image):
    layer = next((strata.root / "layers").glob("[0-9a-f]*"))
    shutil.rmtree(layer)
    done = strata("image", "verify")
    assert done.returncode == 1 and "is not unpacked" in done.stdout
    strata.ok("image", "verify", "--repair")
    assert (layer / "bin/busybox").exists()
    strata.ok("image", "verify")


@pytest.mark.parametrize("what", ["Id", "ManifestDigest"])
@pytest.mark.parametrize("text", ["", "{", "[]", '{"schemaVersion": 2}'])
def test_a_damaged_document_is_named(strata, busybox_image, two_platforms, what, text):
    victim = blob(strata, image(strata, "busybox")[what])
    victim.write_text(text)
    strata.fails("image", "inspect", "busybox", status=1, saying=victim.name)
    assert strata("image", "verify").returncode == 1
    # The other image is untouched, and a prune that cannot tell what is needed deletes nothing.
    image(strata, "multi:1")
    before = sorted(os.listdir(victim.parent))
    strata.fails("image", "prune", "-f", status=1, saying="nothing was deleted")
    assert sorted(os.listdir(victim.parent)) == before
    strata.ok("rmi", "busybox")
    assert set(rows(strata)) == {"multi:1"}


def test_a_damaged_index_is_named(strata, busybox_image):
    index = strata.root / "images/index.json"
    text = index.read_text()
    index.write_text(text[: len(text) // 2])
    strata.fails("images", status=1, saying="index.json")
    strata.fails("image", "prune", "-af", status=1, saying="index.json")
    index.write_text(text)
    assert rows(strata) == ["busybox:latest"]
    strata.ok("image", "verify")


def test_bad_names_are_answered(strata, busybox_image):
    strata.fails("tag", "busybox", "UPPER", status=1, saying="lower-case")
    strata.fails("tag", "busybox", "a@sha256:" + "0" * 64, status=1, saying="digest")
    strata.fails("tag", "nothing", "x", status=1, saying="no such image: nothing")
    strata.fails("image", "inspect", "../../etc", status=1)
    assert rows(strata) == ["busybox:latest"]


# --- as an ordinary user ---


def test_rootless_removal_takes_other_ids_files(rootless, tmp_path_factory):
    """Files of inner users belong to subordinate ids, which only their namespace's root removes."""
    layer = oci.Tar()
    layer.dir("closed", 0o700, 1000, 1000)
    layer.file("closed/file", b"x", 0o600, 1000, 1000)
    layout = oci.Layout(tmp_path_factory.mktemp("ids") / "oci")
    layout.name(layout.manifest([layer.bytes()], {"Cmd": ["/x"]}), "ids:1")
    for folder in (layout.path, *layout.path.parents):
        if folder.stat().st_uid == os.getuid() and str(folder).startswith("/tmp/"):
            folder.chmod(0o755)
    subprocess.run(["chmod", "-R", "a+rX", str(layout.path)], check=True)
    rootless.ok("import", layout.path)
    assert len(list((rootless.root / "layers").glob("[0-9a-f]*"))) == 2
    rootless.ok("image", "verify")
    rootless.ok("rmi", "ids:1")
    assert len(list((rootless.root / "layers").glob("[0-9a-f]*"))) == 1
    assert not list((rootless.root / "layers").glob(".tmp-*"))
    rootless.ok("image", "prune", "-af")
    assert not rootless.layer_names()


def test_a_platform_that_nobody_has_names_what_is_stored(strata, busybox_image):
    name = "127.0.0.1:1/busybox:1"  # where nobody listens
    strata.ok("tag", "busybox", name)
    done = strata.fails("create", "--platform", "linux/s390x", name, saying="127.0.0.1:1")
    assert "not stored for linux/s390x, only for linux/amd64" in done.stderr
    assert strata.ok("images", "-q", name)
