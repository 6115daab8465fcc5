# SPDX-License-Identifier: Apache-2.0
"""conftest.py - what every end-to-end test starts from.

    strata          the built program with a state root of its own in a temporary folder; after the
                    test every instance is removed, and the test fails when a mount, a cgroup, a
                    process or a name is left behind
    busybox_image   the name of a busybox image that is stored in that root
    debian_image    the same of a Debian with bash, apt and python3 (made once, kept in a cache)
    both_image      busybox for linux/amd64 and for linux/riscv64, whose programs are translated
    foreign_image   busybox for linux/riscv64 alone
    machine_image   busybox for linux/riscv64, in a root that has Debian's kernel for machines
    rootless        strata as a temporary ordinary user who has subordinate ids
    rootless_single the same for one who has none
    runtime         the OCI runtime for engines (engines.py)

STRATA_TEST_PLATFORM=linux/riscv64 makes busybox_image that of foreign_image, and every test one of
translation. STRATA_BIN names the program (default: build/src/front/strata); it is copied together with its
helper programs, so that other users can read it and a rebuild does not disturb a test.
"""

import contextlib
import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import oci  # noqa: E402
from host import cgroup_is_empty, cgroup_mounts, describe_pid, mounts  # noqa: E402
from program import Program, Terminal, wait_until  # noqa: E402,F401 (the tests import them here)

REPO = Path(__file__).resolve().parents[2]
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "strata-test"
TAG = "STRATA_TEST_ID"


def pytest_configure(config):
    # What a shell puts in the background ignores these two, and so would all that we start.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)
    config.addinivalue_line("markers", "needs_root: only real root can set this up")
    config.addinivalue_line("markers", "needs_cgroup1: reads limits where cgroup v1 has them")
    config.addinivalue_line("markers", "guest: also run in the virtual machine (tests/vm)")
    config.addinivalue_line("markers", "after_boot: runs after the virtual machine's reboot")
    config.addinivalue_line("markers", "hybrid: runs in a machine whose controllers are on v1")
    config.addinivalue_line("markers", "slow: takes more than ten seconds")


def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.parent.name == "guest":
            item.add_marker("guest")


def pytest_runtest_setup(item):
    if item.get_closest_marker("needs_root") and os.geteuid() != 0:
        pytest.skip("needs root")
    if item.get_closest_marker("needs_cgroup1") and not Path("/sys/fs/cgroup/memory").is_dir():
        pytest.skip("the memory controller of this host is not on cgroup v1")


# --- what the host holds ---------------------------------------------------------------------


def strata_cgroups():
    """{(mount, name)} of the cgroups that strata has on this host."""
    found = set()
    for mount in cgroup_mounts():
        with contextlib.suppress(OSError):
            for entry in os.scandir(mount):
                if entry.is_dir() and entry.name.startswith("strata-"):
                    found.add((str(mount), entry.name))
    return found


