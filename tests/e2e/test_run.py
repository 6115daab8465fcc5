# SPDX-License-Identifier: Apache-2.0
"""test_run.py - `strata run`: exit codes, the process, the file system, rights."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from conftest import wait_until

pytestmark = pytest.mark.needs_root


def status_field(text, name):
    return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)[name].strip()


@pytest.fixture
def run(strata, busybox_image):
    """Run a shell line in a fresh container and return its output."""

    def run(script, *options, **kw):
        return strata.ok("run", "--rm", "--network", "none", *options, "busybox", "sh", "-c", script,
                         **kw)

    return run


# --- exit codes ------------------------------------------------------------------------------


@pytest.mark.guest
@pytest.mark.parametrize("code", [0, 1, 2, 42, 125, 126, 127, 128, 137, 255])
def test_exit_code_is_the_commands(strata, busybox_image, code):
    assert strata("run", "--rm", "busybox", "sh", "-c", f"exit {code}").returncode == code


@pytest.mark.parametrize("name", ["KILL", "TERM", "SEGV", "USR1"])
def test_death_by_signal_is_128_plus_n(strata, busybox_image, name):
    # pid 1 of a namespace ignores signals it has no handler for, so a child of --init dies.
    done = strata("run", "--rm", "--init", "busybox", "sh", "-c", f"kill -{name} $$")
    assert done.returncode == 128 + getattr(signal, "SIG" + name)


def test_command_not_found_is_127(strata, busybox_image):
    done = strata.fails("run", "--rm", "busybox", "no-such-command", status=127)
    assert "no-such-command" in done.stderr
    strata.fails("run", "--rm", "busybox", "/no/such/path", status=127, saying="/no/such/path")


def test_command_not_executable_is_126(strata, busybox_image):
    strata.fails("run", "--rm", "busybox", "/etc/notexec", status=126, saying="notexec")
    strata.fails("run", "--rm", "busybox", "/etc", status=126, saying="/etc")
    strata.fails("run", "--rm", "busybox", "/etc/garbage", status=126, saying="garbage")


def test_own_failure_is_125(strata, busybox_image):
    strata.fails("run", "--no-such-flag", "busybox", status=125, saying="no-such-flag")
    strata.fails("run", "nosuchimage.invalid/x:y", "true", status=125)
    strata.fails("run", "--rm", "-w", "relative", "busybox", "true", status=125)


def test_the_rm_of_a_failed_run_leaves_nothing(strata, busybox_image):
    strata.fails("run", "--rm", "--name", "gone", "busybox", "nothing-like-this")
    assert strata.ok("ps", "-aq") == ""


# --- the process -----------------------------------------------------------------------------


@pytest.mark.guest
def test_streams_are_kept_apart(strata, busybox_image):
    done = strata("run", "--rm", "busybox", "sh", "-c", "echo out; echo err >&2", check=0)
    assert (done.stdout, done.stderr) == ("out\n", "err\n")


def test_stdin_reaches_the_command_only_with_i(strata, busybox_image):
    text = "one\ntwo\n" * 50000
    assert strata("run", "--rm", "-i", "busybox", "cat", input=text, check=0).stdout == text
    assert strata("run", "--rm", "busybox", "cat", input=text, check=0).stdout == ""


def test_large_output_arrives_whole(strata, busybox_image):
    done = strata("run", "--rm", "busybox", "sh", "-c", "yes 0123456789 | head -n 1000000",
                  check=0)
    assert len(done.stdout) == 11_000_000


def test_environment(run, tmp_path):
    env_file = tmp_path / "env"
    env_file.write_text("# comment\nA=from file\nB=two words\nFROM_HOST\n\n")
    out = run("env", "-e", "A=1", "-e", "EMPTY=", "-e", "FROM_HOST2", "-e", "NOT_SET_ANYWHERE",
              "--env-file", env_file, env={"FROM_HOST": "h1", "FROM_HOST2": "h2"}).splitlines()
    assert "A=1" in out and "B=two words" in out and "EMPTY=" in out
    assert "FROM_HOST=h1" in out and "FROM_HOST2=h2" in out and "FROM_IMAGE=yes" in out
    assert not any(line.startswith("NOT_SET_ANYWHERE") for line in out)
    assert "HOME=/root" in out and any(line.startswith("HOSTNAME=") for line in out)
    assert not any("STRATA_TEST" in line for line in out), "the host's environment leaked"


def test_working_directory_is_made(run):
    assert run("pwd; ls -ld . | cut -c1-10", "-w", "/made/on/the/fly") == \
        "/made/on/the/fly\ndrwxr-xr-x"


@pytest.mark.parametrize("user, expected", [
    ("user", "1000:1000:50 63 1000:/home/user"),
    ("1000", "1000:1000:50 63 1000:/home/user"),
    ("other", "1001:1001:50 1001:/home/other"),
    ("user:staff", "1000:50:50:/home/user"),
    ("1234", "1234:0:0:/"),
    ("1234:5678", "1234:5678:5678:/"),
    ("0:63", "0:63:63:/root"),
    ("1", "1:1:1 4:/"),
    ("root", "0:0:0 4:/root"),
    (None, "0:0:0 4:/root"),
])
def test_user(run, user, expected):
    out = run('echo "$(id -u):$(id -g):$(id -G | tr " " "\\n" | sort -n | xargs):$HOME"',
              *(["-u", user] if user else []))
    assert out == expected


def test_group_add(run):
    out = run("id -G", "-u", "1234:5678", "--group-add", "audio", "--group-add", "7")
    assert set(out.split()) == {"5678", "63", "7"}


def test_entrypoint(strata, busybox_image):
    assert strata.ok("run", "--rm", "--entrypoint", "echo", "busybox", "a", "b") == "a b"
    assert strata.ok("run", "--rm", "--entrypoint", "/bin/hostname", "--hostname", "h1",
                     "busybox") == "h1"


def test_default_command_is_the_images(strata, busybox_image):
    assert strata("run", "--rm", "-i", "busybox", input="echo hello\n", check=0).stdout == "hello\n"


@pytest.mark.guest
def test_isolation_is_what_was_promised(run):
    """Another pid, mount, network, uts, ipc, cgroup view than ours."""
    inside = run("for n in pid mnt net uts ipc cgroup; do readlink /proc/self/ns/$n; done")
    ours = [os.readlink(f"/proc/self/ns/{n}") for n in ("pid", "mnt", "net", "uts", "ipc", "cgroup")]
    assert not set(inside.split()) & set(ours)
    assert run("echo $$") == "1"
    assert int(run("ls -d /proc/[0-9]* | wc -l")) < 5
    assert run("ls /sys/class/net") == "lo"
    assert run("cat /sys/class/net/lo/operstate") in ("unknown", "up")
    assert run("ping -c1 -W1 127.0.0.1 >/dev/null && echo up") == "up"


def test_shared_namespaces(run):
    assert run("readlink /proc/self/ns/pid", "--pid", "host") == os.readlink("/proc/self/ns/pid")
    assert run("readlink /proc/self/ns/ipc", "--ipc", "host") == os.readlink("/proc/self/ns/ipc")
    assert run("readlink /proc/self/ns/uts", "--uts", "host") == os.readlink("/proc/self/ns/uts")


def test_network_host(strata, busybox_image):
    assert strata.ok("run", "--rm", "--network", "host", "busybox", "readlink",
                     "/proc/self/ns/net") == os.readlink("/proc/self/ns/net")


def test_joining_another_instances_namespaces(strata, busybox_image):
    strata.ok("run", "-d", "--name", "first", "busybox", "sleep", "60")
    first = strata.ok("exec", "first", "sh", "-c", "readlink /proc/self/ns/pid; readlink /proc/self/ns/ipc")
    assert strata.ok("run", "--rm", "--pid", "container:first", "busybox", "readlink",
                     "/proc/self/ns/pid") == first.split()[0]
    assert strata.ok("run", "--rm", "--ipc", "container:first", "busybox", "readlink",
                     "/proc/self/ns/ipc") == first.split()[1]
    # Its first process is another one after a restart: the namespace is found by instance, not pid.
    strata.ok("create", "--name", "second", "--network", "container:first", "busybox", "readlink",
              "/proc/self/ns/net")
    strata.ok("restart", "-t", "0", "first")
    assert strata.ok("start", "-a", "second") == \
        strata.ok("exec", "first", "readlink", "/proc/self/ns/net")
    strata.ok("kill", "first")
    strata.ok("wait", "first")
    strata.fails("start", "-a", "second", saying="first.*not running")


def test_hostname(run):
    assert run("hostname; cat /etc/hostname", "--hostname", "box1") == "box1\nbox1"
    assert len(run("hostname")) == 12
    assert "10.1.2.3\tother" in run("cat /etc/hosts", "--add-host", "other:10.1.2.3")


def test_signals_reach_the_command(strata, busybox_image):
    process = strata.popen("run", "--rm", "--name", "sig", "busybox", "sh", "-c",
                           "trap 'echo got term; exit 7' TERM; echo ready; while :; do sleep 0.05; done")
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    assert process.stdout.readline() == "got term\n"
    assert process.wait(10) == 7


@pytest.mark.parametrize("init", [[], ["--init"]], ids=["", "init"])
def test_ignored_signals_are_not_handed_down(strata, busybox_image, init):
    def ignore():
        for signo in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:
            signal.signal(signo, signal.SIG_IGN)

    # SIGCHLD is among them: where it stays ignored, no exit status can be waited for.
    command = strata.popen("run", "--rm", *init, busybox_image, "sh", "-c",
                           "grep SigIgn /proc/self/status; exit 3", stdout=subprocess.PIPE,
                           text=True, preexec_fn=ignore, restore_signals=False)
    said, _ = command.communicate(timeout=30)
    assert command.returncode == 3
    assert int(said.split()[1], 16) & 0x7FFFFFFF == 0


def test_init_reaps_orphans(run):
    script = "(sh -c 'sleep 0.1 & exit' &); sleep 0.6; ps -o stat | grep -c Z"
    assert run(script + " || true", "--init") == "0"
    # The same without --init keeps the zombie: pid 1 (the shell) does not wait for strangers.
    assert run("ps -o pid,comm | head -2 | tail -1", "--init").split()[0] == "1"


# --- the file system -------------------------------------------------------------------------


def test_changes_do_not_reach_the_image(run):
    assert run("rm -rf /home/user; echo x >/etc/passwd; ls /home") == "other"
    assert run("ls -d /home/user; wc -l </etc/passwd") == "/home/user\n4"


@pytest.mark.guest
def test_volumes(run, tmp_path):
    (tmp_path / "file").write_text("from the host\n")
    assert run("cat /data/file; echo back >/data/back", "-v", f"{tmp_path}:/data") == "from the host"
    assert (tmp_path / "back").read_text() == "back\n"
    assert run("echo x 2>/dev/null >/data/back || echo refused", "-v", f"{tmp_path}:/data:ro") == \
        "refused"
    assert run("cat /one", "-v", f"{tmp_path}/file:/one") == "from the host"
    assert run("cat /m/file; touch /m/x 2>/dev/null || echo ro", "--mount",
               f"type=bind,source={tmp_path},target=/m,readonly") == "from the host\nro"


def test_a_volume_that_is_missing(strata, busybox_image, tmp_path):
    # Docker's -v makes the folder, --mount refuses.
    strata.ok("run", "--rm", "-v", f"{tmp_path}/made:/data", "busybox", "true")
    assert (tmp_path / "made").is_dir()
    strata.fails("run", "--rm", "--mount", f"type=bind,source={tmp_path}/not,target=/x", "busybox",
                 "true", status=125, saying="not")


def test_named_volumes_keep_their_content(run, strata):
    run("echo kept >/v/file", "-v", "data1:/v")
    assert run("cat /v/file", "-v", "data1:/v") == "kept"
    assert "data1" in strata.ok("volume", "ls")
    strata.ok("volume", "rm", "data1")
    assert "data1" not in strata.ok("volume", "ls")


def test_tmpfs(run):
    out = run("stat -f -c %T /t; df -k /t | tail -1 | awk '{print $2}'; touch /t/x && echo ok",
              "--tmpfs", "/t:size=4m")
    assert out.split() == ["tmpfs", "4096", "ok"]
    out = run("df -k /t2 | tail -1 | awk '{print $2}'", "--mount",
              "type=tmpfs,target=/t2,tmpfs-size=8m")
    assert out == "8192"


def test_read_only(run):
    out = run("touch /x 2>/dev/null || echo no; touch /t/x && echo yes; touch /dev/shm/x && echo shm",
              "--read-only", "--tmpfs", "/t")
    assert out.split() == ["no", "yes", "shm"]
    # The working directory is made before the root becomes read-only.
    assert run("pwd; touch x 2>/dev/null || echo no", "--read-only", "-w", "/new/dir").split() == [
        "/new/dir", "no"]


def test_shm_size(run):
    assert run("df -k /dev/shm | tail -1 | awk '{print $2}'") == "65536"
    assert run("df -k /dev/shm | tail -1 | awk '{print $2}'", "--shm-size", "8m") == "8192"


def test_paths_are_masked_and_read_only(run):
    assert run("cat /proc/kcore 2>/dev/null | head -c1 | wc -c") == "0"
    assert run("ls /proc/acpi /sys/firmware 2>/dev/null | grep -v : | xargs") == ""
    for path in ("/proc/sys/kernel/hostname", "/proc/sysrq-trigger", "/proc/irq/x"):
        assert run(f"echo 1 2>/dev/null >{path} || echo refused") == "refused"
    assert run("mount | grep ' on /sys type sysfs' | grep -c '[(,]ro[,)]'") == "1"


def test_devices(run):
    names = set(run("ls /dev").split())
    assert {"null", "zero", "full", "random", "urandom", "tty", "ptmx", "pts", "shm", "fd",
            "stdin", "stdout", "stderr"} <= names
    assert not {"mem", "sda", "vda", "kmsg", "kvm", "fuse"} & names
    assert run("head -c3 /dev/zero | wc -c; echo x >/dev/null; echo ok") == "3\nok"
    # The node can be made (CAP_MKNOD), but the cgroup refuses to open it.
    assert run("mknod /m c 1 1 && (head -c1 /m >/dev/null) 2>&1 | grep -o 'not permitted'") == \
        "not permitted"


def test_device_option(run):
    assert run("head -c4 /dev/given | wc -c", "--device", "/dev/zero:/dev/given:r") == "4"
    assert run("ls /dev/fuse", "--device", "/dev/fuse") == "/dev/fuse"
    assert run("(echo x >/dev/full2) 2>&1 | grep -o 'not permitted'", "--device",
               "/dev/kmsg:/dev/full2:r") == "not permitted"


# --- rights ----------------------------------------------------------------------------------

DEFAULT_CAPS = 0x00000000A80425FB


@pytest.mark.guest
def test_default_capabilities_are_dockers(run):
    out = run("cat /proc/self/status")
    assert int(status_field(out, "CapBnd"), 16) == DEFAULT_CAPS
    assert int(status_field(out, "CapEff"), 16) == DEFAULT_CAPS
    assert int(status_field(out, "CapInh"), 16) == 0


def test_capabilities_of_an_ordinary_user(run):
    out = run("cat /proc/self/status", "-u", "1000")
    assert int(status_field(out, "CapEff"), 16) == 0
    assert int(status_field(out, "CapPrm"), 16) == 0
    assert int(status_field(out, "CapBnd"), 16) == DEFAULT_CAPS


def test_cap_add_and_drop(run):
    out = run("cat /proc/self/status", "--cap-add", "SYS_ADMIN", "--cap-drop", "NET_RAW")
    caps = int(status_field(out, "CapBnd"), 16)
    assert caps == (DEFAULT_CAPS | 1 << 21) & ~(1 << 13)
    out = run("cat /proc/self/status", "--cap-drop", "ALL", "--cap-add", "cap_chown")
    assert int(status_field(out, "CapEff"), 16) == 1
    out = run("cat /proc/self/status", "--cap-drop=all")
    assert int(status_field(out, "CapBnd"), 16) == 0


@pytest.mark.guest
def test_seccomp_is_on_and_denies(run):
    assert status_field(run("cat /proc/self/status"), "Seccomp") == "2"
    # unshare(2) needs CAP_SYS_ADMIN in Docker's profile; root here would be allowed otherwise.
    assert run("unshare -U true 2>&1 | grep -o 'not permitted'") == "not permitted"
    assert status_field(run("cat /proc/self/status", "--security-opt", "seccomp=unconfined"),
                        "Seccomp") == "0"
    assert run("unshare -U echo allowed", "--security-opt", "seccomp=unconfined") == "allowed"


def test_custom_seccomp_profile(run, strata, tmp_path):
    profile = tmp_path / "profile.json"
    profile.write_text(json.dumps({
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 95}],
    }))
    out = run("mkdir /x 2>&1 | grep -o 'not supported'", "--security-opt", f"seccomp={profile}")
    assert out == "not supported"
    profile.write_text("{ not json")
    strata.fails("run", "--rm", "--security-opt", f"seccomp={profile}", "busybox", "true",
                 status=125, saying="profile.json")


def test_no_new_privileges(run):
    assert status_field(run("cat /proc/self/status"), "NoNewPrivs") == "0"
    assert status_field(run("cat /proc/self/status", "--security-opt", "no-new-privileges"),
                        "NoNewPrivs") == "1"


def test_privileged(run):
    out = run("cat /proc/self/status", "--privileged")
    ours = Path("/proc/self/status").read_text()
    assert int(status_field(out, "CapBnd"), 16) == int(status_field(ours, "CapBnd"), 16)
    assert status_field(out, "Seccomp") == "0"
    assert run("mount -t tmpfs x /mnt 2>/dev/null || mkdir /mnt && mount -t tmpfs x /mnt && echo ok",
               "--privileged") == "ok"
    assert "vda" in run("ls /dev", "--privileged") or "kmsg" in run("ls /dev", "--privileged")


def test_ulimit(run):
    assert run("ulimit -Sn; ulimit -Hn", "--ulimit", "nofile=100:200") == "100\n200"
    assert run("ulimit -c", "--ulimit", "core=0") == "0"


def test_sysctl(run, strata):
    assert run("cat /proc/sys/net/ipv4/ip_forward", "--sysctl", "net.ipv4.ip_forward=1") == "1"
    assert run("cat /proc/sys/kernel/shm_rmid_forced", "--sysctl", "kernel.shm_rmid_forced=1") == "1"
    # One that is the whole host's must not be set from a container.
    strata.fails("run", "--rm", "--sysctl", "kernel.panic=7", "busybox", "true", status=125,
                 saying="kernel.panic")


def test_oom_score_adj(run):
    assert run("cat /proc/self/oom_score_adj", "--oom-score-adj", "500") == "500"


def test_user_namespace_of_root(run):
    """--userns: root inside is not root outside."""
    ours = os.readlink("/proc/self/ns/user")
    assert run("readlink /proc/self/ns/user", "--userns", "host") == ours
    assert run("readlink /proc/self/ns/user", "--userns", "private") != ours


def has_range_for_root():
    lines = Path("/etc/subuid").read_text().splitlines() if Path("/etc/subuid").exists() else []
    return any(line.split(":")[0] in ("root", "0", "strata", "containers") for line in lines)


def test_volumes_have_the_ids_of_the_image(strata, busybox_image):
    """--userns private: what it writes to a volume is the same to everybody who mounts that."""
    show = "stat -c '%u %g' /home/user /home/user/mine /home/user/roots"
    strata.ok("run", "--rm", "--userns", "private", "-v", "shared:/home/user", "-v", "/anon", "busybox",
              "sh", "-c", "su user -c 'touch ~/mine'; touch /home/user/roots /anon/x")
    # The image's /home/user, copied to the empty volume, is still the user's.
    for userns in ("private", "host"):
        out = strata.ok("run", "--rm", "--userns", userns, "-v", "shared:/home/user:ro", "busybox",
                        "sh", "-c", show)
        assert out.splitlines() == ["1000 1000", "1000 1000", "0 0"]
    assert os.stat(strata.root / "volumes/shared/_data/mine").st_uid == 1000
    strata.ok("create", "--name", "kept", "--userns", "private", "-v", "shared:/v", "busybox", "sh", "-c",
              "stat -c %u /v/roots")
    for _ in range(2):
        assert strata.ok("start", "-a", "kept") == "0"
    assert strata.inspect("kept")["HostConfig"]["Binds"] == ["shared:/v"]


def test_private_user_ids_are_not_the_hosts(strata, busybox_image, tmp_path):
    strata.root.chmod(0o700)  # what the mapped root may not pass is opened before
    (tmp_path / "of-the-host").write_text("x")
    tmp_path.chmod(0o700)
    strata.ok("run", "-d", "--name", "apart", "--userns", "private", "--init", "-v",
              f"{tmp_path}:/host", "busybox", "sleep", "100")
    pid = strata.state("apart")["Pid"]
    uid = int(status_field(Path(f"/proc/{pid}/status").read_text(), "Uid").split()[0])
    first, outside, count = map(int, Path(f"/proc/{pid}/uid_map").read_text().split()[:3])
    assert first == 0 and outside == uid and uid >= 100000 and count >= 1000
    if not has_range_for_root():
        assert (outside, count) == (1 << 30, 65536)
    # The image's files are root's inside, and stay root's on the disk.
    out = strata.ok("exec", "apart", "sh", "-c",
                    "id -u; stat -c %u /bin/busybox; touch /made; chown 1000:50 /made; stat -c %u:%g /made")
    assert out.split() == ["0", "0", "1000:50"]
    made = os.stat(strata.instance_dirs()[0] / "upper/made")
    assert (made.st_uid, made.st_gid) == (1000, 50)
    # What is the host's belongs to nobody inside, and cannot be written.
    out = strata("exec", "apart", "sh", "-c", "stat -c %u /host; touch /host/mine")
    assert out.stdout.strip() == "65534" and "denied" in out.stderr
    assert not (tmp_path / "mine").exists()
    # A hole to the host's processes or files is refused, not opened.
    strata.fails("run", "--rm", "--userns", "private", "--pid", "container:apart", "busybox", "true",
                 status=125, saying="--userns private has no rights")
    strata.fails("cp", f"{tmp_path}/of-the-host", "apart:/", saying="stop it first")
    strata.ok("stop", "-t", "0", "apart")
    strata.ok("cp", f"{tmp_path}/of-the-host", "apart:/copied")
    strata.ok("start", "apart")
    assert strata.ok("exec", "apart", "stat", "-c", "%u", "/copied") == "0"


# --- more than one ---------------------------------------------------------------------------


def test_twenty_at_once(strata, busybox_image):
    running = [strata.popen("run", "--rm", "--network", "none", "busybox", "echo", str(i))
               for i in range(20)]
    assert [p.communicate(timeout=60)[0] for p in running] == [f"{i}\n" for i in range(20)]
    assert all(p.returncode == 0 for p in running)


def test_name_in_use(strata, busybox_image):
    first = strata.ok("create", "--name", "taken", "busybox", "true")
    done = strata.fails("run", "--name", "taken", "busybox", "true", status=125, saying="taken")
    assert first[:12] in done.stderr


def test_the_same_name_raced_for_goes_to_one(strata, busybox_image):
    racers = [strata.popen("create", "--name", "one", "busybox", "true") for _ in range(8)]
    for racer in racers:
        racer.communicate(timeout=60)
    assert sorted(r.returncode != 0 for r in racers) == [False] + [True] * 7
    assert len(strata.ok("ps", "-aq").split()) == 1


def test_cidfile_and_pull_never(strata, busybox_image, tmp_path):
    cid = tmp_path / "cid"
    identity = strata.ok("run", "-d", "--cidfile", cid, "--pull", "never", "busybox", "true")
    assert cid.read_text().strip() == identity


def test_debian_with_apt_and_python(strata, debian_image):
    out = strata.ok("run", "--rm", "--network", "none", debian_image, "bash", "-c",
                    "apt --version; python3 /srv/hello.py; dpkg -l | wc -l; . /etc/os-release; echo $ID")
    assert "hello from /srv/hello.py" in out and out.splitlines()[-1] == "debian"


@pytest.mark.needs_cgroup1
def test_programs_find_their_limits(strata, busybox_image):
    """Java and others look for these four, and believe in no limit where one is missing."""
    seen = strata.ok("run", "--rm", "--memory", "64m", "busybox", "ls", "/sys/fs/cgroup").split()
    assert {"memory", "cpu", "cpuacct", "cpuset"} <= set(seen)
