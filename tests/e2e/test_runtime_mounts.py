# SPDX-License-Identifier: Apache-2.0
"""test_runtime_mounts.py - the mounts, devices and roots that config.json can ask for."""

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from bundles import rootfs, runtime  # noqa: F401 (fixtures)

pytestmark = [pytest.mark.needs_root]


def host(*argv):
    subprocess.run(list(map(str, argv)), check=True)


class Machine:
    """Runs a shell line in a container on a root of its own, with mounts added."""

    def __init__(self, runtime, rootfs, tmp):
        self.runtime = runtime
        self.rootfs = tmp / "rootfs"
        shutil.copytree(rootfs, self.rootfs, symlinks=True)

    def bundle(self, line, *mounts, change=None):
        bundle = self.runtime.bundle(self.rootfs, "sh", "-c", line)
        bundle.config["root"]["readonly"] = False
        bundle.config["mounts"] += mounts
        if change:
            change(bundle.config)
        return bundle.save()

    def __call__(self, line, *mounts, change=None):
        bundle = self.bundle(line, *mounts, change=change)
        return self.runtime("run", "--bundle", bundle.path, self.runtime.new_id()).stdout

    def fails(self, *mounts, change=None):
        bundle = self.bundle("true", *mounts, change=change)
        return self.runtime.fail("run", "--bundle", bundle.path, self.runtime.new_id())


@pytest.fixture
def machine(runtime, rootfs, tmp_path):
    return Machine(runtime, rootfs, tmp_path)


@pytest.fixture
def source(tmp_path):
    """A directory with another file system mounted below it, nosuid from the start."""
    path = tmp_path / "source"
    path.mkdir()
    host("mount", "-t", "tmpfs", "-o", "nosuid", "tmpfs", path)
    host("mount", "--make-private", path)
    (path / "below").mkdir()
    host("mount", "-t", "tmpfs", "tmpfs", path / "below")
    yield path
    host("umount", "-R", path)


def bind(source, destination, *options):
    return {"destination": destination, "source": str(source), "type": "none",
            "options": [*options] if "rbind" in options else ["bind", *options]}


def fresh(kind, destination, *options):
    return {"destination": destination, "type": kind, "source": kind, "options": [*options]}


def mountinfo(text):
    """{mount point: (options of the mount, propagation, options of the file system)}"""
    found = {}
    for line in text.splitlines():
        left, right = line.split(" - ")
        fields = left.split()
        found[fields[4]] = set(fields[5].split(",")), fields[6:], set(right.split()[2].split(","))
    return found


def test_attributes_of_one_mount_and_of_all_below(machine, source):
    look = "cat /proc/self/mountinfo"
    seen = mountinfo(machine(look, bind(source, "/v", "rbind", "ro", "noexec", "nosymfollow", "noatime")))
    assert {"ro", "noexec", "nosuid", "nosymfollow", "noatime"} <= seen["/v"][0]
    assert {"rw", "relatime"} <= seen["/v/below"][0]
    seen = mountinfo(machine(look, bind(source, "/v", "rbind", "rro", "rnodev", "rnoexec", "rnosuid",
                                        "rnosymfollow", "rnodiratime", "rnoatime")))
    for path in ("/v", "/v/below"):
        assert {"ro", "nodev", "noexec", "nosuid", "nosymfollow", "nodiratime", "noatime"} <= seen[path][0]
    seen = mountinfo(machine(look, bind(source, "/v", "rbind", "suid", "rstrictatime")))
    assert "nosuid" not in seen["/v"][0]
    assert not {"relatime", "noatime"} & (seen["/v"][0] | seen["/v/below"][0])
    seen = mountinfo(machine(look, bind(source, "/v", "rbind", "ro", "rrw")))
    assert "rw" in seen["/v"][0]


def test_propagation(machine, source):
    look = "cat /proc/self/mountinfo"
    seen = mountinfo(machine(look, bind(source, "/a", "rbind", "rshared"),
                             bind(source, "/b", "bind", "unbindable"), fresh("tmpfs", "/c", "shared")))
    assert [f for f in seen["/a"][1] if f.startswith("shared:")]
    assert [f for f in seen["/a/below"][1] if f.startswith("shared:")]
    assert seen["/b"][1] == ["unbindable"]
    assert [f for f in seen["/c"][1] if f.startswith("shared:")]
    assert seen["/proc"][1] == []


