# SPDX-License-Identifier: Apache-2.0
"""test_engines_docker.py - strata-runtime under dockerd, driven with docker."""

import json
import os
import re
import signal
import time
from pathlib import Path

import pytest

from engines import Docker, Machine
from program import wait_until

pytestmark = pytest.mark.needs_root

DEFAULT_CAPS = 0x00000000A80425FB
# Debian's docker knows those up to AUDIT_READ, and this host may lack some.
DOCKER_CAPS = (1 << 38) - 1
DISK = next((f"/dev/{name}" for name in ("vda", "sda", "nvme0n1")
             if Path("/dev", name).is_block_device()), "/dev/loop0")


@pytest.fixture(scope="module")
def daemon(runtime, busybox_archive):
    """dockerd whose default runtime is strata, with the image "busybox"."""
    with Machine("docker") as machine:
        docker = Docker(machine, {"strata": runtime}).start()
        docker.ok("load", "-i", busybox_archive)
        for network in ("bridge", "host"):  # makes what dockerd keeps
            docker.ok("run", "--rm", "--network", network, "busybox", "true")
        machine.remember()
        yield docker
        docker.end_processes()


@pytest.fixture
def docker(daemon):
    """The same, and nothing of the test may be left afterwards."""
    yield daemon
    daemon.end_processes()
    names = daemon.ok("ps", "-aq").split()
    if names:
        daemon.ok("rm", "-fv", *names)
    daemon.machine.assert_clean()


def run(docker, *args, **kw):
    return docker.ok("run", "--rm", *args, **kw)


def start(docker, name, *args, network="none"):
    return docker.ok("run", "-d", "--name", name, "--network", network, *args)


def sh(docker, script, *options):
    """A shell script in a container of its own, without a network. -> its output"""
    return run(docker, "--network", "none", *options, "busybox", "sh", "-c", script)


def status(docker, name):
    return docker.inspect(name, "{{.State.Status}}")


# --- which runtime ---------------------------------------------------------------------------


def test_it_is_strata(docker, runtime):
    info = json.loads(docker.ok("info", "-f", "{{json .}}"))
    assert info["DefaultRuntime"] == "strata"
    assert info["Runtimes"]["strata"]["path"] == str(runtime)
    identity = start(docker, "it", "busybox", "sleep", "100")
    assert docker.inspect("it", "{{.HostConfig.Runtime}}") == "strata"
    # The state that the engine let it write is strata-runtime's.
    root = docker.machine.output("find", "/run/docker", "-name", identity, "-path", "*/runtime-*")
    state = docker.machine.output(runtime, "--root", os.path.dirname(root), "state", identity)
    assert json.loads(state)["status"] == "running"


def test_beside_another_runtime(runtime, busybox_archive):
    """Not the default one; runc and strata in one network, one volume, side by side."""
    with Machine("docker-two") as machine:
        docker = Docker(machine, {"strata": runtime}, "--default-runtime", "runc").start()
        docker.ok("load", "-i", busybox_archive)
        docker.ok("run", "-d", "--name", "server", "--runtime", "runc", "-v", "data:/data", "busybox",
                  "sh", "-c", "echo from runc >/data/word; httpd -f -h /data")
        address = docker.inspect("server", "{{.NetworkSettings.IPAddress}}")
        assert run(docker, "--runtime", "strata", "-v", "data:/data", "busybox", "sh", "-c",
                   f"cat /data/word; until wget -qO- http://{address}/word; do sleep 0.1; done"
                   ) == "from runc\nfrom runc"


# --- run -------------------------------------------------------------------------------------


def test_run_and_exit_codes(docker):
    done = docker("run", "--rm", "busybox", "sh", "-c", "echo out; echo err >&2; exit 3")
    assert (done.returncode, done.stdout, done.stderr) == (3, "out\n", "err\n")
    assert docker("run", "--rm", "--init", "busybox", "sh", "-c", "kill -TERM $$"
                  ).returncode == 143
    assert docker("run", "--rm", "-i", "busybox", "cat", input="typed").stdout == "typed"


