# SPDX-License-Identifier: Apache-2.0
"""test_runtime.py - strata-runtime, the command line of an OCI runtime: verbs, options, hooks and
terminals."""

import json
import os
import re
import select
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from bundles import HOOKS, cgroups, rootfs, runtime  # noqa: F401 (fixtures)
from program import COMMAND_TIMEOUT_S

pytestmark = [pytest.mark.needs_root]


def test_create_start_delete(runtime, rootfs, tmp_path):
    name, out = runtime.new_id(), tmp_path / "out"
    bundle = runtime.bundle(rootfs, "sh", "-c", "echo hello; sleep 1000")
    bundle.config["annotations"] = {"org.example": "yes"}
    bundle.save()
    pid_file = tmp_path / "pid"
    with out.open("wb") as f:
        subprocess.run([*runtime.argv, "create", "--bundle", bundle.path, "--pid-file", pid_file,
                        name], stdout=f, check=True, timeout=COMMAND_TIMEOUT_S)
    state = runtime.state(name)
    assert state["status"] == "created"
    assert state["id"] == name
    assert state["pid"] == int(pid_file.read_text())
    assert state["bundle"] == str(bundle.path)
    assert state["rootfs"] == str(rootfs)
    assert state["annotations"] == {"org.example": "yes"}
    assert state["owner"] == "root"
    assert out.read_bytes() == b""
    runtime("start", name)
    assert runtime.state(name)["status"] == "running"
    while out.read_bytes() != b"hello\n":
        time.sleep(0.01)
    assert "already running" in runtime.fail("start", name)
    assert "not stopped" in runtime.fail("delete", name)
    runtime("kill", name, "KILL")
    runtime.wait(name, "stopped")
    assert "container not running" in runtime.fail("kill", name)
    assert "has stopped" in runtime.fail("start", name)
    runtime("delete", name)
    assert "does not exist" in runtime.fail("state", name)


def test_waiting_process_holds_nothing(runtime, rootfs):
    """The process of a created container has no descriptor of the program that made it."""
    name = runtime.new_id()
    runtime("create", "--bundle", runtime.bundle(rootfs, "true").path, name)
    pid = runtime.state(name)["pid"]
    links = {int(fd.name): os.readlink(fd) for fd in Path(f"/proc/{pid}/fd").iterdir()}
    others = {n: to for n, to in links.items() if n > 2}
    assert all(to.startswith("socket:") or to == "/" for to in others.values()), links
    runtime("delete", name)


def test_command_sees_three_descriptors(runtime, rootfs):
    bundle = runtime.bundle(rootfs, "ls", "/proc/self/fd")
    done = runtime("run", "--bundle", bundle.path, runtime.new_id())
    assert done.stdout.split() == ["0", "1", "2", "3"]  # 3: the directory itself


def test_run_ends_with_the_status(runtime, rootfs):
    bundle = runtime.bundle(rootfs, "sh", "-c", "echo out; echo err >&2; exit 7")
    done = runtime("run", "--bundle", bundle.path, runtime.new_id(), check=False)
    assert (done.returncode, done.stdout, done.stderr) == (7, "out\n", "err\n")


@pytest.mark.parametrize("command, sentence", [
    ("no-such-command", "executable file not found in $path"),
    ("/no/such/command", "no such file or directory"),
    ("/etc/not-executable", "permission denied")])
def test_bad_command(runtime, rootfs, command, sentence):
    """Engines expect `create` to say so, and make 127 or 126 of it."""
    (rootfs / "etc/not-executable").touch(0o644)
    name = runtime.new_id()
    bundle = runtime.bundle(rootfs, command)
    assert sentence in runtime.fail("create", "--bundle", bundle.path, name).lower()
    assert "does not exist" in runtime.fail("state", name)


