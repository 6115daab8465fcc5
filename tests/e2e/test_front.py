# SPDX-License-Identifier: Apache-2.0
"""test_front.py - the command line itself: help, completion, the man page, what is printed where."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]


def words_of_help(strata):
    """Every verb that `strata --help` shows."""
    verbs = []
    for line in strata.ok("--help").splitlines():
        # Rows are indented by two; options begin with a dash.
        if line.startswith("  ") and not line.lstrip().startswith("-"):
            verbs.append(line.strip().split("   ")[0].strip())
    return verbs


def complete(strata, *words):
    return strata.ok("__complete", "--", *words).split()


def complete_in_bash(strata, line):
    """What the installed script offers for a line that ends at the cursor."""
    script = f"""
source {TOP}/completions/strata.bash
COMP_LINE={line!r}
# As readline splits: at blanks, and at = and : which are words of their own.
read -ra COMP_WORDS <<<"$(sed 's/[=:]/ & /g' <<<"$COMP_LINE")"
[[ $COMP_LINE == *' ' ]] && COMP_WORDS+=('')
COMP_WORDS[0]={strata.argv()[0]}
COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
_strata
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=60,
                          env=strata.env({"STRATA_ROOT": str(strata.root)}))
    assert done.stderr == ""
    return done.stdout.split("\n")[:-1]


def test_every_verb_explains_itself(strata):
    verbs = words_of_help(strata)
    assert {"run", "create", "start", "exec", "attach", "cp", "update", "images"} <= set(verbs)
    for verb in verbs:
        text = strata.ok(*verb.split(), "--help")
        if verb == "runtime":  # a command line of its own
            assert text.startswith("Usage:  strata-runtime ")
            continue
        assert text.startswith(f"Usage:  strata {verb}"), verb
        assert len(text.splitlines()) >= 3, verb
        assert strata.ok("help", *verb.split()) == text


def test_a_group_lists_its_verbs(strata):
    assert "image inspect" in strata.ok("image", "--help")
    assert "image inspect" in strata("image").stdout
    assert strata("image").returncode == 1


def test_without_a_verb_there_is_help(strata):
    done = strata()
    assert done.returncode == 1 and done.stdout.startswith("Usage:  strata")


@pytest.mark.parametrize("typed, meant", [("rnu", None), ("runn", "run"), ("imags", "images"),
                                          ("image inspct", "image inspect")])
def test_unknown_verbs_are_guessed(strata, typed, meant):
    done = strata.fails(*typed.split(), status=1)
    assert typed in done.stderr
    assert meant is None or f'did you mean "{meant}"?' in done.stderr


def test_errors_go_to_stderr_with_their_status(strata):
    done = strata.fails("images", "--nope", status=1, saying="unknown flag: --nope")
    assert done.stdout == "" and done.stderr.startswith("strata: ")
    strata.fails("run", status=125, saying='"run" requires at least 1 argument')
    strata.fails("exec", "x", status=125, saying="requires at least 2 arguments")
    strata.fails("update", "x", status=1, saying="you must provide one or more flags")


def test_a_full_disk_is_no_success(strata):
    if not os.path.exists("/dev/full"):
        pytest.skip("this host has no /dev/full")
    with open("/dev/full", "w") as full:
        done = subprocess.run(strata.argv("--help"), stdout=full, stderr=subprocess.PIPE, text=True,
                              timeout=60)
    assert done.returncode == 1 and "standard output" in done.stderr


def test_version(strata):
    assert strata.ok("--version").split()[:2] == ["strata", "version"]


def test_the_helper_is_part_of_the_program(strata):
    assert strata.ok("import", "--help").startswith("Usage:  strata import")
    assert "--platform" in complete(strata, "import", "--pl")


def test_completion_offers_what_there_is(strata, busybox_image):
    assert "run" in complete(strata, "ru")
    assert complete(strata, "run", "--pull", "") == ["always", "missing", "never"]
    assert complete(strata, "run", "--pull=m") == ["--pull=missing"]
    assert complete(strata, "run", "busy") == ["busybox:latest"]
    assert complete(strata, "run", "busybox", "") == []
    assert "inspect" in complete(strata, "image", "")
    assert complete(strata, "run", "--env-file", "") == [":file"]


def test_completion_of_instances(strata, busybox_image):
    strata.ok("create", "--name", "one", "busybox", "true")
    assert complete(strata, "start", "") == ["one"]
    assert complete(strata, "exec", "") == []
    assert complete(strata, "start", "x") == []
    assert complete(strata, "run", "--pid", "c") == []
    strata.ok("run", "-d", "--name", "two", "busybox", "sleep", "100")
    assert complete(strata, "run", "--network", "") == ["container:two", "none", "host", "bridge"]
    assert complete(strata, "run", "--ipc=s") == ["--ipc=shareable"]
    assert complete_in_bash(strata, "strata run --pid=container:t") == ["two"]
    assert complete_in_bash(strata, "strata run --pid container:t") == ["two"]
    # What is offered is not all that is accepted, except where there is nothing else.
    strata.ok("run", "--rm", "--pid", "container:two", "busybox", "true")
    strata.fails("run", "--uts", "container:two", "busybox", status=125, saying="must be one of")


def test_completion_in_bash(strata, busybox_image, tmp_path):
    assert complete_in_bash(strata, "strata ren") == ["rename"]
    assert complete_in_bash(strata, "strata run --pull=a") == ["always"]
    assert complete_in_bash(strata, "strata run busybox:l") == ["latest"]
    (tmp_path / "some file").touch()
    assert complete_in_bash(strata, f"strata run --env-file {tmp_path}/so") == \
        [f"{tmp_path}/some file"]
    assert strata.ok("completion", "bash") == (TOP / "completions/strata.bash").read_text().strip()
    strata.fails("completion", "zsh", status=1, saying="zsh")


def test_man_page(strata):
    page = strata.ok("__man", TOP / "docs/man/strata.1.in")
    for verb in words_of_help(strata):
        assert f".SS strata {verb} " in page, verb
    if not shutil.which("groff"):
        pytest.skip("groff is not installed: the page is not typeset")
    done = subprocess.run(["groff", "-man", "-Tutf8", "-ww", "-z"], input=page, text=True,
                          capture_output=True, timeout=60)
    assert done.returncode == 0 and done.stderr == ""


def test_formats(strata, busybox_image):
    rows = strata.ok("images", "--format", "json").splitlines()
    assert [json.loads(row)["Repository"] for row in rows] == ["busybox"]
    assert strata.ok("images", "--format", "{{.Repository}}\\t{{.Tag}}") == "busybox\tlatest"
    assert strata.ok("images", "--format", "table {{.Tag}}").split() == ["TAG", "latest"]
    strata.fails("images", "--format", "{{.Nope}}", status=1, saying="no field .Nope")
    strata.fails("images", "--format", "{{range .}}{{end}}", status=1, saying="range")


def test_relative_root(strata, busybox_image, tmp_path):
    done = subprocess.run([strata.argv()[0], "--root", strata.root.name, "images", "-q"],
                          cwd=strata.root.parent, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and len(done.stdout.split()) == 1