@pytest.mark.parametrize("command, code, word", [
    ("no-such-command", 127, "no-such-command"),
    ("/no/such/file", 127, "/no/such/file"),
    ("/etc/notexec", 126, "permission denied"),
    ("/etc", 126, "/etc"),
    ("/etc/garbage", None, "format"),  # what docker makes of it depends on its version
])
def test_the_reason_reaches_the_user(docker, command, code, word):
    """What the runtime says is what the user of docker reads."""
    docker.fails("run", "--rm", "busybox", command, status=code, saying=word)


def test_bad_options_are_told(docker):
    docker.fails("run", "--rm", "--sysctl", "net.no.such=1", "busybox", "true",
                 saying="net[./]no[./]such")
    docker.fails("run", "--rm", "-w", "/etc/passwd", "busybox", "true", saying="/etc/passwd")
    docker.fails("run", "--rm", "-u", "nobody-here", "busybox", "true", saying="nobody-here")


def test_terminal(docker):
    terminal = docker.terminal("run", "--rm", "-it", "--network", "none", "busybox", rows=33,
                               columns=101)
    terminal.expect("# ")
    terminal.line("tty; stty size")
    terminal.expect(r"/dev/pts/0\r\n33 101\r\n")
    terminal.resize(40, 120)
    terminal.line("sleep 0.3; stty size")
    terminal.expect(r"40 120\r\n")
    terminal.line("sleep 50")
    time.sleep(0.3)
    terminal.send("\x03")
    terminal.line("echo code=$?")
    terminal.expect("code=130")
    terminal.line("exit 5")
    assert terminal.wait() == 5


def test_exec(docker):
    start(docker, "it", "-e", "A=b", "busybox", "sleep", "100")
    done = docker("exec", "it", "sh", "-c", "echo out; echo err >&2; exit 4")
    assert (done.returncode, done.stdout, done.stderr) == (4, "out\n", "err\n")
    assert docker.ok("exec", "-u", "1000:50", "-w", "/tmp", "-e", "C=d", "it", "sh", "-c",
                     "id -u; id -g; pwd; echo $A $C") == "1000\n50\n/tmp\nb d"
    assert docker.ok("exec", "-i", "it", "cat", input="typed") == "typed"
    docker.ok("exec", "-d", "it", "sh", "-c", "echo later >/tmp/x")
    wait_until(lambda: docker("exec", "it", "cat", "/tmp/x").stdout == "later\n")
    caps = docker.ok("exec", "--privileged", "it", "grep", "CapEff", "/proc/self/status").split()[1]
    assert int(caps, 16) & ~DEFAULT_CAPS
    done = docker("exec", "it", "no-such-command")
    assert done.returncode in (126, 127) and "no-such-command" in done.stdout + done.stderr
    # The same namespaces and the same cgroup as the container's.
    assert docker.ok("exec", "it", "cat", "/proc/1/cgroup", "/proc/self/cgroup").count("\n") % 2
    assert docker.ok("exec", "it", "sh", "-c", "cmp /proc/1/cgroup /proc/self/cgroup && "
                     "for n in mnt pid net ipc uts; do readlink /proc/1/ns/$n; "
                     "readlink /proc/self/ns/$n; done | uniq | wc -l") == "5"


def test_exec_on_a_terminal(docker):
    start(docker, "it", "busybox", "sleep", "100")
    terminal = docker.terminal("exec", "-it", "it", "sh", rows=21, columns=77)
    terminal.expect("# ")
    terminal.line("stty size")
    terminal.expect(r"21 77\r\n")
    terminal.line("exit 9")
    assert terminal.wait() == 9


