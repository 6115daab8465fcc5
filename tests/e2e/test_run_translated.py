# SPDX-License-Identifier: Apache-2.0
"""test_run_translated.py - a linux/riscv64 image as a container like any other: what is chosen, how
it lives, and that it gets nothing but what its container allows.

The same program for the CPU of this machine is the measure where there is one to compare with. With
STRATA_TEST_PLATFORM=linux/riscv64 the other tests run translated, too."""

import gzip
import hashlib
import json
import os
import re
import signal
import time
from pathlib import Path

import pytest

import oci
from conftest import wait_until
from intruder import Intruder
from test_crash import process_is_gone

pytestmark = pytest.mark.needs_root

RISCV64 = ("--platform", "linux/riscv64")
NONE = ("--network", "none")


@pytest.fixture
def box(strata, both_image):
    return strata


@pytest.fixture
def run(box):
    """Run a shell line translated, in a fresh container, and return its output."""

    def run(script, *options, **kw):
        return box.ok("run", "--rm", *NONE, *RISCV64, *options, "busybox", "sh", "-c", script, **kw)

    return run


@pytest.fixture
def both(box):
    """Run it for either CPU: what they print and how they end must be the same; what they print is
    returned."""

    def both(script, *options):
        native, translated = (
            box("run", "--rm", *NONE, *platform, *options, "busybox", "sh", "-c", script)
            for platform in ([], RISCV64))
        assert (translated.stdout, translated.stderr, translated.returncode) == \
            (native.stdout, native.stderr, native.returncode)
        return native.stdout

    return both


def start(box, *command, options=(), name="it"):
    return box.ok("run", "-d", *NONE, *RISCV64, "--name", name, *options, "busybox",
                  *(command or ("sleep", "300")))


# --- which platform --------------------------------------------------------------------------


def test_both_halves_of_one_image_side_by_side(box):
    box.ok("run", "-d", *NONE, "--name", "ours", "busybox", "sleep", "300")
    start(box, name="theirs")
    assert box.ok("exec", "ours", "uname", "-m") == os.uname().machine
    assert box.ok("exec", "theirs", "uname", "-m") == "riscv64"
    assert box.inspect("theirs")["Strata"]["Platform"] == "linux/riscv64"
    assert box.ok("inspect", "-f", "{{.Strata.Platform}}", "ours") == "linux/amd64"
    assert {line.split()[-1] for line in box.ok(
        "ps", "--format", "{{.Names}} {{.Platform}}").splitlines()} == {"linux/amd64", "linux/riscv64"}
    assert "linux/riscv64" in box.ok("info", "-f", "{{.Platforms}}")


def test_the_only_platform_needs_no_flag_and_is_told(strata, foreign_image):
    done = strata("run", "--rm", *NONE, "busybox", "uname", "-m", check=0)
    assert done.stdout == "riscv64\n"
    assert done.stderr == "strata: busybox has no linux/amd64, running linux/riscv64 by translation\n"
    done = strata("run", "--rm", *NONE, *RISCV64, "busybox", "uname", "-m", check=0)
    assert (done.stdout, done.stderr) == ("riscv64\n", "")
    identity = strata.ok("create", "busybox", "true")
    assert strata.inspect(identity)["Strata"]["Platform"] == "linux/riscv64"


def test_what_is_asked_for_is_not_exchanged(strata, foreign_image):
    strata.fails("run", "--rm", "--pull", "never", "--platform", "linux/amd64", "busybox", "true",
                 status=125, saying="not stored for linux/amd64, only for linux/riscv64$")


def test_a_platform_that_cannot_be_run(box):
    done = box.fails("run", "--rm", "--pull", "never", "--platform", "linux/s390x", "busybox", "true",
                     status=125, saying="linux/s390x")
    assert done.stderr.count("\n") == 1
    assert "this machine runs linux/amd64, and linux/riscv64 by translation" in done.stderr


def test_an_image_that_was_only_stored_is_unpacked_for_its_platform(box):
    """As when another tool put it into the store."""
    for name in box.layer_names():
        box_layer = box.root / "layers" / name
        box_layer.rename(box_layer.with_name(f".gone-{name}"))
    assert box.ok("run", "--rm", *NONE, *RISCV64, "busybox", "uname", "-m") == "riscv64"
    assert box.ok("run", "--rm", *NONE, "busybox", "uname", "-m") == os.uname().machine