def test_command_that_its_user_may_not_execute(runtime, rootfs):
    (rootfs / "bin/private").write_text("#!/bin/sh\n")
    (rootfs / "bin/private").chmod(0o700)
    name = runtime.new_id()
    bundle = runtime.bundle(rootfs, "private", user={"uid": 1000, "gid": 1000})
    runtime("create", "--bundle", bundle.path, name)
    assert "permission denied" in runtime.fail("start", name)
    assert runtime.state(name)["status"] == "stopped"
    runtime("delete", name)


def test_no_process(runtime, rootfs):
    """It is needed only when the container is started (runtime-spec config.md, "Process")."""
    name = runtime.new_id()
    bundle = runtime.bundle(rootfs)
    del bundle.config["process"]
    bundle.save()
    runtime("create", "-b", bundle.path, name)
    assert "there is no command to run" in runtime.fail("start", name)


def test_no_pivot(runtime, rootfs):
    bundle = runtime.bundle(rootfs, "ls", "/")
    done = runtime("run", "--no-pivot", "-b", bundle.path, runtime.new_id())
    assert sorted(done.stdout.split()) == ["bin", "dev", "etc", "proc", "sys", "tmp"]


def test_no_mount_namespace(runtime, rootfs):
    """Mounts of a container that shares the host's mount namespace go with the container."""
    bundle = runtime.bundle(rootfs, "ls", "/")
    bundle.config["linux"]["namespaces"].remove({"type": "mount"})
    done = runtime("run", "-b", bundle.save().path, runtime.new_id())
    assert sorted(done.stdout.split()) == ["bin", "dev", "etc", "proc", "sys", "tmp"]
    name = runtime.new_id()
    runtime("create", "-b", bundle.path, name)
    assert f" {rootfs}/proc " in Path("/proc/self/mountinfo").read_text()
    runtime("delete", name)
    # A failure half-way.
    bundle.config["mounts"].append({"destination": "/tmp", "type": "nonsense", "source": "none"})
    assert "nonsense" in runtime.fail("run", "-b", bundle.save().path, runtime.new_id())
    assert str(rootfs) not in Path("/proc/self/mountinfo").read_text()


def test_propagation_of_a_private_mount(runtime, rootfs, tmp_path):
    """An engine may ask for it; the mount is a peer group or a slave of nobody, then."""
    bundle = runtime.bundle(rootfs, "grep", "-E", " /(a|b) ", "/proc/self/mountinfo")
    for name, word in (("/a", "rshared"), ("/b", "rslave")):
        bundle.config["mounts"].append({"destination": name, "type": "bind", "source": str(tmp_path),
                                        "options": ["rbind", word]})
    a, b = runtime("run", "-b", bundle.save().path, runtime.new_id()).stdout.splitlines()
    assert " shared:" in a and " shared:" not in b


def test_preserve_fds(runtime, rootfs):
    bundle = runtime.bundle(rootfs, "sh", "-c", "cat <&3; ls /proc/self/fd")
    r, w = os.pipe()
    os.write(w, b"passed\n")
    os.close(w)
    done = runtime("run", "--preserve-fds", "1", "-b", bundle.path, runtime.new_id(),
                   close_fds=False, preexec_fn=lambda: os.dup2(r, 3))
    os.close(r)
    assert done.stdout.split() == ["passed", "0", "1", "2", "3", "4"]
    assert "descriptor 3 is not open" in runtime.fail("run", "--preserve-fds", "1", "-b",
                                                      bundle.path, runtime.new_id())


