#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""nested - a Linux in which KVM works, on hosts where it does not: QEMU emulates a processor with SVM.

    nested [--memory MIB] [--cpus N] [--timeout SECONDS] [--share FOLDER] [--console] COMMAND...

Boots Debian's cloud kernel in QEMU (no KVM needed), loads kvm-amd, and runs COMMAND in it as root
and in the current folder; one word is a line for the shell. What it prints is shown as it comes,
and its exit status is ours; 124: it took too long, 125: the machine ended without one.

This host's own files are the guest's, so that what is installed and built here is there under the
same name: / comes read-only through virtio-fs, with a tmpfs over it that takes what the guest
writes. FOLDER, seen there as /run/share, is for what is to come out. Such a machine is called L1,
and one that KVM runs in it L2.
"""

import argparse
import contextlib
import ctypes
import fcntl
import mmap
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TOP / "tests/e2e"), str(TOP / "tests/isa")]
import qemu  # noqa: E402
from machines import entry  # noqa: E402

CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "strata-test"
VIRTIOFSD = ("/usr/lib/qemu/virtiofsd", "/usr/libexec/virtiofsd")
MODULES = ("virtio_pci", "virtiofs", "overlay", "virtio_console", "kvm-amd")
START_S = 20
TIMED_OUT, NO_STATUS = 124, 125
RDTSC = b"\x0f\x31\x48\xc1\xe2\x20\x48\x09\xd0\xc3"  # rdtsc; shl $32, %rdx; or %rdx, %rax; ret

INIT = """#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
while read -r m; do insmod "/modules/$m" || echo "nested: $m does not load"; done </modules/order
mkdir /host /top /new
mount -t virtiofs -o ro host /host || poweroff -f
mount -t tmpfs top /top
mkdir /top/upper /top/work
mount -t overlay -o lowerdir=/host,upperdir=/top/upper,workdir=/top/work host /new
for m in dev proc sys; do mount --move /$m /new/$m; done
mount -t tmpfs -o mode=755 run /new/run
mkdir -m 1777 /new/run/tmp /new/run/share /new/run/lock
mount -t virtiofs share /new/run/share || poweroff -f
mkdir -p /new/dev/pts /new/dev/shm
mount -t devpts -o gid=5,mode=620,ptmxmode=666 pts /new/dev/pts
mount -t tmpfs -o mode=1777 shm /new/dev/shm
mount -t cgroup2 cgroup /new/sys/fs/cgroup
mount -t debugfs debug /new/sys/kernel/debug
mount -t tracefs trace /new/sys/kernel/tracing
for l in fd:fd stdin:fd/0 stdout:fd/1 stderr:fd/2; do ln -s /proc/self/${l#*:} /new/dev/${l%:*}; done
hostname nested
ifconfig lo 127.0.0.1 up
exec switch_root /new /bin/sh /run/share/.nested-main
"""
MAIN = """export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=linux LC_ALL=C.UTF-8
export PYTHONDONTWRITEBYTECODE=1 TMPDIR=/run/tmp @ENVIRONMENT@
cd @FOLDER@ && setsid sh /run/share/.nested-command </dev/null >/dev/hvc0 2>&1
echo $? >/run/share/.nested-status
sync
echo o >/proc/sysrq-trigger
sleep 100
"""


# --- what it boots -----------------------------------------------------------------------------


def _output(*argv, **kw):
    return subprocess.run([str(a) for a in argv], check=True, stdout=subprocess.PIPE, text=True,
                          **kw).stdout


def kernel():
    """Debian's cloud kernel, unpacked and never installed: (vmlinuz, the folder that is / to its
    modules, its release)."""
    folder = CACHE / "kernel-amd64"
    CACHE.mkdir(parents=True, exist_ok=True)
    # The meta package's first dependency is the kernel of the day.
    package = next(line.split()[1] for line in _output(
        "apt-cache", "depends", "linux-image-cloud-amd64").splitlines() if "Depends:" in line)
    policy = _output("apt-cache", "policy", package, env={**os.environ, "LC_ALL": "C"})
    key = package + next(line for line in policy.splitlines() if "Candidate" in line)
    with open(CACHE / ".kernel-amd64.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        stamp = folder / "complete"
        if not stamp.exists() or stamp.read_text() != key:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            _output("apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", package,
                    cwd=folder)
            deb = next(folder.glob("*.deb"))
            _output("dpkg-deb", "-x", deb, folder)
            deb.unlink()
            _output("depmod", "-b", folder, next((folder / "lib/modules").iterdir()).name)
            stamp.write_text(key)
    release = next((folder / "lib/modules").iterdir()).name
    return folder / f"boot/vmlinuz-{release}", folder, release


def modules(folder, release, names):
    """The files of modules and of what they need, in the order in which they load."""
    lines = _output("modprobe", "-d", folder, "-S", release, "--show-depends", "-a", *names)
    return list(dict.fromkeys(Path(line.split()[1]) for line in lines.splitlines()
                              if line.startswith("insmod ")))


def _initramfs(folder, release):
    files = modules(folder, release, MODULES)
    parts = [entry(name, 0o40755) for name in ("bin", "dev", "proc", "sys", "modules")]
    parts += [entry("bin/busybox", 0o100755, Path("/bin/busybox").read_bytes()),
              entry("init", 0o100755, INIT.encode()),
              entry("modules/order", 0o100644, "".join(f"{f.name}\n" for f in files).encode())]
    parts += [entry(f"modules/{f.name}", 0o100644, f.read_bytes()) for f in files]
    return b"".join(parts) + entry("TRAILER!!!", 0)


def tsc_khz():
    """How fast this processor's time stamp counter runs. The guest's is the same, and when the
    kernel there is left to find out, it is wrong by a factor of ten on a busy host."""
    page = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(RDTSC)
    rdtsc = ctypes.CFUNCTYPE(ctypes.c_uint64)(ctypes.addressof(ctypes.c_char.from_buffer(page)))

    def both():
        """The two clocks at a moment when nothing came between."""
        reads = []
        for _ in range(20):
            before, ticks, after = time.monotonic_ns(), rdtsc(), time.monotonic_ns()
            reads.append((after - before, (before + after) // 2, ticks))
        return min(reads)[1:]

    ns0, ticks0 = both()
    time.sleep(0.1)
    ns1, ticks1 = both()
    return round((ticks1 - ticks0) * 1e6 / (ns1 - ns0))


# --- the machine -------------------------------------------------------------------------------


def _die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


class _Processes(contextlib.ExitStack):
    """What the machine consists of; all of it ends with us, however we end."""

    def start(self, argv, log):
        with open(log, "wb") as file:
            process = subprocess.Popen([str(a) for a in argv], stdin=subprocess.DEVNULL,
                                       stdout=file, stderr=subprocess.STDOUT,
                                       preexec_fn=_die_with_parent)
        self.callback(process.wait)
        self.callback(process.kill)
        return process


def _share(processes, tmp, tag, source, cache):
    server = next((p for p in VIRTIOFSD if os.path.exists(p)), None)
    if not server:
        raise RuntimeError(f"none of {', '.join(VIRTIOFSD)} is there")
    socket, log = tmp / f"{tag}.socket", tmp / f"{tag}.log"
    process = processes.start(
        [server, f"--socket-path={socket}", "-o",
         f"source={source},cache={cache},sandbox=chroot,no_posix_lock", "--rlimit-nofile=0"], log)
    end = time.monotonic() + START_S
    while not socket.exists():
        if process.poll() is not None or time.monotonic() > end:
            raise RuntimeError(f"virtiofsd for {source}: {log.read_text().strip()}")
        time.sleep(0.02)
    return ["-chardev", f"socket,id={tag},path={socket}",
            "-device", f"vhost-user-fs-pci,chardev={tag},tag={tag}"]


def _qemu(tmp, memory_mib, cpus, vmlinuz):
    append = ("console=ttyS0 quiet panic=-1 mitigations=off nokaslr random.trust_cpu=on "
              f"no_timer_check tsc=reliable tsc_early_khz={tsc_khz()}")
    return [qemu.system_x86_64(), "-accel", "tcg,thread=multi", "-cpu", "EPYC,+svm,+npt",
            "-smp", cpus, "-m", memory_mib, "-machine", "q35,memory-backend=memory,hpet=off",
            "-object", f"memory-backend-memfd,id=memory,size={memory_mib}M,share=on",
            "-nodefaults", "-display", "none", "-no-reboot",
            "-kernel", vmlinuz, "-initrd", tmp / "initrd", "-append", append,
            "-serial", f"file:{tmp}/console", "-device", "virtio-serial-pci",
            "-chardev", f"file,id=words,path={tmp}/words", "-device", "virtconsole,chardev=words"]


def _follow(process, words, end, show):
    """Show what the guest says until it is off; whether that was in time."""
    with open(words, "rb") as file:
        while True:
            over = process.poll() is not None
            data = file.read()
            if data:
                show(data.replace(b"\r\n", b"\n"))
            elif over:
                return True
            elif time.monotonic() > end:
                return False
            else:
                time.sleep(0.03)


def _told(tmp):
    """What the emulator and the kernel have said, but for what that processor model always lacks."""
    said = [(tmp / name).read_text(errors="replace") for name in ("qemu.log", "console")
            if (tmp / name).exists()]
    return "".join(line for line in "".join(said).splitlines(True) if "TCG doesn't support" not in line)


def _to_stdout(data):
    sys.stdout.buffer.write(data)
    sys.stdout.flush()


def run(command, *, share=None, memory_mib=2048, cpus=2, timeout_s=600, console=False,
        environment=(), show=_to_stdout):
    """Run a command (a list, or a line for the shell) in L1; -> its exit status."""
    vmlinuz, folder, release = kernel()
    with tempfile.TemporaryDirectory(prefix="strata-nested-") as tmp, _Processes() as processes:
        tmp = Path(tmp)
        share = Path(share or tmp / "share")
        share.mkdir(exist_ok=True)
        status = share / ".nested-status"
        status.unlink(missing_ok=True)
        line = command if isinstance(command, str) else shlex.join(map(str, command))
        (share / ".nested-command").write_text(line + "\n")
        (share / ".nested-main").write_text(
            MAIN.replace("@FOLDER@", shlex.quote(os.getcwd())).replace(
                "@ENVIRONMENT@", " ".join(f"{n}={shlex.quote(str(v))}" for n, v in environment)))
        (tmp / "initrd").write_bytes(_initramfs(folder, release))
        (tmp / "words").touch()
        argv = _qemu(tmp, memory_mib, cpus, vmlinuz)
        argv += _share(processes, tmp, "host", "/", "always")
        argv += _share(processes, tmp, "share", share, "auto")
        end = time.monotonic() + timeout_s
        process = processes.start(argv, tmp / "qemu.log")
        in_time = _follow(process, tmp / "words", end, show)
        if status.exists() and in_time and not console:
            return int(status.read_text())
        show(_told(tmp).encode())
        if not in_time:
            show(f"nested: not done after {timeout_s} s\n".encode())
            return TIMED_OUT
        return int(status.read_text()) if status.exists() else NO_STATUS


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--memory", type=int, default=2048, metavar="MIB")
    parser.add_argument("--cpus", type=int, default=2)
    parser.add_argument("--timeout", type=int, default=600, metavar="SECONDS")
    parser.add_argument("--share", type=Path)
    parser.add_argument("--console", action="store_true",
                        help="show what the emulator and the kernel have said, at the end")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    args = parser.parse_args()
    words = args.command[1:] if args.command[:1] == ["--"] else args.command
    if not words:
        parser.error("no command")
    return run(words[0] if len(words) == 1 else words, share=args.share, memory_mib=args.memory,
               cpus=args.cpus, timeout_s=args.timeout, console=args.console)


if __name__ == "__main__":
    sys.exit(main())
