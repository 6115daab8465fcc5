# SPDX-License-Identifier: Apache-2.0
"""test_networks.py - instances in networks: addresses, names, ways out, published ports; what is
left behind is nothing, whatever is killed."""

import ipaddress
import json
import os
import signal
import socket

import pytest
from networks import Inside, host, machine_host, namespace, outside  # noqa: F401
from program import wait_until

pytestmark = pytest.mark.needs_root

# Answers with what it was sent.
UDP_ECHO = """
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("0.0.0.0", {0}))
while True:
    data, who = s.recvfrom(1500)
    s.sendto(data, who)
"""
UDP_ASK = """
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(5)
s.sendto(b"hallo", ("127.0.0.1", {0}))
print(s.recv(100).decode())
"""
# Says who sends to it.
UDP_LISTEN = """
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("0.0.0.0", {0}))
while True:
    data, who = s.recvfrom(1500)
    print(who[0], flush=True)
    s.sendto(data, who)
"""
# One frame as it is: to a MAC address, from and to addresses of IPv4, to a port.
RAW_SEND = """
import socket, struct
mac, src, dst, port = "{0}", "{1}", "{2}", {3}
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(("eth0", 0))
head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 33, 1, 0, 64, 17, 0, socket.inet_aton(src),
                   socket.inet_aton(dst))
total = sum(struct.unpack("!10H", head))
total = (total & 0xffff) + (total >> 16)
head = head[:10] + struct.pack("!H", 0xffff - ((total & 0xffff) + (total >> 16))) + head[12:]
s.send(bytes.fromhex(mac.replace(":", "")) + s.getsockname()[4] + b"\\x08\\x00" + head +
       struct.pack("!HHHH", 9, port, 13, 0) + b"hallo")
"""
SERVE = "mkdir -p /w; echo 'this is {0}' >/w/index.html; exec httpd -f -p 80 -h /w"


def serve(strata, name, *options, network="shop"):
    """An instance with a web server; it answers when this returns."""
    strata.ok("run", "-d", "--name", name, "--network", network, *options, "busybox", "sh", "-c",
              SERVE.format(name))
    inside = Inside(strata, name)
    wait_until(lambda: inside("curl", "-sf", "http://127.0.0.1").returncode == 0,
               what=f"{name} serves")
    return inside


def refusal(strata, *args, status=1):
    """The one sentence."""
    return strata.fails(*args, status=status).stderr.strip()


def address(strata, name, network="shop"):
    return strata.inspect(name)["NetworkSettings"]["Networks"][network]["IPAddress"]


def curl(net, url, *options):
    return net("curl", "-s", "--max-time", "10", *options, url)


def fetches(net, url, *options):
    done = curl(net, url, *options)
    return done.stdout.strip() if done.returncode == 0 else None


def is_silent(net, url):
    """Dropped, not refused."""
    return net("curl", "-s", "--max-time", "1", url).returncode == 28


# --- addresses and names -------------------------------------------------------------------------


def test_two_instances_by_name(host):
    host.ok("network", "create", "--ipv6", "shop")
    serve(host, "web", "--network-alias", "www")
    short = host.inspect("web")["Id"][:12]
    for name in ("web", "www", short):
        out = host.ok("run", "--rm", "--network", "shop", "busybox", "wget", "-qO-",
                      f"http://{name}")
        assert out == "this is web"
    host.ok("run", "-d", "--name", "client", "--network", "shop", "busybox", "sleep", "1000")
    inside = Inside(host, "client")
    settings = host.inspect("web")["NetworkSettings"]["Networks"]["shop"]
    server = settings["Gateway"]
    assert inside.ok("dig", "+short", f"@{server}", "web", "A").split() == [settings["IPAddress"]]
    assert inside.ok("dig", "+short", f"@{server}", "web", "AAAA").split() == \
        [settings["GlobalIPv6Address"]]
    assert "status: NXDOMAIN" in inside.ok("dig", f"@{server}", "nobody") or \
        "ANSWER: 0" in inside.ok("dig", f"@{server}", "nobody")
    # Names follow.
    host.ok("rename", "web", "store")
    wait_until(lambda: inside.ok("dig", "+short", f"@{server}", "store", "A"),
               what="it has its new name")
    # What is gone has no name, and its address is free.
    host.ok("rm", "-f", "store")
    wait_until(lambda: not inside.ok("dig", "+short", f"@{server}", "store", "A"),
               what="it has no name")
    assert not inside.ok("dig", "+short", f"@{server}", "web", "A")
    assert address(host, "client") in host.ok("exec", "client", "cat", "/etc/hosts")
    assert host.ok("exec", "client", "cat", "/etc/resolv.conf") == f"nameserver {server}"


