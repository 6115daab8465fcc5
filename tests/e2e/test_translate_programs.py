# SPDX-License-Identifier: Apache-2.0
"""test_translate_programs.py - a Debian for riscv64 at work on this CPU: shells, languages,
compilers, databases and servers, each with a result that is known beforehand.

The images are made by scripts/make-test-image (unpacked, never configured) and cached; what is
downloaded for them once are 330 MB. The programs that run in them are in translated/, which they
see as /files.
"""

import hashlib
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import debs
import pytest
from conftest import CACHE, REPO, Strata, _rootless

FILES = Path(__file__).parent / "translated"
SMALL, FULL = "debian-riscv64", "debian-riscv64-full"
TIMEOUT_S = int(os.environ.get("STRATA_TEST_TIMEOUT_S", 600))

pytestmark = [pytest.mark.slow]


class Foreign:
    """Containers of one image for another CPU."""

    def __init__(self, strata, image, files):
        self.strata, self.image, self.files = strata, image, files

    def result(self, script, *options, **kw):
        try:
            return self.strata("run", "--rm", "--network", "none", "--platform", "linux/riscv64",
                               "-v", f"{self.files}:/files:ro", "-w", "/tmp", *options, self.image,
                               "bash", "-c", script, timeout=TIMEOUT_S, **kw)
        except subprocess.TimeoutExpired as expired:
            for path in self.strata.instance_dirs():  # it would go on, beside the next test
                self.strata("rm", "-f", path.name)
            pytest.fail(f"not within {TIMEOUT_S} s; until then: {(expired.stdout or b'')[-2000:]!r} "
                        f"{(expired.stderr or b'')[-2000:]!r}")

    def __call__(self, script, *options, **kw):
        """The output of a script that must end with 0 and print no errors of its own making."""
        done = self.result(f"set -e\n{script}", *options, **kw)
        assert done.returncode == 0, (f"exit status {done.returncode}\n"
                                      f"stdout: {done.stdout[-3000:]}\n"
                                      f"stderr: {done.stderr[-3000:]}")
        return done.stdout