# --- exit codes ------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [0, 1, 42, 125, 126, 127, 137, 255])
def test_exit_code_is_the_commands(box, code):
    assert box("run", "--rm", *NONE, *RISCV64, "busybox", "sh", "-c", f"exit {code}").returncode == code


@pytest.mark.parametrize("name", ["KILL", "TERM", "SEGV", "USR1"])
def test_death_by_signal_is_128_plus_n(box, name):
    done = box("run", "--rm", "--init", *RISCV64, "busybox", "sh", "-c", f"kill -{name} $$")
    assert done.returncode == 128 + getattr(signal, "SIG" + name)


@pytest.mark.parametrize("command", ["no-such-command", "/no/such/path", "/etc/notexec", "/etc",
                                     "/etc/garbage", "/etc/badinterp", ""])
def test_what_cannot_be_executed_is_told_in_the_same_words(box, command):
    native = box.fails("run", "--rm", *NONE, "busybox", command)
    assert native.returncode in (126, 127)
    box.fails("run", "--rm", *NONE, *RISCV64, "busybox", command, status=native.returncode,
              saying=re.escape(native.stderr.strip()))
    start(box)
    done = box.fails("exec", "it", command, status=native.returncode)
    assert done.stderr == native.stderr


def test_strata_itself_failing_is_125(box):
    box.fails("run", "--rm", *RISCV64, "--user", "nobody-here", "busybox", "true", status=125)


@pytest.fixture
def evil(strata, both_image, tmp_path):
    """The translated busybox with one more layer."""

    def evil(tar):
        both = json.loads((strata.root / "images/index.json").read_text())["manifests"][0]
        layout = oci.Layout(tmp_path / "evil")
        blob = strata.root / "images/blobs/sha256"
        listed = json.loads((blob / both["digest"].split(":")[1]).read_text())["manifests"]
        foreign = next(m for m in listed if m["platform"]["architecture"] == "riscv64")
        manifest = json.loads((blob / foreign["digest"].split(":")[1]).read_text())
        below = gzip.decompress((blob / manifest["layers"][0]["digest"].split(":")[1]).read_bytes())
        layout.name(layout.manifest([below, tar.bytes()], oci.BUSYBOX_CONFIG, "riscv64"), "evil:latest")
        strata.ok("import", layout.path)
        return "evil"

    return evil


def elf(machine=243, kind=2, bits=2, phnum=1, phoff=64, headers=b"", phentsize=56):
    return (b"\x7fELF" + bytes([bits, 1, 1]) + bytes(9) + kind.to_bytes(2, "little")
            + machine.to_bytes(2, "little") + (1).to_bytes(4, "little") + bytes(8)
            + phoff.to_bytes(8, "little") + bytes(8) + bytes(4) + (64).to_bytes(2, "little")
            + phentsize.to_bytes(2, "little") + phnum.to_bytes(2, "little") + bytes(6)) + headers


def interpreter(name, offset=64 + 56):
    return ((3).to_bytes(4, "little") + (4).to_bytes(4, "little") + offset.to_bytes(8, "little")
            + bytes(16) + len(name).to_bytes(8, "little") * 2 + (1).to_bytes(8, "little")) + name