def test_an_address_can_be_chosen(host):
    host.ok("network", "create", "--subnet", "10.77.0.0/24", "--ip-range", "10.77.0.128/25",
            "--subnet", "fd00:77::/64", "shop")
    host.ok("run", "-d", "--name", "one", "--network", "shop", "--ip", "10.77.0.9", "--ip6",
            "fd00:77::9", "--mac-address", "92:d0:c6:0a:29:33", "busybox", "sleep", "1000")
    settings = host.inspect("one")["NetworkSettings"]["Networks"]["shop"]
    assert settings["IPAddress"] == "10.77.0.9"
    assert settings["GlobalIPv6Address"] == "fd00:77::9"
    assert "92:d0:c6:0a:29:33" in host.ok("exec", "one", "ip", "link", "show", "eth0")
    assert refusal(host, "run", "--rm", "--network", "shop", "--ip", "10.77.0.9", "busybox", "true",
                      status=125) == \
        "strata: network shop: the address 10.77.0.9 is in use by instance " + \
        host.inspect("one")["Id"][:12]
    assert "cannot be an instance's" in refusal(host, 
        "run", "--rm", "--network", "shop", "--ip", "10.78.0.9", "busybox", "true", status=125)
    out = host.ok("run", "--rm", "--network", "shop", "busybox", "ip", "-4", "-o", "address",
                  "show", "eth0")
    assert "10.77.0.128/24" in out


def test_several_networks(host):
    host.ok("network", "create", "--internal", "store")
    host.ok("network", "create", "shop")
    serve(host, "db", network="store")
    serve(host, "web", "--network", "name=store,alias=front")
    inside = Inside(host, "web")
    assert fetches(inside, f"http://{address(host, 'db', 'store')}") == "this is db"
    # The way out is that of the network that has one.
    assert "default via " + host.inspect("web")["NetworkSettings"]["Networks"]["shop"]["Gateway"] \
        in inside.ok("ip", "route")
    assert "default" not in Inside(host, "db").ok("ip", "route")
    assert fetches(Inside(host, "db"), "http://" + address(host, "web", "store")) == "this is web"


def test_networks_do_not_reach_each_other(host):
    host.ok("network", "create", "shop")
    host.ok("network", "create", "other")
    serve(host, "web", "-p", "8080:80")
    serve(host, "stranger", network="other")
    inside = Inside(host, "stranger")
    assert is_silent(inside, f"http://{address(host, 'web')}")
    # What is published is so for everybody.
    gateway = host.inspect("stranger")["NetworkSettings"]["Networks"]["other"]["Gateway"]
    assert fetches(inside, f"http://{gateway}:8080") == "this is web"


def test_connect_and_disconnect(host):
    host.ok("network", "create", "shop")
    host.ok("network", "create", "store")
    serve(host, "web")
    serve(host, "db", network="store")
    inside = Inside(host, "web")
    assert is_silent(inside, f"http://{address(host, 'db', 'store')}")
    host.ok("network", "connect", "--alias", "front", "store", "web")
    assert fetches(inside, f"http://{address(host, 'db', 'store')}") == "this is db"
    assert sorted(host.inspect("web")["NetworkSettings"]["Networks"]) == ["shop", "store"]
    assert address(host, "web", "store") in host.ok("exec", "web", "cat", "/etc/hosts")
    assert "already exists in network store" in refusal(host, "network", "connect", "store", "web")
    # It is so after a restart, too.
    host.ok("restart", "-t", "0", "web")
    inside = Inside(host, "web")
    assert fetches(inside, f"http://{address(host, 'db', 'store')}") == "this is db"
    host.ok("network", "disconnect", "store", "web")
    assert is_silent(inside, f"http://{address(host, 'db', 'store')}") or \
        curl(inside, f"http://{host.inspect('db')['NetworkSettings']['IPAddress']}").returncode
    assert "is not connected to network store" in refusal(host, 
        "network", "disconnect", "store", "web")
    host.ok("network", "disconnect", "-f", "store", "web")
    assert sorted(host.inspect("web")["NetworkSettings"]["Networks"]) == ["shop"]


