# SPDX-License-Identifier: Apache-2.0
"""compiler.py - Debian's gcc for riscv64 and a small project, to be compiled in a machine.

The packages are those that gcc and libc6-dev depend on, unpacked without what compiling C does not
need, and kept in the cache of the tests. The project is bench/programs: each file is compiled and
linked by itself, as make would do it.
"""

import fcntl
import shutil
import subprocess
import tempfile

from foreign import FLAGS
from lib import TOP

import debs  # found where lib.py looks

CPU, SUITE = "riscv64", "trixie"
PACKAGES = ["gcc", "libc6-dev"]
OF = ("binutils", "cpp", "gcc", "lib", "linux-libc-dev", "zlib1g")  # how names begin of what is unpacked
LEFT_OUT = ("*san.a", "*san*.so*", "*san_preinit.o", "libc.a", "libm-*.a", "libcrypto*", "*/gp-*",
            "*/libgomp.a", "*/plugin", "*/lto1", "*/lto-wrapper", "*lto-dump*", "usr/share", "etc",
            "*gprof*", "*gcov*", "*/gconv", "usr/lib/systemd", "*/perl-base", "var", "usr/sbin")
SCRIPT = """set -e
cd /tmp
for source in /project/*.c; do
  name=${source##*/}; name=${name%.c}
  gcc FLAGS -c $source -o $name.o
  gcc FLAGS $name.o -o $name -lm
done
md5sum *.o
"""


def _unpack(folder):
    with tempfile.TemporaryDirectory(dir=debs.CACHE) as tmp:
        apt = debs.Apt(tmp, CPU, SUITE)
        for deb in apt.packages(PACKAGES):
            if deb.name.startswith(OF):
                subprocess.run(["dpkg-deb", "-x", deb, folder], check=True)
    for pattern in LEFT_OUT:
        for path in list(folder.glob(pattern if "/" in pattern and pattern[0] != "*"
                                     else f"**/{pattern.removeprefix('*/')}")):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
    for first in ("bin", "lib"):  # packages of before /usr was merged
        if (folder / first).is_dir():
            shutil.copytree(folder / first, folder / "usr" / first, symlinks=True,
                            dirs_exist_ok=True)
            shutil.rmtree(folder / first)


def root():
    """A folder in the cache."""
    folder, key = debs.CACHE / f"compiler-{CPU}", repr((SUITE, PACKAGES, OF, LEFT_OUT))
    debs.CACHE.mkdir(parents=True, exist_ok=True)
    with open(debs.CACHE / f"compiler-{CPU}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        stamp = folder / "complete"
        if not stamp.exists() or stamp.read_text() != key:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            _unpack(folder)
            stamp.write_text(key)
    return folder


def install(target):
    """Into the root folder of a machine, whose /bin has no more than a busybox."""
    shutil.copytree(root() / "usr", target / "usr", symlinks=True)
    (target / "lib").symlink_to("usr/lib")
    (target / "project").mkdir()
    for path in [*TOP.glob("bench/programs/*.c"), *TOP.glob("bench/programs/*.h")]:
        shutil.copy(path, target / "project")
    (target / "compile.sh").write_text(SCRIPT.replace("FLAGS", " ".join(
        flag for flag in FLAGS if flag != "-static")))