@pytest.mark.parametrize(("content", "status", "saying"), [
    (b"\x7fELF", 126, "exec format error"),
    (elf()[:40], 126, "exec format error"),
    (elf(), 126, "exec format error"),
    (elf(phnum=0), 126, "exec format error"),
    (elf(phnum=65535), 126, "exec format error"),
    (elf(phoff=2**64 - 8), 126, "exec format error"),
    (elf(kind=1, headers=bytes(56)), 126, "exec format error"),
    (elf(phentsize=32, headers=bytes(56)), 126, "exec format error"),
    (elf(machine=62, headers=bytes(56)), 126, "it is not for riscv64"),
    (elf(bits=1, headers=bytes(56)), 126, "it is not for riscv64"),
    (elf(headers=interpreter(b"/lib/no-loader.so\0")), 127, "its loader /lib/no-loader.so"),
    (elf(headers=interpreter(b"/lib/unterminated")), 126, "exec format error"),
    (elf(headers=interpreter(b"x\0", 2**63)), 126, "exec format error"),
    (b"#!/bin/wrong\n", 126, "exec format error"),
    (b"#!/bin/sh-that-is-not-there\n", 127, "no such file"),
    (b"#!/etc/passwd\n", 126, "permission denied"),
], ids=lambda v: None if isinstance(v, bytes) else str(v)[:20])
def test_a_file_that_is_no_program_for_it(strata, evil, content, status, saying):
    tar = oci.Tar().file("bin/prog", content, 0o755).file("bin/wrong", elf(machine=62), 0o755)
    image = evil(tar)
    done = strata.fails("run", "--rm", *NONE, *RISCV64, image, "/bin/prog", status=status, saying=saying)
    assert done.stderr.count("\n") == 1


# --- the process -----------------------------------------------------------------------------


def test_scripts(run, tmp_path):
    (tmp_path / "plain").write_text('#!/bin/sh\necho "$0" "$@"\n')
    (tmp_path / "argument").write_text('#!/bin/busybox sh\necho "$0" "$#"; tr "\\0" "," </proc/$$/cmdline\n')
    (tmp_path / "nested").write_text("#!/d/plain -x\n")
    (tmp_path / "none").write_text('echo no interpreter\n')
    for file in tmp_path.iterdir():
        file.chmod(0o755)
    mount = ("-v", f"{tmp_path}:/d")
    assert run("/d/plain a 'b c'", *mount) == "/d/plain a b c"
    assert run("/d/argument 1 2", *mount) == "/d/argument 2\n/bin/busybox,sh,/d/argument,1,2,"
    assert run("/d/nested y", *mount) == "/d/plain -x /d/nested y"
    assert run("/d/none", *mount) == "no interpreter"


def test_a_script_is_the_command(box, tmp_path):
    (tmp_path / "script").write_text('#!/bin/sh\necho "$0" "$@"\n')
    (tmp_path / "script").chmod(0o755)
    for options in ([], ["--init"], ["-w", "/d"]):
        name = "./script" if options == ["-w", "/d"] else "/d/script"
        out = box.ok("run", "--rm", *NONE, *RISCV64, *options, "-v", f"{tmp_path}:/d", "busybox", name,
                     "one", "two words")
        assert out == f"{name} one two words"


def test_environment_and_working_directory(run, both, box):
    assert run("pwd; echo $A $FROM_IMAGE $HOME", "-e", "A=b c", "-w", "/home/user") == \
        "/home/user\nb c yes /root"
    both("env | grep -v HOSTNAME | sort; tr '\\0' '\\n' </proc/self/environ | grep -c STRATA", "-e", "A=1")
    # Ours is nobody else's to set.
    for forged in ("mine", "contained\nfd=0\n/bin/false", "prefix=/etc\n/bin/false"):
        script = "env | grep -c STRATA; export STRATA_TRANSLATE=\"$0\"; sh -c 'uname -m'"
        out = box.ok("run", "--rm", *NONE, *RISCV64, "-e", f"STRATA_TRANSLATE={forged}", "busybox", "sh",
                     "-c", script, forged)
        assert out == "0\nriscv64"


@pytest.mark.parametrize("user", ["user", "1001", "1000:50", "4242", "daemon:staff"])
def test_users(both, user):
    both("id; touch /tmp/x; stat -c %u:%g /tmp/x; echo $HOME", "--user", user)


def test_rights_are_the_containers(both):
    for options in ([], ["--cap-drop", "ALL"], ["--cap-add", "SYS_ADMIN"], ["--user", "user"],
                    ["--security-opt", "no-new-privileges"], ["--privileged"]):
        out = both("grep -E 'Cap|NoNewPrivs|^Seccomp:' /proc/self/status; umask; ulimit -Hn", *options)
        assert "CapEff" in out
    both("ulimit -Sn; ulimit -Hn; echo ok", "--ulimit", "nofile=30:40")


