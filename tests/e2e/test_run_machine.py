# SPDX-License-Identifier: Apache-2.0
"""An image in a machine: a kernel of its own, on a CPU made of software. Everything that users say
to a container means the same here."""

import datetime
import json
import os
import re
import signal
import time
from pathlib import Path

import pytest
from conftest import wait_until

pytestmark = pytest.mark.slow
LOOP = "while :; do sleep 0.2; done"
BOOT_S = 300  # an interpreter boots in minutes
CAP_NET_RAW = 1 << 13


def run(strata, image, *args, **kw):
    return strata("run", "--rm", "--isolation", "vm", "--platform", "linux/riscv64", *args[:-1], image,
                  *args[-1], timeout=BOOT_S, **kw)


def machines(strata):
    """Processes of strata-machine that belong to this root."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
                name = (entry / "comm").read_text().strip()
            except OSError:
                continue
            if name == "strata-machine" and any(
                    str(strata.root).encode() in word for word in words):
                found.append(int(entry.name))
    return found


@pytest.fixture
def started(strata, machine_image):
    """A machine that runs, called m1."""
    strata.ok("run", "-d", "--name", "m1", "--isolation", "vm", "--memory", "256m", "--cpus", "2",
              "--pids-limit", "50", "-e", "WORD=said", machine_image, "sh", "-c",
              f"trap 'echo stopping; exit 3' TERM; echo started $WORD; {LOOP}", timeout=BOOT_S)
    yield "m1"
    strata("rm", "-f", "m1")
    wait_until(lambda: not machines(strata))


def test_output_status_environment_and_user(strata, machine_image):
    done = run(strata, machine_image, "-e", "A=b c", "-w", "/tmp/new", "--hostname", "guest",
               "--user", "7:8", "--env", "HOME=/x", ["sh", "-c",
               'echo "$A $HOME $(pwd) $(hostname) $(id -u):$(id -g) $$"; uname -m; echo e >&2; exit 7'])
    assert (done.returncode, done.stderr) == (7, "e\n")
    assert done.stdout == "b c /x /tmp/new guest 7:8 1\nriscv64\n"
    wait_until(lambda: not machines(strata) and not strata.instance_dirs())


def test_rights_of_the_machine(strata, started):
    (machine,) = machines(strata)
    for task in Path(f"/proc/{machine}/task").iterdir():
        status = dict(line.split(":\t", 1) for line in (task / "status").read_text().splitlines())
        kept = CAP_NET_RAW if int(task.name) == machine else 0  # where ping needs it
        assert int(status["CapEff"], 16) | int(status["CapPrm"], 16) in (0, kept)
        assert (status["Seccomp"], status["NoNewPrivs"]) == ("2", "1")


def test_the_time_of_a_boot_does_not_count_as_up(strata, machine_image):
    before = datetime.datetime.now(datetime.timezone.utc)
    strata.ok("run", "-d", "--name", "m1", "--no-snapshot", "--isolation", "vm", machine_image, "sh", "-c",
              LOOP, timeout=BOOT_S)
    ticks = int(strata.ok("exec", "m1", "cat", "/proc/1/stat", timeout=BOOT_S).split()[21])
    started = datetime.datetime.fromisoformat(
        re.sub(r"(\.\d{6})\d*Z$", r"\1+00:00", strata.state("m1")["StartedAt"]))
    # When the guest had been up for that long, at the earliest; a tick is 10 ms.
    assert (started - before).total_seconds() >= (ticks - 1) / 100
    strata.ok("rm", "-f", "m1", timeout=60)


def test_input_and_much_of_it(strata, machine_image):
    text = "0123456789abcdef\n" * 40000
    done = run(strata, machine_image, "-i", ["sh", "-c", "cat; exit 1"], input=text)
    assert done.returncode == 1 and done.stdout == text


def test_commands_that_are_not_there_and_signals(strata, machine_image):
    assert run(strata, machine_image, ["nope"]).returncode == 127
    done = run(strata, machine_image, ["/etc"])
    assert done.returncode == 126 and "/etc" in done.stderr
    assert run(strata, machine_image, "--init", ["sh", "-c", "kill -9 $$"]).returncode == 137
    assert "no such user" in run(strata, machine_image, "--user", "nobody-such", ["id"]).stderr


def test_limits_and_rights(strata, machine_image):
    done = run(strata, machine_image, "--memory", "200m", "--cap-drop", "ALL", "--read-only",
               "--tmpfs", "/scratch", "--ulimit", "nofile=99", "--sysctl", "kernel.shmmax=12345",
               ["sh", "-c", "grep CapEff /proc/self/status; touch /x; touch /scratch/x && echo tmp; "
                "ulimit -n; cat /proc/sys/kernel/shmmax; nproc; head -1 /proc/meminfo"])
    lines = done.stdout.splitlines()
    assert lines[0].split()[1] == "0" * 16 and "Read-only" in done.stderr
    assert lines[1:5] == ["tmp", "99", "12345", "1"]
    assert 100 << 10 < int(lines[5].split()[1]) < 200 << 10


def test_exec_logs_stats_pause_and_stop(strata, started):
    m = started
    wait_until(lambda: strata.ok("logs", m) == "started said")
    assert strata("exec", m, "sh", "-c", "nproc; cat /proc/1/comm; exit 4", check=4).stdout == "2\nsh\n"
    assert strata("exec", "-i", m, "cat", input="through\n").stdout == "through\n"
    assert strata.ok("exec", "-u", "12:34", "-e", "X=y", "-w", "/etc", m, "sh", "-c",
                     "id -u; echo $X; pwd").split() == ["12", "y", "/etc"]
    strata("exec", m, "nope", check=127)
    strata.ok("exec", "-d", m, "sh", "-c", "echo late > /late")
    wait_until(lambda: strata("exec", m, "cat", "/late").stdout == "late\n")
    stats = json.loads(strata.ok("stats", "--no-stream", "--format", "json", m))
    assert int(stats["PIDs"]) >= 1 and "MiB" in stats["MemUsage"]
    strata.ok("pause", m)
    assert "Paused" in strata.ok("ps")
    strata.ok("unpause", m)
    strata.ok("stop", m, timeout=60)
    assert strata.ok("logs", m).endswith("stopping")
    assert strata.ok("inspect", "-f", "{{.State.ExitCode}}", m) == "3"


def test_cp_into_and_out_of_a_machine(strata, started, tmp_path):
    m = started
    (tmp_path / "tree/sub").mkdir(parents=True)
    (tmp_path / "tree/sub/file").write_text("deep\n")
    (tmp_path / "tree/link").symlink_to("sub/file")
    (tmp_path / "file").write_bytes(b"x" * 300000)
    strata.ok("cp", tmp_path / "file", f"{m}:/etc/")
    strata.ok("cp", tmp_path / "file", f"{m}:/etc/renamed")
    strata.ok("cp", tmp_path / "tree", f"{m}:/etc")
    strata.ok("cp", f"{tmp_path}/tree/.", f"{m}:/new")
    assert strata.ok("exec", m, "sh", "-c", "wc -c < /etc/file; wc -c < /etc/renamed; cat /etc/tree/link "
                     "/new/sub/file; stat -c %u /etc/file").split() == ["300000", "300000", "deep",
                                                                       "deep", "0"]
    strata.ok("cp", f"{m}:/etc/tree", tmp_path / "back")
    strata.ok("cp", f"{m}:/etc/file", tmp_path / "back")
    strata.ok("cp", f"{m}:/etc/tree/sub/.", tmp_path / "back")
    assert (tmp_path / "back/sub/file").read_text() == "deep\n"
    assert (tmp_path / "back/file").read_text() == "deep\n"  # the last copy's
    assert os.readlink(tmp_path / "back/link") == "sub/file"
    archive = strata("cp", f"{m}:/etc/tree", "-", text=False).stdout
    assert b"tree/sub/file" in archive
    strata.ok("exec", m, "mkdir", "/in")
    assert strata("cp", "-", f"{m}:/in", input=archive, text=False).returncode == 0
    assert strata.ok("exec", m, "cat", "/in/tree/sub/file") == "deep"
    strata.fails("cp", f"{m}:/missing", tmp_path, saying="no such file or folder: /missing")
    strata.fails("cp", tmp_path / "file", f"{m}:/missing/x", saying="no such folder: /missing")
    strata.fails("cp", tmp_path / "tree", f"{m}:/etc/file", saying="over the file")
    assert not list((strata.root / "tmp").iterdir())


def test_nobody_takes_the_host_for_the_guest(strata, started, tmp_path):
    (tmp_path / "file").write_text("of the host\n")
    strata.fails("cp", f"{started}:{tmp_path}/file", tmp_path / "copy", saying="no such file")
    assert not (tmp_path / "copy").exists()
    done = strata("run", "--rm", "--platform", "linux/riscv64", "--network", f"container:{started}",
                  "busybox", "true")
    assert done.returncode == 125 and "cannot join the net namespace" in done.stderr
    strata.ok("stop", "-t", "1", started, timeout=60)
    strata.fails("cp", f"{started}:{tmp_path}/file", tmp_path / "copy", saying="no such file",
                 timeout=BOOT_S)


def test_what_was_written_is_there_after_a_restart(strata, started):
    strata.ok("exec", started, "sh", "-c", "echo kept > /kept; ln -s kept /link; chown 5:6 /kept")
    strata.ok("stop", "-t", "20", started, timeout=60)
    strata.ok("start", started, timeout=BOOT_S)
    assert strata.ok("exec", started, "sh", "-c", "cat /link; stat -c %u:%g /kept") == "kept\n5:6"


def test_folders_files_and_volumes_of_the_host(strata, machine_image, open_tmp):
    (open_tmp / "in").mkdir()
    (open_tmp / "in/file").write_text("of the host\n")
    done = run(strata, machine_image, "-v", f"{open_tmp}/in:/data", "-v",
               f"{open_tmp}/in/file:/etc/one:ro", "-v", "named:/kept", "--tmpfs", "/mem:size=1m",
               ["sh", "-c", "cat /data/file /etc/one; echo of the guest > /data/new; chown 7:8 /data/new; "
                "echo > /etc/one; echo kept > /kept/file; grep -c /mem /proc/mounts"])
    assert done.stdout == "of the host\nof the host\n1\n" and "Read-only" in done.stderr
    new = open_tmp / "in/new"
    assert new.read_text() == "of the guest\n"
    assert (new.stat().st_uid, new.stat().st_gid) == (7, 8)
    assert run(strata, machine_image, "-v", "named:/there", ["cat", "/there/file"]).stdout == "kept\n"


def test_new_volumes_get_what_the_image_has(strata, machine_image):
    def volume(name):
        return Path(strata.ok("volume", "inspect", "-f", "{{.Mountpoint}}", name))

    # Two at once: one fills, the other waits for it.
    words = ["run", "--rm", "--isolation", "vm", "-v", "new:/bin", "-v", "bare:/etc:nocopy",
             "-v", "odd:/not/there", machine_image, "sh", "-c", "ls /bin | wc -l; ls /etc /not/there"]
    both = [strata.popen(*words), strata.popen(*words)]
    said = [one.communicate(timeout=BOOT_S)[0] for one in both]
    assert said[0] == said[1] and int(said[0].split()[0]) > 100, said
    assert "passwd" not in said[0] and "/not/there" in said[0]
    filled = os.lstat(volume("new") / "busybox")
    assert (filled.st_uid, filled.st_mode & 0o777, filled.st_nlink) == (0, 0o755, 1)
    assert (volume("new") / "sh").is_symlink() and volume("new").stat().st_mode & 0o777 == 0o755

    # What is taken out of it later stays out, and what is full stays as it is.
    strata.ok("create", "--name", "m1", "--isolation", "vm", "-v", "made:/etc", machine_image, "sh", "-c",
              "ls /etc | grep -c passwd; rm -r /etc/*")
    assert strata.ok("start", "-a", "m1", timeout=BOOT_S) == "1"
    assert not list(volume("made").iterdir())
    strata.fails("start", "-a", "m1", status=1, timeout=BOOT_S, saying="No such file")
    (volume("made") / "mine").touch()
    assert run(strata, machine_image, "-v", "made:/etc", ["ls", "/etc"]).stdout.split() == ["mine"]


def test_network_is_none_or_the_hosts(strata, machine_image):
    show = ["sh", "-c", "ls /sys/class/net; ip route | head -1; cat /etc/resolv.conf"]
    assert run(strata, machine_image, show).stdout.split() == ["lo"]
    done = run(strata, machine_image, "--network", "host", "--dns", "1.2.3.4", show)
    assert done.stdout == "eth0\nlo\ndefault via 10.0.2.2 dev eth0 \nnameserver 1.2.3.4\n"
    done = run(strata, machine_image, "--network", "host", ["cat", "/etc/resolv.conf"])
    assert done.stdout == "nameserver 10.0.2.3\n"


def test_terminal(strata, machine_image):
    t = strata.terminal("run", "-it", "--rm", "--isolation", "vm", machine_image, "sh", rows=30,
                        columns=90)
    t.expect("# ", BOOT_S)
    t.line("stty size; tty")
    t.expect("30 90.*/dev/pts/")
    t.resize(40, 100)
    time.sleep(0.5)
    t.line("stty size")
    t.expect("40 100")
    t.line("cat")
    t.expect("cat\r\n")
    time.sleep(1)
    t.line("echoed")
    t.expect("echoed\r\nechoed")
    t.send("\x03")
    t.expect("# ")
    t.line("exit 9")
    assert t.wait() == 9


@pytest.mark.parametrize("victim", ["monitor", "session", "machine"])
def test_kill_of_any_of_its_processes_leaves_nothing(strata, started, victim):
    state = json.loads(strata.ok("inspect", started))[0]["State"]
    pids = {"session": state["Pid"], "machine": machines(strata)[0], "monitor": int(
        Path(f"/proc/{state['Pid']}/stat").read_text().rsplit(")", 1)[1].split()[1])}
    os.kill(pids[victim], signal.SIGKILL)
    if victim == "machine":
        wait_until(lambda: "Exited (125)" in strata.ok("ps", "-a"))
        assert "the machine ended before its command did" in strata("logs", started).stderr
    if victim == "session":
        wait_until(lambda: "Exited (137)" in strata.ok("ps", "-a"))
    strata.ok("rm", "-f", started)
    wait_until(lambda: not machines(strata))
    assert not list((strata.root / "run").glob("*.machine"))


def test_a_panic_is_told_as_one(strata, started):
    strata("exec", "--privileged", started, "sh", "-c", "echo c > /proc/sysrq-trigger")
    wait_until(lambda: "Exited (125)" in strata.ok("ps", "-a"), 60)
    assert "Kernel panic" in strata("logs", started).stderr


SHOW = """
hostname; cat /proc/sys/kernel/domainname; grep a.example /etc/hosts; cat /etc/resolv.conf
grep -o size=3072k /proc/mounts; ulimit -n; cat /proc/self/oom_score_adj; id -G; pwd
cat /sys/fs/cgroup/cpu.max /sys/fs/cgroup/pids.max; echo 9 > /sys/fs/cgroup/pids.max; echo $FROM_FILE
cat /proc/sys/net/ipv4/ip_forward; cat /proc/1/comm; touch /x; grep NoNewPrivs /proc/self/status
"""


def test_options_mean_what_they_mean_for_a_container(strata, machine_image, tmp_path):
    """Those that no other test here has; tests/unit/front/test-run.c has the list of all."""
    (tmp_path / "env").write_text("FROM_FILE=yes\n")
    (tmp_path / "labels").write_text("from.file=1\n")
    done = strata(
        "run", "--name", "m1", "--isolation", "vm", "--network", "host", "--add-host", "a.example:1.2.3.4",
        "--dns", "9.8.7.6", "--dns-search", "s.example", "--dns-option", "ndots:3", "--domainname", "dom",
        "--hostname", "hosty", "--shm-size", "3m", "--ulimit", "nofile=99:100", "--oom-score-adj", "123",
        "--group-add", "44", "--cpu-quota", "50000", "--cpu-period", "200000", "--pids-limit", "33",
        "--env-file", tmp_path / "env", "--label-file", tmp_path / "labels", "--cidfile", tmp_path / "id",
        "--sysctl", "net.ipv4.ip_forward=1", "--workdir", "/usr", "--init", "--read-only", "--security-opt",
        "no-new-privileges", machine_image, "sh", "-c", SHOW, timeout=BOOT_S)
    assert done.stdout.splitlines() == [
        "hosty", "dom", "1.2.3.4\ta.example", "nameserver 9.8.7.6", "search s.example", "options ndots:3",
        "size=3072k", "99", "123", "0 44", "/usr", "50000 200000", "33", "yes", "1", "init",
        "NoNewPrivs:\t1"], done
    assert done.stderr.count("Read-only file system") == 2
    assert strata.ok("ps", "-a", "--format", "{{.ID}} {{.Labels}}", "--no-trunc") == (
        (tmp_path / "id").read_text().strip() + " from.file=1")


def test_what_a_machine_cannot_do_is_said(strata, machine_image, tmp_path):
    def refused(saying, *options):
        done = run(strata, machine_image, *options, ["true"])
        assert done.returncode == 125 and saying in done.stderr, done.stderr

    for options in (["--device", "/dev/null"], ["--pid", "host"], ["--cpu-shares", "2"],
                    ["--network", "container:x"], ["--userns", "private"]):
        refused(f"--isolation vm and {options[0]}", *options)
    refused("64m at least", "--memory", "32m")
    refused("there is no kernel \"other\"", "--kernel", "other")
    refused("must be from 16m", "--disk-size", "1m")
    done = strata("run", "--rm", "--kernel", "x", "--platform", "linux/riscv64", machine_image, "true")
    assert "--kernel needs --isolation vm" in done.stderr
    (strata.root / "kernels").unlink()
    refused("strata kernel fetch debian")


def test_ordinary_user(rootless, foreign_store, machine_kernel):
    from conftest import give_image
    give_image(rootless, foreign_store)
    import subprocess
    subprocess.run(["cp", "-a", machine_kernel / "kernels", rootless.root], check=True)
    subprocess.run(["chown", "-R", f"{rootless.user.uid}:{rootless.user.gid}", rootless.root], check=True)
    done = rootless("run", "--rm", "--isolation", "vm", "busybox", "sh", "-c", "id -u; uname -m; exit 5",
                    timeout=BOOT_S)
    assert (done.returncode, done.stdout) == (5, "0\nriscv64\n"), done.stderr


def test_one_that_uses_all_memory_is_killed(strata, machine_image):
    done = run(strata, machine_image, "--memory", "192m",
               ["sh", "-c", "dd if=/dev/zero of=/f bs=1M count=300 2>/dev/null; cat /f | wc -c; "
                "head -c 300000000 /dev/zero | tail >/dev/null; echo $?"])
    assert done.stdout == f"{300 << 20}\n137\n", done
