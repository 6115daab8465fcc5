# SPDX-License-Identifier: Apache-2.0
"""test_rootless.py - the same commands as an ordinary user."""

import os
import subprocess

import pytest

import oci
from conftest import wait_until

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
