# SPDX-License-Identifier: Apache-2.0
"""test_files.py - cp in every direction and shape; volumes made, filled and kept."""

import datetime
import io
import os
import subprocess
import tarfile

import pytest

import oci
from conftest import wait_until

root_only = pytest.mark.needs_root


@pytest.fixture
def box(strata, busybox_image):
    strata.ok("run", "-d", "--name", "it", "busybox", "sleep", "300")
    return strata


def sh(box, script, *options):
    return box.ok("exec", *options, "it", "sh", "-c", script)


def state_of(box, running):
    """The same copies must work with a running and with a stopped instance."""
    if not running:
        box.ok("kill", "it")
        box.ok("wait", "it")


# --- cp: what goes where ---------------------------------------------------------------------


@root_only
@pytest.mark.parametrize("running", [True, False], ids=["running", "stopped"])
def test_a_file_goes_where_docker_puts_it(box, tmp_path, running):
    (tmp_path / "f").write_text("content\n")
    sh(box, "mkdir /d; echo old >/d/old; ln -s d /l; ln -s d/old /lf")
    state_of(box, running)
    for target in ("it:/new", "it:/d", "it:/d/other", "it:/d/old", "it:/l/", "it:/lf", "it:rel"):
        box.ok("cp", tmp_path / "f", target)
    box.fails("cp", tmp_path / "f", "it:/no/such/x", status=1, saying="no such folder")
    box.fails("cp", tmp_path / "f", "it:/missing/", status=1, saying="no such folder")
    box.fails("cp", tmp_path / "f", "it:/d/old/", status=1)
    box.fails("cp", tmp_path / "none", "it:/d", status=1, saying="none")
    if not running:
        box.ok("start", "it")
    assert sh(box, "cat /new /d/f /d/other /d/old /rel | sort -u; ls /d; readlink /lf") == \
        "content\nf\nold\nother\nd/old"


@root_only
@pytest.mark.parametrize("running", [True, False], ids=["running", "stopped"])
def test_a_folder_goes_where_docker_puts_it(box, tmp_path, running):
    (tmp_path / "s/sub").mkdir(parents=True)
    (tmp_path / "s/sub/f").write_text("deep\n")
    sh(box, "mkdir /d; touch /file")
    state_of(box, running)
    box.ok("cp", tmp_path / "s", "it:/new")
    box.ok("cp", tmp_path / "s", "it:/d")
    box.ok("cp", f"{tmp_path}/s/.", "it:/d")
    box.fails("cp", tmp_path / "s", "it:/file", status=1, saying="over the file")
    if not running:
        box.ok("start", "it")
    assert sh(box, "cd /; find new d -type f | sort") == "d/s/sub/f\nd/sub/f\nnew/sub/f"
    box.ok("cp", "it:/d", tmp_path / "back")
    box.ok("cp", "it:/d/.", tmp_path / "back")
    assert (tmp_path / "back/s/sub/f").read_text() == "deep\n"
    assert sorted(p.name for p in (tmp_path / "back").iterdir()) == ["s", "sub"]


@root_only
def test_modes_links_and_times_are_kept(box, tmp_path):
    sh(box, "mkdir -m 750 /d; cd /d; echo x >a; chown 7:8 a; chmod 4711 a; ln a b; ln -s /etc/passwd s; "
            "mkfifo p; touch -d 2001-02-03 a; truncate -s 4194304 hole")
    box.ok("cp", "-a", "it:/d", tmp_path / "d")
    d = tmp_path / "d"
    st = (d / "a").stat()
    assert st.st_mode & 0o7777 == 0o4711 and (st.st_uid, st.st_gid) == (7, 8)
    assert (d / "b").stat().st_ino == st.st_ino and st.st_nlink == 2
    assert os.readlink(d / "s") == "/etc/passwd" and (d / "p").is_fifo()
    assert time_of(st) == "2001-02-03" and d.stat().st_mode & 0o7777 == 0o750
    assert (d / "hole").stat().st_size == 4 << 20 and (d / "hole").stat().st_blocks < 64
    # Without -a what arrives is ours; with it, it stays theirs on the way back, too.
    box.ok("cp", "it:/d/a", tmp_path / "mine")
    assert (tmp_path / "mine").stat().st_uid == os.geteuid()
    box.ok("cp", "-a", d / "a", "it:/again")
    box.ok("cp", d / "a", "it:/roots")
    assert sh(box, "stat -c %u:%g:%a /again /roots") == "7:8:4711\n0:0:4711"


