# SPDX-License-Identifier: Apache-2.0
"""test_networks_rootless.py - networks of an ordinary user: without any right on the host, the same
addresses, names and ports. The host is a network namespace of this test."""

import os
import re
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest
from conftest import Strata, _rootless, give_image
from networks import Inside, host, namespace, outside  # noqa: F401 (fixtures)
from program import wait_until

pytestmark = pytest.mark.needs_root  # only root can make the temporary users


BOOT_S = 300


class User(Strata):
    """strata as an ordinary user of a host of the test's own, where anybody may use /dev/net/tun."""

    def _as_user(self):
        return {}


@pytest.fixture
def tun():
    """A mount namespace with a /dev/net/tun as udev would have it."""
    script = ("mount -t tmpfs -o mode=755 tmpfs /dev/net && mknod -m 666 /dev/net/tun c 10 200 && "
              "echo ready && exec sleep 1000000")
    with subprocess.Popen(["unshare", "--mount", "--propagation", "slave", "sh", "-c", script],
                          stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        yield f"/proc/{process.pid}/ns/mnt"
        process.kill()


@pytest.fixture
def user(strata_binary, rootless_user, busybox_layout, host, tun):  # noqa: F811
    one = _rootless(strata_binary, rootless_user, busybox_layout)
    inner = User(strata_binary, one.root, rootless_user)
    inner.prefix = [*host.net.prefix, f"--mount={tun}", "setpriv",
                    f"--reuid={rootless_user.uid}", f"--regid={rootless_user.gid}",
                    "--clear-groups", "--inh-caps=-all"]
    yield inner
    inner.close()
    one.close()


def address(user, name, network="lab"):
    return user.inspect(name)["NetworkSettings"]["Networks"][network]["IPAddress"]


def test_two_by_name(user):
    user.ok("network", "create", "lab")
    user.ok("run", "-d", "--name", "web", "--network", "lab", "--network-alias", "www", "busybox",
            "sh", "-c", "mkdir /w; echo hello > /w/index.html; exec httpd -f -h /w")
    there = address(user, "web")
    said = user.ok("run", "--rm", "--name", "client", "--network", "lab", "busybox", "sh", "-c",
                   "until wget -q -O - http://web/; do sleep 0.1; done; wget -q -O - http://www.lab/;"
                   f"ping -c 1 -W 5 web; nslookup {there}; ip addr show eth0; ip route")
    assert said.startswith("hello\nhello\n")
    assert "1 packets received" in said
    assert re.search(r"name = web\b", said)
    assert re.search(r"link/ether 02:42:", said)
    assert "mtu 65520" in said
    assert re.search(r"default via \S+\.1 dev eth0", said)


def test_real_clients(user):
    """dig and udhcpc, in the container's network namespace, as root of it would."""
    user.ok("network", "create", "lab")
    user.ok("run", "-d", "--name", "web", "--network", "lab", "--network-alias", "www", "busybox",
            "sleep", "1000")
    there = address(user, "web")
    gateway = there.rpartition(".")[0] + ".1"
    inside = Inside(user, "web")
    wait_until(lambda: inside("dig", "+short", "+time=1", "+tries=1", f"@{gateway}", "web").stdout
               == there + "\n")
    assert inside.ok("dig", "+short", f"@{gateway}", "WWW.lab") == there + "\n"
    assert inside.ok("dig", "+short", f"@{gateway}", "-x", there) == "web.\n"
    assert "status: NXDOMAIN" in inside.ok("dig", f"@{gateway}", "nobody")
    assert "status: NOERROR" in inside.ok("dig", f"@{gateway}", "web", "AAAA")
    said = user("exec", "web", "udhcpc", "-i", "eth0", "-n", "-q", "-f", "-s", "/bin/true")
    assert f"lease of {there} obtained from {gateway}" in said.stdout + said.stderr


def serve(user, name, *options, text="hello"):
    user.ok("run", "-d", "--name", name, *options, "busybox", "sh", "-c",
            f"mkdir /w; echo {text} > /w/index.html; exec httpd -f -h /w")


def fetch(namespace, url):  # noqa: F811
    done = namespace("curl", "-s", "-m", "5", url)
    return done.stdout if done.returncode == 0 else None


def can_fetch(user, network, url):
    return user("run", "--rm", "--network", network, "busybox", "timeout", "3", "wget", "-q", "-O",
                "-", url).returncode == 0


def test_way_out(user, host, outside):  # noqa: F811
    """TCP, UDP and names of the world outside, as the host has them."""
    outside.start("python3", "-m", "http.server", "--bind", "198.51.100.2", "8000",
                  "--directory", "/usr/share/doc/iproute2")
    wait_until(lambda: fetch(host.net, "http://198.51.100.2:8000/copyright"))
    said = user.ok("run", "--rm", "--network", "bridge", "busybox", "sh", "-c",
                   "wget -q -O - http://198.51.100.2:8000/copyright | sha256sum")
    expected = subprocess.run(["sha256sum"], input=open("/usr/share/doc/iproute2/copyright", "rb").read(),
                              stdout=subprocess.PIPE, check=True).stdout.decode()
    assert said.split()[0] == expected.split()[0]
    assert can_fetch(user, "bridge", "http://198.51.100.2:8000/")
    # The host's own loopback is not the way out's.
    host.net.start("python3", "-m", "http.server", "--bind", "127.0.0.1", "8001")
    wait_until(lambda: fetch(host.net, "http://127.0.0.1:8001/"))
    gateway = user.ok("run", "--rm", "--network", "bridge", "busybox", "sh", "-c",
                      "ip route | sed -n 's/default via \\([^ ]*\\).*/\\1/p'")
    assert not can_fetch(user, "bridge", f"http://{gateway}:8001/")


def test_internal(user, host, outside):  # noqa: F811
    outside.start("python3", "-m", "http.server", "--bind", "198.51.100.2", "8000")
    wait_until(lambda: fetch(host.net, "http://198.51.100.2:8000/"))
    user.ok("network", "create", "--internal", "quiet")
    serve(user, "web", "--network", "quiet")
    assert user.ok("run", "--rm", "--network", "quiet", "busybox", "sh", "-c",
                   "until wget -q -O - http://web/; do sleep 0.1; done") == "hello"
    assert not can_fetch(user, "quiet", "http://198.51.100.2:8000/")


def test_published(user, host, outside):  # noqa: F811
    serve(user, "web", "--network", "bridge", "-p", "8080:80", "-p", "127.0.0.1:8081:80")
    assert wait_until(lambda: fetch(host.net, "http://127.0.0.1:8080/")) == "hello\n"
    assert fetch(host.net, "http://127.0.0.1:8081/") == "hello\n"
    assert fetch(outside, "http://198.51.100.1:8080/") == "hello\n"
    assert fetch(outside, "http://198.51.100.1:8081/") is None
    user.fails("run", "--rm", "--network", "bridge", "-p", "8080:80", "busybox", "true", status=125,
               saying=r"8080/tcp is already in use|cannot publish")
    ports = user.ok("port", "web")
    assert "80/tcp -> 0.0.0.0:8080" in ports and "80/tcp -> 127.0.0.1:8081" in ports
    user.ok("stop", "-t", "0", "web")
    wait_until(lambda: fetch(host.net, "http://127.0.0.1:8080/") is None)
    user.ok("start", "web")
    assert wait_until(lambda: fetch(host.net, "http://127.0.0.1:8080/")) == "hello\n"
    # One of the kernel's choice.
    serve(user, "other", "--network", "bridge", "-p", "80")
    port = user.ok("port", "other", "80/tcp").splitlines()[0].rpartition(":")[2]
    assert wait_until(lambda: fetch(host.net, f"http://127.0.0.1:{port}/")) == "hello\n"


def test_nobody_is_somebody_else(user):
    """Root of a container has its interface in its own hands, and gets nowhere with it."""
    user.ok("network", "create", "lab")
    serve(user, "web", "--network", "lab")
    user.ok("run", "-d", "--name", "bad", "--network", "lab", "--cap-add", "NET_ADMIN", "busybox",
            "sleep", "1000")
    user.ok("exec", "bad", "sh", "-c", "until wget -q -O - http://web/; do sleep 0.1; done")
    there = address(user, "web")
    other = there.rpartition(".")[0] + ".77"
    user.ok("exec", "bad", "ip", "addr", "add", f"{other}/16", "dev", "eth0")
    assert user("exec", "bad", "ping", "-c", "1", "-W", "1", "-I", other, "web").returncode != 0
    user.ok("exec", "bad", "ping", "-c", "1", "-W", "5", "web")
    user.ok("exec", "bad", "sh", "-c", "ip link set eth0 down; ip link set eth0 address "
            "02:42:01:02:03:04; ip link set eth0 up")
    assert user("exec", "bad", "ping", "-c", "1", "-W", "1", there).returncode != 0
    assert user.ok("exec", "web", "hostname")


def pings(user, name, there):
    return user("exec", name, "ping", "-c", "1", "-W", "1", there).returncode == 0


def test_several(user):
    user.ok("network", "create", "one")
    user.ok("network", "create", "two", "-o", "mtu=1400")
    serve(user, "web", "--network", "one", text="one")
    serve(user, "db", "--network", "two", text="two")
    there = address(user, "db", "two")
    both = user.ok("run", "--rm", "--network", "one", "--network", "two", "busybox", "sh", "-c",
                   "until wget -q -O - http://web/; do sleep 0.1; done;"
                   f"until wget -q -O - http://{there}/; do sleep 0.1; done; ip addr show eth1")
    assert both.startswith("one\ntwo\n") and "mtu 1400" in both
    # They do not see each other.
    assert not pings(user, "web", there)
    user.ok("network", "connect", "two", "web")
    wait_until(lambda: pings(user, "web", there))
    user.ok("network", "disconnect", "two", "web")
    wait_until(lambda: not pings(user, "web", there))


def keepers(user):
    found = subprocess.run(["pgrep", "-u", str(user.user.uid), "-f", "strata-network __keep"],
                           stdout=subprocess.PIPE, text=True, check=False)
    return found.stdout.split()


def kill_keeper(user):
    os.kill(int(keepers(user)[0]), signal.SIGKILL)
    wait_until(lambda: not keepers(user), what="the killed keeper's end")


def test_killed_keeper(user):
    user.ok("network", "create", "lab")
    serve(user, "web", "--network", "lab")
    kill_keeper(user)
    # Who comes next starts another; who was there comes back with the next start.
    serve(user, "db", "--network", "lab")
    user.ok("restart", "-t", "0", "web")
    assert user.ok("exec", "db", "sh", "-c",
                   "until wget -q -O - http://web/; do sleep 0.1; done") == "hello"
    kill_keeper(user)
    user.ok("rm", "-f", "web", "db")
    user.ok("network", "rm", "lab")
    wait_until(lambda: not keepers(user), timeout_s=30)


def test_nothing_left(user):
    user.ok("network", "create", "lab")
    serve(user, "web", "--network", "lab")
    assert len(keepers(user)) == 1
    user.ok("rm", "-f", "web")
    user.ok("network", "rm", "lab")
    wait_until(lambda: not keepers(user), timeout_s=30)


@pytest.mark.slow
def test_machine_and_container(user, host, outside, foreign_store, machine_kernel):  # noqa: F811
    """An emulated machine, whose card is a cable, and a container on one network."""
    folder = tempfile.mkdtemp(prefix="machine-", dir=user.user.home)
    user.root = Path(folder, "root")
    user.root.mkdir()
    give_image(user, foreign_store)
    subprocess.run(["cp", "-a", machine_kernel / "kernels", user.root], check=True)
    subprocess.run(["chown", "-R", f"{user.user.uid}:{user.user.gid}", folder], check=True)
    user.ok("network", "create", "lab")
    # A program of another CPU, translated: the same container to its network.
    serve(user, "web", "--network", "lab", "--platform", "linux/riscv64")
    user.ok("run", "-d", "--name", "vm-one", "--isolation", "vm", "--platform", "linux/riscv64",
            "--network", "lab", "-p", "8080:80", "busybox", "sh", "-c",
            "mkdir /w; echo machine > /w/index.html; exec httpd -f -h /w", timeout=BOOT_S)
    assert wait_until(lambda: fetch(host.net, "http://127.0.0.1:8080/"), timeout_s=BOOT_S) == "machine\n"
    said = user.ok("exec", "vm-one", "sh", "-c", "wget -q -O - http://web/; cat /sys/class/net/eth0/mtu;"
                   "cat /sys/class/net/eth0/address")
    assert said.split()[:2] == ["hello", "65520"]
    assert said.split()[2].startswith("02:42:")
    assert user.ok("exec", "web", "wget", "-q", "-O", "-", "http://vm-one/") == "machine"
    user.ok("rm", "-f", "web", "vm-one")
