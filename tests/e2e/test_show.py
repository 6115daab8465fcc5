# SPDX-License-Identifier: Apache-2.0
"""The verbs that show instances, volumes and the host, as people and scripts read them."""

import json
import os
import re
import subprocess
import time

import pytest


@pytest.fixture
def box(strata, busybox_image):
    return strata


def names(box, *args):
    return sorted(box.ok("ps", "--format", "{{.Names}}", *args).split())


def start(box, name, *options, command=("sleep", "1000")):
    return box.ok("run", "-d", "--stop-timeout", "1", "--name", name, *options, "busybox", *command)


# --- ps ---


def test_ps_is_dockers(box):
    identity = start(box, "web")
    lines = box.ok("ps").splitlines()
    assert re.split(r"  +", lines[0]) == ["CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS",
                                          "PORTS", "NAMES"]
    assert lines[1].startswith(identity[:12]) and lines[1].endswith("web")
    assert '"sleep 1000"' in lines[1] and "Up " in lines[1]
    assert box.ok("ps", "-q") == identity[:12]
    assert box.ok("ps", "-q", "--no-trunc") == identity
    assert json.loads(box.ok("ps", "--format", "json"))["State"] == "running"
    assert "virtual" in box.ok("ps", "-s")


def test_ps_filters(box):
    start(box, "web-1", "--label", "tier=web")
    start(box, "web-2", "--label", "tier=db", "-v", "data:/data")
    box("run", "--name", "done", "busybox", "sh", "-c", "exit 3")
    box.ok("create", "--name", "new", "busybox", "true")
    assert names(box) == ["web-1", "web-2"]
    assert names(box, "-a") == ["done", "new", "web-1", "web-2"]
    assert names(box, "-l") == ["new"]
    assert names(box, "-n", "2") == ["done", "new"]
    assert names(box, "--filter", "name=web") == ["web-1", "web-2"]
    assert names(box, "--filter", "name=^web-1$") == ["web-1"]
    assert names(box, "--filter", "label=tier=db") == ["web-2"]
    assert names(box, "--filter", "status=exited") == ["done"]
    assert names(box, "--filter", "status=created", "--filter", "status=exited") == ["done", "new"]
    assert names(box, "--filter", "exited=3") == ["done"]
    assert names(box, "--filter", "exited=0") == []
    assert names(box, "--filter", "volume=data") == ["web-2"]
    assert names(box, "--filter", "volume=/data") == ["web-2"]
    assert names(box, "--filter", "before=web-2") == ["web-1"]
    assert names(box, "-a", "--filter", "since=web-2") == ["done", "new"]
    assert names(box, "--filter", "ancestor=busybox") == ["web-1", "web-2"]
    box.ok("tag", "busybox", "other:1")
    assert names(box, "--filter", "ancestor=other:1") == ["web-1", "web-2"]
    assert names(box, "--filter", "ancestor=nothing") == []
    box.fails("ps", "--filter", "colour=red", status=1, saying="there are name, status")


# --- inspect ---


def test_inspect_by_kind_and_path(box):
    start(box, "web", "-e", "A=1", "--memory", "64m", "--label", "a=b", "-v", "data:/data")
    paths = ("{{.State.Status}} {{.HostConfig.Memory}} {{.Config.Labels.a}} {{.Name}} "
             "{{json .State.Running}}")
    assert box.ok("inspect", "-f", paths, "web") == "running 67108864 b /web true"
    seen = json.loads(box.ok("inspect", "web"))[0]
    assert seen["Mounts"][0]["Name"] == "data" and "A=1" in seen["Config"]["Env"]
    assert seen["Path"] == "sleep" and seen["Args"] == ["1000"]
    assert json.loads(box.ok("inspect", "busybox"))[0]["Os"] == "linux"
    assert json.loads(box.ok("inspect", "data"))[0]["UsedBy"] == ["web"]
    box.fails("inspect", "--type", "image", "web", status=1, saying="no such image")
    box.fails("inspect", "nothing", status=1, saying="no such object: nothing")
    box.fails("inspect", "-f", "{{.No.Such}}", "web", status=1)
    done = box("inspect", "nothing", "web")
    assert done.returncode == 1 and len(json.loads(done.stdout)) == 1


