# SPDX-License-Identifier: Apache-2.0
"""test_boot.py - what comes back after a reboot."""

from pathlib import Path

import pytest


def test_ask_for_a_reboot():
    Path("/strata/want-reboot").touch()


@pytest.mark.after_boot
def test_this_is_another_boot():
    assert Path("/strata/boot").read_text().strip() == "2"