def time_of(st):
    return datetime.datetime.fromtimestamp(st.st_mtime, datetime.timezone.utc).strftime("%Y-%m-%d")


@root_only
def test_links_are_followed_when_asked(box, tmp_path):
    sh(box, "echo real >/real; ln -s real /link; ln -s /nowhere /dangling")
    box.ok("cp", "it:/link", tmp_path / "link")
    assert os.readlink(tmp_path / "link") == "real"
    box.ok("cp", "-L", "it:/link", tmp_path / "file")
    assert (tmp_path / "file").read_text() == "real\n"
    box.fails("cp", "-L", "it:/dangling", tmp_path / "x", status=1)


@root_only
def test_cp_to_files_strata_mounts(box, tmp_path):
    """/etc/hosts is a mount point of its own: it is written in place."""
    (tmp_path / "hosts").write_text("10.9.8.7 here\n")
    box.ok("cp", tmp_path / "hosts", "it:/etc/hosts")
    assert sh(box, "cat /etc/hosts") == "10.9.8.7 here"


@root_only
def test_cp_of_everything_stops_at_the_kernels_files(box, tmp_path):
    box.ok("cp", "it:/", tmp_path / "all")
    assert (tmp_path / "all/etc/passwd").is_file()
    assert list((tmp_path / "all/proc").iterdir()) == []


@root_only
@pytest.mark.parametrize("sides", [("a", "b"), ("it:/a", "it:/b"), (":/a", "b"), ("it:/etc", ""),
                                   ("nobody:/a", "b"), ("-", "-")])
def test_impossible_sides_are_refused(box, sides):
    box.fails("cp", *sides, status=1, stdin=subprocess.DEVNULL)


# --- cp: hostile instances -------------------------------------------------------------------


@root_only
@pytest.mark.parametrize("running", [True, False], ids=["running", "stopped"])
def test_no_link_leads_out(box, tmp_path, running):
    out = tmp_path / "outside"
    out.mkdir()
    (out / "victim").write_text("safe")
    up = "../" * 30
    sh(box, f"ln -s {out} /abs; ln -s {up}{out} /rel; ln -s {out}/victim /file; mkdir /d; "
            f"ln -s {out} /d/sub; ln -s /proc/self/cwd /magic; ln -s loop /loop")
    state_of(box, running)
    (tmp_path / "s/sub").mkdir(parents=True)
    (tmp_path / "s/sub/planted").write_text("x")
    (tmp_path / "f").write_text("x")
    for target in ("abs/planted", "rel/planted", "file", "abs", "rel/", "d/sub/planted", "loop",
                   "magic/planted"):
        box("cp", tmp_path / "f", f"it:/{target}")
    box("cp", f"{tmp_path}/s/.", "it:/d")
    for source in ("abs/victim", "rel/victim", "file", "abs/."):
        box("cp", "-L", f"it:/{source}", tmp_path / "got")
        assert not (tmp_path / "got").exists()
    assert sorted(p.name for p in out.iterdir()) == ["victim"]
    assert (out / "victim").read_text() == "safe"


@root_only
def test_a_tree_that_changes_under_the_copy(box, tmp_path):
    """The instance swaps a folder for a link, over and over, while we copy into it and out of it."""
    out = tmp_path / "outside"
    out.mkdir()
    (out / "f").write_text("secret")
    sh(box, f"mkdir -p /t/a; echo inside >/t/a/f; (while :; do mv /t/a /t/b; ln -s {out} /t/a; "
            "rm /t/a; mv /t/b /t/a; done) >/dev/null 2>&1 &", "-d")
    (tmp_path / "src/a").mkdir(parents=True)
    (tmp_path / "src/a/planted").write_text("x")
    for i in range(40):
        box("cp", f"{tmp_path}/src/.", "it:/t")
        box("cp", "it:/t", tmp_path / f"got{i}")
    for got in tmp_path.glob("got*/**/f"):
        if not got.parent.is_symlink():
            assert got.read_text() == "inside\n"
    assert [p.name for p in out.iterdir()] == ["f"]


# --- cp: streams -----------------------------------------------------------------------------


