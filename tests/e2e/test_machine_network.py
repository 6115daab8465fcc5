# SPDX-License-Identifier: Apache-2.0
"""test_machine_network.py - what leads out of a machine and into it: the user-mode network, published
ports, tap interfaces, vsock and shared folders, with Debian's kernel and its drivers."""

import contextlib
import hashlib
import http.server
import os
import re
import signal
import socket
import subprocess
import threading
import time
import urllib.request
from pathlib import Path

import pytest

import machines

BOOT_S = 240  # on a busy machine
NET = ("virtio_mmio", "failover", "net_failover", "virtio_net")
FS = ("virtio_mmio",)  # the rest is in the kernel
VSOCK = ("virtio_mmio", "vsock", "vmw_vsock_virtio_transport_common", "vmw_vsock_virtio_transport")
LEASE = """
ip link set lo up; ip link set eth0 up
cat > /lease <<'E'
#!/bin/sh
[ "$1" = bound ] || exit 0
ip addr add $ip/$mask dev eth0; ip route add default via $router; echo "lease $ip/$mask $router $dns"
E
chmod +x /lease; udhcpc -i eth0 -n -q -s /lease
"""
OFF = "\npoweroff -f\n"

pytestmark = pytest.mark.slow


class Guest:
    """A machine that runs a script; what it says is there when it has ended."""

    def __init__(self, argv, env):
        self._process = subprocess.Popen(argv, env=env, stdin=subprocess.DEVNULL, text=True,
                                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    @property
    def pid(self):
        return self._process.pid

    def end(self):
        said, _ = self._process.communicate(timeout=BOOT_S)
        assert self._process.returncode == 0, said
        return said.replace("\r", "")

    def close(self):
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()


@pytest.fixture(scope="module")
def boot():
    return machines.files()


@pytest.fixture
def vm(strata_binary):
    return machines.Machine(strata_binary)


@pytest.fixture
def guest(vm, boot, tmp_path):
    started = []

    def start(script, *args, modules=(), programs=None, before=()):
        initrd = tmp_path / f"initrd-{len(started)}"
        initrd.write_bytes(machines.initramfs(boot, script + OFF, modules, programs))
        argv = [*before, *vm.argv("--kernel", boot["kernel"], "--initrd", initrd, "--append",
                                  "console=ttyS0 quiet panic=-1", "--no-reboot", *args)]
        started.append(Guest(argv, vm.env()))
        return started[-1]

    yield start
    for one in started:
        one.close()


@pytest.fixture
def web(tmp_path):
    """A server on the host's loopback: its port, and the folder that it serves."""
    folder = tmp_path / "web"
    folder.mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=str(folder))

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port, folder
    server.shutdown()
    thread.join()
    server.server_close()


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


# --- the user-mode network -----------------------------------------------------------------------


@pytest.mark.parametrize("stack", ["own", "slirp"])
def test_reaches_the_host_where_that_is_allowed(guest, web, stack):
    port, folder = web
    data = os.urandom(8 << 20)
    (folder / "data").write_bytes(data)
    said = guest(LEASE + f"ping -c 1 10.0.2.2 | grep received; wget -q -O - http://10.0.2.2:{port}/data "
                 "| sha256sum; cat /sys/class/net/eth0/mtu", "--net", f"user,host=on,stack={stack}",
                 modules=NET).end()
    assert "lease 10.0.2.15/24 10.0.2.2 10.0.2.3" in said
    assert "1 packets received" in said
    assert hashlib.sha256(data).hexdigest() in said
    assert "\n65520\n" in said


def test_the_host_is_hidden_otherwise(guest, web):
    port, folder = web
    (folder / "data").write_text("not for guests")
    said = guest(LEASE + f"wget -T 10 -O - http://10.0.2.2:{port}/data; echo status $?", modules=NET).end()
    assert "lease 10.0.2.15/24" in said
    assert "not for guests" not in said and "status 1" in said


def test_options(guest):
    said = guest(LEASE + "cat /sys/class/net/eth0/mtu /sys/class/net/eth0/address; ls /sys/class/net",
                 "--net", "user,net=192.168.77.0/26,mtu=1500,mac=52:54:00:aa:bb:cc", "--net",
                 "user,ipv6=off", modules=NET).end()
    assert "lease 192.168.77.15/26 192.168.77.2 192.168.77.3" in said
    assert "\n1500\n52:54:00:aa:bb:cc\n" in said
    assert "eth1" in said


def test_none(guest):
    assert "eth0" not in guest("ls /sys/class/net", "--net", "none", modules=NET).end()


def until(attempt):
    """What attempt() answers once that is something."""
    for _ in range(10 * BOOT_S):
        if got := attempt():
            return got
        time.sleep(0.1)
    raise AssertionError("the guest was never there")