@pytest.mark.parametrize("word", ["shared", "slave", "private", "unbindable", "rshared"])
def test_propagation_of_the_root(machine, word):
    def change(config):
        config["linux"]["rootfsPropagation"] = word

    root = mountinfo(machine("cat /proc/self/mountinfo", change=change))["/"]
    expected = {"private": [], "slave": [], "unbindable": ["unbindable"]}.get(word)
    if expected is None:
        assert [f for f in root[1] if f.startswith("shared:")]
    else:
        assert [f for f in root[1] if not f.startswith("master:")] == expected


def test_a_slave_root_hears_of_the_host(machine, runtime, tmp_path):
    host("mount", "--bind", machine.rootfs, machine.rootfs)
    host("mount", "--make-shared", machine.rootfs)
    try:
        def change(config):
            config["linux"]["rootfsPropagation"] = "rslave"

        bundle = machine.bundle("sleep 1000", change=change)
        name = runtime.new_id()
        runtime("create", "--bundle", bundle.path, name)
        runtime("start", name)
        host("mount", "-t", "tmpfs", "tmpfs", machine.rootfs / "tmp")
        pid = runtime.state(name)["pid"]
        seen = mountinfo(Path(f"/proc/{pid}/mountinfo").read_text())
        assert "/tmp" in seen
        assert [f for f in seen["/"][1] if f.startswith("master:")]
        runtime("delete", "--force", name)
    finally:
        host("umount", "-R", machine.rootfs)


def test_file_systems(machine):
    seen = mountinfo(machine("cat /proc/self/mountinfo; test -e /dev/pts/ptmx",
                             fresh("tmpfs", "/new/dir", "size=64k", "nr_inodes=9", "noexec", "lazytime")))
    options, _, data = seen["/new/dir"]
    assert {"noexec"} <= options
    assert {"size=64k", "nr_inodes=9", "lazytime"} <= data
    error = machine.fails(fresh("nonsense", "/new"))
    assert "cannot mount nonsense on /new: No such device" in error
    error = machine.fails(fresh("tmpfs", "/new", "frobnicate"))
    assert "cannot mount tmpfs on /new" in error


def test_tmpfs_looks_like_what_it_hides(machine):
    secret = machine.rootfs / "secret"
    secret.mkdir()
    secret.chmod(0o751)
    (secret / "file").write_text("content\n")
    (secret / "link").symlink_to("file")
    assert machine("stat -c %a /secret; ls /secret", fresh("tmpfs", "/secret")) == "751\n"
    assert machine("stat -c %a /secret", fresh("tmpfs", "/secret", "mode=1700")) == "1700\n"
    assert machine("stat -c %a /missing", fresh("tmpfs", "/missing")) == "1777\n"
    assert machine("stat -c %a /secret; cat /secret/link; touch /secret/x && echo written",
                   fresh("tmpfs", "/secret", "tmpcopyup")) == "751\ncontent\nwritten\n"
    assert machine("cat /secret/link; touch /secret/x 2>/dev/null || echo refused",
                   fresh("tmpfs", "/secret", "tmpcopyup", "ro")) == "content\nrefused\n"
    assert not (secret / "x").exists()


def test_read_only_tmpfs_takes_mounts_below_it_first(machine):
    assert machine("touch /t/x 2>/dev/null || echo refused; touch /t/new/y && echo written",
                   fresh("tmpfs", "/t", "ro"), fresh("tmpfs", "/t/new")) == "refused\nwritten\n"


def test_read_only_dev(machine):
    def change(config):
        dev = next(m for m in config["mounts"] if m["destination"] == "/dev")
        dev["options"].append("ro")

    assert machine("echo x > /dev/null; touch /dev/x 2>/dev/null || echo refused", change=change) == "refused\n"


def test_remount(machine):
    seen = mountinfo(machine("cat /proc/self/mountinfo", fresh("tmpfs", "/t"),
                             fresh("tmpfs", "/t", "remount", "size=32k", "nodev"),
                             bind("", "/proc", "remount", "ro", "nosuid")))
    assert "nodev" in seen["/t"][0]
    assert "size=32k" in seen["/t"][2]
    assert "ro" in seen["/proc"][0]
    assert "cannot remount /etc" in machine.fails(fresh("tmpfs", "/etc", "remount"))


