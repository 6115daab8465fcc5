# SPDX-License-Identifier: Apache-2.0
"""test_protect.py - what enters a container that runs cannot be overwritten from inside."""

import contextlib
import errno
import os

import pytest

from conftest import wait_until

SCRIPT = "touch /tmp/here; sleep 1000"


@contextlib.contextmanager
def program_of_exec(strata, image):
    """A descriptor of the program that is in the middle of an exec, and nothing that runs it."""
    strata.ok("run", "-d", "--name", "box", image, "sleep", "1000")
    process = strata.popen("exec", "box", "sh", "-c", SCRIPT)
    wait_until(lambda: "here" in strata("exec", "box", "ls", "/tmp").stdout)
    fd = os.open(f"/proc/{process.pid}/exe", os.O_PATH)
    process.kill()
    process.wait()
    strata.ok("rm", "-f", "box")
    yield fd
    os.close(fd)


def assert_sealed(fd):
    """It is a copy in memory that even root does not write to."""
    assert os.readlink(f"/proc/self/fd/{fd}").startswith("/memfd:strata")
    with pytest.raises(OSError) as refused:
        os.write(os.open(f"/proc/self/fd/{fd}", os.O_WRONLY), b"x")
    assert refused.value.errno == errno.EPERM


@pytest.mark.needs_root
def test_the_program_of_exec_cannot_be_written(strata, busybox_image):
    with program_of_exec(strata, busybox_image) as fd:
        assert_sealed(fd)


def test_a_users_own_program_is_executed_from_memory(rootless, tmp_path):
    """Root of the containers of a user is the user, who may write the file of their program."""
    program = rootless.argv()[0]
    os.chown(program, rootless.user.uid, -1)
    try:
        with program_of_exec(rootless, "busybox") as fd:
            assert_sealed(fd)
    finally:
        os.chown(program, 0, -1)