def tagged_pids(tag):
    """Processes that were started with our tag in their environment (not: those in containers)."""
    found = []
    needle = f"{TAG}={tag}".encode()
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            if needle in Path(entry.path, "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
    return found


# --- the program -----------------------------------------------------------------------------


class Strata(Program):
    """The program with one state root; calling it runs it."""

    def __init__(self, binary, root, user=None):
        super().__init__(user)
        self.binary = str(binary)
        self.root = Path(root)
        self.prefix = []  # what it is started by: nsenter, ...
        self.tag = uuid.uuid4().hex
        self.cgroups_before = strata_cgroups()

    def env(self, extra=None):
        env = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LANG": "C.UTF-8", TAG: self.tag}
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS"):
            if name in os.environ:
                env[name] = os.environ[name]
        if self.user:
            env.update(HOME=self.user.home, USER=self.user.name, LOGNAME=self.user.name,
                       XDG_RUNTIME_DIR=self.user.runtime_dir)
        else:
            env["HOME"] = str(self.root.parent / "home")
            os.makedirs(env["HOME"], exist_ok=True)
        env.update(extra or {})
        return {k: v for k, v in env.items() if v is not None}

    def argv(self, *args):
        return [*self.prefix, self.binary, "--root", str(self.root), *map(str, args)]

    def inspect(self, name):
        return json.loads(self.ok("inspect", name))[0]

    def state(self, name):
        return self.inspect(name)["State"]

    def wait_status(self, name, status, timeout_s=15):
        return wait_until(lambda: self.state(name)["Status"] == status, timeout_s,
                          what=f"{name} is {status}")

    def layer_names(self):
        """What is in ROOT/layers beside the skeleton that every overlay stands on."""
        folder = self.root / "layers"
        names = os.listdir(folder) if folder.is_dir() else []
        return sorted(n for n in names if n != "skeleton")

    def instance_dirs(self):
        folder = self.root / "instances"
        return sorted(p for p in folder.iterdir()) if folder.is_dir() else []

    def monitor_pid(self, name):
        identity = self.inspect(name)["Id"]
        state = json.loads((self.root / "instances" / identity / "state.json").read_text())
        return state.get("monitor_pid") or state.get("monitorPid")

    # --- the end of a test ---

    def _remove_instances(self):
        problems = []
        for path in self.instance_dirs():
            if path.name.startswith("."):
                continue
            try:
                done = self("rm", "-f", path.name, timeout=30)
                if done.returncode:
                    problems.append(f"rm -f {path.name[:12]} failed: {done.stderr.strip()}")
            except subprocess.TimeoutExpired:
                problems.append(f"rm -f {path.name[:12]} did not end")
        return problems

    def _remove_networks(self):
        """So that what keeps them need not wait for somebody to come back."""
        folder = self.root / "networks"
        names = [p.name for p in folder.iterdir()] if folder.is_dir() else []
        done = self("network", "rm", *names, timeout=60) if names else None
        return [f"network rm: {done.stderr.strip()}"] if done and done.returncode else []

    def _mounts(self):
        return [m for m in mounts() if m.startswith(f"{self.root}/")]

    def _leftovers(self):
        """What is still there although everything was removed."""
        left = [f"process {describe_pid(p)}" for p in tagged_pids(self.tag)]
        left += [f"mount {m}" for m in self._mounts()]
        left += [f"cgroup {'/'.join(k)}" for k in strata_cgroups() - self.cgroups_before
                 if cgroup_is_empty(os.path.join(*k))]
        names = self.root / "names"
        if names.is_dir():
            left += [f"name {n.name}" for n in names.iterdir()]
        left += [f"instance {p.name}" for p in self.instance_dirs()]
        return left

    def close(self):
        self.end_processes()
        problems = self._remove_instances()
        problems += self._remove_networks()
        left = self._leftovers()
        end = time.monotonic() + 5
        while left and time.monotonic() < end:
            time.sleep(0.05)
            left = self._leftovers()
        self._sweep()
        assert not problems + left, "left behind: " + "; ".join(problems + left)

    def _sweep(self):
        """By force, whatever strata thinks."""
        for pid in tagged_pids(self.tag):
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        names = {p.name for p in self.instance_dirs()}
        for mount, name in strata_cgroups():
            if name.removeprefix("strata-") in names:
                with contextlib.suppress(OSError):
                    for pid in Path(mount, name, "cgroup.procs").read_text().split():
                        os.kill(int(pid), signal.SIGKILL)
        for mount in sorted(self._mounts(), reverse=True):
            subprocess.run(["umount", "-l", mount], check=False)
        shutil.rmtree(self.root.parent, ignore_errors=True)


@pytest.fixture(scope="session")
def strata_binary():
    """The program and its helpers, copied to where everybody may read them."""
    source = Path(os.environ.get("STRATA_BIN", REPO / "build/src/front/strata"))
    if not source.exists():
        pytest.fail(f"{source} is not there: build strata first, or set STRATA_BIN")
    folder = Path(tempfile.mkdtemp(prefix="strata-e2e-bin-"))
    folder.chmod(0o755)
    for path in [source, *source.parent.glob("strata-*")]:
        if path.is_file() and os.access(path, os.X_OK):
            shutil.copy2(path, folder / path.name)
            (folder / path.name).chmod(0o755)
    yield folder / source.name
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def runtime(strata_binary):
    """The OCI runtime that engines are to use. STRATA_TEST_RUNTIME names another one, to tell
    whether a test is wrong or strata-runtime."""
    return Path(os.environ.get("STRATA_TEST_RUNTIME", strata_binary.parent / "strata-runtime"))


@pytest.fixture
def make_strata(strata_binary):
    """For tests that need more than one state root."""
    made = []

    def make(root=None):
        if root is None:
            root = Path(tempfile.mkdtemp(prefix="strata-e2e-")) / "root"
        made.append(Strata(strata_binary, root))
        return made[-1]

    yield make
    errors = []
    for one in made:
        try:
            one.close()
        except AssertionError as error:
            errors.append(str(error))
    assert not errors, "\n".join(errors)


@pytest.fixture
def strata(make_strata):
    return make_strata()


# --- images ----------------------------------------------------------------------------------


def _made(kind, what):
    """The OCI layout folder of scripts/make-test-image, made once and then cached."""
    path = CACHE / f"{kind}-oci"
    done = subprocess.run([str(REPO / "scripts/make-test-image"), kind, str(path)],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        pytest.fail(f"{what} could not be made: {done.stdout[-2000:]}")
    return path


@pytest.fixture(scope="session")
def both_layout():
    return _made("busybox-both", "the busybox image for two platforms")


@pytest.fixture(scope="session")
def foreign_layout(both_layout):
    """An OCI layout folder with busybox:latest for linux/riscv64 alone."""
    folder = Path(tempfile.mkdtemp(prefix="strata-e2e-foreign-"))
    layout = oci.Layout(shutil.copytree(both_layout, folder / "oci"))
    both = json.loads((both_layout / "index.json").read_text())["manifests"][0]
    listed = json.loads(layout.blob_path(both["digest"]).read_text())["manifests"]
    layout.name(next(m for m in listed if m["platform"]["architecture"] == "riscv64"),
                "busybox:latest")
    subprocess.run(["chmod", "-R", "a+rX", str(folder)], check=True)
    yield layout.path
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def busybox_layout(request):
    """An OCI layout folder with one image, busybox:latest, that every user may read."""
    if os.environ.get("STRATA_TEST_PLATFORM", "linux/amd64") == "linux/riscv64":
        yield request.getfixturevalue("foreign_layout")
        return
    folder = Path(tempfile.mkdtemp(prefix="strata-e2e-busybox-"))
    path = folder / "oci"
    layout = oci.Layout(path)
    layout.name(layout.manifest([oci.busybox_tar()], oci.BUSYBOX_CONFIG), "busybox:latest")
    subprocess.run(["chmod", "-R", "a+rX", str(folder)], check=True)
    yield path
    shutil.rmtree(folder)


def _docker_archive(layout, name, tmp_path_factory):
    path = tmp_path_factory.mktemp("archive") / "image.tar"
    subprocess.run(["skopeo", "copy", "--quiet", f"oci:{layout}:{name}",
                    f"docker-archive:{path}:{name}"], check=True)
    return path


@pytest.fixture(scope="session")
def busybox_archive(busybox_layout, tmp_path_factory):
    """The same image as an archive that `docker load` takes."""
    return _docker_archive(busybox_layout, "busybox:latest", tmp_path_factory)


@pytest.fixture(scope="session")
def foreign_archive(foreign_layout, tmp_path_factory):
    """The same of busybox for linux/riscv64."""
    return _docker_archive(foreign_layout, "busybox:latest", tmp_path_factory)


@pytest.fixture
def open_tmp():
    """A temporary folder that every user may look into (pytest's own are closed to others)."""
    folder = Path(tempfile.mkdtemp(prefix="strata-e2e-open-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def _store(strata_binary, layout, folder):
    """A state root that has the images of `layout`, imported once for all tests."""
    one = Strata(strata_binary, folder / "root")
    one.ok("import", layout)
    return folder / "root"


@pytest.fixture(scope="session")
def busybox_store(strata_binary, busybox_layout, tmp_path_factory):
    return _store(strata_binary, busybox_layout, tmp_path_factory.mktemp("store"))


def give_image(strata, store):
    strata.root.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cp", "-a", f"{store}/.", str(strata.root)], check=True)


@pytest.fixture
def busybox_image(strata, busybox_store):
    give_image(strata, busybox_store)
    return "busybox"


@pytest.fixture(scope="session")
def both_store(strata_binary, both_layout, tmp_path_factory):
    return _store(strata_binary, both_layout, tmp_path_factory.mktemp("store"))


@pytest.fixture
def both_image(strata, both_store):
    give_image(strata, both_store)
    return "busybox"


@pytest.fixture(scope="session")
def foreign_store(strata_binary, foreign_layout, tmp_path_factory):
    return _store(strata_binary, foreign_layout, tmp_path_factory.mktemp("store"))


@pytest.fixture
def foreign_image(strata, foreign_store):
    give_image(strata, foreign_store)
    return "busybox"


@pytest.fixture(scope="session")
def machine_kernel(strata_binary):
    """A state root with Debian's kernel for riscv64 machines, fetched once and then cached."""
    if not Path("/usr/bin/apt-get").exists():
        pytest.skip("Debian's kernel comes by apt, which this host does not have")
    one = Strata(strata_binary, CACHE / "kernel-riscv64")
    if one("kernel", "inspect", "--platform", "linux/riscv64", "kernel:riscv64").returncode != 0:
        one.ok("kernel", "fetch", "debian", "--platform", "linux/riscv64", timeout=900)
    return one.root


def give_kernel(strata, store):
    """By a link: nothing is written there but first filesystems, which other tests use, too."""
    strata.root.mkdir(parents=True, exist_ok=True)
    (strata.root / "kernels").symlink_to(store / "kernels")


@pytest.fixture
def machine_image(strata, foreign_store, machine_kernel):
    give_image(strata, foreign_store)
    give_kernel(strata, machine_kernel)
    return "busybox"


@pytest.fixture(scope="session")
def debian_layout():
    """An OCI layout folder with debian:test."""
    return _made("debian", "the Debian image")


@pytest.fixture(scope="session")
def debian_store(strata_binary, debian_layout, tmp_path_factory):
    return _store(strata_binary, debian_layout, tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="session")
def debian_archive(debian_layout, tmp_path_factory):
    return _docker_archive(debian_layout, "debian:test", tmp_path_factory)


@pytest.fixture
def debian_image(strata, debian_store):
    give_image(strata, debian_store)
    return "debian:test"


# --- ordinary users --------------------------------------------------------------------------


class User:
    def __init__(self, name, subordinate_ids):
        self.name = name
        subprocess.run(["useradd", "-m", "-s", "/bin/sh", name], check=True)
        entry = pwd.getpwnam(name)
        self.uid, self.gid, self.home = entry.pw_uid, entry.pw_gid, entry.pw_dir
        for kind in ("uid", "gid"):
            lines = Path(f"/etc/sub{kind}").read_text().splitlines()
            mine = [line for line in lines if line.startswith(name + ":")]
            if mine and not subordinate_ids:
                first, count = map(int, mine[0].split(":")[1:])
                subprocess.run(["usermod", f"--del-sub{kind}s", f"{first}-{first + count - 1}", name],
                               check=True)
            elif not mine and subordinate_ids:
                first = 100000 + 65536 * (self.uid - 1000)
                subprocess.run(["usermod", f"--add-sub{kind}s", f"{first}-{first + 65535}", name],
                               check=True)
        self.runtime_dir = tempfile.mkdtemp(prefix="strata-e2e-run-")
        os.chown(self.runtime_dir, self.uid, self.gid)

    def remove(self):
        for entry in os.scandir("/proc"):
            with contextlib.suppress(OSError):
                if entry.name.isdigit() and entry.stat().st_uid == self.uid:
                    os.kill(int(entry.name), signal.SIGKILL)
        time.sleep(0.1)
        subprocess.run(["userdel", "-f", self.name], check=False, stderr=subprocess.DEVNULL)
        shutil.rmtree(self.home, ignore_errors=True)
        shutil.rmtree(self.runtime_dir, ignore_errors=True)


def _user(subordinate_ids):
    if os.geteuid() != 0:
        pytest.skip("needs root to make a temporary user")
    if not shutil.which("newuidmap"):
        pytest.skip("newuidmap is not installed (package uidmap)")
    return User(f"st{uuid.uuid4().hex[:8]}", subordinate_ids)


@pytest.fixture(scope="session")
def rootless_user():
    user = _user(True)
    yield user
    user.remove()


@pytest.fixture(scope="session")
def rootless_user_single():
    user = _user(False)
    yield user
    user.remove()


def _rootless(strata_binary, user, layout):
    folder = Path(tempfile.mkdtemp(prefix="data-", dir=user.home))
    os.chown(folder, user.uid, user.gid)
    one = Strata(strata_binary, folder / "root", user)
    one.ok("import", layout)
    return one


@pytest.fixture
def rootless(strata_binary, rootless_user, busybox_layout):
    """strata as an ordinary user, with the image "busybox" in the store."""
    one = _rootless(strata_binary, rootless_user, busybox_layout)
    yield one
    one.close()


@pytest.fixture
def rootless_foreign(strata_binary, rootless_user, foreign_layout):
    """The same with the image for linux/riscv64."""
    one = _rootless(strata_binary, rootless_user, foreign_layout)
    yield one
    one.close()


@pytest.fixture
def rootless_single(strata_binary, rootless_user_single, busybox_layout):
    one = _rootless(strata_binary, rootless_user_single, busybox_layout)
    yield one
    one.close()
