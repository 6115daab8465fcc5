# SPDX-License-Identifier: Apache-2.0
"""test_engines_swarm.py - two nodes of a Docker Swarm whose containers are strata's.

The nodes are machines of their own (engines.py) joined by a cable. There is no routing mesh here
(it wants IPVS), so the service's ports are published by the nodes themselves.
"""

import json

import pytest

from engines import Docker, Machine
from program import wait_until

pytestmark = [pytest.mark.needs_root, pytest.mark.slow]
REPLICAS = 6


@pytest.fixture
def nodes(runtime, busybox_archive):
    """[manager, worker], joined as a swarm."""
    with Machine("node-one") as one, Machine("node-two") as two:
        one.join(two)
        dockers = [Docker(machine, {"strata": runtime}).start() for machine in (one, two)]
        for docker in dockers:
            docker.ok("load", "-i", busybox_archive)
            docker.ok("run", "--rm", "busybox", "true")  # makes what dockerd keeps
            docker.machine.remember()
        manager, worker = dockers
        manager.ok("swarm", "init", "--advertise-addr", "10.9.8.1", "--task-history-limit", "0",
                   "--dispatcher-heartbeat", "1s")
        token = manager.ok("swarm", "join-token", "-q", "worker")
        worker.ok("swarm", "join", "--advertise-addr", "10.9.8.2", "--token", token, "10.9.8.1:2377")
        yield dockers


def running(manager):
    """The nodes of the replicas that should run and do."""
    rows = manager.ok("service", "ps", "web", "-f", "desired-state=running", "--format",
                      "{{.CurrentState}} {{.Node}}").splitlines()
    return sorted(row.split()[-1] for row in rows if row.startswith("Running"))


def containers(docker):
    return docker.ok("ps", "-q").split()


def pages(docker):
    """What every replica of that node answers on the port that was published for it."""
    found = []
    for name in containers(docker):
        ports = json.loads(docker.inspect(name, "{{json .NetworkSettings.Ports}}"))
        port = ports["80/tcp"][0]["HostPort"]
        done = docker.machine.run("curl", "-s", f"http://127.0.0.1:{port}/", check=False)
        found.append(done.stdout.strip())
    return found


def test_a_service_outlives_a_node(nodes):
    manager, worker = nodes
    manager.ok("service", "create", "--quiet", "--no-resolve-image", "--endpoint-mode", "dnsrr",
               "--name", "web", "--replicas", REPLICAS, "--publish", "mode=host,target=80",
               "--stop-grace-period", "1s", "--limit-memory", "64m", "--update-delay", "0s",
               "--update-monitor", "1s",
               "--env", "WORD=first", "busybox", "sh", "-c", "echo $WORD >/index.html; httpd -f -h /")
    assert running(manager) == ["node-one"] * 3 + ["node-two"] * 3
    for docker in nodes:
        for name in containers(docker):
            assert docker.inspect(name, "{{.HostConfig.Runtime}} {{.HostConfig.Memory}}"
                                  ) == f"strata {64 << 20}"
        wait_until(lambda: pages(docker) == ["first"] * 3)

    worker.machine.cut_power()
    wait_until(lambda: running(manager) == ["node-one"] * REPLICAS, 60, 0.2,
               what=f"all replicas on the node that is left: {running(manager)}")
    wait_until(lambda: pages(manager) == ["first"] * REPLICAS)

    before = set(containers(manager))
    manager.ok("service", "update", "--quiet", "--no-resolve-image", "--update-parallelism", "3",
               "--env-add", "WORD=second", "web")
    wait_until(lambda: pages(manager) == ["second"] * REPLICAS, 20)
    assert not before & set(containers(manager))

    manager.ok("service", "scale", "--detach", "web=2")
    wait_until(lambda: len(containers(manager)) == 2 and len(running(manager)) == 2, 20)
    manager.ok("service", "rm", "web")
    wait_until(lambda: not manager.ok("ps", "-aq"), 20)
    manager.ok("swarm", "leave", "--force")
    manager.ok("network", "rm", "docker_gwbridge")
    manager.machine.assert_clean()
