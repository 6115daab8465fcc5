# SPDX-License-Identifier: Apache-2.0
"""test_life.py - an instance from create to rm, and every verb that looks at it on the way."""

import json
import re
import signal
import subprocess
import tarfile
import time

import pytest

from conftest import wait_until

pytestmark = pytest.mark.needs_root

HEX64 = re.compile(r"^[0-9a-f]{64}$")


@pytest.fixture
def box(strata, busybox_image):
    return strata


def start(box, *options, command=("sleep", "300"), name="it"):
    return box.ok("run", "-d", "--network", "none", "--name", name, *options, "busybox", *command)


# --- create, start, stop, rm -----------------------------------------------------------------


def test_create_start_wait_logs_rm(box):
    identity = box.ok("create", "--name", "it", "busybox", "sh", "-c", "echo hello; exit 4")
    assert HEX64.match(identity)
    assert box.state("it")["Status"] == "created"
    assert box.ok("start", "it") == "it"
    assert box.ok("wait", "it") == "4"
    assert box.state("it")["Status"] == "exited" and box.state("it")["ExitCode"] == 4
    assert box.ok("logs", "it") == "hello"
    assert box.ok("rm", "it") == "it"
    assert box.ok("ps", "-aq") == ""


def test_start_again_keeps_the_file_system(box):
    box.ok("create", "--name", "it", "busybox", "sh", "-c", "echo x >>/count; wc -l </count")
    assert box.ok("start", "-a", "it") == "1"
    assert box.ok("start", "-a", "it") == "2"


def test_start_attached_hands_on_exit_code_and_stdin(box):
    box.ok("create", "-i", "--name", "it", "busybox", "sh", "-c", "cat; exit 6")
    done = box("start", "-ai", "it", input="words\n")
    assert (done.returncode, done.stdout) == (6, "words\n")


def test_detached_outlives_the_command_line(box):
    identity = start(box)
    assert HEX64.match(identity)
    state = box.state("it")
    assert state["Status"] == "running" and state["Running"] is True and state["Pid"] > 1


def test_rm_of_a_running_one(box):
    start(box)
    box.fails("rm", "it", saying="running|stop")
    assert box.state("it")["Status"] == "running"
    box.ok("rm", "-f", "it")
    assert box.ok("ps", "-aq") == ""


def test_rm_of_an_unknown_one(box):
    box.fails("rm", "never-was", saying="no such.*never-was")


def test_stop_asks_then_kills(box):
    start(box, command=("sh", "-c", "trap 'echo bye; exit 0' TERM; while :; do sleep 0.05; done"))
    time.sleep(0.2)
    box.ok("stop", "it")
    assert box.state("it")["ExitCode"] == 0 and box.ok("logs", "it") == "bye"
    start(box, name="deaf", command=("sh", "-c", "trap '' TERM; while :; do sleep 0.05; done"))
    time.sleep(0.2)
    began = time.monotonic()
    box.ok("stop", "-t", "1", "deaf")
    assert 0.9 < time.monotonic() - began < 5
    assert box.state("deaf")["ExitCode"] == 137


def test_stop_signal_and_timeout_of_the_instance(box):
    start(box, "--stop-signal", "USR1", "--stop-timeout", "20",
          command=("sh", "-c", "trap 'exit 31' USR1; while :; do sleep 0.05; done"))
    time.sleep(0.2)
    box.ok("stop", "it")
    assert box.state("it")["ExitCode"] == 31


def test_stop_of_a_stopped_one_is_fine(box):
    box.ok("run", "--name", "it", "busybox", "true")
    box.ok("stop", "it")


def test_kill(box):
    start(box, command=("sh", "-c", "trap 'echo hup' HUP; while :; do sleep 0.05; done"))
    time.sleep(0.2)
    box.ok("kill", "-s", "HUP", "it")
    wait_until(lambda: box.ok("logs", "it") == "hup")
    box.ok("kill", "it")
    assert box.ok("wait", "it") == "137"
    box.fails("kill", "it", saying="not running")
    box.fails("kill", "-s", "NOSUCH", "it", saying="NOSUCH")


def test_restart_verb(box):
    start(box)
    first = box.state("it")["Pid"]
    box.ok("restart", "-t", "0", "it")
    wait_until(lambda: box.state("it")["Status"] == "running")
    assert box.state("it")["Pid"] != first


def test_rm_flag(box):
    start(box, "--rm", command=("sleep", "0.3"))
    wait_until(lambda: box.ok("ps", "-aq") == "")
    # What nobody sees any more is deleted while whoever waited for the end goes on.
    wait_until(lambda: not box.instance_dirs())