@root_only
@pytest.mark.parametrize("running", [True, False], ids=["running", "stopped"])
def test_streams(box, tmp_path, running):
    sh(box, "mkdir /in; echo x >/file")
    state_of(box, running)
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as tar:
        info = tarfile.TarInfo("dir/f")
        info.size, info.uid, info.mode = 3, 7, 0o640
        tar.addfile(info, io.BytesIO(b"abc"))
        info = tarfile.TarInfo("../../escape")
        info.size = 1
        tar.addfile(info, io.BytesIO(b"x"))
    box("cp", "-", "it:/in", input=data.getvalue(), text=False, check=0)
    out = box("cp", "it:/in", "-", text=False, check=0).stdout
    with tarfile.open(fileobj=io.BytesIO(out)) as tar:
        names = {m.name: m for m in tar.getmembers()}
        assert tar.extractfile("in/dir/f").read() == b"abc"
    assert names["in/dir/f"].uid == 7 and names["in/dir/f"].mode == 0o640
    assert "in/escape" in names
    one = box("cp", "it:/file", "-", text=False, check=0).stdout
    with tarfile.open(fileobj=io.BytesIO(one)) as tar:
        assert tar.extractfile("file").read() == b"x\n"
    box.fails("cp", "-", "it:/file", status=1, saying="folder", input="")
    box.fails("cp", "-", "it:/in", status=1, input="this is no tar " * 100)
    box.fails("cp", "it:/none", "-", status=1, saying="none")
    assert not list((box.root / "tmp").iterdir())


# --- cp: an ordinary user --------------------------------------------------------------------


@root_only
@pytest.mark.parametrize("running", [True, False], ids=["running", "stopped"])
def test_cp_of_an_ordinary_user(rootless, running):
    home = rootless.user.home
    rootless.ok("run", "-d", "--name", "it", "busybox", "sh", "-c",
                "mkdir -m 700 /theirs; echo secret >/theirs/f; chown -R 1000:1000 /theirs; "
                "touch /ready; sleep 300")
    wait_ready(rootless)
    state_of(rootless, running)
    rootless.ok("cp", "it:/theirs", f"{home}/theirs-{running}")
    st = os.stat(f"{home}/theirs-{running}/f")
    assert st.st_uid == rootless.user.uid
    rootless.ok("cp", f"{home}/theirs-{running}/f", "it:/back")
    rootless("cp", "it:/theirs", "-", text=False, check=0)
    if not running:
        rootless.ok("start", "it")
    assert rootless.ok("exec", "it", "sh", "-c", "stat -c %u:%g /back; cat /back") == "0:0\nsecret"


def wait_ready(one):
    wait_until(lambda: one("exec", "it", "test", "-e", "/ready").returncode == 0)


# --- volumes ---------------------------------------------------------------------------------


@pytest.fixture
def volume_image(strata, tmp_path):
    """An image with a VOLUME that has something in it."""
    layout = oci.Layout(tmp_path / "volumes")
    tar = oci.Tar().dir("data", 0o2750, 5, 6).file("data/f", "from the image\n", 0o640, 7, 8)
    tar.dir("data/sub").link("data/sub/l", "../f")
    config = {**oci.BUSYBOX_CONFIG, "Volumes": {"/data": {}}}
    layout.name(layout.manifest([oci.busybox_tar(), tar.bytes()], config), "vol:latest")
    strata.ok("import", tmp_path / "volumes")
    return strata


LOOK = "stat -c '%n %u:%g:%a' /v /v/f; cat /v/sub/l"
FILLED = "/v 5:6:2750\n/v/f 7:8:640\nfrom the image"


@root_only
def test_a_new_volume_gets_the_images_content(volume_image):
    look = LOOK.replace("/v", "/data")
    filled = FILLED.replace("/v", "/data")
    run = ("run", "--rm", "-v", "named:/data")
    assert volume_image.ok(*run, "vol", "sh", "-c", look + "; echo changed >/data/f") == filled
    assert volume_image.ok(*run, "vol", "cat", "/data/f") == "changed"
    assert volume_image.ok("run", "--rm", "-v", "none:/data:nocopy", "vol", "ls", "/data") == ""
    assert volume_image.ok("run", "--rm", "-v", "empty:/not/there", "vol", "ls", "/not/there") == ""
    # The image's own volume of the last run goes after its exit was told.
    wait_until(lambda: volume_image.ok("volume", "ls", "-q").split() == ["empty", "named", "none"])


