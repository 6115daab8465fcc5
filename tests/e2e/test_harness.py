# SPDX-License-Identifier: Apache-2.0
"""test_harness.py - the fixtures themselves: an image made by hand is one for skopeo too."""

import json
import subprocess

from conftest import Terminal


def test_busybox_layout_is_an_image_for_skopeo(busybox_layout):
    done = subprocess.run(["skopeo", "inspect", f"oci:{busybox_layout}:busybox:latest"],
                          stdout=subprocess.PIPE, check=True)
    assert json.loads(done.stdout)["Architecture"] == "amd64"


def test_terminal_sees_what_a_person_types():
    terminal = Terminal(["/bin/sh", "-c", "stty size; read x; echo got $x; exit 3"])
    try:
        terminal.expect("24 80")
        terminal.line("word")
        terminal.expect("got word")
        assert terminal.wait() == 3
    finally:
        terminal.close()
