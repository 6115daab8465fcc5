# SPDX-License-Identifier: Apache-2.0
"""real.py - programs of Debian, the same versions for both CPUs, and work for them.

Both root file systems are unpacked from Debian's packages and cached. A program is executed in
place, with its own loader and libraries; none starts another one, because QEMU cannot execute that
without being registered with the kernel.
"""

import os
import random
import subprocess
import threading
import time

from foreign import NATIVE, Program, Run, run
from lib import TOP, rollup_kib

import debs  # found where lib.py looks

SUITE = "trixie"
PACKAGES = ["bash", "coreutils", "python3", "gcc", "sqlite3", "openssl", "xz-utils", "redis-server",
            "redis-tools"]
DATA_BYTES = 48 << 20
TEXT_BYTES = 1 << 20
C_FUNCTIONS = 100  # of twenty lines
REDIS_REQUESTS = "20000"


def roots():
    """{cpu: folder}"""
    return {"native": debs.root("amd64", SUITE, PACKAGES),
            "riscv64": debs.root("riscv64", SUITE, PACKAGES)}


class Real(Program):
    """A program in both root file systems."""

    def __init__(self, name, roots_, path, arguments=(), **kw):
        super().__init__(name, **kw)
        self.roots, self.path, self.arguments = roots_, path, [str(a) for a in arguments]

    def argv(self, machine, quick=False):
        found = next(self.roots[machine.cpu].glob(self.path), None)
        if found is None:
            raise RuntimeError(f"there is no {self.path}")
        return [*machine.in_root(self.roots, found.relative_to(self.roots[machine.cpu])),
                *self.arguments]

    def environment(self, machine):
        return {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8",
                "PYTHONHOME": str(self.roots[machine.cpu] / "usr"), "PYTHONDONTWRITEBYTECODE": "1"}

    def run(self, machine, quick=False):
        return run(self.argv(machine), env=self.environment(machine))


class Redis(Real):
    """redis-server on the machine, redis-benchmark on this CPU."""

    def __init__(self, name, roots_, folder, **kw):
        self.socket = folder / "redis.sock"
        super().__init__(name, roots_, "usr/bin/redis-server",
                         ["--port", "0", "--unixsocket", self.socket, "--save", "",
                          "--dir", folder],
                         check=lambda out: b"requests per second" in out, **kw)

    def run(self, machine, quick=False):
        client = Real("client", self.roots, "usr/bin/redis-benchmark",
                      ["-s", self.socket, "-n", REDIS_REQUESTS, "-c", "20", "-t", "set,get,lpush",
                       "-q"])
        self.socket.unlink(missing_ok=True)
        server = subprocess.Popen(self.argv(machine), env=self.environment(machine),
                                  stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        try:
            end = time.monotonic() + 20
            while not self.socket.exists():
                if server.poll() is not None or time.monotonic() > end:
                    raise RuntimeError(f"redis-server did not start on {machine.name}")
                time.sleep(0.02)
            result = client.run(NATIVE)
        except BaseException:
            server.kill()
            server.wait()
            raise
        # Processor time is that of the server: the client is never translated.
        server.terminate()
        timer = threading.Timer(20, server.kill)
        timer.start()
        _, status, usage = os.wait4(server.pid, 0)
        timer.cancel()
        server.returncode = os.waitstatus_to_exitcode(status)
        if server.returncode:
            raise RuntimeError(f"redis-server ended with {server.returncode} on {machine.name}")
        return Run(result.out, result.wall_ms, usage)


def c_file():
    """A C file of two thousand lines that needs no header: loops, branches, calls, structures."""
    r = random.Random(4)
    lines = ["struct s { int a, b; double d; struct s *next; };", "extern int sink(int, double);"]
    for n in range(C_FUNCTIONS):
        a, b, c = (r.randint(2, 99) for _ in range(3))
        lines += f"""static int f{n}(struct s *p, int n, const unsigned char *text)
{{
\tint sum = {a}, i, j;
\tdouble d = {b}.5;
\tfor (i = 0; i < n; i++) {{
\t\tsum += p->a * {c} + (p->b >> {n % 7});
\t\tif (text[i] == '{chr(97 + n % 26)}' || sum % {a} == {b % a})
\t\t\tsum ^= {f'f{n - 1}(p->next, n / 2, text)' if n else 'sink(1, 2)'};
\t\tfor (j = i; j < n && text[j]; j += {1 + n % 3})
\t\t\td += text[j] * p->d;
\t\tswitch (text[i] & 7) {{
\t\tcase 0: sum += {b}; break;
\t\tcase 1: sum -= i; break;
\t\tcase {2 + n % 5}: p = p->next; break;
\t\tdefault: p->b = sum; p->d = d;
\t\t}}
\t}}
\treturn sink(sum, d) + sum;
}}""".split("\n")
    lines += ["int all(struct s *p, const unsigned char *text)", "{",
              f"\treturn f{C_FUNCTIONS - 1}(p, 9, text);", "}"]
    return "\n".join(lines) + "\n"


def make_data(folder):
    """Files for the programs to work on."""
    r = random.Random(8)
    words = [bytes(r.choices(b"etaoinshrdlu", k=r.randint(2, 9))) for _ in range(3000)]
    (folder / "text").write_bytes(b" ".join(r.choices(words, k=TEXT_BYTES // 6))[:TEXT_BYTES])
    (folder / "data").write_bytes(r.randbytes(1 << 20) * (DATA_BYTES >> 20))
    (folder / "file.c").write_text(c_file())
    return folder


def real_programs(roots_, folder):
    """Those of the list in SPECIFICATION.md that do some work."""
    aes = ["enc", "-aes-256-ctr", "-K", "07" * 32, "-iv", "01" * 16, "-out", "/dev/null", "-in"]
    programs = TOP / "bench/programs"
    make_data(folder)
    return [
        Real("python", roots_, "usr/bin/python3", [programs / "loops.py"]),
        Real("gcc -O2", roots_, "usr/libexec/gcc/*/*/cc1",
             ["-quiet", "-O2", folder / "file.c", "-o", "-"], portable=False),
        Real("sqlite3", roots_, "usr/bin/sqlite3", [":memory:", f".read {programs / 'rows.sql'}"]),
        Real("openssl sha256", roots_, "usr/bin/openssl", ["dgst", "-sha256", folder / "data"]),
        Real("openssl aes", roots_, "usr/bin/openssl", [*aes, folder / "data"]),
        Real("xz", roots_, "usr/bin/xz", ["-6", "-T1", "-c", folder / "text"]),
        Redis("redis-benchmark", roots_, folder),
    ]


def short_programs(roots_):
    """Those that are little more than their start."""
    return [
        Real("true", roots_, "usr/bin/true"),
        Real("bash -c :", roots_, "usr/bin/bash", ["-c", ":"]),
        Real("python3 -c 1", roots_, "usr/bin/python3", ["-c", "1"]),
    ]


def bash_memory_kib(roots_, machine):
    """(private dirty, proportional) of a bash that waits for input."""
    bash = Real("bash", roots_, "usr/bin/bash", ["-c", "echo ready; read line; echo $line"])
    with subprocess.Popen(bash.argv(machine), env=bash.environment(machine), stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as child:
        if child.stdout.readline() != b"ready\n":
            raise RuntimeError(f"bash does not run on {machine.name}")
        time.sleep(0.2)
        sizes = rollup_kib(child.pid, "Private_Dirty", "Swap"), rollup_kib(child.pid, "Pss")
        out, _ = child.communicate(b"done\n")
    if out != b"done\n" or child.returncode:
        raise RuntimeError(f"bash does not read on {machine.name}")
    return sizes