def test_listening_sockets(runtime, rootfs):
    """sd_listen_fds(3): what a service's starter gave the runtime is the command's."""
    bundle = runtime.bundle(rootfs, "sh", "-c", "echo $LISTEN_FDS $LISTEN_PID; ls /proc/self/fd")
    r, w = os.pipe()

    def pass_on():
        os.dup2(r, 3)
        os.dup2(w, 4)

    shell = ["sh", "-c", 'LISTEN_FDS=1 LISTEN_PID=$$ exec "$@"', "sh"]
    runtime.argv[:0] = shell
    try:
        done = runtime("run", "--preserve-fds", "1", "-b", bundle.path, runtime.new_id(),
                       close_fds=False, preexec_fn=pass_on)
    finally:
        del runtime.argv[:len(shell)]
        os.close(r)
        os.close(w)
    assert done.stdout.split() == ["1", "1", "0", "1", "2", "3", "4", "5"]
    # Meant for somebody else.
    done = runtime("run", "-b", bundle.path, runtime.new_id(),
                   env=os.environ | {"LISTEN_FDS": "5", "LISTEN_PID": "1"})
    assert done.stdout.split() == ["0", "1", "2", "3"]


def test_cgroups_path(runtime, rootfs):
    name = runtime.new_id()
    bundle = runtime.bundle(rootfs, "cat", "/proc/self/cgroup")
    bundle.config["linux"]["cgroupsPath"] = f"/{name}-parent/below"
    bundle.config["linux"]["namespaces"].remove({"type": "cgroup"})
    bundle.save()
    assert f"/{name}-parent/below" in runtime("run", "-b", bundle.path, name).stdout
    assert [p.name for p in cgroups(name) if p.name == "below"] == []
    for left in cgroups(f"{name}-parent"):
        left.rmdir()  # the engine's own


def test_unknown_container(runtime):
    for verb in ("state", "start", "kill", "delete"):
        assert "does not exist" in runtime.fail(verb, "nobody")
    runtime("delete", "--force", "nobody")


@pytest.mark.parametrize("bad", ["", ".", "..", "a/b", "../x", "a b", "a" * 300])
def test_bad_ids(runtime, rootfs, bad):
    bundle = runtime.bundle(rootfs, "true")
    assert "invalid container ID" in runtime.fail("create", "--bundle", bundle.path, bad)
    assert "invalid container ID" in runtime.fail("delete", "--force", bad)


def test_same_id_twice(runtime, rootfs):
    name, bundle = runtime.new_id(), runtime.bundle(rootfs, "true")
    runtime("create", "-b", bundle.path, name)
    assert "already exists" in runtime.fail("create", "-b", bundle.path, name)
    assert runtime.state(name)["status"] == "created"


def test_log_file(runtime, tmp_path):
    log = tmp_path / "log"
    done = subprocess.run([*runtime.argv, "--log", log, "--log-format", "json", "state", "nobody"],
                          capture_output=True, text=True, timeout=COMMAND_TIMEOUT_S)
    line = json.loads(log.read_text())
    assert line["level"] == "error"
    assert line["msg"] == "container nobody does not exist" == done.stderr.strip()
    assert line["time"].endswith("Z")


def test_list(runtime, rootfs):
    first, second = runtime.new_id(), runtime.new_id()
    bundle = runtime.bundle(rootfs, "sleep", "1000")
    for name in (first, second):
        runtime("create", "-b", bundle.path, name)
    runtime("start", second)
    assert runtime("list", "-q").stdout.split() == sorted([first, second])
    rows = json.loads(runtime("list", "--format", "json").stdout)
    assert {r["id"]: r["status"] for r in rows} == {first: "created", second: "running"}
    assert runtime("list").stdout.split("\n")[0].split() == [
        "ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"]


def test_debug(runtime, rootfs, tmp_path):
    name, log = runtime.new_id(), tmp_path / "log"
    bundle = runtime.bundle(rootfs, "sleep", "1000").path
    options = ["--debug", "--log", log, "--log-format", "json"]
    runtime(*options, "create", "-b", bundle, name)
    runtime(*options, "start", name)
    runtime(*options, "exec", name, "true")
    runtime(*options, "delete", "--force", name)
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert {line["level"] for line in lines} == {"debug"}
    for word in ("waits", "executes", "joined", "deleted"):
        assert [line for line in lines if word in line["msg"] and name in line["msg"]], word