def test_prune(box):
    box.ok("run", "--name", "dead", "busybox", "true")
    start(box)
    out = box.ok("container", "prune", "-f")
    assert "reclaimed" in out
    assert box.ok("ps", "-a", "--format", "{{.Names}}") == "it"


# --- looking ---------------------------------------------------------------------------------


def test_ps(box):
    identity = start(box, "--label", "tier=web", "--label", "x")
    box("run", "--name", "done", "busybox", "sh", "-c", "exit 3", check=3)
    lines = box.ok("ps").splitlines()
    assert lines[0].split()[:3] == ["CONTAINER", "ID", "IMAGE"] and len(lines) == 2
    assert identity[:12] in lines[1] and '"sleep 300"' in lines[1] and "Up" in lines[1]
    assert box.ok("ps", "-q") == identity[:12]
    assert box.ok("ps", "-aq", "--no-trunc").split()[1] == identity
    assert "Exited (3)" in box.ok("ps", "-a", "--filter", "name=done")
    assert box.ok("ps", "-a", "--filter", "status=running", "--format", "{{.Names}}") == "it"
    assert box.ok("ps", "--filter", "label=tier=web", "--format", "{{.Names}}") == "it"
    assert box.ok("ps", "--filter", "label=tier=db", "-q") == ""
    assert json.loads(box.ok("ps", "--format", "json"))["Names"] == "it"
    assert box.ok("ps", "-l", "--format", "{{.Names}} {{.Image}}") == "done busybox"
    assert box.ok("ps", "-n", "2", "-q").count("\n") == 1
    box.fails("ps", "--filter", "nonsense=1", saying="nonsense")


def test_inspect(box):
    start(box, "-e", "A=B", "--hostname", "hh", "--label", "k=v", "--memory", "32m", "-w", "/tmp",
          "-u", "user", "--restart", "on-failure:3")
    doc = box.inspect("it")
    assert HEX64.match(doc["Id"]) and doc["Name"] == "/it" and doc["Image"].startswith("sha256:")
    assert doc["Path"] == "sleep" and doc["Args"] == ["300"]
    assert doc["Config"]["Hostname"] == "hh" and "A=B" in doc["Config"]["Env"]
    assert doc["Config"]["Labels"]["k"] == "v" and doc["Config"]["User"] == "user"
    assert doc["Config"]["WorkingDir"] == "/tmp" and doc["Config"]["Image"] == "busybox"
    assert doc["HostConfig"]["Memory"] == 32 << 20
    assert doc["HostConfig"]["RestartPolicy"] == {"Name": "on-failure", "MaximumRetryCount": 3}
    assert box.ok("inspect", "-f", "{{.State.Status}} {{.Config.Hostname}}", "it") == "running hh"
    box.fails("inspect", "never-was", saying="never-was")


def test_ids_may_be_shortened(box):
    identity = start(box)
    assert box.inspect(identity[:4])["Id"] == identity
    assert box.inspect(identity)["Name"] == "/it"


def test_logs(box):
    box.ok("run", "--name", "it", "busybox", "sh", "-c",
           "for i in 1 2 3 4 5; do echo out $i; echo err $i >&2; sleep 0.05; done")
    done = box("logs", "it", check=0)
    assert done.stdout.splitlines() == [f"out {i}" for i in range(1, 6)]
    assert done.stderr.splitlines() == [f"err {i}" for i in range(1, 6)]
    done = box("logs", "--tail", "2", "it", check=0)
    assert (done.stdout, done.stderr) == ("out 5\n", "err 5\n")
    assert re.match(r"\d{4}-\d\d-\d\dT[\d:.]+Z out 1\n", box("logs", "-t", "it").stdout)
    assert box.ok("logs", "--since", "1h", "it").count("out") == 5
    assert box.ok("logs", "--until", "1h", "it") == ""


def test_logs_follow_ends_with_the_instance(box):
    start(box, command=("sh", "-c", "for i in 1 2 3; do echo line $i; sleep 0.3; done"))
    assert box.ok("logs", "-f", "it", timeout=20).splitlines() == ["line 1", "line 2", "line 3"]


def test_logs_without_newline_and_long_lines(box):
    box.ok("run", "--name", "it", "busybox", "sh", "-c",
           "printf 'no newline'; echo; head -c 100000 /dev/zero | tr '\\0' x; echo; printf end")
    assert box("logs", "it").stdout == "no newline\n" + "x" * 100000 + "\nend"