@pytest.mark.slow
def test_debian(docker, debian_archive):
    """A root with users, locales, setuid programs and package scripts, on a terminal."""
    docker.ok("load", "-q", "-i", debian_archive)
    assert run(docker, "--network", "none", "debian:test", "python3", "-c",
               "import os, subprocess, tempfile\n"
               "print(subprocess.run(['sh', '-c', 'exit 3']).returncode, os.getpid())\n"
               "tempfile.TemporaryFile().write(b'x' * 99999)") == "3 1"
    terminal = docker.terminal("run", "--rm", "-it", "--network", "none", "debian:test")
    terminal.expect(r"root@\w+:/# ")
    terminal.line("dpkg --audit && dpkg-reconfigure -f noninteractive base-passwd; echo code=$?")
    terminal.expect(r"code=0\r\n")
    terminal.line("su -s /bin/sh -c 'id -un; sleep 0.1 & wait' games")
    terminal.expect(r"\rgames\r\n")
    terminal.send("exit 4\r")
    assert terminal.wait() == 4
    docker.ok("rmi", "debian:test")


# --- life ------------------------------------------------------------------------------------


def test_an_image_for_another_cpu(runtime, foreign_archive):
    """Nobody has told the host what to do with such programs."""
    with Machine("docker-foreign") as machine:
        docker = Docker(machine, {"strata": runtime}).start()
        docker.ok("load", "-i", foreign_archive)
        foreign = ("--platform", "linux/riscv64", "--network", "none")
        assert run(docker, *foreign, "busybox", "uname", "-m") == "riscv64"
        out = run(docker, *foreign, "--memory", "64m", "--user", "1000", "busybox", "sh", "-c",
                  "uname -m; id -u; grep Seccomp: /proc/self/status")
        assert out.split() == ["riscv64", "1000", "Seccomp:", "2"]
        docker.ok("run", "-d", "--name", "it", *foreign, "busybox", "sleep", "300")
        assert docker.ok("exec", "it", "uname", "-m") == "riscv64"
        assert "sleep 300" in docker.ok("top", "it")
        done = docker("run", "--rm", *foreign, "busybox", "/etc/garbage")
        assert done.returncode in (125, 126) and "exec format error" in done.stderr
        docker.ok("rm", "-f", "it")
        docker.end_processes()


def test_logs_stop_start_restart(docker):
    start(docker, "it", "busybox", "sh", "-c",
          "trap 'echo bye; exit 7' TERM; echo hello; while :; do sleep 0.1; done")
    wait_until(lambda: docker.ok("logs", "it") == "hello")
    docker.ok("stop", "it")
    assert docker.inspect("it", "{{.State.ExitCode}}") == "7"
    docker.ok("start", "it")
    wait_until(lambda: docker.ok("logs", "it") == "hello\nbye\nhello")
    before = docker.inspect("it", "{{.State.Pid}}")
    docker.ok("restart", "it")
    assert docker.inspect("it", "{{.State.Pid}}") != before and status(docker, "it") == "running"


def test_stop_kill_wait(docker):
    start(docker, "deaf", "busybox", "sh", "-c", "trap '' TERM; while :; do sleep 0.1; done")
    time.sleep(0.2)
    docker.ok("stop", "-t", "1", "deaf")
    assert docker.inspect("deaf", "{{.State.ExitCode}}") == "137"
    start(docker, "it", "--stop-signal", "USR1", "busybox", "sh", "-c",
          "trap 'exit 11' USR1; trap 'echo usr2' USR2; while :; do sleep 0.1; done")
    time.sleep(0.2)
    docker.ok("kill", "-s", "USR2", "it")
    wait_until(lambda: docker.ok("logs", "it") == "usr2")
    waiting = docker.popen("wait", "it")
    docker.ok("stop", "it")
    assert waiting.communicate(timeout=10)[0].strip() == "11"
    docker.ok("rename", "it", "other")
    assert docker.inspect("other", "{{.Name}}") == "/other"