# What was asked of `run` is what `inspect` tells.
def test_inspect_tells_the_options(box):
    box.ok("create", "--name", "it", "--privileged", "--tmpfs", "/t:size=1m", "--shm-size", "8m",
           "--ulimit", "nofile=100:200", "--restart", "on-failure:3", "--read-only", "busybox")
    host = json.loads(box.ok("inspect", "it"))[0]["HostConfig"]
    assert host["Privileged"] and host["ReadonlyRootfs"] and host["ShmSize"] == 8 << 20
    assert "/t" in host["Tmpfs"]
    assert host["Ulimits"] == [{"Name": "nofile", "Soft": 100, "Hard": 200}]
    assert host["RestartPolicy"] == {"Name": "on-failure", "MaximumRetryCount": 3}
    box.ok("create", "--name", "other", "--security-opt", "no-new-privileges", "busybox")
    host = json.loads(box.ok("inspect", "other"))[0]["HostConfig"]
    assert not host["Privileged"] and host["SecurityOpt"] == ["no-new-privileges"]


def test_inspect_tells_what_comes_from_the_host(box, tmp_path):
    start(box, "web", "-v", f"{tmp_path}:/a", "-v", f"{tmp_path}:/b:ro", "-v", "data:/c:ro",
          "-v", "/nameless", "--device", "/dev/null:/dev/x:r", "--cap-add", "SYS_ADMIN")
    seen = box.inspect("web")
    assert seen["HostConfig"]["Binds"] == [f"{tmp_path}:/a", f"{tmp_path}:/b:ro", "data:/c:ro"]
    assert seen["HostConfig"]["Devices"] == [
        {"PathOnHost": "/dev/null", "PathInContainer": "/dev/x", "CgroupPermissions": "r"}]
    assert seen["HostConfig"]["CapAdd"] == ["CAP_SYS_ADMIN"]
    assert list(seen["Config"]["Volumes"]) == ["/nameless"]
    assert seen["HostConfig"]["PortBindings"] == seen["NetworkSettings"]["Ports"] == {}
    assert list(seen["NetworkSettings"]["Networks"]) == ["none"]
    box.ok("create", "--name", "other", "--network", "container:web", "--privileged", "--uts", "host",
           "busybox")
    other = box.inspect("other")
    assert other["HostConfig"]["NetworkMode"] == f"container:{seen['Id']}"
    assert other["NetworkSettings"]["Networks"] == {}
    assert other["HostConfig"]["Devices"] == other["HostConfig"]["CapAdd"] == []


def test_inspect_tells_the_propagation(box, tmp_path):
    subprocess.run(["mount", "-t", "tmpfs", "--make-shared", "tmpfs", tmp_path], check=True)
    try:
        box.ok("create", "--name", "it", "-v", f"{tmp_path}:/a:rshared", "-v",
               f"{tmp_path}:/b:ro,rslave", "busybox")
    finally:
        subprocess.run(["umount", tmp_path], check=True)
    seen = box.inspect("it")
    assert seen["HostConfig"]["Binds"] == [f"{tmp_path}:/a:rshared", f"{tmp_path}:/b:ro,rslave"]
    assert [m["Mode"] for m in seen["Mounts"]] == ["rshared", "ro,rslave"]


def test_inspect_tells_the_rates(box):
    disks = [name for name in os.listdir("/sys/block") if os.path.exists(f"/dev/{name}")]
    if not disks:
        pytest.skip("this host has no disk in /dev")
    disk = f"/dev/{disks[0]}"
    box.ok("create", "--name", "it", "--device-read-bps", f"{disk}:1mb", "busybox")
    host = box.inspect("it")["HostConfig"]
    assert host["BlkioDeviceReadBps"] == [{"Path": disk, "Rate": 1 << 20}]
    assert host["BlkioDeviceWriteIOps"] == []


# --- top, stats ---


def test_top_shows_what_ps_shows(box):
    start(box, "web", command=("sh", "-c", "sleep 1000 & exec sleep 2000"))
    box.wait_status("web", "running")
    lines = box.ok("top", "web").splitlines()
    assert lines[0].split() == ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"]
    commands = {line.split(None, 7)[7] for line in lines[1:]}
    assert commands == {"sleep 1000", "sleep 2000"}
    for line in lines[1:]:
        ours = line.split(None, 7)
        theirs = subprocess.run(["ps", "-o", "user=,pid=,ppid=,tty=,args=", "-p", ours[1]],
                                stdout=subprocess.PIPE, text=True).stdout.split(None, 4)
        assert [ours[0], ours[1], ours[2], ours[5], ours[7]] == [t.strip() for t in theirs]
    box.ok("stop", "-t", "0", "web")
    box.fails("top", "web", status=1, saying="not running")


