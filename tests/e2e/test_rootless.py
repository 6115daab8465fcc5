# SPDX-License-Identifier: Apache-2.0
"""test_rootless.py - the same commands as an ordinary user."""

import os
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path

import pytest

import oci
from conftest import Strata, wait_until

pytestmark = pytest.mark.needs_root  # only root can make the temporary users


@pytest.mark.guest
def test_run(rootless):
    out = rootless.ok("run", "--rm", "--network", "none", "busybox", "sh", "-c",
                      "id -u; hostname -s | wc -c; echo $$; touch /x && ls -ln /x | awk '{print $3}'")
    assert out.split() == ["0", "13", "1", "0"]


@pytest.mark.guest
def test_other_users_inside(rootless):
    out = rootless.ok("run", "--rm", "-u", "user", "busybox", "sh", "-c",
                      "id -u; touch ~/x && stat -c %u ~/x; stat -c %u /home/other")
    assert out.split() == ["1000", "1000", "1001"]


def test_root_inside_is_not_root_outside(rootless, rootless_user):
    rootless.ok("run", "-d", "--name", "it", "busybox", "sleep", "100")
    pid = rootless.state("it")["Pid"]
    assert os.stat(f"/proc/{pid}").st_uid == rootless_user.uid
    caps = rootless.ok("exec", "it", "grep", "CapEff", "/proc/self/status")
    assert int(caps.split()[1], 16) == 0x00000000A80425FB


def test_user_root_files_are_safe(rootless, open_tmp):
    (open_tmp / "secret").write_text("host root's\n")
    os.chmod(open_tmp / "secret", 0o600)
    done = rootless("run", "--rm", "-v", f"{open_tmp}:/d", "busybox", "cat", "/d/secret")
    assert done.returncode == 1 and "root's" not in done.stdout


def test_life(rootless):
    rootless.ok("run", "-d", "--name", "it", "busybox", "sh", "-c",
                "trap 'exit 3' TERM; echo hello; while :; do sleep 0.1; done")
    wait_until(lambda: rootless.ok("logs", "it") == "hello")
    assert rootless.ok("exec", "it", "cat", "/etc/hostname") == rootless.inspect("it")["Id"][:12]
    rootless.ok("stop", "it")
    assert rootless.state("it")["ExitCode"] == 3
    rootless.ok("rm", "it")
    assert rootless.ok("ps", "-aq") == ""


def test_files_of_inner_users_can_be_removed(rootless):
    rootless.ok("run", "--name", "it", "busybox", "sh", "-c",
                "mkdir /deep && chown 1234:1234 /deep && chmod 700 /deep && su user -c 'touch ~/f'; "
                "chown -R 5:5 /var")
    rootless.ok("rm", "it")
    assert not rootless.instance_dirs()


def test_terminal(rootless):
    t = rootless.terminal("run", "--rm", "-it", "busybox", "sh")
    t.expect("[#$] ")
    t.line("stty size; id -u; exit 5")
    t.expect("24 80")
    assert t.wait() == 5


@pytest.mark.guest
def test_single_mapping(rootless_single):
    out = rootless_single.ok("run", "--rm", "--network", "none", "busybox", "sh", "-c",
                             "id -u; awk '{print $3}' /proc/self/uid_map; echo x >/y && cat /y")
    assert out.split() == ["0", "1", "x"]


def test_single_mapping_has_no_other_users(rootless_single):
    done = rootless_single.fails("run", "--rm", "-u", "user", "busybox", "true", status=125)
    assert "subuid" in done.stderr or "1000" in done.stderr


@pytest.mark.guest
def test_limits_without_delegation_are_an_error(rootless):
    """Never ignored: a limit that cannot be held is refused with the reason."""
    for option in (("--memory", "64m"), ("--cpus", "0.5"), ("--pids-limit", "10")):
        done = rootless.fails("run", "--rm", *option, "busybox", "true", status=125)
        assert "cgroup" in done.stderr or "deleg" in done.stderr
        assert option[0].strip("-").split("-")[0][:3] in done.stderr


def test_device_nodes_of_a_layer(rootless, open_tmp):
    """A layer with device nodes, as an ordinary user: said, not fatal silence."""
    layout = oci.Layout(open_tmp / "oci")
    tar = oci.Tar().dir("dev").device("dev/mem", 1, 1).bytes()
    layout.name(layout.manifest([oci.busybox_tar(), tar], oci.BUSYBOX_CONFIG), "nodes:latest")
    subprocess.run(["chmod", "-R", "a+rX", str(open_tmp)], check=True)
    done = rootless("import", open_tmp / "oci")
    if done.returncode:
        assert "dev/mem" in done.stderr
    else:
        out = rootless("run", "--rm", "nodes", "sh", "-c", "head -c1 /dev/mem | wc -c").stdout
        assert out.strip() == "0"