def test_versions_and_grammar(runtime, rootfs):
    lines = runtime("--version").stdout.split("\n")
    assert lines[0].startswith("strata-runtime version ")
    assert lines[1] == "spec: 1.2.0"
    bundle = runtime.bundle(rootfs, "true")
    runtime("run", "-bundle", bundle.path, runtime.new_id())
    runtime("run", f"-bundle={bundle.path}", runtime.new_id())
    runtime("-log-format", "json", "-log", bundle.path / "log", "run", "-bundle", bundle.path,
            "-pid-file", bundle.path / "pid", runtime.new_id())
    assert int((bundle.path / "pid").read_text()) > 0
    runtime("run", "-b", bundle.path, runtime.new_id(), "-no-pivot")
    strata = runtime.argv[0].removesuffix("-runtime")
    done = subprocess.run([strata, "runtime", *runtime.argv[1:], "run", "-b", bundle.path,
                           runtime.new_id()], timeout=COMMAND_TIMEOUT_S)
    assert done.returncode == 0


def test_features(runtime):
    features = json.loads(runtime("features").stdout)
    assert (features["ociVersionMin"], features["ociVersionMax"]) == ("1.0.0", "1.2.0")
    assert features["hooks"] == HOOKS
    assert {"rbind", "rro", "tmpcopyup", "idmap", "nosuid"} <= set(features["mountOptions"])
    linux = features["linux"]
    assert set(linux["namespaces"]) == {"cgroup", "ipc", "mount", "network", "pid", "time", "user",
                                        "uts"}
    assert "CAP_SYS_ADMIN" in linux["capabilities"]
    assert linux["cgroup"]["v1"] and linux["cgroup"]["v2"]
    assert "SCMP_ACT_ERRNO" in linux["seccomp"]["actions"]
    assert "SCMP_ARCH_X86_64" in linux["seccomp"]["archs"]
    assert "SCMP_CMP_MASKED_EQ" in linux["seccomp"]["operators"]


@pytest.mark.parametrize("version, sentence", [
    (None, "ociVersion is missing"), ("1", "no version"), ("2.0.0", "reads versions 1.x")])
def test_versions_of_the_spec(runtime, rootfs, version, sentence):
    bundle = runtime.bundle(rootfs, "true")
    bundle.config["ociVersion"] = version
    bundle.save()
    assert sentence in runtime.fail("run", "-b", bundle.path, runtime.new_id())


# --- hooks


def say(log, kind, inside=False):
    """A hook that appends what it sees to a file."""
    shell = "/bin/sh" if inside else "/usr/bin/busybox"
    script = f'echo "{kind} $(cat) mnt=$(readlink /proc/self/ns/mnt) $0 $A ${{HOME-none}}" >> {log}'
    return {"path": shell, "args": ["sh", "-c", script, f"arg-{kind}"],
            "env": ["A=b", "PATH=/bin:/usr/bin"]}


def test_hooks(runtime, rootfs, tmp_path):
    name, log = runtime.new_id(), tmp_path / "log"
    log.touch()
    bundle = runtime.bundle(rootfs, "sleep", "1000")
    bundle.config["annotations"] = {"a": "b"}
    bundle.config["mounts"].append({"destination": "/log", "source": str(log), "type": "bind",
                                    "options": ["bind"]})
    bundle.config["hooks"] = {
        kind: [say("/log" if kind == "startContainer" else log, kind, kind == "startContainer")]
        for kind in HOOKS}
    bundle.save()

    def seen():
        return [line.split(" ", 1) for line in log.read_text().splitlines()]

    runtime("create", "-b", bundle.path, name)
    pid = runtime.state(name)["pid"]
    assert [kind for kind, _ in seen()] == HOOKS[:3]
    runtime("start", name)
    runtime("kill", name, "KILL")
    runtime.wait(name, "stopped")
    assert [kind for kind, _ in seen()] == HOOKS[:5]
    runtime("delete", name)
    assert [kind for kind, _ in seen()] == HOOKS
    ours = os.readlink("/proc/self/ns/mnt")
    status = dict(zip(HOOKS, ["created"] * 4 + ["running", "stopped"]))
    for kind, rest in seen():
        document, mnt, arg, env, home = rest.rsplit(" ", 4)
        state = json.loads(document)
        inside = kind in ("createContainer", "startContainer")
        assert state["id"] == name
        assert state["status"] == status[kind]
        assert state["bundle"] == str(bundle.path)
        assert state["annotations"] == {"a": "b"}
        assert state["ociVersion"] == "1.2.0"
        assert state.get("pid") == {"poststop": None}.get(kind, 1 if inside else pid)
        assert (mnt == f"mnt={ours}") is not inside
        assert (arg, env, home) == (f"arg-{kind}", "b", "none")  # nothing of our own environment


