# SPDX-License-Identifier: Apache-2.0
"""networks.py - a host of its own for tests of networks: network namespaces, never the real one.

    host        strata in a network namespace with nothing but a loopback interface
    outside     a second namespace, the world outside: 198.51.100.2 and 2001:db8::2, with the host's
                198.51.100.1 and 2001:db8::1 at the other end of the cable
"""

import json
import shutil
import subprocess
import uuid

import pytest
from conftest import give_kernel
from program import wait_until


NSENTER = shutil.which("nsenter")  # tests change PATH


class Namespace:
    """A network namespace with a name; commands run in it by nsenter, which leaves mounts alone."""

    def __init__(self):
        self.name = "strata-test-" + uuid.uuid4().hex[:8]
        subprocess.run(["ip", "netns", "add", self.name], check=True)
        self.prefix = [NSENTER, f"--net=/run/netns/{self.name}"]
        self.ok("ip", "link", "set", "lo", "up")
        self.servers = []

    def __call__(self, *argv, **kwargs):
        return subprocess.run([*self.prefix, *map(str, argv)], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=60, **kwargs)

    def ok(self, *argv):
        done = self(*argv)
        assert done.returncode == 0, f"{argv}: {done.stderr}"
        return done.stdout

    def start(self, *argv):
        """In the background until the test is over."""
        self.servers.append(subprocess.Popen([*self.prefix, *map(str, argv)],
                                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                             stderr=subprocess.STDOUT))
        return self.servers[-1]

    def links(self):
        return sorted(link["ifname"] for link in json.loads(self.ok("ip", "-j", "link")))

    def tables(self):
        """The tables of nftables, as `nft -j list ruleset` has them."""
        rules = json.loads(self.ok("nft", "-j", "list", "ruleset"))["nftables"]
        return sorted(r["table"]["name"] for r in rules if "table" in r)

    def close(self):
        for server in self.servers:
            server.kill()
            server.wait()
            server.stdout.close()
        subprocess.run(["ip", "netns", "del", self.name], check=False)


class Inside(Namespace):
    """The network namespace of an instance, for clients that its image does not have."""

    def __init__(self, strata, name):
        pid = strata.state(name)["Pid"]
        self.prefix = [NSENTER, f"--net=/proc/{pid}/ns/net"]
        self.servers = []


@pytest.fixture
def namespace():
    made = []

    def make():
        made.append(Namespace())
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def host(namespace, make_strata, busybox_layout):
    """strata, and .net: the namespace that it takes for the host's."""
    net = namespace()
    strata = make_strata()
    strata.prefix = net.prefix
    strata.net = net
    strata.ok("load", "-i", busybox_layout)
    yield strata
    strata.close()
    strata.close = lambda: None
    wait_until(lambda: net.links() == ["lo"] or net.links() == ["lo", "out0"], what="no link left")
    wait_until(lambda: not net.tables(), what="no table left")


@pytest.fixture
def outside(namespace, host):
    there = namespace()
    host.net.ok("ip", "link", "add", "out0", "type", "veth", "peer", "name", "in0", "netns",
                there.name)
    for net, link, number in ((host.net, "out0", 1), (there, "in0", 2)):
        net.ok("ip", "address", "add", f"198.51.100.{number}/24", "dev", link)
        net.ok("ip", "address", "add", f"2001:db8::{number}/64", "dev", link, "nodad")
        net.ok("ip", "link", "set", link, "up")
    return there


@pytest.fixture
def machine_host(host, both_layout, machine_kernel):
    """host, with busybox for linux/riscv64, too, and a kernel for machines."""
    host.ok("load", "-i", both_layout)
    give_kernel(host, machine_kernel)
    return host
