# SPDX-License-Identifier: Apache-2.0
"""test_bad_input.py - everything wrong is said in one sentence, and nothing is lost or left.

Registries that lie are in test_registry.py; damage to the store is in test_crash.py.
"""

import gzip
import json
import os
import shutil
import subprocess

import pytest

import oci
from conftest import give_image

pytestmark = pytest.mark.needs_root


@pytest.fixture
def box(strata, busybox_image):
    return strata


def one_sentence(done):
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    # A usage hint may follow the sentence; a trace or a repetition may not.
    assert 1 <= len(lines) <= 3, done.stderr
    return lines[0]


# --- names and flags -------------------------------------------------------------------------


def test_unknown_image(box):
    assert "nosuch" in one_sentence(box.fails("run", "--pull", "never", "nosuch", "true", status=125))


def test_unknown_tag(box):
    assert "busybox:9" in one_sentence(
        box.fails("run", "--pull", "never", "busybox:9", "true", status=125))


def test_unknown_platform(box):
    done = box.fails("run", "--pull", "never", "--platform", "linux/arm64", "busybox", "true",
                     status=125)
    sentence = one_sentence(done)
    assert "arm64" in sentence and "amd64" in sentence, "it names the platforms there are"


@pytest.mark.parametrize("name", ["UPPER", "a b", "x:y:z", "", "-x", "a//b", "x@sha256:12"])
def test_malformed_reference(box, name):
    one_sentence(box.fails("run", "--pull", "never", "--", name, "true", status=125))


def test_unknown_verb(strata):
    done = strata.fails("rnu")
    assert "rnu" in one_sentence(done)


@pytest.mark.parametrize("flags", [
    ("--no-such-flag",), ("--memory",), ("--memory", "1x"), ("-v", "relative:/x:ro:zz"),
    ("-v", "/tmp:relative"), ("--mount", "type=nonsense,target=/x"), ("--mount", "target="),
    ("--tmpfs", "relative"), ("--network", "bogus"), ("--restart", "sometimes"),
    ("--ulimit", "nofile=5:1"), ("--ulimit", "bogus=1"), ("--user", "nobody-here"),
    ("--cap-add", "FLY"), ("--device", "/dev/nothing-here"), ("--security-opt", "bogus=1"),
    ("--security-opt", "seccomp=/no/file"), ("--env-file", "/no/file"), ("--name", "bad name"),
    ("--stop-signal", "NOSUCH"), ("--health-interval", "soon"), ("--log-driver", "syslog"),
    ("--log-opt", "max-size=big"), ("--pid", "container:nobody"), ("--hostname", "x" * 80),
    ("--shm-size", "-4"), ("--platform", "mars/pdp11"), ("--isolation", "magic"), ("-w", "relative"),
    ("--group-add", "nogroup-here"), ("--sysctl", "broken"), ("--sysctl", "kernel.panic=1"),
    ("--label-file", "/no/file"), ("--userns", "bogus"), ("--ipc", "bogus"), ("--uts", "bogus"),
    ("--oom-score-adj", "5000"), ("--cpus", "abc"), ("--cpuset-cpus", "x-y"),
    ("--detach-keys", "ctrl-ctrl-"), ("--memory", "4m", "--memory-swap", "2m"),
    ("-e", "=value"), ("--add-host", "nocolon"), ("--entrypoint", "/nowhere/at/all"),
])
def test_wrong_flags(box, flags):
    done = box.fails("run", "--rm", *flags, "busybox", "true")
    assert done.returncode in (125, 127), done
    one_sentence(done)
    assert box.ok("ps", "-aq") == ""


@pytest.mark.parametrize("flags", [
    ("-d", "--rm", "--restart", "always"),
    ("--network", "host", "--network", "none", "--hostname", ""),
    ("--privileged", "--cap-add", "NOPE"),
    ("--read-only", "--mount", "type=bind,source=/,target=/"),
])
def test_conflicting_flags(box, flags):
    done = box("run", "--rm" if "--rm" not in flags else "-i", *flags, "busybox", "true")
    if done.returncode:
        one_sentence(done)
        assert done.returncode == 125


# --- documents -------------------------------------------------------------------------------


def make_image(tmp_path, layers=None, config=None, break_it=None):
    layout = oci.Layout(tmp_path / "bad")
    descriptor = layout.manifest(layers or [oci.busybox_tar()], config or {"Cmd": ["true"]})
    if break_it:
        descriptor = break_it(layout, descriptor) or descriptor
    layout.name(descriptor, "bad:latest")
    return tmp_path / "bad"