def test_beside_an_init_of_ours(rootless):
    """Our own init hides itself, even from its user; its children are found instead."""
    rootless.ok("run", "-d", "--name", "kept", "--init", "busybox", "sleep", "1234")
    assert rootless.ok("exec", "kept", "id", "-u") == "0"
    assert "sleep 1234" in rootless.ok("exec", "kept", "ps")
    for option in ("--pid", "--ipc", "--network"):
        rootless.ok("run", "--rm", option, "container:kept", "busybox", "true")
    assert "sleep 1234" in rootless.ok("run", "--rm", "--pid", "container:kept", "busybox", "ps")
    # One that joins may be joined itself, and has an init of its own.
    rootless.ok("run", "-d", "--name", "guest", "--init", "--pid", "container:kept", "busybox",
                "sleep", "4321")
    assert "sleep 1234" in rootless.ok("exec", "guest", "ps")


# --- where the kernel refuses an overlay ---


@pytest.fixture
def refused(strata_binary, rootless_user, busybox_layout, open_tmp):
    """A store on an overlay, which no other overlay may write to."""
    place = Path(tempfile.mkdtemp(prefix="data-", dir=rootless_user.home))
    folders = {name: open_tmp / name for name in ("lower", "upper", "work")}
    for folder in folders.values():
        folder.mkdir()
    os.chown(folders["upper"], rootless_user.uid, rootless_user.gid)
    options = ",".join(f"{name}dir={folder}" for name, folder in folders.items())
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, place], check=True)
    one = Strata(strata_binary, place / "root", rootless_user)
    try:
        one.ok("import", busybox_layout)
        yield one
        one.close()
    finally:
        subprocess.run(["umount", place], check=True)


@pytest.fixture
def dev_fuse():
    """/dev/fuse as Debian has it: open to everybody."""
    if not os.path.exists("/dev/fuse"):
        pytest.skip("this host has no /dev/fuse")
    mode = stat.S_IMODE(os.stat("/dev/fuse").st_mode)
    os.chmod("/dev/fuse", 0o666)
    yield
    os.chmod("/dev/fuse", mode)


def bytes_of(strata, *args, env):
    return strata(*args, check=0, env=env, text=False).stdout


def write_and_read_again(strata, root_type, env=None):
    """A life of one instance whose root is not the kernel's overlay. Returns the two warnings."""
    first = strata("run", "-d", "--name", "it", "-u", "user", "busybox", "sh", "-c",
                   "stat -c %u ~ >~/owner; cat ~/owner ~/more; exec sleep 1000", check=0, env=env)
    assert root_type in strata.ok("exec", "it", "mount").splitlines()[0]
    strata.ok("exec", "-u", "user", "it", "sh", "-c", "rm /home/user/nothing; echo more >~/more")
    assert b"more\n" in bytes_of(strata, "cp", "it:/home/user/more", "-", env=env)
    strata.ok("cp", "-a", "it:/home/user", "it-user", env=env)
    strata.ok("cp", "it-user/more", "it:/root/", env=env)
    strata.ok("stop", "-t", "0", "it")
    assert b"more\n" in bytes_of(strata, "cp", "it:/home/user/more", "-", env=env)
    assert b"home/user/owner" in bytes_of(strata, "export", "it", env=env)
    second = strata("start", "it", check=0, env=env)
    wait_until(lambda: "more" in strata.ok("logs", "it"))
    assert strata.ok("exec", "-u", "root", "it", "cat", "/home/user/owner", "/root/more") == "1000\nmore"
    strata.ok("rm", "-f", "it")
    # A new volume gets what the image has there.
    assert strata.ok("run", "--rm", "-v", "/home/user", "busybox", "stat", "-c", "%u", "/home/user",
                     env=env) == "1000"
    wait_until(lambda: not strata.instance_dirs())
    return first.stderr, second.stderr


def test_fuse_overlayfs(refused, dev_fuse):
    said = write_and_read_again(refused, "fuse.fuse-overlayfs")
    for warning in said:
        assert warning.count("\n") == 1 and "using fuse-overlayfs" in warning
    # In the foreground, read-only and with a command that is not there: nothing stays behind.
    done = refused("run", "--rm", "--read-only", "busybox", "touch", "/x", check=1)
    assert "Read-only file system" in done.stderr
    refused("run", "--rm", "busybox", "no-such-command", check=127)


def test_fuse_overlayfs_after_a_crash(refused, dev_fuse):
    refused.ok("run", "-d", "--name", "it", "busybox", "sleep", "1000")
    os.kill(refused.monitor_pid("it"), 9)
    refused.ok("rm", "-f", "it")


def test_a_copy_where_there_is_no_overlay(refused, open_tmp):
    for program in ("newuidmap", "newgidmap"):
        (open_tmp / program).symlink_to(shutil.which(program))
    first, second = write_and_read_again(refused, " overlay ", env={"PATH": str(open_tmp)})
    assert first.count("\n") == 1 and second == ""  # what was copied once is there
    assert "fuse-overlayfs is not installed" in first and "copying the image instead" in first


def test_a_copy_where_fuse_is_closed(refused):
    if os.path.exists("/dev/fuse") and os.stat("/dev/fuse").st_mode & stat.S_IWOTH:
        pytest.skip("/dev/fuse is open to everybody")
    done = refused("run", "--rm", "busybox", "cat", "/etc/passwd", check=0)
    assert done.stderr.count("\n") == 1 and "/dev/fuse" in done.stderr
    assert "copying the image instead" in done.stderr
