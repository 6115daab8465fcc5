# SPDX-License-Identifier: Apache-2.0
"""`compare`: the same command in every way this host allows, measured."""

import json
import os
import platform
import re
import signal
import xml.etree.ElementTree as xml

import pytest
from conftest import wait_until

SVG = "{http://www.w3.org/2000/svg}"
MACHINE_S = 300


def compared(strata, *args, timeout=120):
    """The rows, by the names of the ways."""
    rows = map(json.loads, strata.ok("compare", "-n", "1", "--format", "json", *args,
                                     timeout=timeout).splitlines())
    return {row["Way"]: row for row in rows}


def is_measured(row, cpu):
    assert row["Reason"] == "" and row["CPU"] == cpu and row["ExitCode"] == 0
    assert 0 < row["FirstOutputMs"] <= row["EndMs"]
    for measure in ("MemoryBytes", "Integer", "Float", "CallsPerSecond"):
        assert row[measure] > 0, measure
    return True


def test_containers_and_translated_programs(strata, both_image):
    rows = compared(strata, both_image, "echo", "hello")
    assert list(rows) == ["container", "translated", "virtual machine", "emulated machine"]
    container, translated = rows["container"], rows["translated"]
    assert is_measured(container, platform.machine()) and is_measured(translated, "riscv64")
    for row in container, translated:
        assert row["Kernel"] == os.uname().release and row["Lost"] == "the host"
        assert row["Processes"] == 2  # the one that waits, and the one that counts
        assert "DiskWriteBytes" not in row and row["DiskWrite"] == ""
    assert container["MemoryBytes"] < translated["MemoryBytes"] < 16 << 20
    assert container["Platform"] != translated["Platform"] == "linux/riscv64"
    # No kernel for machines is in this store.
    assert "there is no kernel for machines" in rows["emulated machine"]["Reason"]
    assert "Integer" not in rows["emulated machine"]


def test_a_table_for_people(strata, both_image):
    lines = strata.ok("compare", "-n", "2", both_image, "--", "echo", "hello").splitlines()
    head = re.split(r"  +", lines[0])
    assert head == ["WAY", "CPU", "KERNEL", "FIRST OUTPUT", "END", "MEMORY", "INTEGER", "FLOAT",
                    "CALLS/S", "PROCESSES", "A CRASH TAKES"]
    row = dict(zip(head, re.split(r"  +", lines[1])))
    assert row["WAY"] == "container" and row["A CRASH TAKES"] == "the host"
    assert re.fullmatch(r"[0-9.]+ (ms|s)", row["FIRST OUTPUT"])
    assert re.fullmatch(r"[0-9.]+ MiB", row["MEMORY"])
    assert lines[2].startswith("translated ")
    assert lines[-1].startswith("emulated machine: not here: ")


def test_disk_network_and_a_picture(strata, both_image, tmp_path):
    picture = tmp_path / "bars.svg"
    lines = strata.ok("compare", "-n", "1", "--disk", "--net", "--svg", picture, both_image,
                      "echo", "<&>").splitlines()
    head = re.split(r"  +", lines[0])
    assert {"DISK WRITE", "DISK READ", "NET SEND", "NET RECEIVE"} < set(head)
    assert len(re.findall(r"[0-9]+ MB/s", lines[1])) == 4
    root = xml.parse(picture).getroot()
    assert root.tag == SVG + "svg"
    texts = [text.text for text in root.iter(SVG + "text")]
    assert texts[0] == f"strata compare {both_image} echo <&>"
    groups = [text for text in root.iter(SVG + "text") if text.get("class") == "group"]
    bars = [rect for rect in root.iter(SVG + "rect") if rect.get("rx")]
    assert len(groups) == 9 and len(bars) == 9 * 2
    assert texts.count("container") == 9 == texts.count("translated")


def test_commands_that_fail_or_do_not_end(strata, both_image):
    lines = strata.ok("compare", "-n", "1", both_image, "sh", "-c", "exit 3").splitlines()
    assert "EXIT CODE" in lines[0] and re.search(r"  3  ", lines[1])
    for row in list(compared(strata, both_image, "sh", "-c", "echo on; sleep 1000").values())[:2]:
        assert row["FirstOutputMs"] > 0 and row["End"] == "-" and "EndMs" not in row
    done = strata("compare", "-n", "1", "--timeout", "1s", both_image, "sleep", "1000")
    assert done.returncode == 1
    assert done.stdout.startswith("container: not here: the command neither printed anything nor ")
    done = strata("compare", "-n", "1", both_image, "no-such-command")
    assert done.returncode == 1
    assert 'container: not here: exec: "no-such-command": executable file not found' in done.stdout


@pytest.mark.parametrize("args, saying", [
    (["-n", "0", "busybox"], "--rounds must be from 1 to 1000"),
    (["--timeout", "0s", "busybox"], "--timeout must be more than nothing"),
    (["--format", "{{.Colour}}", "busybox"], "there is no field .Colour here"),
    (["--svg", "/no/such/folder/x.svg", "busybox", "true"], "/no/such/folder"),
    ([], "requires at least 1 argument"),
])
def test_wrong_input(strata, busybox_image, args, saying):
    strata.fails("compare", *args, status=1, saying=saying)


def test_an_interrupt_leaves_nothing(strata, both_image):
    process = strata.popen("compare", both_image, "sleep", "1000")
    wait_until(lambda: strata.ok("ps", "-q"))
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1 and "interrupted" in said
    assert strata.ok("ps", "-aq") == ""


def test_it_shows_how_far_it_is(strata, both_image):
    terminal = strata.terminal("compare", "-n", "1", both_image, "true", columns=160)
    terminal.expect("container: start 1 of 1")
    terminal.expect("translated: memory")
    terminal.expect("WAY .*container")
    assert terminal.wait() == 0


def test_rootless(rootless_foreign):
    row = compared(rootless_foreign, "busybox", "true")["translated"]
    assert row["Reason"] == "" and row["MemoryBytes"] > 0


@pytest.mark.slow
def test_an_emulated_machine(strata, machine_image):
    row = compared(strata, "--disk", "--net", machine_image, "echo", "hello",
                   timeout=MACHINE_S)["emulated machine"]
    assert is_measured(row, "riscv64")
    assert row["Kernel"] != os.uname().release and row["Lost"] == "the instance"
    for measure in ("DiskWriteBytes", "DiskReadBytes", "NetSendBytes", "NetReceiveBytes"):
        assert row[measure] > 0, measure