def test_stats(box):
    start(box, "busy", "--memory", "64m", command=("sh", "-c", "while :; do :; done"))
    start(box, "idle")
    lines = box.ok("stats", "--no-stream").splitlines()
    assert re.split(r"  +", lines[0]) == ["CONTAINER ID", "NAME", "CPU %", "MEM USAGE / LIMIT",
                                          "MEM %", "BLOCK I/O", "PIDS"]
    assert len(lines) == 3
    row = json.loads(box.ok("stats", "--no-stream", "--format", "json", "busy"))
    assert row["MemUsage"].endswith("/ 64MiB") and row["PIDs"] == "1"
    assert 10 < float(row["CPUPerc"].rstrip("%")) <= 110
    row = json.loads(box.ok("stats", "--no-stream", "--format", "json", "idle"))
    assert float(row["CPUPerc"].rstrip("%")) < 10
    box.ok("kill", "idle")
    assert "--" in box.ok("stats", "--no-stream", "idle")


def test_live_stats_are_redrawn(box):
    start(box, "web")
    terminal = box.terminal("stats")
    terminal.expect("web")
    terminal.expect("\x1b\\[2J")
    terminal.expect("web")
    terminal.send("\x03")
    terminal.wait()


# --- logs, events ---


def test_logs_keep_streams_apart(box):
    box.ok("run", "--name", "it", "busybox", "sh", "-c", "echo out; echo err >&2")
    done = box("logs", "it")
    assert (done.stdout, done.stderr) == ("out\n", "err\n")
    stamp = box("logs", "-t", "it").stdout.split()[0]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z", stamp)
    assert box("logs", "--since", "0s", "it").stdout == ""
    assert box("logs", "--until", "10m", "it").stdout == ""
    assert box("logs", "--since", stamp, "it").stdout == "out\n"
    box.fails("logs", "--tail", "some", "it", status=1, saying="must be a number")
    box.fails("logs", "--since", "yesterday", "it", status=1, saying="neither a time")
    box.fails("logs", "nothing", status=1, saying="no such")


def test_events_are_filtered(box):
    # A filter takes the beginning of an ID, too: these names can be none.
    start(box, "one", "--label", "tier=web")
    start(box, "two")
    box.ok("kill", "one")
    box.wait_status("one", "exited")

    def events(*args):
        return box.ok("events", "--since", "10m", "--until", "0s", "--format",
                      "{{.Action}} {{.Actor.Attributes.name}}", *args).splitlines()

    assert "die one" in events() and "start two" in events()
    assert events("--filter", "event=die") == ["die one"]
    assert set(events("--filter", "container=two")) == {"create two", "start two"}
    assert all(line.endswith(" one") for line in events("--filter", "label=tier=web"))
    assert events("--filter", "image=nothing") == []
    document = json.loads(box.ok("events", "--since", "10m", "--until", "0s", "--format", "json",
                                 "--filter", "event=die"))
    assert document["Type"] == "container" and document["Actor"]["Attributes"]["exitCode"] == "137"


# --- several operands ---


@pytest.mark.parametrize("verb", ["stop", "kill", "pause", "restart", "rm", "wait"])
def test_every_operand_is_tried(box, verb):
    if verb in ("rm", "wait"):
        box.ok("run", "--name", "aa", "busybox", "true")
    else:
        start(box, "aa")
    done = box(verb, "nothing", "aa")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1 and "no such instance: nothing" in done.stderr
    assert done.stdout.strip() == ("0" if verb == "wait" else "aa")
    if verb == "pause":
        assert box.state("aa")["Status"] == "paused"


def test_rename_and_pause(box):
    start(box, "aa")
    box.ok("rename", "aa", "bb")
    assert names(box) == ["bb"]
    box.ok("pause", "bb")
    assert "(Paused)" in box.ok("ps", "--format", "{{.Status}}")
    assert names(box, "--filter", "status=paused") == ["bb"]
    box.ok("unpause", "bb")
    assert names(box, "--filter", "status=paused") == []


# --- volumes ---