def test_pause(docker):
    start(docker, "it", "busybox", "sh", "-c", "while :; do date +%s%N; sleep 0.05; done")
    docker.ok("pause", "it")
    assert status(docker, "it") == "paused"
    before = docker.ok("logs", "it")
    time.sleep(0.3)
    assert docker.ok("logs", "it") == before
    docker.fails("exec", "it", "true", saying="paused")
    docker.ok("unpause", "it")
    wait_until(lambda: docker.ok("logs", "it") != before)


def test_stats_and_top(docker):
    start(docker, "it", "--memory", "64m", "busybox", "sh", "-c", "sleep 99 & sleep 98")
    stats = json.loads(docker.ok("stats", "--no-stream", "--format", "{{json .}}", "it"))
    assert stats["PIDs"] == "2"
    used, limit = stats["MemUsage"].split(" / ")
    assert limit == "64MiB" and not used.startswith("0B")
    lines = docker.ok("top", "it", "-o", "pid,args").splitlines()
    assert sorted(line.split()[2] for line in lines[1:]) == ["98", "99"]


def test_restart_policies(docker):
    start(docker, "failing", "--restart", "on-failure:2", "busybox", "false")
    wait_until(lambda: docker.inspect("failing", "{{.RestartCount}} {{.State.Status}}")
               == "2 exited", 20)
    start(docker, "always", "--restart", "always", "busybox", "sleep", "100")
    pid = docker.inspect("always", "{{.State.Pid}}")
    docker.machine.kill("KILL", pid)
    wait_until(lambda: docker.inspect("always", "{{.RestartCount}} {{.State.Running}}") == "1 true")
    assert docker.inspect("always", "{{.State.Pid}}") != pid


def test_health(docker):
    start(docker, "it", "--health-cmd", "test -e /tmp/well", "--health-interval", "0.2s",
          "--health-retries", "2", "busybox", "sleep", "100")
    health = "{{.State.Health.Status}}"
    wait_until(lambda: docker.inspect("it", health) == "unhealthy", 20)
    docker.ok("exec", "it", "touch", "/tmp/well")
    wait_until(lambda: docker.inspect("it", health) == "healthy", 20)


def test_init(docker):
    out = sh(docker, "cat /proc/1/comm; (sleep 0.1 &) ; sleep 0.5; ps -o stat,comm | grep -c ^Z; true",
             "--init").split()
    assert out == ["docker-init", "0"]


def test_cp_and_attach(docker, tmp_path):
    start(docker, "it", "-i", "busybox", "sh", "-c", "read word; echo got $word")
    (tmp_path / "file").write_text("from the host")
    docker.ok("cp", tmp_path / "file", "it:/tmp/file")
    assert docker.ok("exec", "it", "cat", "/tmp/file") == "from the host"
    docker.ok("exec", "it", "sh", "-c", "echo from inside >/root/x")
    docker.ok("cp", "it:/root/x", tmp_path / "x")
    assert (tmp_path / "x").read_text() == "from inside\n"
    attached = docker.popen("attach", "it")
    time.sleep(0.3)  # what comes before docker listens is only in the log
    attached.stdin.write("word\n")
    attached.stdin.flush()
    assert attached.stdout.readline() == "got word\n"


def test_events(docker):
    since = time.time()
    start(docker, "it", "busybox", "sleep", "100")
    docker.ok("exec", "it", "true")
    docker.ok("pause", "it")
    docker.ok("unpause", "it")
    docker.ok("kill", "it")
    wait_until(lambda: status(docker, "it") == "exited")
    seen = docker.ok("events", "--since", f"{since:.3f}", "--until", f"{time.time() + 0.5:.3f}",
                     "--filter", "type=container", "--format", "{{.Action}}").splitlines()
    seen = [re.sub(":.*", "", action) for action in seen]
    for action in ("create", "start", "exec_start", "exec_die", "pause", "unpause", "kill", "die"):
        assert action in seen, seen