def test_files_below(both, run, tmp_path):
    (tmp_path / "file").write_text("from the host\n")
    mount = ("-v", f"{tmp_path}:/data")
    assert run("cat /data/file; echo back >/data/back", *mount) == "from the host"
    assert (tmp_path / "back").read_text() == "back\n"
    assert run("echo x 2>/dev/null >/data/back || echo refused", "-v", f"{tmp_path}:/data:ro") == "refused"
    assert run("touch /x 2>/dev/null || echo refused; touch /tmp/x && echo ok", "--read-only",
               "--tmpfs", "/tmp") == "refused\nok"
    both("ls -l / /dev | sed 's/[A-Z][a-z][a-z] .* / /' | grep -v proc; mount | wc -l; cat /proc/self/mountinfo | wc -l")


def test_exec(box, tmp_path):
    start(box)
    assert box.ok("exec", "it", "uname", "-m") == "riscv64"
    assert box("exec", "it", "sh", "-c", "exit 9").returncode == 9
    assert box("exec", "it", "sh", "-c", "kill -9 $$").returncode == 137
    assert box.ok("exec", "-u", "user", "-w", "/tmp", "-e", "A=1", "it", "sh", "-c",
                  "id -un; pwd; echo $A") == "user\n/tmp\n1"
    assert box.ok("exec", "-i", "it", "cat", input="through\n") == "through"
    box.ok("exec", "-d", "it", "touch", "/tmp/there")
    wait_until(lambda: box("exec", "it", "test", "-e", "/tmp/there").returncode == 0)
    t = box.terminal("exec", "-it", "it", "sh", rows=30, columns=90)
    t.expect("[#$] ")
    t.line("stty size; exit 4")
    t.expect("30 90")
    assert t.wait() == 4


def test_streams_and_logs(box):
    script = "echo out; echo err >&2; cat; exit 3"
    done = box("run", "-i", "--name", "it", *NONE, *RISCV64, "busybox", "sh", "-c", script, input="in\n")
    assert (done.stdout, done.stderr, done.returncode) == ("out\nin\n", "err\n", 3)
    logs = box("logs", "it", check=0)
    assert (logs.stdout, logs.stderr) == ("out\nin\n", "err\n")
    assert len(box.ok("run", "--rm", *NONE, *RISCV64, "busybox", "sh", "-c",
                      "seq 1 100000")) == len("\n".join(map(str, range(1, 100001))))


def test_a_terminal(box):
    t = box.terminal("run", "--rm", "-it", *NONE, *RISCV64, "busybox", "sh", rows=33, columns=99)
    t.expect("[#$] ")
    t.line("stty size; uname -m")
    t.expect("33 99.*riscv64")
    t.expect("[#$] ")
    t.line("sleep 100")
    time.sleep(0.5)
    t.send("\x03")
    t.expect("[#$] ")
    t.line("echo status $?")
    t.expect("status 130")
    t.resize(40, 120)
    t.line("stty size")
    t.expect("40 120")
    t.line("sleep 200 &")
    t.expect("[#$] ")
    t.line("jobs; kill %1; exit 6")
    t.expect("sleep 200")
    assert t.wait() == 6


def test_signals(box):
    start(box, "sh", "-c", "trap 'echo usr1' USR1; trap 'echo term; exit 7' TERM; echo ready; "
                           "while :; do sleep 0.05; done")
    wait_until(lambda: "ready" in box.ok("logs", "it"))
    box.ok("kill", "-s", "USR1", "it")
    wait_until(lambda: "usr1" in box.ok("logs", "it"))
    box.ok("stop", "it")
    assert box.state("it")["ExitCode"] == 7 and "term" in box.ok("logs", "it")
    process = box.popen("run", "--rm", *NONE, *RISCV64, "busybox", "sh", "-c",
                        "trap 'exit 8' INT; echo ready; while :; do sleep 0.05; done")
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 8


def test_pause_and_kill(box):
    start(box, "sh", "-c", "while :; do echo x; sleep 0.05; done")
    wait_until(lambda: box.ok("logs", "it"))
    box.ok("pause", "it")
    time.sleep(0.3)
    before = box.ok("logs", "it")
    time.sleep(0.3)
    assert box.ok("logs", "it") == before
    box.ok("unpause", "it")
    wait_until(lambda: len(box.ok("logs", "it")) > len(before))
    box.ok("kill", "it")
    assert box.ok("wait", "it") == "137"