def echo_through(port, data):
    """Until the guest listens, connections end soon; then it sends back what it gets."""
    got = b""

    def send(s):
        with contextlib.suppress(OSError):
            s.sendall(data)
            s.shutdown(socket.SHUT_WR)

    try:
        with socket.create_connection(("127.0.0.1", port)) as s:
            sender = threading.Thread(target=send, args=(s,))
            sender.start()
            try:
                while part := s.recv(65536):
                    got += part
            finally:
                sender.join()
    except OSError:
        return None
    return got


def test_published_ports(guest):
    port = free_port()
    data = os.urandom(300000)
    running = guest(LEASE + "nc -l -p 7 -e cat; echo served", "--publish", f"127.0.0.1:{port}:7",
                    "--net", "user,restrict=on", modules=NET)
    assert until(lambda: echo_through(port, data)) == data
    assert "\nserved\n" in running.end()


def test_tap(guest):
    """In a network namespace of its own, where anybody may make an interface."""
    setup = ("ip tuntap add t0 mode tap && ip addr add 10.9.0.1/24 dev t0 && ip link set t0 up && "
             "python3 -m http.server --bind 10.9.0.1 8000 --directory /usr/share/doc/iproute2 "
             ">/dev/null 2>&1 & sleep 1; exec \"$@\"")
    with subprocess.Popen(["unshare", "--net", "--map-root-user", "true"]) as probe:
        if probe.wait() != 0:
            pytest.skip("no network namespace can be made here")
    said = guest("ip addr add 10.9.0.2/24 dev eth0; ip link set eth0 up; ping -c 1 10.9.0.1; "
                 "wget -q -O - http://10.9.0.1:8000/copyright | sha256sum", "--net", "tap=t0",
                 modules=NET, before=("unshare", "--net", "--map-root-user", "--kill-child", "--pid",
                                      "--fork", "sh", "-c", setup, "sh")).end()
    expected = open("/usr/share/doc/iproute2/copyright", "rb").read()
    assert "1 packets received" in said
    assert hashlib.sha256(expected).hexdigest() in said


# --- vsock ---------------------------------------------------------------------------------------


def serve_once(listener, answer, ret):
    with listener.accept()[0] as s:
        while part := s.recv(65536):
            ret.append(part)
        s.sendall(answer)


def connect_vsock(path, port):
    s = socket.socket(socket.AF_UNIX)
    s.connect(str(path))
    s.sendall(b"CONNECT %d\n" % port)
    answer = b""
    while not answer.endswith(b"\n") and (part := s.recv(1)):
        answer += part
    if answer.startswith(b"OK "):
        return s
    s.close()
    return None


def test_vsock(guest, tmp_path):
    path = tmp_path / "v"
    data = os.urandom(3 << 20)
    heard = []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{path}_52")
        listener.listen(1)
        server = threading.Thread(target=serve_once, args=(listener, data, heard), daemon=True)
        server.start()
        running = guest("vsock connect 52 | sha256sum; vsock connect 53; vsock echo 1234; echo served",
                        "--vsock", path, modules=VSOCK,
                        programs={"vsock": machines.program("vsock.c", tmp_path)})
        server.join(BOOT_S)
    with until(lambda: connect_vsock(path, 1234)) as s:
        sender = threading.Thread(target=lambda: (s.sendall(data), s.shutdown(socket.SHUT_WR)))
        sender.start()
        back = b""
        while part := s.recv(65536):
            back += part
        sender.join()
    said = running.end()
    assert b"".join(heard) == b"hello from the guest\n"
    assert hashlib.sha256(data).hexdigest() in said
    assert "connect: Connection reset by peer" in said
    assert back == data and "\nserved\n" in said
    assert not path.exists()


# --- shared folders ------------------------------------------------------------------------------


@pytest.fixture
def shares(tmp_path):
    for name in ("writable", "readonly"):
        (tmp_path / name).mkdir()
    (tmp_path / "readonly" / "text").write_text("from the host\n")
    (tmp_path / "single").write_text("one file\n")
    return tmp_path


def test_exerciser(guest, shares):
    """What a file system must do, in the guest on a shared folder; the host sees the same."""
    said = guest("mount -t virtiofs strata /mnt; exercise /mnt/rw; echo status $?; "
                 "echo text > /mnt/rw/text; ln -s text /mnt/rw/link; chmod 640 /mnt/rw/text",
                 "--share", f"rw={shares}/writable", modules=FS,
                 programs={"exercise": machines.program("exercise.c", shares)}).end()
    assert "\nstatus 0\n" in said, said
    assert "not ok" not in said and len(re.findall("^ok ", said, re.M)) >= 16
    folder = shares / "writable"
    assert (folder / "text").read_text() == "text\n"
    assert (folder / "text").stat().st_mode & 0o777 == 0o640
    assert os.readlink(folder / "link") == "text"
    assert (folder / "unlinked-while-open" / "u").read_text() == "another"
    if os.geteuid() == 0:
        assert (folder / "owners" / "mine").stat().st_uid == 3001


