# SPDX-License-Identifier: Apache-2.0
"""test_apparmor.py - profiles, where the kernel has AppArmor: in this machine only."""

from test_runtime import rootfs, runtime  # noqa: F401 (fixtures)
from test_runtime_process import make

UNKNOWN = 'cannot use the profile "strata-test-missing" (is it loaded?)'


def test_a_profile_is_used(runtime, rootfs):  # noqa: F811
    bundle = make(runtime, rootfs, "cat", "/proc/self/attr/current", apparmorProfile="unconfined")
    assert runtime("run", "--bundle", bundle.path, runtime.new_id()).stdout == "unconfined\n"


def test_an_unknown_profile_is_refused(runtime, rootfs):  # noqa: F811
    bundle = make(runtime, rootfs, "true", apparmorProfile="strata-test-missing")
    assert UNKNOWN in runtime.fail("run", "--bundle", bundle.path, runtime.new_id())
    name = runtime.new_id()
    runtime("create", "--bundle", bundle.path, name)
    assert UNKNOWN in runtime.fail("start", name)
    runtime("delete", "--force", name)