@pytest.mark.parametrize("kind", HOOKS)
def test_failing_hook(runtime, rootfs, tmp_path, kind):
    name, log = runtime.new_id(), tmp_path / "log"
    bundle = runtime.bundle(rootfs, "true")
    shell = "/bin/sh" if kind == "startContainer" else "/usr/bin/busybox"
    bundle.config["hooks"] = {
        kind: [{"path": shell, "args": ["sh", "-c", "echo some reason >&2; exit 3"]}],
    }
    bundle.config["hooks"].setdefault("poststop", []).append(say(log, "poststop"))
    bundle.save()
    done = runtime("run", "-b", bundle.path, name, check=False)
    sentence = f"the {kind} hook {shell} ended with status 3: some reason"
    assert sentence in done.stderr
    assert done.returncode == (0 if kind == "poststop" else 1)
    assert ("warning" in done.stderr) == (kind == "poststop")
    assert json.loads(log.read_text().split(" ", 1)[1].rsplit(" ", 4)[0])["status"] == "stopped"
    assert "does not exist" in runtime.fail("state", name)


def test_working_directory_of_hooks(runtime, rootfs, tmp_path):
    log = tmp_path / "log"
    bundle = runtime.bundle(rootfs, "true")
    bundle.config["hooks"] = {
        kind: [{"path": "/bin/sh", "args": ["sh", "-c", f"pwd >>{log}"]}]
        for kind in ("prestart", "createRuntime", "createContainer", "poststart", "poststop")}
    runtime("run", "-b", bundle.save().path, runtime.new_id())
    inside = [str(rootfs)]
    assert log.read_text().splitlines() == [str(bundle.path)] * 2 + inside + [str(bundle.path)] * 2


def test_failing_poststart_removes_the_container(runtime, rootfs):
    name = runtime.new_id()
    bundle = runtime.bundle(rootfs, "sleep", "1000")
    bundle.config["hooks"] = {"poststart": [{"path": "/bin/false"}]}
    runtime("create", "-b", bundle.save().path, name)
    assert "poststart hook /bin/false ended with status 1" in runtime.fail("start", name)
    assert "does not exist" in runtime.fail("state", name)


def test_environment_of_hooks(runtime, rootfs, tmp_path):
    """Without "env": the runtime's, and the command's for those inside."""
    log = tmp_path / "log"
    log.touch()
    bundle = runtime.bundle(rootfs, "true", env=["PATH=/bin", "WHOSE=command"])
    bundle.config["mounts"].append({"destination": "/log", "source": str(log), "type": "bind",
                                    "options": ["bind"]})
    bundle.config["hooks"] = {
        kind: [{"path": "/bin/sh", "args": ["sh", "-c", f"echo {kind} $WHOSE >>{path}"]}]
        for kind, path in (("prestart", log), ("startContainer", "/log"), ("poststop", log))}
    bundle.config["hooks"]["poststop"][0]["env"] = []
    runtime("run", "-b", bundle.save().path, runtime.new_id(), env=os.environ | {"WHOSE": "ours"})
    assert log.read_text().splitlines() == ["prestart ours", "startContainer command", "poststop"]