def test_shares(guest, shares):
    said = guest("mount -t virtiofs strata /mnt; ls -1 /mnt; cat /mnt/ro/text /mnt/file; "
                 "echo x > /mnt/ro/text; echo x > /mnt/new; rm /mnt/ro/text; "
                 "echo changed > /mnt/file; "
                 "for i in $(seq 600); do [ -e /mnt/rw/go ] && break; sleep 0.1; done; cat /mnt/rw/go",
                 "--share", f"rw={shares}/writable", "--share", f"ro={shares}/readonly:ro",
                 "--share", f"file={shares}/single", modules=FS)
    go = shares / "go"
    go.write_text("the host has made this\n")
    go.rename(shares / "writable" / "go")
    said = said.end()
    assert "file\nro\nrw\nfrom the host\none file\n" in said
    assert said.count("Read-only file system") == 3
    assert (shares / "readonly" / "text").read_text() == "from the host\n"
    assert (shares / "single").read_text() == "changed\n"
    assert "\nthe host has made this\n" in said


def children(pid):
    try:
        return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except FileNotFoundError:
        return []


def ends(pid):
    """A zombie that nobody waits for has ended, too."""
    try:
        return "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_server_ends_with_its_machine(guest, shares):
    running = guest("sleep 1000", "--share", f"rw={shares}/writable")
    (server,) = until(lambda: children(running.pid))
    os.kill(running.pid, signal.SIGKILL)
    until(lambda: ends(server))


# --- an image's ----------------------------------------------------------------------------------


def fetch(port):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=30) as answer:
            return answer.read()
    except OSError:
        return None


def test_ports_of_an_instance(strata, machine_image):
    port = free_port()
    strata.ok("run", "-d", "--name", "web", "--isolation", "vm", "--network", "host", "-p",
              f"127.0.0.1:{port}:80", machine_image, "sh", "-c",
              "mkdir -p /www; echo served > /www/index.html; exec httpd -f -p 80 -h /www",
              timeout=BOOT_S)
    assert until(lambda: fetch(port)) == b"served\n"
    strata.ok("restart", "-t", "1", "web", timeout=BOOT_S)
    assert until(lambda: fetch(port)) == b"served\n"
    strata.ok("rm", "-f", "web", timeout=BOOT_S)


@pytest.mark.parametrize("args, message", [
    (["-p", "80:80"], "--publish needs a network"),
    (["--network", "none", "-p", "80:80"], "--publish needs a network"),
    (["--network", "host", "-p", "80"], "80 is no port forwarding"),
    (["--network", "host", "-P"], "--publish-all needs a network"),
])
def test_wrong_ports_of_an_instance(strata, machine_image, args, message):
    done = strata("run", "--rm", "--isolation", "vm", *args, machine_image, "true", timeout=BOOT_S)
    assert done.returncode == 125 and message in done.stderr
    assert not strata.instance_dirs()


# --- what is wrong -------------------------------------------------------------------------------


@pytest.mark.parametrize("args, message", [
    (["--net", "cable"], "a network is user, tap=INTERFACE, switch=SOCKET or none"),
    (["--net", "user,speed=fast"], "no option \"speed\""),
    (["--net", "user,stack=lwip"], "the stack is own or slirp"),
    (["--net", "user,net=10.0.0.0"], "10.0.0.0 is no network"),
    (["--net", "user,mac=01:00:00:00:00:00"], "no address of a network card"),
    (["--net", "tap=not-there"], "ip tuntap add not-there"),
    (["--net", "switch=/not/there"], "cannot connect with the switch at /not/there"),
    (["--net", "switch=fd:x"], "\"x\" is no descriptor"),
    (["--net", "switch=fd:0"], "descriptor 0 is no cable"),
    (["--net", "switch=/not/there,host=on"], "a switch has no option \"host\""),
    (["--net", "switch=/not/there", "-p", "8080:80"], "--publish needs --net user"),
    (["--net", "tap=not-there,host=on"], "a tap interface has no option \"host\""),
    (["--net", "none", "--publish", "1:1"], "--publish needs --net user"),
    (["--publish", "80"], "80 is no port forwarding"),
    (["--share", "rw"], "rw is no share"),
    (["--share", "a/b=/tmp"], "cannot be the name"),
    (["--share", "a=/not/there"], "/not/there"),
    (["--share", "a=/tmp", "--share", "a=/usr"], "two shared folders have the name a"),
    (["--vsock", "/not/there/v"], "/not/there/v"),
])
def test_wrong(vm, boot, args, message):
    done = vm("--kernel", boot["kernel"], *args, timeout=BOOT_S, input="")
    assert done.returncode != 0
    assert message in done.stderr


def test_port_that_is_taken(vm, boot):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen(1)
        port = s.getsockname()[1]
        done = vm("--kernel", boot["kernel"], "--publish", f"127.0.0.1:{port}:80", timeout=BOOT_S,
                  input="")
    assert done.returncode != 0
    assert f"cannot listen at the host's port {port}" in done.stderr