def test_binds_of_files_and_directories(machine, tmp_path):
    (tmp_path / "file").write_text("bound\n")
    (tmp_path / "dir").mkdir()
    assert machine("cat /deep/er/file; test -d /other/dir && echo directory",
                   bind(tmp_path / "file", "/deep/er/file"),
                   bind(tmp_path / "dir", "other/dir")) == "bound\ndirectory\n"
    assert "cannot attach" in machine.fails(bind(tmp_path / "dir", "/deep/er/file"))
    error = machine.fails(bind(tmp_path / "nothing", "/x"))
    assert "nothing on /x: No such file or directory" in error
    odd = machine.bundle("test -d /x", bind(tmp_path / "dir", "/x", "size=1"))
    done = machine.runtime("run", "--bundle", odd.path, machine.runtime.new_id())
    assert 'mount on /x: a bind has no options "size=1"' in done.stderr


def test_links_in_the_path_stay_in_the_root(machine, tmp_path):
    (tmp_path / "dir").mkdir()
    (machine.rootfs / "var").mkdir()
    (machine.rootfs / "run").mkdir()
    (machine.rootfs / "var/run").symlink_to("/run")
    (machine.rootfs / "up").symlink_to("../../../../../../etc")
    seen = mountinfo(machine("cat /proc/self/mountinfo", bind(tmp_path / "dir", "/var/run/x"),
                             fresh("tmpfs", "/up/new"), fresh("tmpfs", "/a/../b")))
    assert {"/run/x", "/etc/new", "/b"} <= seen.keys()
    assert not Path("/etc/new").exists()


@pytest.mark.parametrize("target", ["/tmp/deep/er/file", "../tmp/file", "../tmp/second"])
def test_link_to_nowhere_leads_to_what_is_made(machine, tmp_path, target):
    """As /etc/resolv.conf of many images."""
    (tmp_path / "file").write_text("bound\n")
    (tmp_path / "dir").mkdir()
    (machine.rootfs / "tmp/second").symlink_to("third/fourth")
    (machine.rootfs / "etc/link").symlink_to(target)
    inside = "/tmp/third/fourth" if target.endswith("second") else "/tmp/" + target.split("tmp/")[1]
    assert machine(f"cat /etc/link {inside}", bind(tmp_path / "file", "/etc/link")) == "bound\n" * 2
    (machine.rootfs / inside[1:]).unlink()
    assert machine(f"test -d {inside}/below && echo made", fresh("tmpfs", "/etc/link/below")) == "made\n"


def test_link_in_a_circle(machine):
    (machine.rootfs / "one").symlink_to("two")
    (machine.rootfs / "two").symlink_to("one")
    assert "Too many levels of symbolic links" in machine.fails(fresh("tmpfs", "/one"))
    (machine.rootfs / "more").symlink_to("more/and/more")
    assert "Too many levels of symbolic links" in machine.fails(fresh("tmpfs", "/more"))


@pytest.mark.parametrize("userns", [False, True])
def test_sources_are_found_as_earlier_mounts_left_them(runtime, rootfs, open_tmp, userns):
    machine = Machine(runtime, rootfs, open_tmp)
    (open_tmp / "dir").mkdir()
    (open_tmp / "dir/file").write_text("found\n")
    out = machine("cat /final/file", bind(open_tmp / "dir", "/mnt/first"),
                  bind(machine.rootfs / "mnt/first", "/final"),
                  change=(lambda config: in_user_namespace(machine, config)) if userns else None)
    assert out == "found\n"


needs_mapped_tmpfs = pytest.mark.skipif(
    tuple(map(int, os.uname().release.split(".")[:2])) < (6, 3), reason="tmpfs maps no ids before Linux 6.3")


def mapped(first):
    return [{"containerID": 0, "hostID": first, "size": 65536}]


