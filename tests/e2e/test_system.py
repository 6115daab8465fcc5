# SPDX-License-Identifier: Apache-2.0
"""test_system.py - `system df` and `system prune`: what takes room, and that what nobody uses goes."""

import json

from conftest import wait_until
from test_translate_saved import maker_pids

NONE = ("--network", "none")
FIELDS = "Type|TotalCount|Active|Size|Reclaimable".split("|")


def usage(box):
    """{kind: (total, active, size, reclaimable)}"""
    rows = [json.loads(line) for line in box.ok("system", "df", "--format", "json").splitlines()]
    assert all(list(row) == FIELDS for row in rows)
    return {row["Type"]: tuple(row[f] for f in FIELDS[1:]) for row in rows}


def test_nothing_takes_nothing(strata):
    nothing = ("0", "0", "0B", "0B")
    assert usage(strata) == dict.fromkeys(
        ("Images", "Containers", "Local Volumes", "Translations", "Machines"), nothing)
    assert strata.ok("system", "prune", "-f").strip() == "Total reclaimed space: 0B"


def test_columns(strata):
    head, *rows = strata.ok("system", "df").splitlines()
    assert head.split() == ["TYPE", "TOTAL", "ACTIVE", "SIZE", "RECLAIMABLE"]
    assert len(rows) == 5


def test_what_is_used_is_not_reclaimable(strata, busybox_image):
    image = usage(strata)["Images"]
    assert image[:2] == ("1", "0") and image[3] == f"{image[2]} (100%)"
    strata.ok("tag", "busybox", "other")
    strata.ok("run", "-d", "--name", "box", *NONE, "-v", "data:/data", "busybox", "sh", "-c",
              "head -c 5000 /dev/zero > /data/x; head -c 3000 /dev/zero > /y; sleep 1000")
    wait_until(lambda: usage(strata)["Containers"][2] == "3kB", what="what it has written")
    used = usage(strata)
    assert used["Images"] == ("1", "1", image[2], "0B (0%)")
    assert used["Containers"] == ("1", "1", "3kB", "0B (0%)")
    assert used["Local Volumes"] == ("1", "1", "5kB", "0B (0%)")
    strata.ok("kill", "box")
    assert usage(strata)["Containers"] == ("1", "0", "3kB", "3kB (100%)")
    strata.ok("rm", "box")
    assert usage(strata)["Local Volumes"] == ("1", "0", "5kB", "5kB (100%)")
    assert usage(strata)["Images"] == image  # `df` has removed nothing


def test_what_df_says_is_what_prune_frees(strata, busybox_image):
    said = usage(strata)["Images"][2]
    out = strata.ok("system", "prune", "-af")
    assert "Deleted Images:\nuntagged: busybox:latest\n" in out
    assert out.endswith(f"Total reclaimed space: {said}")
    assert usage(strata)["Images"] == ("0", "0", "0B", "0B")


def test_prune_asks(strata, busybox_image):
    strata.ok("create", "--name", "box", "busybox", "true")
    done = strata("system", "prune", "--volumes", input="n\n")
    assert done.returncode == 1
    for what in ("stopped instances", "anonymous volumes", "without a name", "translations"):
        assert what in done.stdout
    assert usage(strata)["Containers"][0] == "1"
    assert strata.ok("system", "prune", input="y\n").count("Deleted Containers:") == 1
    after = usage(strata)
    assert after["Containers"][0] == "0" and after["Images"][0] == "1"


def test_volumes_go_when_asked(strata, busybox_image):
    strata.ok("run", "--name", "box", *NONE, "-v", "/anonymous", "-v", "named:/n", "busybox", "true")
    strata.ok("system", "prune", "-f")
    assert usage(strata)["Local Volumes"][0] == "2"
    assert "Deleted Volumes:" in strata.ok("system", "prune", "-f", "--volumes")
    assert strata.ok("volume", "ls", "-q") == "named"


def test_what_runs_stays(strata, busybox_image):
    strata.ok("run", "-d", "--name", "box", *NONE, "busybox", "sleep", "1000")
    strata.ok("system", "prune", "-af")
    assert strata.ok("exec", "box", "echo", "there") == "there"
    assert usage(strata)["Images"][:2] == ("1", "1")


def test_translations(strata, foreign_image):
    folder = strata.root / "translations/code"

    def run():
        strata.ok("run", "--rm", *NONE, "busybox", "sh", "-c", 'i=0; while [ $i -lt 50 ]; do '
                  'i=$((i + 1)); done; printf "%s %d\\n" done $i')

    run()
    wait_until(lambda: usage(strata)["Translations"][0] == "1" and not maker_pids(folder), 60,
               what="kept code")
    bytes_ = next(folder.iterdir()).stat().st_size
    total, active, size, reclaimable = usage(strata)["Translations"]
    assert active == "0" and reclaimable == f"{size} (100%)" and bytes_ > 10000
    unfinished = folder / "new.1.1-1-1-1.1-1.1-1-1"
    unfinished.write_text("")
    assert "Deleted Translations:\n1 files" in strata.ok("system", "prune", "-f")
    assert list(folder.iterdir()) == [unfinished]
    run()
    wait_until(lambda: usage(strata)["Translations"][0] == "1" and not maker_pids(folder), 60,
               what="kept code")