def test_a_new_daemon_takes_over(runtime, busybox_archive):
    """kill -9 of dockerd and its containerd: the containers live on and are found again."""
    with Machine("docker-live") as machine:
        docker = Docker(machine, {"strata": runtime}, "--live-restore").start()
        docker.ok("load", "-i", busybox_archive)
        start(docker, "it", "busybox", "sh", "-c", "while :; do echo x; sleep 0.1; done")
        pid = docker.inspect("it", "{{.State.Pid}}")
        engine = [p for p, name in machine.processes().items() if name in ("dockerd", "containerd")]
        machine.kill("KILL", *engine)
        docker.wait_ended()
        docker.start()
        assert docker.inspect("it", "{{.State.Pid}} {{.State.Status}}") == f"{pid} running"
        assert docker.ok("exec", "it", "echo", "there") == "there"
        docker.ok("stop", "-t", "0", "it")
        docker.ok("rm", "it")
        docker.stop()
        assert not machine.processes()


# --- limits ----------------------------------------------------------------------------------


def limit(docker, name, controller, file):
    return docker.ok("exec", name, "cat", f"/sys/fs/cgroup/{controller}/{file}")


@pytest.mark.needs_cgroup1
def test_limits_and_update(docker):
    start(docker, "it", "--memory", "64m", "--memory-reservation", "32m", "--cpus", "0.5",
          "--cpu-shares", "512", "--cpuset-cpus", "0", "--pids-limit", "20", "--device-read-bps",
          f"{DISK}:1mb", "busybox", "sleep", "100")

    def limits():
        return [limit(docker, "it", controller, file) for controller, file in (
            ("memory", "memory.limit_in_bytes"), ("memory", "memory.soft_limit_in_bytes"),
            ("cpu", "cpu.cfs_quota_us"), ("cpu", "cpu.shares"), ("cpuset", "cpuset.cpus"),
            ("pids", "pids.max"))]

    assert limits() == [str(64 << 20), str(32 << 20), "50000", "512", "0", "20"]
    assert limit(docker, "it", "blkio", "blkio.throttle.read_bps_device").endswith(" 1048576")
    docker.ok("update", "--memory", "128m", "--memory-swap", "-1", "--cpus", "1.5", "--cpu-shares",
              "256", "--cpuset-cpus", "1", "--pids-limit", "30", "it")
    assert limits() == [str(128 << 20), str(32 << 20), "150000", "256", "1", "30"]
    done = docker("exec", "it", "sh", "-c", "for i in $(seq 50); do sleep 5 & done", timeout=20)
    assert "can't fork" in done.stderr


def test_out_of_memory(docker):
    start(docker, "it", "--memory", "32m", "--memory-swap", "32m", "busybox", "tail", "/dev/zero")
    assert docker.ok("wait", "it") == "137"
    assert docker.inspect("it", "{{.State.OOMKilled}}") == "true"


def test_ulimit_sysctl_oom_score(docker):
    assert sh(docker, "ulimit -n; ulimit -Hn; cat /proc/sys/net/ipv4/ip_unprivileged_port_start; "
              "cat /proc/sys/kernel/msgmax; cat /proc/self/oom_score_adj",
              "--ulimit", "nofile=1000:2000", "--sysctl", "net.ipv4.ip_unprivileged_port_start=99",
              "--sysctl", "kernel.msgmax=4097", "--oom-score-adj", "321"
              ) == "1000\n2000\n99\n4097\n321"


# --- rights ----------------------------------------------------------------------------------


def caps(docker, *options):
    return int(sh(docker, "grep CapEff /proc/self/status", *options).split()[1], 16)


def test_capabilities(docker):
    chown, net_admin = 1 << 0, 1 << 12
    assert caps(docker) == DEFAULT_CAPS
    assert caps(docker, "--cap-drop", "ALL", "--cap-add", "CHOWN") == chown
    assert caps(docker, "--cap-add", "NET_ADMIN") == DEFAULT_CAPS | net_admin
    assert caps(docker, "-u", "1000") == 0


