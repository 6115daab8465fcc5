# SPDX-License-Identifier: Apache-2.0
"""engines.py - container engines for tests and benchmarks: each on a machine of its own, driven by
its real client, and gone without a trace afterwards.

A Machine is a set of namespaces (processes, mounts, network, host name) with a folder: what an engine
mounts, routes, filters or keeps in /run stays inside, and when its first process ends the kernel ends
everything else in it. Only cgroups are the host's; all of a machine's are below one of its own.

Nothing of pytest and nothing of strata is used here.
"""

import contextlib
import json
import os
import shutil
import subprocess
import tempfile
import uuid
from pathlib import Path

from host import cgroup_is_empty, cgroups_below, mounts, remove_cgroups
from program import Program, wait_until

# Debian's engines, not what a developer's PATH may have before them.
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"

# The machine's first process. Its mounts are private to it but shared inside, which is how they are
# where systemd runs; its /sys shows its own network and has v1 cgroups on a read-only tmpfs (podman
# makes folders of its own for controllers that are not mounted where it can). It tells its pid on the
# host, then only reaps.
MACHINE_MAIN = """
set -e
read -r pid rest </proc/self/stat
mount --make-rprivate /
mount -t proc proc /proc
mount -t tmpfs -o mode=755 tmpfs /run
mkdir /run/cgroup
mount --rbind /sys/fs/cgroup /run/cgroup
mount -t sysfs sysfs /sys
if mountpoint -q /run/cgroup/cpu; then
	mount -t tmpfs -o mode=755 tmpfs /sys/fs/cgroup
	for each in /run/cgroup/*; do
		mountpoint -q "$each" || continue
		mkdir "/sys/fs/cgroup/${each##*/}"
		mount --bind "$each" "/sys/fs/cgroup/${each##*/}"
	done
	mount -o remount,ro /sys/fs/cgroup
else
	mount --rbind /run/cgroup /sys/fs/cgroup
fi
umount -R /run/cgroup
rmdir /run/cgroup
mount --make-rshared /
hostname "$1"
ip link set lo up
echo $pid
exec tini -- sleep infinity >&-
"""