@needs_mapped_tmpfs
def test_id_mapped_bind(machine, source):
    (source / "file").touch()
    (source / "below/file").touch()
    look = "stat -c %u /v/file /v/below/file; touch /v/made || true"
    mount = bind(source, "/v", "rbind", "idmap") | {"uidMappings": mapped(1000), "gidMappings": mapped(1000)}
    assert machine(look, mount).split() == ["1000", "0"]
    # A user from outside the maps owns nothing there.
    assert not (source / "made").exists()
    mount["options"] = ["rbind", "ridmap"]
    assert machine(look, mount).split() == ["1000", "1000"]
    # The maps alone ask for it, too.
    mount["options"] = ["rbind"]
    assert machine(look, mount).split() == ["1000", "0"]
    del mount["gidMappings"]
    assert "go together" in machine.fails(mount)
    error = machine.fails(bind(source, "/v", "idmap"))
    assert '"idmap" needs maps, or the container a user namespace' in error
    assert '"idmap" is for a bind' in machine.fails(fresh("tmpfs", "/v", "idmap"))


@needs_mapped_tmpfs
def test_id_mapped_bind_is_no_peer_of_the_host(machine, source):
    def change(config):
        config["linux"]["rootfsPropagation"] = "rslave"

    host("mount", "--make-rshared", source)
    mount = bind(source, "/v", "rbind", "idmap") | {"uidMappings": mapped(0), "gidMappings": mapped(0)}
    seen = mountinfo(machine("cat /proc/self/mountinfo", mount, bind(source, "/w", "rbind"), change=change))
    assert seen["/v"][1] == seen["/v/below"][1] == []
    # As the root's own mounts: the host is heard, and hears nothing.
    assert [f[:7] for f in seen["/w"][1]] == ["master:"]


def in_user_namespace(machine, config):
    config["linux"]["namespaces"].append({"type": "user"})
    config["linux"] |= {"uidMappings": mapped(100000), "gidMappings": mapped(100000)}
    for path, folders, files in os.walk(machine.rootfs):
        for name in [".", *folders, *files]:
            os.lchown(os.path.join(path, name), 100000, 100000)


@needs_mapped_tmpfs
def test_id_mapped_bind_with_the_maps_of_the_container(machine, source):
    (source / "file").touch()
    assert machine("stat -c %u /v/file; touch /v/made && stat -c %u /v/made",
                   bind(source, "/v", "rbind", "idmap"),
                   change=lambda config: in_user_namespace(machine, config)).split() == ["0", "0"]
    assert (source / "made").stat().st_uid == 0


def test_devices(machine):
    def change(config):
        config["linux"]["devices"] = [
            {"path": "/dev/mine", "type": "c", "major": 1, "minor": 5, "fileMode": 0o640, "uid": 7, "gid": 8},
            {"path": "/dev/null", "type": "c", "major": 1, "minor": 3, "fileMode": 0o600},
            {"path": "/srv/pipe", "type": "p", "fileMode": 0o622, "uid": 1, "gid": 2},
            {"path": "/dev/disk", "type": "b", "major": 7, "minor": 200},
        ]

    out = machine("for f in /dev/mine /dev/null /srv/pipe /dev/disk /dev/tty; do stat -c '%n %F %a %u %g %t:%T' $f;"
                  " done; for l in fd stdin stdout stderr ptmx; do readlink /dev/$l; done; ls /dev", change=change)
    assert out.splitlines()[:10] == [
        "/dev/mine character special file 640 7 8 1:5",
        "/dev/null character special file 600 0 0 1:3",
        "/srv/pipe fifo 622 1 2 0:0",
        "/dev/disk block special file 666 0 0 7:c8",
        "/dev/tty character special file 666 0 0 5:0",
        "/proc/self/fd", "/proc/self/fd/0", "/proc/self/fd/1", "/proc/self/fd/2", "pts/ptmx",
    ]
    assert ("core" in out.split()) == Path("/proc/kcore").exists()