def test_init_reaps_orphans(run):
    script = "(sh -c 'sleep 0.1 & exit' &); sleep 0.8; ps -o stat | grep -c Z"
    assert run(script + " || true", "--init") == "0"


# --- what is seen from outside ----------------------------------------------------------------


def test_others_see_the_guests_command(box):
    start(box, "sh", "-c", "sleep 300; true")
    pid = box.state("it")["Pid"]
    wait_until(lambda: box.ok("top", "it").count("sleep 300") == 2)
    assert "sh -c sleep 300; true" in box.ok("top", "it")
    assert Path(f"/proc/{pid}/cmdline").read_bytes() == b"sh\0-c\0sleep 300; true\0"
    assert Path(f"/proc/{pid}/comm").read_text() == "sh\n"
    assert "sleep 300; true" in box.ok("ps", "--no-trunc")
    wait_until(lambda: re.search(r"1 sh +sh -c sleep 300; true.*\d+ sleep +sleep 300",
                                 box.ok("exec", "it", "ps", "-o", "pid,comm,args"), re.S))


def test_statistics_and_limits(box):
    start(box, options=("--memory", "64m", "--cpus", "0.5", "--pids-limit", "20"))
    stats = json.loads(box.ok("stats", "--no-stream", "--format", "json", "it"))
    assert stats["MemUsage"].endswith("64MiB")
    done = box("exec", "it", "sh", "-c", "for i in $(seq 40); do sleep 5 & done; wait")
    assert "can't fork" in done.stderr
    box.ok("rm", "-f", "it")
    done = box("run", "--name", "eater", *NONE, *RISCV64, "--memory", "48m", "--memory-swap", "48m",
               "busybox", "sh", "-c", "x=0123456789abcdef; while :; do x=$x$x; done")
    assert done.returncode == 137
    assert box.state("eater")["OOMKilled"]


def test_health(box):
    start(box, options=("--health-cmd", "test -e /tmp/well", "--health-interval", "200ms",
                        "--health-retries", "1"))
    wait_until(lambda: box.state("it")["Health"]["Status"] == "unhealthy")
    box.ok("exec", "it", "touch", "/tmp/well")
    wait_until(lambda: box.state("it")["Health"]["Status"] == "healthy")


def test_restart(box):
    box.ok("run", "-d", *NONE, *RISCV64, "--name", "it", "--restart", "on-failure:2", "busybox", "sh",
           "-c", "echo again; exit 5")
    box.wait_status("it", "exited")
    assert box.ok("logs", "it") == "again\nagain\nagain"
    assert box.inspect("it")["RestartCount"] == 2
    start(box, "sh", "-c", "uname -m; sleep 300", name="stopped")
    wait_until(lambda: box.ok("logs", "stopped") == "riscv64")
    box.ok("stop", "-t", "0", "stopped")
    box.ok("start", "stopped")
    wait_until(lambda: box.ok("logs", "stopped") == "riscv64\nriscv64")
    box.ok("restart", "-t", "0", "stopped")
    assert box.ok("exec", "stopped", "uname", "-m") == "riscv64"


def test_the_monitor_is_killed(box):
    start(box)
    pid = box.state("it")["Pid"]
    os.kill(box.monitor_pid("it"), signal.SIGKILL)
    time.sleep(0.3)
    state = box.state("it")
    assert (state["Status"] == "running") == (not process_is_gone(pid))
    if state["Status"] == "running":
        assert box.ok("exec", "it", "uname", "-m") == "riscv64"
    box.ok("stop", "-t", "1", "it")
    assert process_is_gone(pid)
    box.ok("start", "it")
    assert box.ok("exec", "it", "uname", "-m") == "riscv64"


# --- an ordinary user -------------------------------------------------------------------------


