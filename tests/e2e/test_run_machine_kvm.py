# SPDX-License-Identifier: Apache-2.0
"""`run --isolation vm` for this host's own CPU, as far as no Linux is booted: what is said where there
is no KVM, and what happens then. Linux in such machines is run by tests/vm/kvm."""

import os
import subprocess
from pathlib import Path

import pytest


def has_virtualization():
    return bool({"vmx", "svm"} & set(Path("/proc/cpuinfo").read_text().split()))


def with_kvm(strata, node, *args, user=()):
    """strata with a /dev of its own, in which `node` makes a /dev/kvm."""
    script = ("mount -t tmpfs -o mode=755 none /dev && for n in null:3 zero:5 urandom:9; do "
              f"mknod -m 666 /dev/${{n%:*}} c 1 ${{n#*:}}; done; {node}; exec \"$@\"")
    return subprocess.run(["unshare", "-m", "--propagation", "private", "sh", "-c", script, "sh", *user,
                           *strata.argv(*args)], env=strata.env(None), stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)


RUN = ("run", "--rm", "--isolation", "vm")
NATIVE = (*RUN, "--platform", "linux/amd64", "busybox", "true")
WRONG = [
    ("true", (), "/dev/kvm is not there: "),
    ("mknod -m 600 /dev/kvm c 10 232", ("setpriv", "--reuid=65534", "--clear-groups"),
     "no right to open /dev/kvm: the group that owns it has that right"),
    ("ln -s null /dev/kvm", (), "what is at /dev/kvm is no KVM"),
]


@pytest.mark.parametrize("node, user, why", WRONG, ids=["none", "right", "other"])
def test_what_is_missing_is_said(strata, node, user, why):
    done = with_kvm(strata, node, *NATIVE, user=user)
    assert done.returncode == 125 and done.stderr.count("\n") == 1, done.stderr
    assert f"a machine of linux/amd64 needs KVM, and {why}" in done.stderr
    assert "; containers work without, and emulated machines (--platform linux/riscv64)\n" in done.stderr


def test_kvm_in_software_is_told(strata):
    if has_virtualization() or not os.path.exists("/dev/kvm"):
        pytest.skip("this host's processor has virtualization, or no /dev/kvm")
    strata.fails(*NATIVE, status=125, saying="/dev/kvm is a KVM in software, which boots no ordinary Linux")


def test_without_kvm_the_machine_is_emulated(strata, both_image):
    """There is no kernel for it here, which is said next."""
    done = with_kvm(strata, "true", *RUN, both_image, "true")
    first, second = done.stderr.splitlines()
    assert "running linux/riscv64, emulated: /dev/kvm is not there" in first
    assert "there is no kernel for machines of linux/riscv64" in second and done.returncode == 125


def test_image_for_the_other_cpu_alone_needs_no_words(strata, foreign_image):
    done = with_kvm(strata, "true", *RUN, foreign_image, "true")
    assert done.stderr.startswith("strata: there is no kernel for machines of linux/riscv64"), done.stderr


def test_cpu_without_machines(strata, both_image):
    strata.fails(*RUN, "--platform", "linux/s390x", both_image, "true", status=125,
                 saying="has machines for linux/amd64 and linux/riscv64 only")