def test_hook_takes_too_long(runtime, rootfs):
    name = runtime.new_id()
    bundle = runtime.bundle(rootfs, "true")
    bundle.config["hooks"] = {"createRuntime": [
        {"path": "/usr/bin/busybox", "args": ["sleep", "1000"], "timeout": 1}]}
    bundle.save()
    assert "took longer than 1 s" in runtime.fail("create", "-b", bundle.path, name)
    assert "does not exist" in runtime.fail("state", name)


def test_hook_of_the_image_is_not_us(runtime, rootfs):
    """CVE-2019-5736 by way of a startContainer hook."""
    name = runtime.new_id()
    bundle = runtime.bundle(rootfs, "true")
    bundle.config["hooks"] = {"startContainer": [{"path": "/proc/self/exe"}]}
    bundle.save()
    assert "a link of /proc cannot be executed" in runtime.fail("run", "-b", bundle.path, name)


def test_hook_gets_no_descriptor(runtime, rootfs, tmp_path):
    name, log = runtime.new_id(), tmp_path / "log"
    bundle = runtime.bundle(rootfs, "true")
    bundle.config["hooks"] = {kind: [{"path": "/usr/bin/busybox", "args": [
        "sh", "-c", f"/usr/bin/busybox ls /proc/self/fd >> {log}"]}]
        for kind in ("createRuntime", "createContainer", "poststop")}
    bundle.save()
    runtime("run", "-b", bundle.path, name)
    assert log.read_text().split() == ["0", "1", "2", "3"] * 3


# --- terminals

def receive_terminal(server):
    """The master and its name, as an engine's shim receives them."""
    connection, _ = server.accept()
    with connection:
        name, fds, _, _ = socket.recv_fds(connection, 4096, 1)
    assert len(fds) == 1
    return fds[0], name.decode()


def test_console_socket(runtime, rootfs, tmp_path):
    name = runtime.new_id()
    bundle = runtime.bundle(rootfs, "sh", "-c", "tty; stty size; ls -l /dev/console; sleep 1000",
                            terminal=True, consoleSize={"height": 31, "width": 97})
    assert "needs --console-socket" in runtime.fail("create", "-b", bundle.path, name)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "console"))
        server.listen()
        server.settimeout(COMMAND_TIMEOUT_S)
        runtime("create", "-b", bundle.path, "--console-socket", tmp_path / "console", name)
        master, path = receive_terminal(server)
    assert re.fullmatch(r"/dev/pts/\d+", path)
    runtime("start", name)
    seen = b""
    while seen.count(b"\n") < 3:
        assert select.select([master], [], [], COMMAND_TIMEOUT_S)[0], seen
        seen += os.read(master, 4096)
    os.close(master)
    lines = seen.decode().split("\r\n")
    assert lines[:2] == [path, "31 97"]
    assert lines[2].startswith("crw")
    refused = runtime.bundle(rootfs, "true")
    assert "terminal is not set" in runtime.fail(
        "create", "-b", refused.path, "--console-socket", tmp_path / "console", runtime.new_id())


def test_console_socket_that_nobody_serves(runtime, rootfs, tmp_path):
    name = runtime.new_id()
    bundle = runtime.bundle(rootfs, "true", terminal=True)
    assert "cannot send to the socket" in runtime.fail(
        "create", "-b", bundle.path, "--console-socket", tmp_path / "none", name)
    assert "does not exist" in runtime.fail("state", name)


def test_pidfd_socket(runtime, rootfs, tmp_path):
    name = runtime.new_id()
    bundle = runtime.bundle(rootfs, "sleep", "1000")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "pidfd"))
        server.listen()
        server.settimeout(COMMAND_TIMEOUT_S)
        runtime("create", "-b", bundle.path, "--pidfd-socket", tmp_path / "pidfd", name)
        pidfd, _ = receive_terminal(server)
    signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    os.close(pidfd)
    runtime.wait(name, "stopped")