def test_rootless(rootless_foreign, rootless_user):
    box = rootless_foreign
    out = box.ok("run", "--rm", *NONE, "busybox", "sh", "-c", "uname -m; id -u; echo $$; touch /x; "
                 "stat -c %u /x; grep ^Seccomp: /proc/self/status")
    assert out.split() == ["riscv64", "0", "1", "0", "Seccomp:", "2"]
    out = box.ok("run", "--rm", "-u", "user", *RISCV64, "busybox", "sh", "-c", "id -u; touch ~/x && echo ok")
    assert out == "1000\nok"
    box.ok("run", "-d", "--name", "it", *RISCV64, "busybox", "sh", "-c",
           "trap 'exit 3' TERM; echo hello; while :; do sleep 0.1; done")
    wait_until(lambda: box.ok("logs", "it") == "hello")
    assert os.stat(f"/proc/{box.state('it')['Pid']}").st_uid == rootless_user.uid
    assert box.ok("exec", "it", "uname", "-m") == "riscv64"
    box.fails("exec", "it", "/etc/garbage", status=126)
    box.ok("stop", "it")
    assert box.state("it")["ExitCode"] == 3


def test_ids_of_its_own_for_root(run):
    assert run("uname -m; id -u; cat /proc/self/uid_map | wc -l", "--userns", "private").split()[:2] == \
        ["riscv64", "0"]


# --- what it must not get ---------------------------------------------------------------------