class Machine:
    """A context manager; close() ends everything in it."""

    def __init__(self, name, parent=None):
        self.name = name
        self.path = PATH
        self.folder = Path(tempfile.mkdtemp(prefix=f"strata-{name}-", dir=parent))
        self.folder.chmod(0o755)
        self.cgroup = f"/strata-e2e-{name}-{uuid.uuid4().hex[:8]}"
        self._unshare = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "unshare", "--fork", "--kill-child", "--pid", "--mount",
             "--net", "--uts", "--ipc", "sh", "-c", MACHINE_MAIN, "machine", name],
            stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, env=self.env())
        self.pid = int(self._unshare.stdout.readline())
        self._unshare.stdout.close()
        self._base = None

    def env(self):
        return {"PATH": self.path, "LANG": "C.UTF-8", "HOME": str(self.folder)}

    def argv(self, *argv):
        """The command line that runs a command in the machine."""
        return ["nsenter", "-t", str(self.pid), "-m", "-u", "-i", "-n", "-p", "--", *map(str, argv)]

    def run(self, *argv, check=True, **kw):
        done = subprocess.run(self.argv(*argv), env=self.env(), stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60, **kw)
        assert not check or done.returncode == 0, f"{argv}: {done.returncode}: {done.stderr}"
        return done

    def output(self, *argv):
        return self.run(*argv).stdout.strip()

    def start(self, log_name, *argv):
        """Start a daemon whose output goes to a file in the folder. -> Popen of nsenter"""
        with open(self.folder / log_name, "a") as log:
            return subprocess.Popen(self.argv(*argv), env=self.env(), stdin=subprocess.DEVNULL,
                                    stdout=log, stderr=log)

    def join(self, other):
        """A cable between two machines: 10.9.8.1 here, 10.9.8.2 there."""
        subprocess.run(["nsenter", "-t", str(self.pid), "-n", "ip", "link", "add", "cable", "type",
                        "veth", "peer", "name", "cable", "netns", str(other.pid)], check=True)
        for number, machine in enumerate((self, other), 1):
            machine.run("ip", "address", "add", f"10.9.8.{number}/24", "dev", "cable")
            machine.run("ip", "link", "set", "cable", "up")

    # Pids below are the machine's own, which are what engines tell.

    def proc(self, pid, name):
        return Path(f"/proc/{self.pid}/root/proc/{pid}/{name}")

    def processes(self):
        """{pid: name} of everything but the machine's own two."""
        found = {}
        for name in os.listdir(f"/proc/{self.pid}/root/proc"):
            with contextlib.suppress(OSError):
                if name.isdigit() and int(name) > 1:
                    found[int(name)] = self.proc(name, "comm").read_text().strip()
        first = min((pid for pid, name in found.items() if name == "sleep"), default=None)
        found.pop(first, None)
        return found

    def host_pid(self, pid):
        """What the host calls a process that shares the machine's mounts."""
        mounts = os.readlink(f"/proc/{self.pid}/ns/mnt")
        for name in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError):
                pids = Path(f"/proc/{name}/status").read_text().split("NSpid:")[1].split("\n")[0].split()
                if pids[1:] == [str(pid)] and os.readlink(f"/proc/{name}/ns/mnt") == mounts:
                    return int(name)
        raise ProcessLookupError(f"no process {pid} in {self.name}")

    def kill(self, signal, *pids):
        """One by one: the death of one may already be the end of the next."""
        for pid in pids:
            done = self.run("kill", f"-{signal}", pid, check=False)
            assert done.returncode == 0 or "No such process" in done.stderr, done.stderr

    # --- what is left ---

    def holdings(self):
        """What is here and should be gone when no container is: a set of words."""
        top = Path(f"/proc/{self.pid}/root")
        held = {f"process {pid} ({name})" for pid, name in self.processes().items()
                if name != "nsenter"}
        held |= {f"mount {m}" for m in mounts(self.pid)}
        held |= {f"cgroup {c}" for c in cgroups_below(self.cgroup)}
        held |= {f"interface {name}" for name in self.output("ls", "/sys/class/net").split()}
        for folder, folders, files in os.walk(top / "run"):
            if folder.endswith("/docker/netns"):
                continue  # dockerd removes the names, after a while; their mounts are looked at above
            held |= {f"file {Path(folder, n).relative_to(top)}" for n in [*folders, *files]}
        return held

    def remember(self):
        """From here on, what is there now is not left behind."""
        self._base = self.holdings()

    def left(self):
        return sorted(self.holdings() - self._base)

    def assert_clean(self, timeout_s=5):
        with contextlib.suppress(AssertionError):
            wait_until(lambda: not self.left(), timeout_s, 0.1)
        left = self.left()
        assert not left, f"left behind in {self.name}: " + "; ".join(left)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def cut_power(self):
        """SIGKILL for every process in it."""
        self._unshare.kill()
        self._unshare.wait()

    def close(self):
        self.cut_power()
        wait_until(lambda: not Path(f"/proc/{self.pid}/ns/pid").exists()
                   and all(map(cgroup_is_empty, cgroups_below(self.cgroup))), 20,
                   what=f"the end of {self.name}")
        remove_cgroups(self.cgroup)
        shutil.rmtree(self.folder, ignore_errors=True)