def _layout(name):
    path = CACHE / f"{name}-oci"
    done = subprocess.run([str(REPO / "scripts/make-test-image"), name, str(path)],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        pytest.fail(f"the image {name} could not be made: {done.stdout[-2000:]}")
    return path


@pytest.fixture(scope="module")
def foreign_files():
    """A copy of translated/ that every user may read."""
    folder = Path(tempfile.mkdtemp(prefix="strata-e2e-files-"))
    shutil.copytree(FILES, folder / "translated")
    subprocess.run(["chmod", "-R", "a+rX", folder], check=True)
    yield folder / "translated"
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def foreign_layouts():
    """The layouts of both images, where every user may read them; the cache may be closed."""
    folder = Path(tempfile.mkdtemp(prefix="strata-e2e-foreign-", dir="/var/tmp"))
    folder.chmod(0o755)
    for name in (SMALL, FULL):
        source = _layout(name)
        if subprocess.run(["cp", "-al", source, folder / name], check=False,
                          stderr=subprocess.DEVNULL).returncode:
            shutil.rmtree(folder / name, ignore_errors=True)
            shutil.copytree(source, folder / name)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module", params=["root", "user"])
def foreign_strata(request, foreign_layouts):
    """strata with both images; everything is done twice: by root, and by an ordinary user who has
    subordinate ids."""
    binary = request.getfixturevalue("strata_binary")
    if request.param == "root":
        folder = request.getfixturevalue("tmp_path_factory").mktemp("foreign")
        strata = Strata(binary, folder / "root")
        strata.ok("import", foreign_layouts / SMALL)
    else:
        user = request.getfixturevalue("rootless_user")
        strata = _rootless(binary, user, foreign_layouts / SMALL)
    strata.ok("import", foreign_layouts / FULL, timeout=TIMEOUT_S)
    yield strata
    strata.close()


@pytest.fixture
def small(foreign_strata, foreign_files):
    """Debian with bash, coreutils, apt, perl and python3."""
    return Foreign(foreign_strata, f"{SMALL}:test", foreign_files)


@pytest.fixture
def full(foreign_strata, foreign_files):
    """The same with compilers, languages, databases and servers."""
    return Foreign(foreign_strata, f"{FULL}:test", foreign_files)


def on_the_host(*argv):
    return subprocess.run(argv, check=True, text=True, stdout=subprocess.PIPE).stdout


# --- shell -----------------------------------------------------------------------------------


def test_it_is_another_cpu(small):
    out = small("""
        uname -m; dpkg --print-architecture; readlink /proc/self/exe; grep -c isa /proc/cpuinfo
        cat /proc/$$/comm; cat /proc/self/cmdline | tr '\\0' ' '
    """)
    cpu, architecture, exe, isas, comm, cmdline = out.splitlines()
    assert (cpu, architecture, exe, comm) == ("riscv64", "riscv64", "/usr/bin/readlink", "bash")
    assert int(isas) > 0 and cmdline == "cat /proc/self/cmdline "


def test_pipes_and_tools_of_a_shell(small):
    out = small("""
        seq 1 20000 | sort -rn | sha256sum | cut -c1-16
        printf 'b 2\\na 1\\nc 3\\n' | sort |
            awk '{s += $2; printf "%s=%d ", $1, s} END {print exp(1)}'
        head -c 1000000 /dev/zero | tr '\\0' x | wc -c
        find /etc -name 'pass*' | sort | xargs -n1 -P4 basename | sort | paste -sd,
        dd if=/dev/zero of=f bs=64k count=16 status=none; stat -c %s f; cp f g; cmp f g; rm f g
        mkdir -p a/b; touch a/b/c; ln -s b a/l; ls a/l; cd a && tar cf - b | tar tf - | wc -l
    """)
    sequence = "".join(f"{n}\n" for n in range(20000, 0, -1)).encode()
    assert out.splitlines() == [hashlib.sha256(sequence).hexdigest()[:16], "a=1 b=3 c=6 2.71828",
                                "1000000", "passwd", "1048576", "c", "2"]


def test_jobs_signals_and_exit_codes(small):
    out = small.result("""
        trap 'echo got USR1' USR1
        kill -USR1 $$
        (exit 3); echo $?
        sh -c 'kill -9 $$'; echo $?
        sh -c 'kill -SEGV $$' 2>/dev/null; echo $?
        sleep 100 & kill $!; wait $!; echo $?
        # bash's "wait -n" misses a child that ends while it looks for one that has.
        sleep 100 & p=$!; (exit 1) & while kill -0 $! 2>/dev/null; do :; done
        wait -n; echo $?; kill $p; wait
        nosuch 2>/dev/null; echo $?
        timeout 0.2 sleep 10; echo $?
        exit 42
    """)
    assert out.returncode == 42
    assert out.stdout.split("\n")[:-1] == ["got USR1", "3", "137", "139", "143", "1", "127", "124"]


def test_scripts_are_executed_by_their_first_line(small):
    assert small("""
        printf '#!/usr/bin/env python3\\nimport sys; print(sys.argv[1:])\\n' >p; chmod +x p
        ./p a 'b c'
        printf '#!/bin/sh -e\\necho $0 $1; false; echo no\\n' >s; chmod +x s; ./s x || echo $?
        printf 'echo without a first line\\n' >n; chmod +x n; ./n
        printf '\\177ELF garbage' >g; chmod +x g; ./g 2>/dev/null || echo $?
    """).splitlines() == ["['a', 'b c']", "./s x", "1", "without a first line", "126"]


def test_busybox_is_static(small):
    assert small("busybox uname -m; busybox sh -c 'busybox seq 3 | busybox md5sum'").splitlines() == [
        "riscv64", hashlib.md5(b"1\n2\n3\n").hexdigest() + "  -"]


# --- languages -------------------------------------------------------------------------------


def test_python(small):
    assert small("python3 /files/everyday.py").splitlines() == on_the_host(
        sys.executable, FILES / "everyday.py").splitlines()


def test_perl(small):
    assert small("perl /files/everyday.pl").splitlines() == on_the_host(
        "perl", FILES / "everyday.pl").splitlines()


def test_node(full):
    assert full("node /files/everyday.js").splitlines() == [
        "arch riscv64", "hot 1628588991",
        "sha " + hashlib.sha256(b"x" * 100000).hexdigest(),
        f"big {3 ** 500 % 1000000007}", "regexp a<1>b<2>c<3>", "http /p100000",
        "workers 1822008327,1896965663,-1834224030", "child 42", 'json {"a":[1,2.5e-7,"é"]}']


def _tree_sum(depth):
    return 1 if depth == 0 else depth + 2 * _tree_sum(depth - 1)


def test_go(full):
    """Also builds Go's own library, which it does not have ready made."""
    assert full("""
        export GOCACHE=/tmp/cache GO111MODULE=off GOTOOLCHAIN=local GOTELEMETRY=off HOME=/tmp
        cp /files/everyday.go . && go build -o everyday everyday.go && ./everyday
    """).splitlines() == [
        "riscv64", f"trees {10 * _tree_sum(12)}", "[brown1000 fox1000 quick1000 the1000]",
        hashlib.sha256(b"y" * 100000).hexdigest(),
        "runtime error: invalid memory address or nil pointer dereference",
        ",".join(f"{n}00000 bytes" for n in range(1, 6)),
        "sh child <nil>", "0.3333333333333333 0.33333334"]


@pytest.mark.parametrize("mode", ["-Xint", "-Xmixed", "-Xcomp -XX:TieredStopAtLevel=1"],
                         ids=["interpreted", "compiled", "compiled-first"])
def test_java(full, mode):
    assert full(f"javac -d . /files/Everyday.java && java {mode} -cp . Everyday"
                ).splitlines() == [
        "arch riscv64", "hot 1832165724", "caught 1020000", "garbage 40038000",
        "threads 1095835011", "groups {0=250, 1=250, 2=250, 3=250}", "echo hello",
        "format 3.142 deadbeef"]


# --- compilers -------------------------------------------------------------------------------


@pytest.mark.parametrize("options", ["-O0", "-O2", "-O2 -static"])
def test_gcc(full, options):
    assert full(f"gcc {options} -pthread -Wall -Werror -o sums /files/sums.c; ./sums 10 1000000; "
                "readelf -h sums | grep -c RISC-V").splitlines() == [
        "55 500000500000 fault at 0x1238", "1"]


def test_gxx_with_exceptions(full):
    assert full("g++ -O2 -o shapes /files/shapes.cc && ./shapes") == "20 5050 80 29362.8\n"


def test_make_with_several_jobs(full):
    assert full("cp /files/Makefile /files/gen.sh . && make -s -j3") == "2870\n"


def test_gdb_reads_a_program(full):
    out = full("gcc -g -O1 -o crash /files/crash.c; gdb -q -nx -batch -ex 'info line main' "
               "-ex 'print sizeof(struct point)' -ex 'disassemble triangle' crash")
    assert "$1 = 8" in out and "crash.c" in out and re.search(r"\bret\b", out)


# --- debuggers -------------------------------------------------------------------------------

GDB = ("gcc -g -O0 -pthread -Wall -Werror -o debugged /files/debugged.c\n"
       "debug() { gdb -q -nx -batch -iex 'set debuginfod enabled off' -iex 'set width 0' "
       "-iex 'set print thread-events off' \"$@\"; }\n")


@pytest.fixture
def gdb(full):
    """What gdb says, inside, to these commands about debugged.c, started with an argument."""
    def run(argument, *commands, before="", options=()):
        arguments = " ".join(f"-ex '{c}'" for c in commands)
        done = full.result(f"{GDB}{before}\ndebug {arguments} --args ./debugged {argument}", *options)
        assert "rror in sourced" not in done.stderr
        return done.stdout + done.stderr
    return run


def test_gdb_breaks_steps_and_finishes(gdb):
    out = gdb("calls", "break add", "run", "bt", "step", "finish", "next", "info registers pc ra",
              "info breakpoints", "delete", "print add(100)", "next", "continue")
    assert re.search(r"Breakpoint 1, add \(n=0\) at /files/debugged.c:\d+\n", out), out
    assert re.search(r"#0 +add \(n=0\).*\n#1 .* twice \(n=0\).*\n#2 .* main \(argc=2,", out)
    assert "Value returned is $1 = 0" in out and re.search(r"\npc +0x[0-9a-f]+.*<twice", out)
    assert "breakpoint already hit 1 time" in out and "$2 = 100" in out
    assert "exited with code 07" in out and "2 210\n" in out, out


def test_gdb_watches(gdb):
    out = gdb("calls", "break twice if n == 2", "run", "watch total", "continue", "continue",
              "delete", "continue")
    assert re.findall(r"Old value = (\d)\nNew value = (\d)", out) == [("2", "4"), ("4", "6")], out
    assert "2 10\n" in out and "exited with code 07" in out


def test_gdb_sees_threads(gdb):
    out = gdb("threads", "break meet", "run", "info threads", "thread apply all -s frame function spin",
              "print turns > 0", "next", "continue")
    assert len(re.findall(r"^[* ] +\d+ +Thread 0x.* \(LWP \d+\)", out, re.MULTILINE)) == 5, out
    assert len(re.findall(r"#\d .*spin \(argument=0x0\)", out)) == 2
    assert "$1 = 1" in out and "exited with code 07" in out


@pytest.mark.parametrize("follows", ["parent", "child"])
def test_gdb_follows_a_fork(gdb, follows):
    out = gdb("fork", f"set follow-fork-mode {follows}", "catch fork", "break meet", "run", "continue",
              "continue")
    assert re.search(r"Catchpoint 1 \(forked process \d+\)", out), out
    if follows == "child":
        assert "Breakpoint 2, meet (x=5)" in out and "exited with code 06" in out
    else:
        assert "meet (x=5)" not in out and "child 6\n" in out and "exited with code 07" in out


def test_gdb_catches_signals_and_exec(gdb):
    out = gdb("signal", "break meet", "run", "print $_siginfo.si_signo", "continue", "bt 2", "continue")
    assert "Program received signal SIGUSR1" in out and "$1 = 10" in out, out
    assert "Breakpoint 1, meet (x=10)" in out and "#1 " in out and "value 10\n" in out
    out = gdb("signal", "handle SIGUSR1 nopass noprint", "run")
    assert "value 0\n" in out and "exited with code 07" in out, out
    out = gdb("exec", "catch exec", "run", "info program", "break add", "continue")
    assert re.search(r"Catchpoint 1 \(exec'd .*/debugged\)", out), out
    assert "Breakpoint 2, add (n=0)" in out


def test_gdb_attaches_and_detaches(full):
    out = full(GDB + """
        ./debugged spin & p=$!
        sleep 0.5
        debug -p $p -ex 'frame function spin' -ex 'print turns > 0' -ex 'print go_on = 0' \\
            -ex "shell grep TracerPid /proc/$p/status" -ex detach
        wait $p || echo "status $?"
        grep TracerPid /proc/self/status
    """)
    assert re.search(r"#\d .*spin \(argument=0x0\)", out) and "$1 = 1" in out and "$2 = 0" in out, out
    assert re.search(r"TracerPid:\s+[1-9]", out) and re.search(r"TracerPid:\s+0", out)
    assert "went on with 0\n0 0\n1 3\n2 10\n" in out and "status 7\n" in out, out


def test_gdb_looks_at_a_crash(gdb):
    out = gdb("crash", "run", "bt", "print/x $_siginfo._sifields._sigfault.si_addr",
              "generate-core-file core.here", "kill", before="ulimit -c 0")
    assert "SIGSEGV, Segmentation fault" in out and "main (argc=2," in out and "0x1238" in out, out
    out = gdb("crash", "run", "generate-core-file core.here", "kill", "core-file core.here", "bt",
              "info threads")
    assert out.count("main (argc=2,") >= 2 and "Saved corefile core.here" in out, out


@pytest.fixture
def strace(full, foreign_files):
    """strace, which is in no image, beside the other files."""
    path = foreign_files / "strace"
    if not path.exists():
        path.write_bytes(debs.file_of("riscv64", "trixie", "strace", "usr/bin/strace"))
        path.chmod(0o755)
    return full


def test_strace_follows_a_pipeline(strace):
    out = strace("""
        /files/strace -f -o log sh -c 'echo hi | cat | wc -c; exit 3' || echo "status $?"
        grep -c 'execve(' log; grep -c 'exited with 0 +++' log; grep -c 'exited with 3 +++' log
        grep -c 'write(1, "3.n", 2' log
        grep -c -- '--- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_EXITED' log
    """).splitlines()
    assert out[:2] == ["3", "status 3"] and out[4:6] == ["1", "1"], out
    assert int(out[2]) >= 2 and int(out[3]) >= 2 and int(out[6]) >= 1, out


def test_strace_attaches_and_tampers(strace):
    out = strace("""
        sleep 1 & p=$!
        sleep 0.2; /files/strace -o attached -p $p; wait $p; tail -2 attached
        /files/strace -o injected -e inject=getppid:error=EPERM -e trace=getppid \\
            python3 -c 'import os; print(os.getppid())' || echo "status $?"
        grep -c 'getppid().*INJECTED' injected
    """).splitlines()
    assert out[0].startswith("exit_group(0)") and out[1:] == ["+++ exited with 0 +++", "-1", "1"], out


# --- programs --------------------------------------------------------------------------------


def test_git(full):
    out = full("""
        export HOME=/tmp GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a \
            GIT_COMMITTER_EMAIL=a@b GIT_AUTHOR_DATE='2024-01-01T00:00:00Z' \
            GIT_COMMITTER_DATE='2024-01-01T00:00:00Z' GIT_CONFIG_NOSYSTEM=1
        git init -q -b main r; cd r
        for i in $(seq 1 30); do seq 1 $((i * 10)) >f$i; done; git add .; git commit -qm one
        git checkout -q -b side; echo more >>f1; git commit -qam two
        git checkout -q main; echo other >>f2; git commit -qam three; git merge -q --no-edit side
        git rev-parse HEAD~1^{tree}; git diff --stat HEAD~1 | tail -1
        git gc -q --aggressive; git fsck --strict 2>&1 | grep -v notice || true
        git clone -q . ../c; cd ../c; git log --oneline | wc -l; tail -1 f1
    """)
    tree, stat, commits, line = out.splitlines()
    # What git on any CPU makes of the same files.
    assert re.fullmatch("[0-9a-f]{40}", tree) and tree == _git_tree()
    assert (stat.strip(), commits, line) == ("1 file changed, 1 insertion(+)", "4", "more")


def _git_tree():
    """The name of the tree with test_git's files at commit three."""
    entries = b""
    for name in sorted(f"f{i}" for i in range(1, 31)):
        text = "".join(f"{n}\n" for n in range(1, int(name[1:]) * 10 + 1))
        text += "other\n" if name == "f2" else ""
        blob = f"blob {len(text)}\0{text}".encode()
        entries += f"100644 {name}\0".encode() + hashlib.sha1(blob).digest()
    return hashlib.sha1(f"tree {len(entries)}\0".encode() + entries).hexdigest()


def test_sqlite(full):
    out = full("sqlite3 db </files/queries.sql").splitlines()
    rows = [(i, i * 7919 % 1009, i / 7.0) for i in range(1, 20001)]
    per_key = {k: sum(1 for r in rows if r[1] == k) ** 2 for k in range(3)}
    assert out == ["wal", f"20000|{sum(r[1] for r in rows)}|{round(sum(r[2] for r in rows), 3)}"
                   "|row 20000", *(f"{k}|{n}" for k, n in per_key.items()),
                   "row 00009,ROW 00010,ROW 00011,ROW 00012,row 00013", "ok"]


def test_openssl_computes(full):
    out = full("""
        head -c 300000 /dev/zero >z
        openssl dgst -sha256 -r z | cut -d' ' -f1; openssl dgst -sha3-512 -r z | cut -c1-32
        openssl enc -aes-256-ctr -K $(printf %064d 7) -iv $(printf %032d 1) -in z | md5sum | cut -c1-32
        openssl genpkey -algorithm ed25519 -out k; openssl pkeyutl -sign -inkey k -rawin -in z -out s
        openssl pkeyutl -verify -inkey k -rawin -in z -sigfile s
        openssl speed -seconds 1 -bytes 1024 -evp sha256 2>/dev/null | grep -c '^sha256 '
        openssl speed -seconds 1 ecdsap256 2>/dev/null | grep -c 'ecdsa (nistp256)'
    """)
    zeros = b"\0" * 300000
    encrypted = subprocess.run(
        ["openssl", "enc", "-aes-256-ctr", "-K", f"{7:064d}", "-iv", f"{1:032d}"], input=zeros,
        stdout=subprocess.PIPE, check=True).stdout
    assert out.splitlines() == [
        hashlib.sha256(zeros).hexdigest(), hashlib.sha3_512(zeros).hexdigest()[:32],
        hashlib.md5(encrypted).hexdigest(), "Signature Verified Successfully", "1", "1"]


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_openssl_talks(full, version):
    assert full(f"""
        openssl req -x509 -newkey rsa:2048 -nodes -keyout k -out c -subj /CN=localhost 2>/dev/null
        openssl s_server -accept 4433 -cert c -key k -www -quiet & server=$!
        for i in $(seq 50); do (: </dev/tcp/127.0.0.1/4433) 2>/dev/null && break; sleep 0.2; done
        printf 'GET / HTTP/1.0\\r\\n\\r\\n' |
            openssl s_client {version} -connect 127.0.0.1:4433 -CAfile c -verify_return_error \
                -ign_eof 2>/dev/null |
            grep -E -o 'HTTP/1.0 200 ok|Verify return code: 0' | sort -u
        kill $server
    """).splitlines() == ["HTTP/1.0 200 ok", "Verify return code: 0"]


def test_xz(full, foreign_files):
    data = random.Random(9).randbytes(200_000) + b"strata " * 100_000
    (foreign_files / "data").write_bytes(data)
    (foreign_files / "data").chmod(0o644)
    out = full("xz -T2 -6 -c /files/data >d.xz; xz -dc d.xz | md5sum | cut -c1-32; base64 -w0 d.xz")
    digest, packed = out.splitlines()
    assert digest == hashlib.md5(data).hexdigest()
    unpacked = subprocess.run("base64 -d | xz -dc", shell=True, input=packed.encode(), check=True,
                              stdout=subprocess.PIPE).stdout
    assert unpacked == data


def test_redis(full):
    out = full("""
        redis-server --port 0 --unixsocket /tmp/s --save '' --daemonize no >log & server=$!
        for i in $(seq 100); do
            redis-cli -s /tmp/s ping 2>/dev/null | grep -q PONG && break; sleep 0.1
        done
        redis-cli -s /tmp/s set a 41; redis-cli -s /tmp/s incr a
        redis-cli -s /tmp/s eval 'local s = 0 for i = 1, 1000 do s = s + i end return s' 0
        redis-benchmark -s /tmp/s -n 2000 -c 10 -q -t set,get,lpush,zadd 2>&1 | tr '\\r' '\\n' \
            | grep -c 'requests per second'
        redis-cli -s /tmp/s dbsize | grep -qv '^0'; redis-cli -s /tmp/s bgsave >/dev/null; sleep 1
        redis-cli -s /tmp/s info persistence | grep -o 'rdb_last_bgsave_status:ok'
        kill $server; wait $server
    """)
    assert out.splitlines() == ["OK", "42", "500500", "4", "rdb_last_bgsave_status:ok"]


def test_postgresql(full):
    out = full("""
        echo postgres:x:70:70::/tmp:/bin/bash >>/etc/passwd
        export PATH=$PATH:/usr/lib/postgresql/17/bin LC_ALL=C.UTF-8
        chmod 1777 /tmp /dev/shm
        cat >script <<'END'
set -e
cd /tmp
initdb -D data -A trust -U postgres --no-locale -E UTF8 -N >init.log
pg_ctl -D data -w -t 300 -l server.log -o "-k /tmp -c listen_addresses=" start >/dev/null
psql -h /tmp -U postgres -XAtq <<'SQL'
create table t as select i, md5(i::text) as m, i / 7.0 as d from generate_series(1, 20000) i;
create index on t (m);
analyze t;
set max_parallel_workers_per_gather = 2;
set parallel_setup_cost = 0; set parallel_tuple_cost = 0; set min_parallel_table_scan_size = 0;
select count(*), min(m), round(sum(d), 3) from t;
select i from t where m = md5('777');
do $$ begin perform 1 / 0; exception when division_by_zero then raise notice 'caught'; end $$;
SQL
pgbench -h /tmp -U postgres -i -s 1 -q postgres >/dev/null 2>&1
pgbench -h /tmp -U postgres -c 4 -j 2 -t 25 postgres 2>/dev/null | grep -o 'actually processed: 100/100'
psql -h /tmp -U postgres -XAtc 'select count(*) from pgbench_history'
pg_ctl -D data -w -m fast stop
END
        setpriv --reuid 70 --regid 70 --clear-groups bash script 2>err ||
            { cat err init.log server.log; false; }
        grep -o caught err
    """)
    smallest = min(hashlib.md5(str(i).encode()).hexdigest() for i in range(1, 20001))
    lines = out.splitlines()
    assert lines[0].split("|")[:2] == ["20000", smallest]
    assert round(float(lines[0].split("|")[2]), 2) == round(sum(range(1, 20001)) / 7, 2)
    assert lines[1:4] == ["777", "actually processed: 100/100", "100"]
    assert lines[-2:] == ["server stopped", "caught"]


@pytest.mark.parametrize("stressor", [
    "cpu 2 --cpu-ops 40 --cpu-method all", "vm 1 --vm-bytes 16M --vm-ops 2000",
    "fork 2 --fork-ops 200", "signal 1 --signal-ops 5000", "sigsegv 1 --sigsegv-ops 200",
    "pthread 1 --pthread-ops 50", "futex 1 --futex-ops 2000", "pipe 1 --pipe-ops 2000",
], ids=lambda s: s.split()[0])
def test_stress(full, stressor):
    done = full.result(f"stress-ng --temp-path /tmp --verify -t 120 --no-rand-seed --{stressor}")
    out = done.stdout + done.stderr
    assert done.returncode == 0 and "successful run completed" in out, out
    assert re.search(r"passed: [12]: " + stressor.split()[0], out), out
    assert re.search("failed: 0", out), out


# --- apt -------------------------------------------------------------------------------------


@pytest.fixture
def repository(foreign_files, tmp_path):
    """A folder of packages as apt reads them, with one package and another that it needs."""
    folder = foreign_files / "repository"
    folder.mkdir(exist_ok=True)
    index = ""
    for name, depends in (("strata-greeting", "strata-words"), ("strata-words", "")):
        tree = tmp_path / name
        (tree / "DEBIAN").mkdir(parents=True)
        (tree / "usr/bin").mkdir(parents=True)
        control = (f"Package: {name}\nVersion: 1.0\nArchitecture: all\nMaintainer: n <n@invalid>\n"
                   + (f"Depends: {depends}\n" if depends else "") + "Description: for a test\n")
        (tree / "DEBIAN/control").write_text(control)
        (tree / "DEBIAN/postinst").write_text(f"#!/bin/sh\necho {name} >>/var/lib/configured\n")
        (tree / f"usr/bin/{name}").write_text("#!/bin/sh\nuname -m\n")
        for path in (tree / "DEBIAN/postinst", tree / f"usr/bin/{name}"):
            path.chmod(0o755)
        deb = folder / f"{name}.deb"
        subprocess.run(["dpkg-deb", "--build", "--root-owner-group", tree, deb], check=True,
                       stdout=subprocess.DEVNULL)
        index += (control + f"Filename: ./{name}.deb\nSize: {deb.stat().st_size}\n"
                  f"SHA256: {hashlib.sha256(deb.read_bytes()).hexdigest()}\n\n")
    (folder / "Packages").write_text(index)
    os.chmod(folder, 0o755)
    return folder


def test_apt_installs_from_a_repository_on_loopback(small, repository):
    """Everything that the image was only unpacked with is configured on the way."""
    out = small("""
        python3 -m http.server -b 127.0.0.1 -d /files/repository 8000 2>/dev/null >&2 & server=$!
        for i in $(seq 100); do (: </dev/tcp/127.0.0.1/8000) 2>/dev/null && break; sleep 0.2; done
        rm -f /etc/apt/sources.list.d/* /etc/apt/sources.list
        echo 'deb [trusted=yes] http://127.0.0.1:8000 ./' >/etc/apt/sources.list
        export DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true
        apt-get -qq update >log 2>&1 || { cat log; false; }
        apt-get -qq -o Dpkg::Options::=--force-confold install -y strata-greeting >log 2>&1 ||
            { tail -50 log; false; }
        kill $server
        strata-greeting; cat /var/lib/configured
        dpkg-query -W -f '${db:Status-Status}\\n' | sort | uniq -c | sed 's/ *[0-9]* //'
        getent passwd _apt | cut -d: -f1; perl -e 'print "perl\\n"'
    """)
    assert out.splitlines() == ["riscv64", "strata-words", "strata-greeting", "installed", "_apt",
                                "perl"]
