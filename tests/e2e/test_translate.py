# SPDX-License-Identifier: Apache-2.0
"""test_translate.py - `strata translate`: riscv64 programs, each of which checks itself (translated/),
linked statically and not, and the command line around them."""

import os
import platform
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest

SOURCES = Path(__file__).parent / "translated"
FOREIGN = "riscv64-linux-gnu-gcc"
SYSROOT = Path("/usr/riscv64-linux-gnu")
FLAGS = ["-D_GNU_SOURCE", "-O1", "-Wall", "-Werror", "-Wno-nonnull", "-pthread"]
TIMEOUT_S = 100

pytestmark = [
    pytest.mark.skipif(platform.machine() != "x86_64", reason="translates to x86-64 only"),
    pytest.mark.skipif(not shutil.which(FOREIGN), reason=f"{FOREIGN} is not installed"),
]

HELLO = """
#include <stdio.h>
#include <stdlib.h>
int main(int argc, char **argv)
{
	printf("%d", argc);
	for (int i = 0; i < argc; i++)
		printf(" [%s]", argv[i]);
	printf(" A=%s B=%s\\n", getenv("A") ?: "-", getenv("B") ?: "-");
	return 3;
}
"""


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    """Build a program of translated/, or C text, for riscv64; once for each way."""
    folder, built = tmp_path_factory.mktemp("riscv64"), {}

    def make(name, *flags, text=None):
        if (name, flags) not in built:
            target = folder / f"{name}-{len(built)}"
            source = SOURCES / f"{name}.c"
            if text:
                source = target.with_suffix(".c")
                source.write_text(text)
            done = subprocess.run([FOREIGN, *FLAGS, *flags, "-o", target, source], text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            assert done.returncode == 0, done.stdout
            built[name, flags] = target
        return built[name, flags]

    return make


@pytest.fixture
def hello(build):
    return build("hello", "-static", text=HELLO)


@pytest.fixture
def translate(strata_binary):
    def run(*argv, env=None, **kwargs):
        kwargs.setdefault("stdin", subprocess.DEVNULL)
        return subprocess.run([strata_binary, "translate", *[str(a) for a in argv]], text=True,
                              timeout=TIMEOUT_S, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              env={"PATH": os.environ["PATH"], **(env or {})}, **kwargs)

    return run


@pytest.mark.parametrize("way", ["static", "dynamic"])
@pytest.mark.parametrize("name", ["comparisons", "faults", "memory", "processes", "signals", "threads",
                                  "vectors"])
def test_programs_that_check_themselves(translate, build, name, way):
    flags = [] if way == "dynamic" else [f"-{way}"]
    done = translate("-L", SYSROOT, build(name, *flags))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("ok ") >= 4 and not done.stderr


@pytest.mark.parametrize("jit", ["", "interpret"])
def test_a_storm_of_signals_faults_and_forks(translate, build, jit):
    done = translate(build("storm", "-static"), env={"STRATA_JIT": jit} if jit else {})
    assert (done.returncode, done.stdout) == (0, "ok storm\n"), done.stdout + done.stderr


def test_children_of_vfork_are_killed_anywhere(translate, build):
    done = translate(build("killed", "-static"))
    assert (done.returncode, done.stdout) == (0, "ok killed\n"), done.stdout + done.stderr


@pytest.mark.parametrize("name", ["faults", "processes", "signals", "threads"])
def test_the_interpreter_does_the_same(translate, build, name):
    done = translate(build(name, "-static"), env={"STRATA_JIT": "interpret"})
    assert done.returncode == 0, done.stdout + done.stderr


def test_arguments_environment_and_exit_status(translate, hello):
    done = translate(hello, "-x", "--", "y z", env={"A": "1", "B": "2"})
    assert (done.returncode, done.stdout) == (3, f"4 [{hello}] [-x] [--] [y z] A=1 B=2\n")
    done = translate("-E", "B=3", "-U", "A", "-0", "other", hello, env={"A": "1", "B": "2"})
    assert done.stdout == "1 [other] A=- B=3\n"


@pytest.mark.needs_root
def test_it_needs_no_home(translate, hello):
    with tempfile.TemporaryDirectory() as folder:  # pytest's is for root alone
        os.chmod(folder, 0o755)
        program = shutil.copy(hello, folder)
        done = translate(program, user=65534, group=65534, extra_groups=[])
    assert done.returncode == 3 and not done.stderr


def test_a_script_is_run_by_its_interpreter(translate, hello, tmp_path):
    script = tmp_path / "script"
    script.write_text(f"#!{hello} one two \nignored\n")
    script.chmod(0o755)
    done = translate(script, "x")
    assert done.stdout == f"4 [{hello}] [one two] [{script}] [x] A=- B=-\n"


def test_death_by_a_signal_is_seen(translate, build):
    program = build("dies", "-static", text="int main(void) { return *(volatile int *)16; }")
    assert translate(program).returncode == -signal.SIGSEGV
    program = build("aborts", "-static", text="#include <stdlib.h>\nint main(void) { abort(); }")
    assert translate(program).returncode == -signal.SIGABRT


def test_programs_of_this_machine_run_as_they_are(translate, build):
    program = build("runs", "-static", text="""
#include <unistd.h>
int main(int argc, char **argv) { execv(argv[1], argv + 1); return 9; }""")
    done = translate(program, shutil.which("uname"), "-m")
    assert (done.returncode, done.stdout) == (0, "x86_64\n")


def test_rings_are_not_there(build, translate):
    """What io_uring is told passes the translator by: node's events of epoll were wrong."""
    program = build("ring", "-static", text="""
#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>
int main(void) { char p[120] = { 0 }; return syscall(SYS_io_uring_setup, 8, p) < 0 ? errno : 0; }""")
    assert translate(program).returncode == 38


def test_calls_are_printed(translate, hello):
    done = translate("--strace", hello)
    assert " write(1, " in done.stderr and " exit_group(3)" in done.stderr
    assert " write(1, " in translate(hello, env={"STRATA_DEBUG": "calls"}).stderr
    assert not translate(hello).stderr


def refused(done, status, *words):
    assert done.returncode == status and not done.stdout
    assert len(done.stderr.splitlines()) == 1, done.stderr
    for word in words:
        assert word in done.stderr


def test_what_is_no_program_is_refused_in_one_sentence(translate, hello, tmp_path):
    refused(translate("/there/is/none"), 127, "/there/is/none", "No such file")
    refused(translate("/etc/passwd"), 126, "Permission denied")
    refused(translate("/"), 126, "Permission denied")
    refused(translate(shutil.which("true")), 126, "no riscv64 program")
    refused(translate("-g", "no-port", hello), 125, "gdb on no-port")
    refused(translate("-E", "X", hello), 125, "VAR=VALUE")
    whole = hello.read_bytes()
    for size in (0, 3, 20, 63, 64, 100):
        short = tmp_path / f"short-{size}"
        short.write_bytes(whole[:size])
        short.chmod(0o755)
        refused(translate(short), 126, str(short))


def test_a_missing_loader_is_named_by_its_error(translate, build):
    dynamic = build("hello-dynamic", text=HELLO)
    refused(translate("-L", "/there/is/none", dynamic), 127, "No such file")
    assert translate("-L", SYSROOT, dynamic).returncode == 3


def test_a_damaged_program_dies_alone(translate, hello, tmp_path):
    """Any byte of the headers may be anything: an error or a death, never a hang or a crash of ours
    that the shell would not see as the program's."""
    whole = bytearray(hello.read_bytes())
    for at in range(16, 64 + 4 * 56, 3):
        broken = tmp_path / "broken"
        changed = bytearray(whole)
        changed[at] ^= 0xFF
        broken.write_bytes(changed)
        broken.chmod(0o755)
        done = translate(broken)
        assert done.returncode in (3, 126, 127, -signal.SIGSEGV, -signal.SIGILL, -signal.SIGBUS,
                                   -signal.SIGABRT), (at, done)