class Docker(Program):
    """dockerd on a machine, and the client `docker` when called."""

    def __init__(self, machine, runtimes, *options):
        """runtimes: {name: path}, the first is the default one unless the options say
        otherwise."""
        super().__init__()
        self.machine = machine
        self.socket = machine.folder / "docker.sock"
        config = {"runtimes": {name: {"path": str(path)} for name, path in runtimes.items()
                               if name != "runc"}}  # which dockerd knows
        if runtimes and "--default-runtime" not in options:
            config["default-runtime"] = next(iter(runtimes))
        self._config = machine.folder / "daemon.json"
        self._config.write_text(json.dumps(config))
        self._options = options
        self._nsenter = None

    def env(self, extra=None):
        return {**self.machine.env(), **(extra or {})}

    def argv(self, *args):
        return ["docker", "--host", f"unix://{self.socket}", *map(str, args)]

    def start(self):
        # Below /tmp the path of a socket stays below its limit of 108 bytes.
        folder = self.machine.folder
        self._nsenter = self.machine.start(
            "dockerd.log", "dockerd", "--config-file", self._config, "--data-root", folder / "data", "--exec-root", "/run/docker",
            "--pidfile", "/run/docker.pid", "--host", f"unix://{self.socket}",
            "--cgroup-parent", self.machine.cgroup, "--storage-driver", "overlay2", *self._options)

        def ready():
            assert self._nsenter.poll() is None, f"dockerd ended: {self.log()[-2000:]}"
            return self("version").returncode == 0

        wait_until(ready, 30, 0.1, what="dockerd answers")
        return self

    def log(self):
        return (self.machine.folder / "dockerd.log").read_text()

    def pid(self):
        return int(Path(f"/proc/{self.machine.pid}/root/run/docker.pid").read_text())

    def wait_ended(self, timeout_s=20):
        self._nsenter.wait(timeout_s)

    def stop(self):
        self.machine.kill("TERM", self.pid())
        self.wait_ended()

    def inspect(self, name, what="{{json .State}}"):
        """A field of a container, as a template names it."""
        return self.ok("inspect", "-f", what, name)


class Containerd(Program):
    """containerd on a machine, and its client `ctr` when called."""

    def __init__(self, machine):
        super().__init__()
        self.machine = machine
        self.socket = machine.folder / "containerd.sock"

    def __str__(self):
        return "ctr"

    def env(self, extra=None):
        return {**self.machine.env(), **(extra or {})}

    def argv(self, *args):
        # ctr makes the container's fifos and its terminal itself, so it runs where containerd does.
        return self.machine.argv("ctr", "--address", self.socket, *args)

    def start(self):
        folder = self.machine.folder
        config = folder / "containerd.toml"
        config.write_text('version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n')
        nsenter = self.machine.start(
            "containerd.log", "containerd", "--config", config, "--root", folder / "data", "--state",
            "/run/containerd", "--address", self.socket)

        def ready():
            assert nsenter.poll() is None, (folder / "containerd.log").read_text()[-2000:]
            return self("version").returncode == 0

        wait_until(ready, 30, 0.1, what="containerd answers")
        return self


# Without CAP_SYS_RESOURCE podman's own default limits cannot be set.
CONTAINERS_CONF = """[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "tested"
runtime_supports_json = ["tested"]
[engine.runtimes]
tested = ["%s"]
"""


class Podman(Program):
    """podman on a machine, with storage of its own, as root or as an ordinary user."""

    program = "podman"

    def __init__(self, machine, runtime, user=None):
        super().__init__()
        self.machine, self.runtime, self.account = machine, runtime, user
        self.folder, self.run_folder = machine.folder, Path("/run")
        if user:
            self.folder = machine.folder / "user"
            self.run_folder = self.folder / "run"
            for folder in (self.folder, self.run_folder):
                folder.mkdir(mode=0o700)
                os.chown(folder, user.uid, user.gid)
        self.config = machine.folder / f"containers-{runtime.name}.conf"
        self.config.write_text(CONTAINERS_CONF % runtime)

    def env(self, extra=None):
        env = {**self.machine.env(), "CONTAINERS_CONF": str(self.config)}
        if self.account:
            env.update(HOME=str(self.folder), XDG_RUNTIME_DIR=str(self.run_folder),
                       USER=self.account.name)
        return {**env, **(extra or {})}

    def options(self):
        return ["--root", self.folder / "storage", "--runroot", self.run_folder / "storage",
                "--tmpdir", self.run_folder / "podman"]

    def argv(self, *args):
        become = []
        if self.account:
            become = ["setpriv", "--reuid", self.account.uid, "--regid", self.account.gid,
                      "--clear-groups", "--"]
        return self.machine.argv(*become, self.program, *self.options(), *args)


class Buildah(Podman):
    """The same of buildah, whose verbs take the runtime."""

    program = "buildah"

    def options(self):
        return ["--root", self.folder / "storage", "--runroot", self.run_folder / "storage"]