# --- ways out and in -----------------------------------------------------------------------------


def test_the_way_out(host, outside):
    host.ok("network", "create", "--ipv6", "shop")
    host.ok("network", "create", "--internal", "store")
    (host.root / "page").write_text("outside\n")
    outside.start("busybox", "httpd", "-f", "-p", "80", "-h", host.root)
    for name, network in (("web", "shop"), ("db", "store")):
        host.ok("run", "-d", "--name", name, "--network", network, "busybox", "sleep", "1000")
    web = Inside(host, "web")
    wait_until(lambda: fetches(web, "http://198.51.100.2/page") == "outside", what="a way out")
    assert fetches(web, "http://[2001:db8::2]/page") == "outside"
    assert curl(Inside(host, "db"), "http://198.51.100.2/page").returncode != 0
    # Nobody comes in unasked.
    outside.ok("ip", "route", "add", "10.88.0.0/13", "via", "198.51.100.1")
    serve(host, "shy")
    assert is_silent(outside, f"http://{address(host, 'shy')}")


def test_published_ports(host, outside):
    host.ok("network", "create", "--ipv6", "shop")
    web = serve(host, "web", "-p", "8080:80", "-p", "127.0.0.1:8081:80")
    gateway = host.inspect("web")["NetworkSettings"]["Networks"]["shop"]["Gateway"]
    for url in ("http://127.0.0.1:8080", "http://localhost:8080", "http://198.51.100.1:8080",
                "http://127.0.0.1:8081", f"http://{gateway}:8080", "http://[2001:db8::1]:8080"):
        assert fetches(host.net, url) == "this is web", url
    assert fetches(outside, "http://198.51.100.1:8080") == "this is web"
    assert fetches(outside, "http://[2001:db8::1]:8080") == "this is web"
    assert curl(outside, "http://198.51.100.1:8081").returncode == 7
    # From the instance to itself, and from its neighbour.
    assert fetches(web, "http://198.51.100.1:8080") == "this is web"
    serve(host, "client")
    assert fetches(Inside(host, "client"), "http://198.51.100.1:8080") == "this is web"
    assert host.ok("port", "web") == (
        "80/tcp -> 0.0.0.0:8080\n80/tcp -> [::]:8080\n80/tcp -> 127.0.0.1:8081")
    assert host.ok("port", "web", "80") == "0.0.0.0:8080\n[::]:8080\n127.0.0.1:8081"
    assert "0.0.0.0:8080->80/tcp, [::]:8080->80/tcp" in host.ok("ps", "--format", "{{.Ports}}")
    # It is a port of the host's for everybody else, too.
    assert refusal(host, "run", "--rm", "--network", "shop", "-p", "8080:80", "busybox", "true",
                      status=125) == \
        "strata: cannot publish port 80: 0.0.0.0:8080/tcp is already in use on the host"
    host.ok("rm", "-f", "web")
    wait_until(lambda: curl(host.net, "http://127.0.0.1:8080", "--max-time", "1").returncode == 7,
               timeout_s=60, what="nothing listens")