@root_only
def test_a_volume_of_the_image_is_made_and_removed(volume_image):
    assert volume_image.ok("run", "--rm", "vol", "cat", "/data/f") == "from the image"
    # The monitor clears up once it has handed on the exit status.
    wait_until(lambda: volume_image.ok("volume", "ls", "-q") == "")
    volume_image.ok("run", "--name", "kept", "vol", "sh", "-c", "echo x >/data/f")
    assert len(volume_image.ok("volume", "ls", "-q").split()) == 1
    assert volume_image.ok("start", "-a", "kept") == ""
    volume_image.ok("cp", "kept:/data/f", volume_image.root / "f")
    assert (volume_image.root / "f").read_text() == "x\n"
    volume_image.ok("rm", "-v", "kept")
    assert volume_image.ok("volume", "ls", "-q") == ""


@root_only
def test_two_that_fill_one_volume(volume_image):
    both = [volume_image.popen("run", "--rm", "-v", "one:/data", "vol", "sh", "-c",
                               "ls /data; cat /data/f") for _ in range(4)]
    outputs = {p.communicate(timeout=60) for p in both}
    assert outputs == {("f\nsub\nfrom the image\n", "")}


@root_only
def test_a_failed_create_leaves_no_volume(volume_image):
    volume_image.fails("create", "-v", "/anonymous", "--cidfile", "/no/such/folder/x", "vol",
                       status=125)
    volume_image.ok("create", "--name", "taken", "-v", "named:/data", "vol")
    volume_image.fails("create", "--name", "taken", "-v", "/anonymous", "vol", status=125)
    assert volume_image.ok("volume", "ls", "-q") == "named"
    assert volume_image.ok("ps", "-aq", "--format", "{{.Names}}") == "taken"


@root_only
def test_mounts_inside_mounts(box, tmp_path):
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner/f").write_text("inner\n")
    out = box.ok("run", "--rm", "-v", f"{tmp_path}/inner:/a/b:ro", "-v", "outer:/a", "busybox", "sh",
                 "-c", "echo x >/a/f; cat /a/b/f; touch /a/b/x 2>/dev/null || echo read-only")
    assert out == "inner\nread-only"


@root_only
def test_volumes_of_an_ordinary_user(rootless):
    assert rootless.ok("run", "--rm", "-v", "vo:/home", "busybox", "sh", "-c",
                       "stat -c %u /home/user; echo x >/home/f") == "1000"
    assert rootless.ok("run", "--rm", "-v", "vo:/home", "busybox", "cat", "/home/f") == "x"
    rootless.ok("volume", "rm", "vo")


# --- mounts that spread ----------------------------------------------------------------------


def host(*args):
    subprocess.run(args, check=True)


@pytest.fixture
def shared_dir(tmp_path):
    folder = tmp_path / "shared"
    for part in ("host", "inside"):
        (folder / part).mkdir(parents=True)
    host("mount", "--bind", folder, folder)
    host("mount", "--make-shared", folder)
    yield folder
    for place in (folder / "host", folder / "inside", folder):
        subprocess.run(["umount", place], check=False, stderr=subprocess.DEVNULL)


@pytest.mark.needs_root
@pytest.mark.parametrize("mode, inward, outward", [
    ("rprivate", False, False), ("rslave", True, False), ("slave", True, False),
    ("rshared", True, True), ("shared", True, True),
])
def test_mounts_spread_as_far_as_asked(strata, busybox_image, shared_dir, mode, inward, outward):
    strata.ok("run", "-d", "--name", "it", "--privileged", "-v", f"{shared_dir}:/v:{mode}",
              "busybox", "sleep", "100")
    host("mount", "-t", "tmpfs", "test", shared_dir / "host")
    (shared_dir / "host/mark").touch()
    assert (strata.ok("exec", "it", "ls", "/v/host") == "mark") is inward
    strata.ok("exec", "it", "sh", "-c", "mount -t tmpfs x /v/inside && touch /v/inside/mark")
    assert (shared_dir / "inside/mark").exists() is outward
    assert strata.inspect("it")["Mounts"][0]["Propagation"] == mode


@pytest.mark.needs_root
def test_mounts_that_cannot_spread_are_refused(strata, busybox_image, shared_dir):
    strata.fails("run", "--rm", "--userns", "private", "-v", f"{shared_dir}:/v:rshared", "busybox",
                 "true", status=125, saying="user namespace")
    host("mount", "--make-private", shared_dir)
    for mode in ("rslave", "rshared"):
        strata.fails("run", "--rm", "-v", f"{shared_dir}:/v:{mode}", "busybox", "true", status=125,
                     saying="not a shared mount")