def digest(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def translator(strata_binary):
    return strata_binary.parent / "strata-translate"


def test_the_translators_descriptors_are_not_there(both, run):
    both("ls /proc/self/fd; ls /dev/fd/; ls -l /proc/self/fd | grep -c memfd")
    both("for n in 999 1000 1001 1002 1003; do cat /proc/self/fd/$n 2>&1 | sed 's/.*: //'; done")
    # Nor where other processes look.
    both("sleep 5 & sleep 1; ls /proc/$!/fd /proc/1/task/1/fd; kill $!")
    # Closing all that there is, and duplicating over it, does no harm. (The shell has its own at 10.)
    assert run("for n in $(seq 20 1100); do eval \"exec $n>&-\" 2>/dev/null; done; uname -m; "
               "for n in $(seq 990 1010); do sh -c \"exec $n</etc/group\" 2>/dev/null; done; "
               "sh -c 'uname -m'") == "riscv64\nriscv64"


WRITE_IT = """
for file in /proc/1/exe /proc/self/exe /proc/1/fd/1000 /proc/1/fd/1001 /proc/self/root/proc/1/exe \
    /proc/1/task/1/exe /proc/thread-self/exe /proc/1/task/1/fd/1000; do
    case $(readlink $file) in /bin/*) continue;; esac # the guest's own
    (: >>$file) 2>/dev/null && echo opened $file
done
true
"""


def test_the_translator_cannot_be_overwritten(box, strata_binary):
    before = digest(translator(strata_binary))
    for options in ([], ["--privileged"], ["--cap-add", "ALL"]):
        start(box, "sleep", "300", options=options)
        for _ in range(3):
            assert box.ok("exec", "it", "sh", "-c", WRITE_IT) == ""
        box.ok("rm", "-f", "it")
        assert digest(translator(strata_binary)) == before


def test_a_users_own_translator_is_executed_from_memory(rootless_foreign, strata_binary):
    """Root of a user's containers is the user, who may write the file."""
    program = translator(strata_binary)
    before = digest(program)
    os.chown(program, rootless_foreign.user.uid, -1)
    try:
        rootless_foreign.ok("run", "-d", "--name", "it", *RISCV64, "busybox", "sleep", "300")
        rootless_foreign.ok("exec", "it", "sh", "-c", WRITE_IT)
        pid = rootless_foreign.state("it")["Pid"]
        with pytest.raises(OSError):
            os.write(os.open(f"/proc/{pid}/exe", os.O_WRONLY), b"x")
        rootless_foreign.ok("rm", "-f", "it")
    finally:
        os.chown(program, 0, -1)
    assert digest(program) == before


def test_programs_of_this_machine_do_not_run_in_it(run, box, tmp_path):
    (tmp_path / "native").write_bytes(Path("/bin/busybox").read_bytes())
    (tmp_path / "native").chmod(0o755)
    mount = ("-v", f"{tmp_path}:/d")
    out = run("/d/native true 2>&1; echo $?", *mount)
    assert out.splitlines()[-1] in ("126", "127", "2"), out
    box.fails("run", "--rm", *NONE, *RISCV64, *mount, "busybox", "/d/native", "true", status=126,
              saying="it is not for riscv64")


def test_the_default_profile_holds_for_its_calls(both, run):
    assert "not permitted" in both("unshare -U true 2>&1")
    both("mount -t tmpfs x /mnt 2>&1")
    assert run("unshare -U echo allowed", "--security-opt", "seccomp=unconfined") == "allowed"
    assert run("unshare -m echo allowed", "--cap-add", "SYS_ADMIN") == "allowed"


@pytest.fixture
def profile(tmp_path):
    def profile(names, action, default):
        path = tmp_path / "profile.json"
        path.write_text(json.dumps({"defaultAction": default, "syscalls": [
            {"names": names, "action": action, **({"errnoRet": 95} if action.endswith("ERRNO") else {})}]}))
        return ("--security-opt", f"seccomp={path}")
    return profile


def test_a_profile_of_ones_own_holds_for_its_calls(both, box, profile):
    options = profile(["mkdir", "mkdirat"], "SCMP_ACT_ERRNO", "SCMP_ACT_ALLOW")
    assert "not supported" in both("mkdir /x 2>&1; echo $?", *options)
    # exec's processes, too.
    start(box, options=options)
    assert "not supported" in box("exec", "it", "mkdir", "/x").stderr
    options = profile(["mkdir", "mkdirat"], "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_ALLOW")
    done = box("run", "--rm", "--init", *NONE, *RISCV64, *options, "busybox", "mkdir", "/x")
    assert done.returncode == 128 + signal.SIGSYS


def test_a_profile_that_allows_next_to_nothing(box, profile):
    """What the translator needs is not the guest's to have."""
    few = profile(["execve", "exit_group", "write", "brk", "mprotect", "capset"],
                  "SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO")
    assert box.ok("run", "--rm", *NONE, *RISCV64, *few, "busybox", "echo", "out") == "out"
    done = box("run", "--rm", *NONE, *RISCV64, *few, "busybox", "cat", "/etc/passwd")
    assert done.returncode == 1 and "not permitted" in done.stderr and not done.stdout


# --- native calls -----------------------------------------------------------------------------

EPERM, ENOSYS, EOPNOTSUPP = -1, -38, -95
SYS_GETPID, SYS_GETPGRP, SYS_UNSHARE, SYS_MODIFY_LDT, SYS_KEYCTL, SYS_OPEN = 39, 111, 272, 154, 250, 2
SYS_MKDIR, SYS_MKDIRAT, CLONE_NEWUSER = 83, 258, 0x10000000


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="knows the registers of x86-64 only")
def test_native_calls_are_held_beneath(box, profile):
    """Whoever has broken out of the translated code is still in the container's filter."""
    start(box)
    with Intruder(box.state("it")["Pid"]) as intruder:
        assert intruder.call(SYS_GETPID) == 1
        assert intruder.call(SYS_UNSHARE, CLONE_NEWUSER) == EPERM
        assert intruder.call(SYS_KEYCTL, 0, 0, 0, 0, 0) == EPERM
        # The guest has no such calls, and the translator needs none of them.
        assert intruder.call(SYS_MODIFY_LDT, 0, 0, 0) == EPERM
        assert intruder.call(SYS_GETPGRP) == EPERM
        assert intruder.call(SYS_MKDIR, intruder.text("/x"), 0o755) == EPERM
        assert intruder.call(SYS_MKDIRAT, 2**64 - 100, intruder.text("/y"), 0o755) == 0
    assert box.ok("exec", "it", "ls", "-d", "/y") == "/y"
    start(box, options=profile(["mkdirat"], "SCMP_ACT_ERRNO", "SCMP_ACT_ALLOW"), name="other")
    with Intruder(box.state("other")["Pid"]) as intruder:
        assert intruder.call(SYS_MKDIRAT, 2**64 - 100, intruder.text("/y"), 0o755) == EOPNOTSUPP