def test_ports_of_all_kinds(host):
    host.ok("network", "create", "shop")
    host.ok("run", "-d", "--name", "echo", "--network", "shop", "-p", "7000-7002:90-92/udp", "-p",
            "80", "busybox", "sleep", "1000")
    inside = Inside(host, "echo")
    inside.start("/usr/bin/python3", "-c", UDP_ECHO.format(91))
    ports = host.inspect("echo")["NetworkSettings"]["Ports"]
    assert ports["91/udp"] == [{"HostIp": "0.0.0.0", "HostPort": "7001"}]
    random = int(ports["80/tcp"][0]["HostPort"])
    assert random >= 1024
    wait_until(lambda: ":91" in inside.ok("ss", "-lun"), what="it listens")
    assert host.net.ok("/usr/bin/python3", "-c", UDP_ASK.format(7001)) == "hallo\n"
    assert "both must have as many ports" in refusal(host, 
        "run", "--network", "shop", "-p", "1-3:1-2", "busybox", "true", status=125)
    host.ok("network", "create", "--internal", "store")
    assert refusal(host, "run", "--rm", "--network", "store", "-p", "80:80", "busybox", "true",
                      status=125) == \
        "strata: network store is internal: no port can be published from it"
    assert "needs a network" in refusal(host, "run", "--rm", "-p", "80:80", "busybox", "true",
                                           status=125)


def test_nobody_speaks_as_another(host):
    """Packets with addresses that the network has not are dropped, and the host's 127.0.0.1 is out
    of reach, although published ports are reached from there."""
    host.ok("network", "create", "shop")
    web = serve(host, "web", "-p", "8080:80", "--cap-add", "NET_ADMIN")
    gateway = host.inspect("web")["NetworkSettings"]["Networks"]["shop"]["Gateway"]
    web.ok("busybox", "ping", "-c", "1", "-W", "5", gateway)
    mac = web.ok("ip", "-o", "neigh", "show", gateway).split("lladdr ")[1].split()[0]
    own = address(host, "web")
    listener = host.net.start("/usr/bin/python3", "-c", UDP_LISTEN.format(9000))
    wait_until(lambda: ":9000" in host.net.ok("ss", "-lun"), what="it listens")
    # Two from the host itself around it: what the listener hears is what has arrived.
    for where, to in ((host.net, "127.0.0.1"), (web, None), (host.net, "127.0.0.1")):
        if to:
            where.ok("/usr/bin/python3", "-c", UDP_ASK.format(9000))
        else:
            where.ok("/usr/bin/python3", "-c", RAW_SEND.format(mac, own, "127.0.0.1", 9000))
    assert listener.stdout.readline() == b"127.0.0.1\n"
    assert listener.stdout.readline() == b"127.0.0.1\n"
    web.ok("ip", "address", "add", "10.200.0.7/32", "dev", "eth0")
    assert web("busybox", "ping", "-c", "1", "-W", "1", "-I", "10.200.0.7", gateway).returncode != 0
    assert web("busybox", "ping", "-c", "1", "-W", "5", gateway).returncode == 0


def test_iperf3_between_instances(host):
    host.ok("network", "create", "-o", "mtu=9000", "shop")
    for name in ("one", "two"):
        host.ok("run", "-d", "--name", name, "--network", "shop", "busybox", "sleep", "1000")
    one, two = Inside(host, "one"), Inside(host, "two")
    one.start("iperf3", "-s", "-1")
    wait_until(lambda: "5201" in one.ok("ss", "-ltn"), what="iperf3 listens")
    out = json.loads(two.ok("iperf3", "-J", "-t", "1", "-c", address(host, "one")))
    assert out["end"]["sum_received"]["bits_per_second"] > 1e8
    assert "mtu 9000" in two.ok("ip", "link", "show", "eth0")


# --- the whole host ------------------------------------------------------------------------------


def test_rules_are_one_table_of_each_network(host):
    host.ok("network", "create", "shop")
    host.ok("network", "create", "store")
    serve(host, "web", "-p", "8080:80")
    serve(host, "db", network="store")
    ids = {n: host.ok("network", "inspect", "-f", "{{.Id}}", n).strip() for n in ("shop", "store")}
    assert host.net.tables() == sorted(f"strata-{i[:12]}" for i in ids.values())
    host.ok("rm", "-f", "db")
    host.ok("network", "rm", "store")
    assert host.net.tables() == [f"strata-{ids['shop'][:12]}"]
    assert fetches(host.net, "http://127.0.0.1:8080") == "this is web"
    assert "has active endpoints" in refusal(host, "network", "rm", "shop")