def test_log_rotation(box):
    box.ok("run", "--name", "it", "--log-opt", "max-size=10k", "--log-opt", "max-file=2", "busybox",
           "sh", "-c", "for i in $(seq 1 1000); do echo line number $i; done")
    folder = box.instance_dirs()[0]
    logs = sorted(p.name for p in folder.glob("log.json*"))
    assert logs == ["log.json", "log.json.1"]
    assert sum(p.stat().st_size for p in folder.glob("log.json*")) < 24 << 10
    assert box.ok("logs", "it").splitlines()[-1] == "line number 1000"
    box.ok("run", "--name", "quiet", "--log-driver", "none", "busybox", "echo", "x")
    box.fails("logs", "quiet", saying="none|log")


def test_exec(box):
    start(box, "-e", "A=B", "-u", "user", "-w", "/tmp")
    assert box.ok("exec", "it", "sh", "-c", "echo $A $(id -u) $(pwd)") == "B 1000 /tmp"
    assert box.ok("exec", "-u", "0", "-w", "/etc", "-e", "C=D", "it", "sh", "-c",
                  "echo $A$C $(id -u) $(pwd)") == "BD 0 /etc"
    assert box("exec", "it", "sh", "-c", "exit 77").returncode == 77
    assert box("exec", "-i", "it", "cat", input="through\n").stdout == "through\n"
    assert box("exec", "it", "no-such").returncode == 127
    assert box("exec", "it", "/etc/notexec").returncode == 126
    box.ok("exec", "-d", "it", "sh", "-c", "echo made >/tmp/mark")
    assert wait_until(lambda: box("exec", "it", "cat", "/tmp/mark").stdout) == "made\n"


def test_exec_has_the_same_rights(box):
    start(box, "--cap-drop", "ALL")
    out = box.ok("exec", "it", "grep", "-E", "^(CapBnd|Seccomp|NoNewPrivs):", "/proc/self/status")
    assert "CapBnd:\t0000000000000000" in out and "Seccomp:\t2" in out
    cgroup = box.ok("exec", "it", "cat", "/proc/1/cgroup")
    assert box.ok("exec", "it", "cat", "/proc/self/cgroup") == cgroup


def test_exec_in_a_stopped_one(box):
    box.ok("run", "--name", "it", "busybox", "true")
    box.fails("exec", "it", "true", saying="not running")


def test_attach_sees_output_and_exit(box):
    start(box, "-i", command=("sh", "-c", "read x; echo got $x; exit 8"))
    done = box("attach", "it", input="a word\n")
    assert (done.returncode, done.stdout) == (8, "got a word\n")


def test_two_attached_at_once(box):
    start(box, "-i", command=("sh", "-c", "while read x; do echo say $x; done"))
    one = box.popen("attach", "--no-stdin", "it", stdin=subprocess.DEVNULL)
    two = box.popen("attach", "it")
    time.sleep(0.3)
    two.stdin.write("hello\n")
    two.stdin.flush()
    assert two.stdout.readline() == "say hello\n"
    assert one.stdout.readline() == "say hello\n"
    box.ok("kill", "it")
    assert one.wait(10) == 137 and two.wait(10) == 137


def test_wait_for_several(box):
    start(box, command=("sh", "-c", "sleep 0.3; exit 5"))
    box.ok("run", "--name", "two", "busybox", "true")
    assert box.ok("wait", "it", "two").split() == ["5", "0"]


def test_rename(box):
    start(box)
    box.ok("rename", "it", "other")
    assert box.ok("ps", "--format", "{{.Names}}") == "other"
    box.fails("inspect", "it")
    box.ok("create", "--name", "third", "busybox")
    box.fails("rename", "other", "third", saying="third")
    box.fails("rename", "other", "bad name!", saying="bad name!")


def test_cp(box, tmp_path):
    start(box)
    (tmp_path / "file").write_text("content\n")
    (tmp_path / "dir").mkdir()
    (tmp_path / "dir/inner").write_text("inner\n")
    box.ok("cp", tmp_path / "file", "it:/tmp/")
    assert box.ok("exec", "it", "cat", "/tmp/file") == "content"
    box.ok("cp", tmp_path / "dir", "it:/tmp/new")
    assert box.ok("exec", "it", "cat", "/tmp/new/inner") == "inner"
    box.ok("cp", "it:/etc/passwd", tmp_path / "passwd")
    assert "root" in (tmp_path / "passwd").read_text()
    box.ok("kill", "it")
    box.ok("wait", "it")
    box.ok("cp", "it:/tmp/new", tmp_path / "back")
    assert (tmp_path / "back/inner").read_text() == "inner\n"
    box.fails("cp", "it:/no/such", tmp_path, saying="/no/such")