def test_devices_in_a_user_namespace(machine):
    """mknod(2) is refused there, and this node is not among the host's."""
    def change(config):
        in_user_namespace(machine, config)
        config["linux"]["devices"] = [
            {"path": "/dev/mine", "type": "c", "major": 10, "minor": 999, "fileMode": 0o640, "uid": 7, "gid": 8},
            {"path": "/srv/null", "type": "c", "major": 1, "minor": 3},
            {"path": "/srv/pipe", "type": "p", "fileMode": 0o622, "uid": 1, "gid": 2}]
        config["linux"]["resources"]["devices"] = [{"allow": True, "access": "rwm"}]

    out = machine("for f in /dev/mine /srv/null /srv/pipe /dev/full; do stat -c '%n %F %a %u %g %t:%T' $f;"
                  " done; echo x > /srv/null; grep -c /srv /proc/self/mountinfo; ls /sys/kernel >/dev/null",
                  change=change)
    assert out.splitlines() == [
        "/dev/mine character special file 640 7 8 a:3e7",
        "/srv/null character special file 666 0 0 1:3",
        "/srv/pipe fifo 622 1 2 0:0",
        "/dev/full character special file 666 65534 65534 1:7",
        "1",
    ]

    def unmapped(config):
        change(config)
        config["linux"]["devices"][0]["uid"] = 65536

    assert "owner 65536:8 is not mapped" in machine.fails(change=unmapped)


def test_devices_without_a_mount_on_dev(machine):
    def change(config):
        config["mounts"] = [m for m in config["mounts"] if not m["destination"].startswith("/dev")]

    assert machine("stat -c %F /dev/full; echo x > /dev/null; readlink /dev/stdin", change=change) == (
        "character special file\n/proc/self/fd/0\n")
    node = (machine.rootfs / "dev/full").lstat()
    assert stat.S_ISCHR(node.st_mode)
    # And again, where they are already.
    assert machine("cat /dev/full | head -c 1 | wc -c", change=change) == "1\n"


def test_nothing_is_put_into_a_bound_dev(machine, tmp_path):
    dev = tmp_path / "dev"
    dev.mkdir()

    def change(config):
        config["mounts"] = [m for m in config["mounts"] if not m["destination"].startswith("/dev")]
        config["mounts"].append(bind(dev, "/dev"))
        config["linux"]["devices"] = [{"path": "/dev/mine", "type": "c", "major": 1, "minor": 5}]

    assert machine("ls /dev", change=change) == ""
    assert list(dev.iterdir()) == []


@pytest.mark.guest
def test_cgroup_without_a_namespace(machine):
    """The paths of /proc/self/cgroup are the host's: on cgroup v2, so is what is mounted."""
    def change(config):
        config["linux"]["namespaces"] = [n for n in config["linux"]["namespaces"] if n["type"] != "cgroup"]
        config["mounts"] = [m for m in config["mounts"] if m["destination"] != "/sys/fs/cgroup"]
        config["mounts"].append(fresh("cgroup", "/sys/fs/cgroup", "nosuid", "noexec", "nodev", "ro"))

    out = machine("cat /proc/self/mountinfo", change=change)
    below = {p: o for p, (o, _, _) in mountinfo(out).items() if p.startswith("/sys/fs/cgroup")}
    assert below
    assert all({"ro", "nosuid", "nodev", "noexec"} <= o for o in below.values())
    if Path("/sys/fs/cgroup/cgroup.controllers").exists():
        out = machine("cat /sys/fs/cgroup$(cut -d : -f 3 /proc/self/cgroup)/cgroup.procs", change=change)
        assert "1" in out.split()


def test_as_root_of_a_user_namespace(machine, source):
    """As engines of ordinary users run it: no mknod, locked flags, one id, no groups."""
    def run(*words):
        def change(config):
            config["linux"]["resources"] = {}
            for mount in config["mounts"]:
                mount["options"] = [o for o in mount.get("options", []) if not o.startswith("gid=")]

        bundle = machine.bundle("echo x > /dev/null && cat /proc/self/mountinfo", bind(source, "/v", *words),
                                change=change)
        return subprocess.run(
            ["unshare", "--user", "--map-root-user", "--mount", "--pid", "--fork", "--mount-proc",
             *machine.runtime.argv, "--cgroup-manager", "disabled", "run", "-b", bundle.path,
             machine.runtime.new_id()], capture_output=True, text=True)

    done = run("rbind", "ro")
    assert {"ro", "nosuid"} <= mountinfo(done.stdout)["/v"][0], done.stderr
    assert {"rw", "nosuid"} <= mountinfo(run("rbind", "rw").stdout)["/v"][0]
    assert "cannot take back options of the mount on /v" in run("rbind", "suid").stderr