def test_user(docker):
    out = sh(docker, "id -u; id -g; id -G; echo $HOME", "-u", "user", "--group-add", "adm",
             "--group-add", "77").splitlines()
    assert out[:2] == ["1000", "1000"] and out[3] == "/home/user"
    assert set(out[2].split()) == {"1000", "4", "77", "50", "63"}
    assert sh(docker, "id -u; id -g", "-u", "1234:567") == "1234\n567"


def test_privileged(docker):
    held = int(Path("/proc/self/status").read_text().split("CapEff:")[1].split()[0], 16)
    assert caps(docker, "--privileged") == held & DOCKER_CAPS
    assert sh(docker, f"mount -t tmpfs t /mnt && test -b {DISK} && grep -c Seccomp:.0 "
              "/proc/self/status && test -w /sys/kernel && ! grep -q ' /proc/kcore ' "
              "/proc/self/mountinfo && echo all", "--privileged", "--tmpfs", "/mnt") == "1\nall"


def test_what_is_masked(docker):
    assert sh(docker, "wc -c </proc/kcore; ls /proc/acpi /sys/firmware | wc -l; "
              "echo 1 2>&1 >/proc/sys/kernel/panic | grep -o Read-only; "
              "mkdir /sys/x 2>&1 | grep -o Read-only").splitlines()[-2:] == ["Read-only"] * 2


def test_seccomp(docker, tmp_path):
    def mode(*options):
        return sh(docker, "grep ^Seccomp: /proc/self/status | cut -f2", *options)

    assert mode() == "2"
    assert mode("--security-opt", "seccomp=unconfined") == "0"
    profile = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
        {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 122},
        {"names": ["sethostname"], "action": "SCMP_ACT_KILL_PROCESS"},
        {"names": ["kill"], "action": "SCMP_ACT_ERRNO", "errnoRet": 95,
         "args": [{"index": 1, "value": 12, "op": "SCMP_CMP_EQ"}]}]}
    path = tmp_path / "profile.json"
    path.write_text(json.dumps(profile))
    assert sh(docker, "mkdir /x 2>&1; kill -USR2 $$ 2>&1; kill -0 $$ && echo alive",
              "--security-opt", f"seccomp={path}").splitlines()[-1] == "alive"
    out = sh(docker, "mkdir /x 2>&1; kill -USR2 $$ 2>&1; true", "--security-opt", f"seccomp={path}")
    assert "quota" in out.lower() and "not supported" in out.lower()
    assert docker("run", "--rm", "--security-opt", f"seccomp={path}", "--cap-add", "SYS_ADMIN",
                  "busybox", "hostname", "x").returncode == 128 + signal.SIGSYS


def test_no_new_privileges(docker):
    show = "grep NoNewPrivs /proc/self/status | cut -f2"
    assert sh(docker, show) == "0"
    assert sh(docker, show, "--security-opt", "no-new-privileges") == "1"


def test_devices(docker):
    assert sh(docker, "stat -c %t:%T /dev/thing && : </dev/thing && echo may", "--device",
              "/dev/fuse:/dev/thing:r") == "a:e5\nmay"
    out = docker("run", "--rm", "--device", "/dev/fuse:/dev/thing:r", "busybox", "sh", "-c",
                 ": >/dev/thing")
    assert "not permitted" in out.stderr
    out = docker("run", "--rm", "busybox", "sh", "-c", "mknod /d b 254 0 && head -c1 /d")
    assert "not permitted" in out.stderr
    assert sh(docker, "mknod /d c 10 229 && : </d && echo may", "--device-cgroup-rule",
              "c 10:229 rwm") == "may"


