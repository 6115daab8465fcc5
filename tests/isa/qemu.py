# SPDX-License-Identifier: Apache-2.0
"""qemu.py - QEMU 10 of Debian's backports: another RISC-V to hold ours against (Debian 12's own 7.2
knows neither Zfa nor Zicond nor Svadu), and the x86-64 of the machines in tests/vm.

7.2 cannot be trusted with an x86-64 of several processors: it translates a page while another of
them writes to it, and keeps what it has made of the old bytes. Linux patches its code as it runs
(the scheduler's, when the first vcpu of KVM comes or the last goes), and both processors then trap
for ever at an int3 that is no longer in memory. Seen once in some dozens of runs of tests/vm/run-kvm,
with QEMU's monitor; later ones lock pages before they translate them."""

import fcntl
import os
import subprocess
import tempfile
from pathlib import Path

CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "strata-test"
SUITE = "bookworm-backports"
# Where Debian's build looks for modules: those of 7.2 may be there, which it would not survive.
MODULES = b"/usr/lib/x86_64-linux-gnu/qemu\0"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


def _output(*argv, **kw):
    return subprocess.run([str(a) for a in argv], check=True, text=True, stdout=subprocess.PIPE,
                          **kw).stdout


def _mirror():
    """The one that this machine's apt uses for Debian itself."""
    for line in _output("apt-get", "indextargets", "--format",
                        "$(REPO_URI) $(RELEASE)").splitlines():
        uri, release = line.split()
        if release == "bookworm":
            return uri
    raise RuntimeError("apt has no sources for bookworm")


def _download(package, target):
    with tempfile.TemporaryDirectory(dir=target.parent) as tmp:
        tmp = Path(tmp)
        os.chmod(tmp, 0o755)
        (tmp / "lists/partial").mkdir(parents=True)
        (tmp / "cache/archives/partial").mkdir(parents=True)
        (tmp / "sources.list").write_text(
            f"deb [signed-by={KEYRING}] {_mirror()} {SUITE} main\n")
        apt = ["apt-get", "-q", "-o", f"Dir::Etc::sourcelist={tmp}/sources.list",
               "-o", "Dir::Etc::sourceparts=/dev/null", "-o", f"Dir::State::lists={tmp}/lists",
               "-o", f"Dir::Cache={tmp}/cache", "-o", "APT::Sandbox::User=root"]
        _output(*apt, "update")
        _output(*apt, "download", f"{package}/{SUITE}", cwd=tmp)
        _output("dpkg", "-x", next(tmp.glob("*.deb")), tmp / "root")
        program = tmp / "root/usr/bin" / target.name.removesuffix("-10")
        program.write_bytes(program.read_bytes().replace(MODULES, b"/none".ljust(len(MODULES), b"\0")))
        os.rename(program, target)


def _once(package, name):
    CACHE.mkdir(parents=True, exist_ok=True)
    target = CACHE / name
    with open(CACHE / f".{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            _download(package, target)
    return target


def riscv64():
    """The path of qemu-riscv64, downloaded once."""
    return _once("qemu-user", "qemu-riscv64-10")


def system_riscv64():
    """The path of qemu-system-riscv64; its libraries are those of Debian's own package."""
    return _once("qemu-system-riscv", "qemu-system-riscv64-10")


def system_x86_64():
    """The path of qemu-system-x86_64; its libraries and firmware are those of Debian's own package."""
    return _once("qemu-system-x86", "qemu-system-x86_64-10")
