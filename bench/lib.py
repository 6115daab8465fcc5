# SPDX-License-Identifier: Apache-2.0
"""lib.py - what the benchmarks share: peers made ready, runs interleaved, medians, tables.

A peer that is not installed or does not start is reported with its reason and left out.
"""

import contextlib
import json
import os
import random
import secrets
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TOP = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TOP / "tests/e2e"))
import oci  # noqa: E402
from engines import Docker, Machine  # noqa: E402
from host import remove_cgroups  # noqa: E402
from memory import rollup_kib, together_kib  # noqa: E402,F401 (bench/memory imports them here)

FILE_SYSTEM_BYTES = 24 << 30  # sparse
FILE_SYSTEM_INODES = 1 << 18  # their tables are written at once, so that no run has to

STRATA = Path(os.environ.get("STRATA_BIN", TOP / "build/src/front/strata"))
STRATA_RUNTIME = STRATA.with_name("strata-runtime")


def runtimes():
    """{name: path} of the OCI runtimes to compare."""
    return {"strata": str(STRATA_RUNTIME)} | {
        name: path for name in ("crun", "runc") if (path := shutil.which(name))}


def note(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def output(*argv, **kw):
    return subprocess.run([str(a) for a in argv], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          check=True, text=True, **kw).stdout


class Peer:
    """One way to run a container from the same root file system.

    run(COMMAND...) is the argv that runs a command in a new container and removes it;
    start() starts one in the background and returns the pids that look after it, besides it.
    """

    def __init__(self, name, run, start=None, stop=None, slow=False):
        self.name, self.run, self.start, self.stop, self.slow = name, run, start, stop, slow


def process_parent(pid):
    with open(f"/proc/{pid}/stat") as file:
        return int(file.read().rsplit(")", 1)[1].split()[1])


def in_own_mount_namespace():
    """Start this program again where the peers' mounts go away by themselves, and where a hybrid
    cgroup host looks like a plain v1 one: Debian's crun refuses hybrid ones, and so does podman
    with it."""
    if "STRATA_BENCH_UNSHARED" in os.environ:
        return
    os.environ["STRATA_BENCH_UNSHARED"] = "yes"
    script = 'umount /sys/fs/cgroup/unified 2>/dev/null; exec "$@"'
    os.execvp("unshare", ["unshare", "-m", "--propagation", "private", "sh", "-c", script, "sh",
                          sys.executable, *sys.argv])


class Bench:
    """A folder with everything the peers need; a context manager that ends what it started."""

    def __enter__(self):
        # Also a part of image names, in which "-_" may not be.
        self.folder = Path(tempfile.gettempdir(), f"strata-bench-{secrets.token_hex(4)}")
        self.folder.mkdir(mode=0o700)
        self._use_a_file_system_of_its_own()
        self.root = self.folder / "rootfs"
        self.layout = self.folder / "oci"
        # Podman leaves its cgroup behind.
        self._ending = [self._remove_folder, lambda: remove_cgroups("/libpod_parent")]
        self.env = dict(os.environ, HOME=str(self.folder))
        layout = oci.Layout(self.layout)
        layout.name(layout.manifest([oci.busybox_tar()], oci.BUSYBOX_CONFIG), "busybox:latest")
        self.root.mkdir()
        subprocess.run(["tar", "-x", "-C", str(self.root)], input=oci.busybox_tar(), check=True)
        return self

    def _use_a_file_system_of_its_own(self):
        """ext4 as mkfs makes it. What a file system went through before tells in every new file: on
        one without a journal, as machines for CI have, making a file takes 0.8 instead of 0.03 ms
        while many that were deleted are not yet forgotten. Unmounted with our mount namespace."""
        image = self.folder.with_suffix(".ext4")
        try:
            with open(image, "wb") as file:
                file.truncate(FILE_SYSTEM_BYTES)
            output("mkfs.ext4", "-q", "-N", FILE_SYSTEM_INODES, "-E",
                   "lazy_itable_init=0,lazy_journal_init=0", image)
            output("mount", "-o", "loop", image, self.folder)
        except (OSError, subprocess.SubprocessError) as error:
            note(f"on the file system of {self.folder.parent}, without one of its own: {error}")
        finally:
            image.unlink(missing_ok=True)

    def _remove_folder(self):
        subprocess.run(["umount", "-l", str(self.folder)], stderr=subprocess.DEVNULL, check=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    def __exit__(self, *_):
        for end in reversed(self._ending):
            with contextlib.suppress(Exception):
                end()

    # --- the peers ---

    def peers(self, wanted=None):
        made = []
        for make in (self.strata, self.bwrap, self.crun, self.runc, self.podman, self.docker):
            if wanted and make.__name__ not in wanted:
                continue
            try:
                made.append(make())
            except (AssertionError, OSError, subprocess.SubprocessError, RuntimeError) as error:
                said = getattr(error, "stderr", "") or ""
                note(f"without {make.__name__}: {error} {said.strip()[-200:]}")
        return made

    def strata(self):
        base = [str(STRATA), "--root", str(self.folder / "strata")]
        output(*base, "import", self.layout, env=self.env)

        def start():
            identity = output(*base, "run", "-d", "--network", "none", "busybox", "sleep", "1000",
                              env=self.env).strip()
            self._ending.append(lambda: output(*base, "rm", "-f", identity, env=self.env))
            pid = int(output(*base, "inspect", "-f", "{{.State.Pid}}", identity, env=self.env))
            return [process_parent(pid)]

        return Peer("strata", lambda *c: [*base, "run", "--rm", "--network", "none", "busybox", *c],
                    start)

    def bwrap(self):
        output("bwrap", "--version")
        return Peer("bwrap", lambda *c: ["bwrap", "--unshare-all", "--bind", str(self.root), "/",
                                         "--proc", "/proc", "--dev", "/dev", *c])

    def bundle(self, runtime, command, name):
        """A bundle in a folder of that name, with the configuration that the runtime suggests."""
        bundle = self.folder / name
        bundle.mkdir()
        output(runtime, "spec", cwd=bundle)
        config = json.loads((bundle / "config.json").read_text())
        config["root"] = {"path": str(self.root), "readonly": False}
        config["process"].update(terminal=False, args=list(command))
        # Without CAP_SYS_RESOURCE their limit of open files cannot be set.
        config["process"].pop("rlimits", None)
        # Those of crun and runc are not inheritable, so no kernel grants them and each warns.
        config["process"]["capabilities"].pop("ambient", None)
        (bundle / "config.json").write_text(json.dumps(config))
        return bundle

    def _bundle(self, runtime):
        """Runs of an OCI runtime; one bundle a command, because a bundle fixes its command."""
        made = {}

        def run(*command):
            if command not in made:
                made[command] = self.bundle(runtime, command, f"{runtime}-{len(made)}")
            return [runtime, "--root", str(self.folder / f"{runtime}-state"), "run", "--bundle",
                    str(made[command]), f"bench-{runtime}-{os.getpid()}"]

        run("/bin/true")
        return Peer(runtime, run)

    def crun(self):
        return self._bundle("crun")

    def runc(self):
        return self._bundle("runc")

    def podman(self):
        base = ["podman", "--root", str(self.folder / "podman"), "--runroot",
                str(self.folder / "podman-run"), "--cgroup-manager", "cgroupfs",
                "--tmpdir", str(self.folder / "podman-tmp"), "--events-backend", "file"]
        output(*base, "pull", "-q", f"oci:{self.layout}:busybox:latest", env=self.env)
        image = output(*base, "images", "-q", env=self.env).split()[0]
        # Without CAP_SYS_RESOURCE its own default limits cannot be set.
        options = ["--network", "none", "--ulimit", "nofile=1024:1024", "--ulimit",
                   "nproc=1024:1024", image]
        output(*base, "run", "--rm", *options, "/bin/true", env=self.env)

        def start():
            name = output(*base, "run", "-d", *options, "sleep", "1000", env=self.env).strip()
            self._ending.append(lambda: output(*base, "rm", "-ft", "0", name, env=self.env))
            return [int(output(*base, "inspect", "-f", "{{.State.ConmonPid}}", name, env=self.env))]

        return Peer("podman", lambda *c: [*base, "run", "--rm", *options, *c],
                    start, slow=True)

    def machine(self, name):
        machine = Machine(name, self.folder)
        self._ending.append(machine.close)
        return machine

    def archive(self):
        """The image "busybox" as engines load it."""
        archive = self.folder / "busybox.tar"
        if not archive.exists():
            output("skopeo", "copy", f"oci:{self.layout}:busybox:latest",
                   f"docker-archive:{archive}:busybox:latest")
        return archive

    def dockerd(self, runtimes):
        """A docker of our own with the image "busybox"; the first of the runtimes is its default."""
        docker = Docker(self.machine("docker"), runtimes, "--bridge=none", "--iptables=false",
                        "--ip6tables=false").start()
        docker.ok("load", "-i", self.archive())
        return docker

    def docker(self):
        docker = self.dockerd({})

        def start():
            name = docker.ok("run", "-d", "--network", "none", "busybox", "sleep", "1000")
            self._ending.append(lambda: docker.ok("rm", "-f", name))
            status = docker.machine.proc(docker.inspect(name, "{{.State.Pid}}"), "status").read_text()
            return [docker.machine.host_pid(status.split("PPid:")[1].split()[0])]

        return Peer("docker", lambda *c: docker.argv("run", "--rm", "--network", "none", "busybox", *c),
                    start, slow=True)

    # --- measuring ---

    def once(self, argv):
        """(milliseconds, minor page faults of it and the children it waited for)"""
        null = os.open(os.devnull, os.O_RDWR)
        try:
            began = time.perf_counter_ns()
            pid = os.posix_spawnp(argv[0], argv, self.env,
                                  file_actions=[(os.POSIX_SPAWN_DUP2, null, n) for n in (0, 1)])
            _, status, usage = os.wait4(pid, 0)
            took = (time.perf_counter_ns() - began) / 1e6
        finally:
            os.close(null)
        if os.waitstatus_to_exitcode(status) != 0:
            raise RuntimeError(f"{' '.join(argv)} ended with {os.waitstatus_to_exitcode(status)}")
        return took, usage.ru_minflt

    def interleaved(self, peers, command, rounds, slow_rounds):
        """{peer: [(ms, faults)]}: one run of each in turn, so that drift hits all alike, in an order
        that is another in each round: what a run leaves to the kernel to clear away slows whoever
        comes next."""
        order = random.Random(1)
        results = {peer.name: [] for peer in peers}
        for peer in peers:
            self.once(peer.run(*command))  # warm
        for turn in range(rounds):
            for peer in order.sample(peers, len(peers)):
                if not peer.slow or turn < slow_rounds:
                    results[peer.name].append(self.once(peer.run(*command)))
        return results

    def system_calls(self, argv):
        """(calls, processes and threads made, programs executed) of one run, by strace."""
        log = self.folder / "strace"
        done = subprocess.run(["strace", "-f", "-c", "-U", "calls,name", "-o", str(log), *argv],
                              env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, timeout=120)
        if done.returncode:
            return None
        counts = {}
        for line in log.read_text().splitlines():
            words = line.split()
            if len(words) == 2 and words[0].isdigit():
                counts[words[1]] = int(words[0])
        forks = sum(counts.get(n, 0) for n in ("clone", "clone3", "fork", "vfork"))
        return counts.get("total", 0), forks, counts.get("execve", 0)

    def peak_kib(self, argv):
        """Largest resident set of any one process of the run (GNU time starts it, being small)."""
        log = self.folder / "time"
        subprocess.run(["time", "-q", "-f", "%M", "-o", str(log), *argv], env=self.env, check=True,
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        return int(log.read_text().split()[-1])


def median(values):
    return statistics.median(values)


def table(head, rows):
    """A markdown table, first column to the left, numbers to the right."""
    print("| " + " | ".join(head) + " |")
    print("|---|" + "---:|" * (len(head) - 1))
    for row in rows:
        print("| " + " | ".join(str(cell) for cell in row) + " |")
    print()