def test_user_namespaces(runtime, busybox_archive, rootless_user):
    """userns-remap: root inside is the remapped user's first subordinate id."""
    with Machine("docker-remap") as machine:
        docker = Docker(machine, {"strata": runtime}, "--userns-remap", rootless_user.name).start()
        docker.ok("load", "-i", busybox_archive)
        identity = start(docker, "it", "-v", "data:/data", "busybox", "sleep", "100")
        uids = docker.ok("exec", "it", "cat", "/proc/self/uid_map").split()
        assert uids[0] == "0" and int(uids[1]) >= 100000
        pid = docker.inspect("it", "{{.State.Pid}}")
        assert machine.proc(pid, "status").read_text().split("Uid:")[1].split()[0] == uids[1]
        assert docker.ok("exec", "-u", "user", "it", "sh", "-c", "id -u; touch ~/x && echo may"
                         ) == "1000\nmay"
        assert docker.ok("exec", "it", "sh", "-c", "touch /data/x && stat -c %u /data/x") == "0"
        assert docker.inspect(identity, "{{.State.Running}}") == "true"
        assert sh(docker, "cat /proc/self/uid_map", "--userns", "host").split()[2] == str(2**32 - 1)


# --- files -----------------------------------------------------------------------------------


def test_read_only_tmpfs_shm(docker):
    assert sh(docker, "touch /x 2>&1 | grep -o Read-only; touch /t/x && echo may; "
              "stat -c %a /t; df -k /t | awk 'END {print $2}'; df -k /dev/shm | awk 'END {print $2}'",
              "--read-only", "--tmpfs", "/t:size=1m,mode=1751", "--shm-size", "3m"
              ) == "Read-only\nmay\n1751\n1024\n3072"


def test_volumes_and_binds(docker, open_tmp):
    (open_tmp / "sub").mkdir()
    (open_tmp / "file").write_text("host's")
    docker.ok("volume", "create", "data")
    out = sh(docker, "cat /b/file; echo inside >/b/new; echo kept >/v/x; cp -a /usr/bin/env /v/; "
             "touch /r/x 2>&1 | grep -o Read-only; cat /one; ls /home/user -d; pwd",
             "-v", f"{open_tmp}:/b", "-v", "data:/v", "-v", f"{open_tmp}:/r:ro", "--mount",
             f"type=bind,src={open_tmp}/file,dst=/one,readonly", "-w", "/not/there")
    assert out == "host'sRead-only\nhost's/home/user\n/not/there"
    assert (open_tmp / "new").read_text() == "inside\n"
    assert sh(docker, "cat /v/x", "-v", "data:/v") == "kept"
    docker.ok("volume", "rm", "data")
    docker.fails("run", "--rm", "--mount", f"type=bind,src={open_tmp}/nowhere,dst=/x", "busybox",
                 "true", status=125, saying="nowhere")


def test_mounts_appear_inside(docker, open_tmp):
    """rslave: what is mounted on the machine later is seen in the container."""
    (open_tmp / "sub").mkdir()
    start(docker, "it", "-v", f"{open_tmp}:/b:rslave", "-v", f"{open_tmp}:/p", "busybox", "sleep",
          "100")
    docker.machine.run("mount", "-t", "tmpfs", "tmpfs", open_tmp / "sub")
    docker.machine.run("touch", open_tmp / "sub/seen")
    assert docker.ok("exec", "it", "ls", "/b/sub") == "seen"
    assert docker.ok("exec", "it", "ls", "/p/sub") == ""
    docker.machine.run("umount", open_tmp / "sub")
    assert docker.ok("exec", "it", "ls", "/b/sub") == ""


# --- networks and other namespaces -----------------------------------------------------------


def test_published_port(docker):
    start(docker, "it", "-p", "8080:80", "busybox", "sh", "-c", "echo page >/index.html; httpd -f -h /",
          network="bridge")
    machine = docker.machine
    address = docker.inspect("it", "{{.NetworkSettings.IPAddress}}")
    wait_until(lambda: machine.run("curl", "-sf", f"http://{address}/", check=False).stdout == "page\n")
    assert machine.output("curl", "-sf", "http://127.0.0.1:8080/") == "page"
    assert run(docker, "busybox", "wget", "-qO-", f"http://{address}/") == "page"