def test_cp_does_not_follow_links_out(box, tmp_path):
    """A hostile container must not make `cp` read or write the host's files."""
    (tmp_path / "secret").write_text("host secret\n")
    start(box, command=("sh", "-c", f"ln -s {tmp_path} /out; ln -s {tmp_path}/secret /leak; sleep 300"))
    wait_until(lambda: box("exec", "it", "readlink", "/leak").returncode == 0)
    box("cp", "it:/leak", tmp_path / "got")
    got = tmp_path / "got"
    assert not got.exists() or got.is_symlink() or "secret" not in got.read_text()
    (tmp_path / "x").write_text("mine\n")
    box("cp", tmp_path / "x", "it:/out/planted")
    assert not (tmp_path / "planted").exists()


def test_cp_streams_tar(box, tmp_path):
    start(box)
    data = box("cp", "it:/etc", "-", text=False).stdout
    (tmp_path / "t.tar").write_bytes(data)
    with tarfile.open(tmp_path / "t.tar") as tar:
        assert "etc/passwd" in tar.getnames()


def test_diff_of_volumes_from_image_is_removed_with_v(box):
    start(box, "-v", "/anonymous", command=("sh", "-c", "echo x >/anonymous/f; sleep 300"))
    assert len(box.ok("volume", "ls", "-q").split()) == 1
    box.ok("rm", "-fv", "it")
    assert box.ok("volume", "ls", "-q") == ""


# --- events, restart policies, health --------------------------------------------------------


def test_events(box):
    box("run", "--name", "it", "--rm", "busybox", "sh", "-c", "exit 3", check=3)
    events = [json.loads(line) for line in
              box.ok("events", "--since", "1m", "--until", "0s", "--format", "json").splitlines()]
    actions = [e["Action"] for e in events if e.get("Type") == "container"]
    wanted = ["create", "start", "die", "destroy"]
    assert [a for a in actions if a in wanted] == wanted
    die = next(e for e in events if e["Action"] == "die")
    assert die["Actor"]["Attributes"]["exitCode"] == "3"
    assert die["Actor"]["Attributes"]["name"] == "it"


def test_events_follow(box):
    watcher = box.popen("events", "--filter", "event=start", "--format", "{{.Action}} {{.Actor.Attributes.name}}")
    time.sleep(0.3)
    start(box)
    assert watcher.stdout.readline() == "start it\n"


def test_restart_on_failure(box):
    box.ok("run", "-d", "--name", "it", "--restart", "on-failure:2", "busybox", "sh", "-c",
           "echo try; exit 1")
    box.wait_status("it", "exited")
    assert wait_until(lambda: box.ok("logs", "it").split() == ["try"] * 3)
    assert box.inspect("it")["RestartCount"] == 2
    box.ok("run", "-d", "--name", "good", "--restart", "on-failure", "busybox", "true")
    box.wait_status("good", "exited")
    assert box.inspect("good")["RestartCount"] == 0


def test_restart_always_until_stopped(box):
    start(box, "--restart", "always", command=("sh", "-c", "echo up; sleep 0.2; exit 0"))
    wait_until(lambda: box.inspect("it")["RestartCount"] >= 2)
    box.ok("stop", "-t", "1", "it")
    count = box.inspect("it")["RestartCount"]
    assert box.state("it")["Status"] == "exited"
    time.sleep(1)
    assert box.inspect("it")["RestartCount"] == count


def test_restart_after_a_kill_from_outside(box):
    import os
    start(box, "--restart", "unless-stopped")
    pid = box.state("it")["Pid"]
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: box.state("it")["Status"] == "running" and box.state("it")["Pid"] != pid)


def test_restart_with_rm_is_refused(box):
    box.fails("run", "--rm", "--restart", "always", "busybox", "true", status=125, saying="restart")


def test_health(box):
    start(box, "--health-cmd", "test -e /tmp/ok", "--health-interval", "200ms", "--health-retries",
          "2", "--health-timeout", "2s")
    wait_until(lambda: box.state("it")["Health"]["Status"] == "unhealthy")
    assert box.state("it")["Health"]["FailingStreak"] >= 2
    box.ok("exec", "it", "touch", "/tmp/ok")
    wait_until(lambda: box.state("it")["Health"]["Status"] == "healthy")
    health = box.state("it")["Health"]
    assert health["FailingStreak"] == 0 and 1 <= len(health["Log"]) <= 5
    last = health["Log"][-1]
    assert last["ExitCode"] == 0 and last["Start"] <= last["End"] and last["Output"] == ""
    assert "(healthy)" in box.ok("ps")


def test_health_timeout_kills_the_check(box):
    start(box, "--health-cmd", "sleep 77", "--health-interval", "200ms", "--health-retries", "1",
          "--health-timeout", "300ms")
    wait_until(lambda: box.state("it")["Health"]["Status"] == "unhealthy")
    box.ok("pause", "it")
    box.ok("unpause", "it")
    assert box.ok("top", "it").count("sleep 77") <= 1