def test_volumes(box):
    assert box.ok("volume", "create", "--label", "a=b", "data") == "data"
    anonymous = box.ok("volume", "create")
    assert re.fullmatch("[0-9a-f]{64}", anonymous)
    assert box.ok("volume", "ls").splitlines()[0].split() == ["DRIVER", "VOLUME", "NAME"]
    assert sorted(box.ok("volume", "ls", "-q").split()) == sorted(["data", anonymous])
    assert box.ok("volume", "ls", "-q", "--filter", "label=a=b") == "data"
    place = box.ok("volume", "inspect", "-f", "{{.Mountpoint}}", "data")
    box.ok("run", "--name", "user", "-v", "data:/data", "busybox", "sh", "-c", "echo x >/data/f")
    assert open(place + "/f").read() == "x\n"
    assert box.ok("volume", "ls", "-q", "--filter", "dangling=true") == anonymous
    assert box.ok("volume", "ls", "-q", "--filter", "dangling=false") == "data"
    done = box("volume", "rm", "data", anonymous, "nothing")
    assert done.returncode == 1 and done.stdout.strip() == anonymous
    assert "data is used by instance user" in done.stderr and "no such volume" in done.stderr
    box.fails("volume", "rm", "../../etc", status=1, saying="no such volume")
    box.ok("rm", "user")
    box.ok("volume", "prune", "-f")
    assert box.ok("volume", "ls", "-q") == "data"
    out = box.ok("volume", "prune", "-af")
    assert "data" in out and "Total reclaimed space: 2B" in out
    assert box.ok("volume", "ls", "-q") == ""


# --- the host, and all at once ---


def test_info_and_version(box):
    start(box, "aa")
    box.ok("create", "--name", "bb", "busybox")
    info = json.loads(box.ok("info", "--format", "json"))
    assert (info["Containers"], info["ContainersRunning"], info["Images"]) == (2, 1, 1)
    assert info["RootDir"] == str(box.root) and info["CgroupVersion"] in ("v1", "v2", "none")
    version = box.ok("version", "-f", "{{.Version}}")
    assert version in box.ok("--version")


def test_container_prune_asks(box):
    box.ok("run", "--name", "old", "busybox", "true")
    start(box, "live")
    done = box("container", "prune", input="no\n")
    assert done.returncode == 1 and "[y/N]" in done.stdout and names(box, "-a") == ["live", "old"]
    assert "Deleted Containers:" in box.ok("container", "prune", input="y\n")
    assert names(box, "-a") == ["live"]
    assert "Total reclaimed space: 0B" in box.ok("container", "prune", "-f")


def test_names_given_at_once_are_all_there(box):
    """index.json is read, changed and replaced by sixteen processes at the same time."""
    made = [box.popen("tag", "busybox", f"copy:{i}") for i in range(16)]
    assert [one.wait(30) for one in made] == [0] * 16
    tags = box.ok("images", "--format", "{{.Tag}}", "copy").split()
    assert sorted(tags, key=int) == [str(i) for i in range(16)]
    gone = [box.popen("rmi", f"copy:{i}") for i in range(16)]
    assert [one.wait(30) for one in gone] == [0] * 16
    assert box.ok("images", "-q", "copy") == ""
    assert box.ok("run", "--rm", "busybox", "echo", "whole") == "whole"
    box.ok("image", "verify")


def test_a_starting_instance_is_not_pulled_from_under(box):
    """Instances are made while everything nobody needs is being collected."""
    deadline = time.monotonic() + 3
    while time.monotonic() < deadline:
        prune = box.popen("image", "prune", "-f")
        assert box.ok("run", "--rm", "busybox", "echo", "ok") == "ok"
        prune.wait(30)


def test_inspect_tells_entrypoint_from_command(strata, busybox_image):
    def parts(*args):
        name = strata.ok("create", "--network", "none", *args)
        o = strata.inspect(name)
        return o["Config"]["Entrypoint"], o["Config"]["Cmd"], o["Path"], o["Args"]

    assert parts("busybox") == (None, ["sh"], "sh", [])
    assert parts("busybox", "echo", "a") == (None, ["echo", "a"], "echo", ["a"])
    assert parts("--entrypoint", "echo", "busybox", "a", "b") == \
        (["echo"], ["a", "b"], "echo", ["a", "b"])
    assert parts("--entrypoint", "date", "busybox") == (["date"], None, "date", [])