def test_no_command(strata, tmp_path):
    path = make_image(tmp_path, config={"Env": ["A=B"]})
    strata.ok("import", path)
    assert "command" in one_sentence(strata.fails("run", "--rm", "bad", status=125))


def test_image_with_an_unknown_user(strata, tmp_path):
    strata.ok("import", make_image(tmp_path, config={"Cmd": ["true"], "User": "ghost"}))
    assert "ghost" in one_sentence(strata.fails("run", "--rm", "bad", status=125))


def rewrite(change):
    """A manifest that is changed after it was made (its own digest is right again)."""

    def break_it(layout, descriptor):
        doc = json.loads(layout.blob_path(descriptor["digest"]).read_text())
        change(doc, layout)
        return layout.json(doc, oci.MANIFEST)

    return break_it


def drop_layer_blob(layout, descriptor):
    doc = json.loads(layout.blob_path(descriptor["digest"]).read_text())
    layout.blob_path(doc["layers"][0]["digest"]).unlink()


def corrupt_layer_blob(layout, descriptor):
    doc = json.loads(layout.blob_path(descriptor["digest"]).read_text())
    path = layout.blob_path(doc["layers"][0]["digest"])
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)


def wrong_diff_id(doc, layout):
    config = json.loads(layout.blob_path(doc["config"]["digest"]).read_text())
    config["rootfs"]["diff_ids"] = ["sha256:" + "0" * 64]
    doc["config"] = layout.json(config, oci.CONFIG)


BROKEN = {
    "layer is missing": drop_layer_blob,
    "layer has other content": corrupt_layer_blob,
    "wrong diff ID": rewrite(wrong_diff_id),
    "wrong size": rewrite(lambda doc, layout: doc["layers"][0].update(size=5)),
    "no layers member": rewrite(lambda doc, layout: doc.pop("layers")),
    "config is no object": rewrite(lambda doc, layout: doc.update(config=[])),
    "digest is a path": rewrite(lambda doc, layout: doc["layers"][0].update(digest="sha256:../../x")),
    "unknown hash": rewrite(lambda doc, layout: doc["layers"][0].update(digest="md5:" + "0" * 32)),
    "more layers than diff IDs": rewrite(
        lambda doc, layout: doc["layers"].append(doc["layers"][0])),
    "manifest is not JSON": lambda layout, d: layout.blob(b"{nope", oci.MANIFEST),
    "manifest is a huge array": lambda layout, d: layout.blob(b"[" * 100000, oci.MANIFEST),
    "config is not JSON": rewrite(
        lambda doc, layout: doc.update(config=layout.blob(b"\xff\xfe", oci.CONFIG))),
}


@pytest.mark.parametrize("what", BROKEN)
def test_broken_image(strata, tmp_path, what):
    path = make_image(tmp_path, break_it=BROKEN[what])
    one_sentence(strata.fails("import", path))
    assert strata.ok("images", "-q") == ""
    assert not strata.layer_names()


def test_import_of_nothing(strata, tmp_path):
    assert "not-there" in one_sentence(strata.fails("import", tmp_path / "not-there"))
    (tmp_path / "empty").mkdir()
    one_sentence(strata.fails("import", tmp_path / "empty"))
    (tmp_path / "noise").write_bytes(os.urandom(5000))
    one_sentence(strata.fails("import", tmp_path / "noise"))


# --- hostile layers --------------------------------------------------------------------------


def outside(tmp_path):
    folder = tmp_path / "outside"
    folder.mkdir(exist_ok=True)
    (folder / "victim").write_text("untouched")
    return folder