def test_subnets_that_are_taken(host, outside):
    assert refusal(host, "network", "create", "--subnet", "198.51.100.128/25", "shop") == (
        "strata: the subnet 198.51.100.128/25 overlaps with the host's route to 198.51.100.0/24")
    host.net.ok("ip", "route", "add", "10.88.0.0/16", "via", "198.51.100.2")
    host.ok("network", "create", "shop")
    subnet = json.loads(host.ok("network", "inspect", "shop"))[0]["IPAM"]["Config"][0]["Subnet"]
    assert not ipaddress.ip_network(subnet).overlaps(ipaddress.ip_network("10.88.0.0/16"))


def test_a_full_pool(host):
    host.ok("network", "create", "--subnet", "10.77.0.0/30", "shop")
    serve(host, "one")
    assert refusal(host, "run", "--rm", "--network", "shop", "busybox", "true", status=125) == (
        "strata: network shop has no free address: all of 10.77.0.0/30 are in use")
    # What a killed one had is taken over.
    os.kill(host.monitor_pid("one"), signal.SIGKILL)
    os.kill(host.state("one")["Pid"], signal.SIGKILL)
    wait_until(lambda: host.state("one")["Status"] == "exited", what="one has ended")
    host.ok("run", "--rm", "--network", "shop", "busybox", "true")


def keeper_pid(host, network):
    """The process that listens at its socket."""
    folder = host.root / "run/networks" / network
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
        s.connect(str(folder / "keeper.sock"))
        return int.from_bytes(s.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 4), "little")


def test_a_killed_keeper_comes_back(host):
    host.ok("network", "create", "shop")
    web = serve(host, "web", "-p", "8080:80")
    gateway = host.inspect("web")["NetworkSettings"]["Networks"]["shop"]["Gateway"]
    os.kill(keeper_pid(host, "shop"), signal.SIGKILL)
    # Its name server ends with it; what leads in and out stays.
    wait_until(lambda: web("dig", "+time=1", "+tries=1", f"@{gateway}", "web").returncode != 0,
               what="no names")
    assert fetches(host.net, "http://127.0.0.1:8080") == "this is web"
    out = host.ok("run", "--rm", "--network", "shop", "busybox", "wget", "-qO-", "http://web")
    assert out == "this is web"
    # The last one to leave has it all taken down, with a keeper or without.
    os.kill(keeper_pid(host, "shop"), signal.SIGKILL)
    host.ok("rm", "-f", "web")
    wait_until(lambda: host.net.links() == ["lo"] and not host.net.tables()
               , timeout_s=30, what="all is taken down")


def test_killed_instances_leave_nothing(host):
    host.ok("network", "create", "shop")
    serve(host, "web", "-p", "8080:80")
    os.kill(host.monitor_pid("web"), signal.SIGKILL)
    # It runs on without a monitor, in its network.
    assert fetches(host.net, "http://127.0.0.1:8080") in ("this is web", None)
    host.ok("rm", "-f", "web")
    assert not list((host.root / "networks/shop/leases").iterdir())
    assert not list((host.root / "run/networks/shop/endpoints").iterdir())
    serve(host, "web", "-p", "8080:80")
    os.kill(host.monitor_pid("web"), signal.SIGKILL)
    os.kill(host.state("web")["Pid"], signal.SIGKILL)
    wait_until(lambda: host.state("web")["Status"] == "exited", what="web has ended")
    host.ok("start", "web")
    wait_until(lambda: fetches(host.net, "http://127.0.0.1:8080") == "this is web", what="again")


def test_without_dnsmasq(host):
    host.ok("network", "create", "shop")
    done = host("run", "--rm", "--network", "shop", "busybox", "true",
                env={"PATH": "/nonexistent"})
    assert done.returncode == 125
    assert done.stderr.strip() == (
        "strata: cannot start network shop: its name server, dnsmasq, does not start: it is not "
        "installed")
    assert host.net.links() == ["lo"]
    assert host.net.tables() == []
    assert not list((host.root / "networks/shop/leases").iterdir())