def test_networks(docker):
    assert sh(docker, "ls /sys/class/net") == "lo"
    host = run(docker, "--network", "host", "busybox", "cat", "/proc/net/dev")
    assert "docker0" in host
    docker.ok("network", "create", "net")
    start(docker, "server", "busybox", "sh", "-c", "echo page >/index.html; httpd -f -h /",
          network="net")
    assert run(docker, "--network", "net", "busybox", "wget", "-qO-", "http://server/") == "page"
    assert run(docker, "--network", "container:server", "busybox", "wget", "-qO-",
               "http://127.0.0.1/") == "page"
    docker.ok("rm", "-f", "server")
    docker.ok("network", "rm", "net")


@pytest.mark.needs_cgroup1
def test_shared_namespaces(docker):
    start(docker, "it", "--ipc", "shareable", "--hostname", "its-name", "busybox", "sleep", "777")
    assert "sleep 777" in sh(docker, "ps", "--pid", "container:it")
    assert "dockerd" in sh(docker, "ps", "--pid", "host")
    assert sh(docker, "hostname", "--uts", "host") == "docker"
    ipc = docker.ok("exec", "it", "readlink", "/proc/self/ns/ipc")
    assert sh(docker, "readlink /proc/self/ns/ipc", "--ipc", "container:it") == ipc
    assert docker.ok("exec", "it", "hostname") == "its-name"
    private = sh(docker, "grep pids: /proc/self/cgroup", "--cgroupns", "private")
    assert private.endswith("pids:/")


# --- build -----------------------------------------------------------------------------------

DOCKERFILE = """
FROM busybox
ARG WHO=nobody
RUN echo "built by $(id -u) $WHO" >/made
USER user
WORKDIR /home/user
RUN touch mine && stat -c %u mine >owner
CMD ["cat", "/made", "owner"]
"""


def test_build(docker, tmp_path):
    (tmp_path / "Dockerfile").write_text(DOCKERFILE)
    docker.ok("build", "-q", "-t", "made", "--network", "none", "--build-arg", "WHO=me", tmp_path,
              env={"DOCKER_BUILDKIT": "0"})
    assert run(docker, "made") == "built by 0 me\n1000"
    (tmp_path / "Dockerfile").write_text("FROM busybox\nRUN echo it broke >&2; exit 41\n")
    docker.fails("build", "--network", "none", tmp_path, env={"DOCKER_BUILDKIT": "0"},
                 saying="non-zero code: 41")
    docker.ok("rmi", "made")


def test_buildkit(runtime, busybox_archive, tmp_path):
    """dockerd's own BuildKit knows only a `runc` in its PATH; strata-runtime answers to that name."""
    with Machine("docker-buildkit") as machine:
        (machine.folder / "bin").mkdir()
        (machine.folder / "bin/runc").symlink_to(runtime)
        machine.path = f"{machine.folder}/bin:{machine.path}"
        docker = Docker(machine, {}).start()
        docker.ok("load", "-i", busybox_archive)
        (tmp_path / "Dockerfile").write_text(
            DOCKERFILE + "RUN --mount=type=tmpfs,dst=/scratch touch /scratch/x\n")
        docker.ok("build", "-t", "made", "--build-arg", "WHO=me", tmp_path,
                  env={"DOCKER_BUILDKIT": "1"})
        assert run(docker, "made") == "built by 0 me\n1000"
        (tmp_path / "Dockerfile").write_text("FROM busybox\nRUN exit 41\n")
        docker.fails("build", tmp_path, env={"DOCKER_BUILDKIT": "1"}, saying="exit code: 41")


# --- many ------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_hundred_runs_leave_nothing(docker):
    for turn in range(100):
        assert run(docker, "--network", "none", "busybox", "echo", str(turn)) == str(turn)


def test_at_once(docker):
    """Ten at once, each answers for itself."""
    running = [docker.popen("run", "--rm", "--network", "none", "busybox", "sh", "-c",
                            f"echo {n}; exit {n}") for n in range(10)]
    for n, process in enumerate(running):
        out, err = process.communicate(timeout=60)
        assert (out, process.returncode) == (f"{n}\n", n), err