HOSTILE = {
    "dot dot": lambda t, out: t.file("../../../../../../.." + str(out) + "/planted", "x"),
    "absolute": lambda t, out: t.file(str(out) + "/planted", "x"),
    "through a link": lambda t, out: t.link("door", str(out)).file("door/planted", "x"),
    "through a relative link": lambda t, out: t.link(
        "door", "../../../../../../../../../.." + str(out)).file("door/planted", "x"),
    "hard link out": lambda t, out: t.hardlink("h", str(out) + "/victim").file("h", "changed"),
    "hard link dot dot": lambda t, out: t.hardlink(
        "h", "../../../../../../../../.." + str(out) + "/victim").file("h", "changed"),
    "link loop": lambda t, out: t.link("a", "b").link("b", "a").file("a/x", "x"),
    "whiteout of the parent": lambda t, out: t.file(".wh..", ""),
    "whiteout dot dot": lambda t, out: t.file("x/.wh...", ""),
    "link then whiteout": lambda t, out: t.link("door", str(out)).file("door/.wh.victim", ""),
    "file over link": lambda t, out: t.link("f", str(out) + "/victim").file("f", "changed"),
    "dir over link": lambda t, out: t.link("d", str(out)).dir("d", 0o777).file("d/planted", "x"),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_layer_stays_inside(strata, tmp_path, what):
    out = outside(tmp_path)
    tar = oci.Tar()
    HOSTILE[what](tar, out)
    path = make_image(tmp_path, layers=[oci.busybox_tar(), tar.bytes()])
    done = strata("import", path)
    if done.returncode:
        one_sentence(done)
    assert sorted(p.name for p in out.iterdir()) == ["victim"]
    assert (out / "victim").read_text() == "untouched"
    assert not list(tmp_path.parent.glob("planted"))


def test_bomb(strata, tmp_path):
    """A kilobyte that becomes gigabytes is stopped at a named limit, and nothing is kept."""
    layout = oci.Layout(tmp_path / "bad")
    descriptor = layout.manifest([oci.busybox_tar()], {"Cmd": ["true"]})
    doc = json.loads(layout.blob_path(descriptor["digest"]).read_text())
    member = gzip.compress(bytes(16 << 20), 9)
    # A tar header that promises 64 TB, then a great many zeros.
    header = bytearray(oci.Tar().file("bomb", b"").bytes()[:512])
    header[124:136] = b"\x80\0\0\0" + (64 << 40).to_bytes(8, "big")
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    data = gzip.compress(bytes(header)) + member * 8
    doc["layers"][0] = layout.blob(data, oci.LAYER + "+gzip")
    layout.name(layout.json(doc, oci.MANIFEST), "bad:latest")
    one_sentence(strata.fails("import", tmp_path / "bad", timeout=30))
    assert not strata.layer_names()


def test_truncated_layer(strata, tmp_path):
    data = oci.busybox_tar()
    path = make_image(tmp_path, layers=[data[: len(data) // 2 + 100]])
    one_sentence(strata.fails("import", path))
    assert not strata.layer_names()


def test_root_that_cannot_be_made(strata_binary, tmp_path):
    (tmp_path / "file").write_text("")
    done = subprocess.run([str(strata_binary), "--root", str(tmp_path / "file/root"), "ps"],
                          stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert done.returncode != 0 and "file/root" in done.stderr


def test_an_image_for_another_cpu_says_so(strata, tmp_path):
    # An ELF header is all that execve looks at: 64 bits, big-endian, EM_S390 (22).
    header = b"\x7fELF\x02\x02\x01" + bytes(9) + b"\x00\x02\x00\x16\x00\x00\x00\x01" + bytes(40)
    (tmp_path / "root.tar").write_bytes(oci.Tar().file("bin/true", header, mode=0o755).bytes())
    strata.ok("import", "--platform", "linux/s390x", tmp_path / "root.tar", "other:1")
    done = strata("run", "--rm", "--platform", "linux/s390x", "other:1", "/bin/true")
    assert done.returncode == 126
    sentence = one_sentence(done)
    assert "the image is for linux/s390x, and this machine runs linux/amd64" in sentence


def test_without_the_helper_program(strata_binary, make_strata, busybox_store, tmp_path):
    """Only the small program was copied: what it cannot do alone names what is missing."""
    alone = make_strata()
    give_image(alone, busybox_store)
    shutil.copy2(strata_binary, tmp_path / "strata")
    # Hide the helpers of a strata that is installed here.
    script = 'for d in /usr{,/local}/libexec/strata; do [ ! -d "$d" ] || mount -t tmpfs none "$d"; done; ' \
        'exec "$@"'
    argv = alone.argv
    alone.argv = lambda *args: ["unshare", "-m", "bash", "-c", script, "bash", *argv(*args)]
    alone.binary = str(tmp_path / "strata")
    missing = "the helper program strata-image is neither beside strata nor in "
    done = alone.fails("run", "--rm", "nope", "true", status=125,
                       saying=f"^strata: cannot pull nope, which is not stored: {missing}")
    assert done.stderr.count("\n") == 1
    alone.fails("pull", "nope", status=1, saying=f"^strata: {missing}")
    alone.ok("run", "--rm", "busybox", "true")