def test_the_default_network(host):
    out = host.ok("run", "--rm", "--network", "bridge", "busybox", "ip", "-o", "-4", "address")
    assert "10.88.0.2/24" in out
    assert host.ok("network", "ls", "--format", "{{.Name}}") == "strata"
    assert "pre-defined" in refusal(host, "network", "rm", "bridge")
    assert refusal(host, "run", "--rm", "--network", "nope", "busybox", "true",
                      status=125).strip() == "strata: no such network: nope"
    assert "conflicting options" in refusal(host, 
        "run", "--rm", "--network", "host", "--network", "bridge", "busybox", "true", status=125)


def test_in_a_user_namespace(host):
    host.ok("network", "create", "shop")
    serve(host, "web")
    out = host.ok("run", "--rm", "--userns", "private", "--network", "shop", "busybox", "sh", "-c",
                  "until wget -qO- http://web; do sleep 0.1; done")
    assert out == "this is web"


def test_a_network_that_is_used_is_not_pruned(host):
    host.ok("network", "create", "shop")
    host.ok("network", "create", "--label", "a=b", "idle")
    host.ok("create", "--name", "later", "--network", "shop", "busybox", "true")
    assert host.ok("network", "prune", "-f") == "Deleted Networks:\nidle"
    assert host.ok("network", "ls", "--filter", "dangling=true", "-q") == ""
    assert host.ok("network", "ls", "--filter", "dangling=false", "--format", "{{.Name}}") == \
        "shop"


def test_beside_dockers_rules(host, outside):
    """Docker's policy drops what is forwarded, but for what DOCKER-USER accepts."""
    for rule in ("-N DOCKER-USER", "-P FORWARD DROP", "-A FORWARD -j DOCKER-USER"):
        host.net.ok("iptables", "-w", *rule.split())
    before = host.net.ok("iptables-save")
    host.ok("network", "create", "shop")
    web = serve(host, "web", "-p", "8080:80")
    outside.start("/usr/bin/python3", "-m", "http.server", "-b", "198.51.100.2", "80")
    wait_until(lambda: ":80" in outside.ok("ss", "-ltn"), what="it listens")
    assert fetches(web, "http://198.51.100.2", "-o", "/dev/null") == ""
    assert fetches(outside, "http://198.51.100.1:8080") == "this is web"
    assert "DOCKER-USER -i st-" in host.net.ok("iptables-save")
    host.ok("rm", "-f", "web")
    host.ok("network", "rm", "shop")

    def rules(text):
        return [line for line in text.splitlines() if line.startswith("-A")]

    assert rules(host.net.ok("iptables-save")) == rules(before)
    for table in host.net.tables():
        host.net.ok("nft", "delete", "table", "ip", table)


# --- machines ------------------------------------------------------------------------------------

BOOT_S = 240
RISCV = ("--platform", "linux/riscv64")


def test_a_machine_and_a_container_in_one_network(machine_host):
    """The second machine goes on from what the first has booted to, and is another one."""
    host = machine_host
    host.ok("network", "create", "--ipv6", "shop")
    serve(host, "web")
    host.ok("run", "-d", "--name", "vm-one", "--isolation", "vm", *RISCV, "--network", "shop", "-p",
            "8080:80", "busybox", "sh", "-c", SERVE.format("vm-one"), timeout=BOOT_S)
    wait_until(lambda: fetches(host.net, "http://127.0.0.1:8080") == "this is vm-one",
               timeout_s=60, what="the machine serves")
    out = host.ok("run", "--rm", "--isolation", "vm", *RISCV, "--network", "shop", "busybox", "sh", "-c",
                  "ip -o -4 address show eth0; ip link show eth0; wget -qO- http://web; "
                  "wget -qO- http://vm-one", timeout=BOOT_S)
    assert "this is web\nthis is vm-one" in out
    mine = out.split("inet ")[1].split("/")[0]
    assert mine not in (address(host, "web"), address(host, "vm-one"))
    mac = "02:42:" + ":".join(f"{int(b):02x}" for b in mine.split("."))
    assert f"link/ether {mac}" in out
    assert host.inspect("vm-one")["NetworkSettings"]["Networks"]["shop"]["GlobalIPv6Address"] == ""
    assert "while it runs: it is a machine" in refusal(host, "network", "disconnect", "shop",
                                                       "vm-one")
