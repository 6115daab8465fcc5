# SPDX-License-Identifier: Apache-2.0
"""Images to and from registries: Debian's docker-registry and skopeo, and a registry that lies."""

import base64
import gzip
import json
import os
import random
import re
import stat
import subprocess
import threading
import time
from pathlib import Path

import oci
import pytest
from conftest import wait_until
from registry import CuttingProxy, DockerRegistry, FaultyRegistry, free_port, run


def noise(size, seed=1):
    return random.Random(seed).randbytes(size)


@pytest.fixture(scope="module")
def layout(tmp_path_factory):
    """Three layers, of which one is large and does not compress; two platforms under "multi"."""
    made = oci.Layout(tmp_path_factory.mktemp("layout"))
    base = oci.Tar().dir("etc").file("etc/hello", "hello\n").link("etc/link", "hello").bytes()
    big = oci.Tar().file("big", noise(6 << 20)).bytes()
    top = oci.Tar().file("etc/.wh.hello").file("top", "top\n").bytes()
    amd64 = made.manifest([base, big, top], {"Cmd": ["/bin/sh"]})
    riscv64 = made.manifest([base, top], {"Cmd": ["/bin/sh"]}, arch="riscv64")
    made.name(amd64, "app")
    made.name(made.manifest([base], {}, compression="zstd"), "zstd")
    made.name(riscv64, "riscv")
    made.name(made.index([amd64, riscv64]), "multi")
    return made


@pytest.fixture(scope="module")
def plain(tmp_path_factory, layout):
    with DockerRegistry(tmp_path_factory.mktemp("plain")) as registry:
        registry.fill(layout, "app", "team/app:1")
        registry.fill(layout, "multi", "team/multi:1", "--all")
        yield registry


@pytest.fixture(scope="module")
def secured(tmp_path_factory, layout):
    with DockerRegistry(tmp_path_factory.mktemp("tls"), tls=True,
                        users={"alice": "wonder land:1"}) as registry:
        registry.fill(layout, "app", "private/app:1")
        yield registry


def blobs(strata):
    folder = strata.root / "images/blobs/sha256"
    return {p.name for p in folder.iterdir()} if folder.is_dir() else set()


def check_store(strata):
    """Every blob is what its name says, and nothing is half done below layers/."""
    for path in (strata.root / "images/blobs/sha256").iterdir():
        if not path.name.startswith("."):
            assert oci.sha256(path.read_bytes()) == "sha256:" + path.name
    assert not [p.name for p in (strata.root / "layers").iterdir() if p.name.startswith(".tmp")]


def no_name(strata, name):
    assert name not in (strata.root / "images/index.json").read_text()


def digest_line(text):
    return re.search(r"^Digest: (sha256:[0-9a-f]{64})$", text, re.M)[1]


# --- the real registry -----------------------------------------------------------------------


def test_pull_says_what_docker_says(strata, plain, layout):
    name = f"{plain.name}/team/app:1"
    first = strata("pull", name, check=0)
    assert first.stdout.splitlines()[0] == "1: Pulling from team/app"
    assert f"Status: Downloaded newer image for {name}" in first.stdout
    assert first.stdout.splitlines()[-1] == name
    assert first.stderr.count("Pull complete") == 3
    assert digest_line(first.stdout) == oci.sha256(plain.raw("team/app:1"))
    again = strata("pull", name, check=0)
    assert f"Status: Image is up to date for {name}" in again.stdout
    assert again.stderr.count("Already exists") == 3
    assert strata.ok("pull", "-q", name) == name
    check_store(strata)


def test_pulled_content_is_the_image(strata, plain, tmp_path):
    strata.ok("pull", "-q", f"{plain.name}/team/app:1")
    run("skopeo", "copy", "-q", f"oci:{strata.root}/images:{plain.name}/team/app:1",
        f"dir:{tmp_path}/out")
    assert (tmp_path / "out/manifest.json").read_bytes() == plain.raw("team/app:1")
    layers = [p for p in (strata.root / "layers").iterdir() if (p / "big").exists() or
              any(p.rglob("big"))]
    big = next(iter(layers[0].rglob("big")))
    assert big.read_bytes() == noise(6 << 20)


def test_unqualified_tag_is_latest_and_missing_ones_are_told(strata, plain):
    strata.fails("pull", f"{plain.name}/team/app", saying="team/app:latest|does not have it")
    strata.fails("pull", f"{plain.name}/team/nothing:1", saying="does not have it")


def test_pull_by_digest(strata, plain):
    digest = oci.sha256(plain.raw("team/app:1"))
    name = f"{plain.name}/team/app@{digest}"
    assert digest in strata.ok("pull", name)
    strata.fails("pull", f"{plain.name}/team/app@sha256:{'0' * 64}", saying="does not have it")


def test_pull_chooses_the_platform(strata, plain):
    name = f"{plain.name}/team/multi:1"
    strata.ok("pull", "-q", "--platform", "linux/riscv64", name)
    stored = blobs(strata)
    index = json.loads(plain.raw("team/multi:1"))
    by_arch = {m["platform"]["architecture"]: m["digest"].split(":")[1] for m in index["manifests"]}
    assert by_arch["riscv64"] in stored and by_arch["amd64"] not in stored
    strata.ok("pull", "-q", "--all-platforms", name)
    assert by_arch["amd64"] in blobs(strata)
    strata.fails("pull", "--platform", "linux/s390x", name,
                 saying="no image for linux/s390x; it has linux/amd64, linux/riscv64")
    strata.fails("pull", "--platform", "linux/s390x", f"{plain.name}/team/app:1",
                 saying="is an image for linux/amd64")


def unsynced(strata):
    return {p.name for p in (strata.root / "layers").iterdir() if p.name.startswith(".unsynced-")}


def grow_old(strata):
    for name in unsynced(strata):
        os.utime(strata.root / "layers" / name, (1e9, 1e9), follow_symlinks=False)


@pytest.mark.needs_root
def test_layers_are_settled_by_later_pulls_and_by_boot(strata, plain):
    strata.ok("pull", "-q", f"{plain.name}/team/multi:1")
    first = unsynced(strata)
    assert first, "a fresh layer is not synced at once"
    strata.ok("boot")
    assert unsynced(strata) == first, "the kernel has not had its time yet"
    grow_old(strata)
    strata.ok("pull", "-q", "--platform", "linux/riscv64", f"{plain.name}/team/multi:1")
    assert not unsynced(strata) & first
    strata.ok("rmi", "-f", f"{plain.name}/team/multi:1")
    strata.ok("pull", "-q", f"{plain.name}/team/app:1")
    grow_old(strata)
    assert unsynced(strata)
    strata.ok("boot")
    assert not unsynced(strata)


@pytest.mark.needs_root
def test_run_pulls_the_platform_that_is_missing(strata, plain):
    name = f"{plain.name}/team/multi:1"
    strata.ok("pull", "-q", "--platform", "linux/riscv64", name)
    done = strata("create", "--name", "other", "--platform", "linux/amd64", name, "true", check=0)
    assert "not stored for linux/amd64, only for linux/riscv64" in done.stderr
    assert strata.inspect("other")["Strata"]["Platform"] == "linux/amd64"
    # Both are there now, and nobody is asked again.
    done = strata("create", "--platform", "linux/riscv64", name, "true", check=0)
    assert "Unable" not in done.stderr
    strata.fails("create", "--platform", "linux/s390x", "--pull", "never", name, "true",
                 saying="not stored for linux/s390x, only for")
    # An ID is nothing to ask a registry for.
    identity = strata.inspect("other")["Image"].split(":")[1]
    done = strata.fails("create", "--platform", "linux/s390x", identity, "true",
                        saying="not stored for linux/s390x")
    assert "Unable" not in done.stderr


def test_pull_all_tags(strata, plain, layout):
    plain.fill(layout, "app", "team/tags:a")
    plain.fill(layout, "zstd", "team/tags:b")
    strata.ok("pull", "-a", f"{plain.name}/team/tags")
    index = (strata.root / "images/index.json").read_text()
    assert "team/tags:a" in index and "team/tags:b" in index
    strata.fails("pull", "-a", f"{plain.name}/team/tags:a", saying="tag can't be used")


def test_docker_schema_2_is_pulled(strata, plain, layout):
    plain.fill(layout, "app", "team/v2s2:1", "--format", "v2s2")
    assert b"docker.distribution.manifest.v2" in plain.raw("team/v2s2:1")
    strata.ok("pull", "-q", f"{plain.name}/team/v2s2:1")
    check_store(strata)


def test_push_and_read_back(strata, plain, tmp_path):
    strata.ok("pull", "-q", f"{plain.name}/team/app:1")
    strata.ok("tag", f"{plain.name}/team/app:1", f"{plain.name}/copies/app:2")
    pushed = strata("push", f"{plain.name}/copies/app:2", check=0)
    assert plain.raw("copies/app:2") == plain.raw("team/app:1")
    digest = oci.sha256(plain.raw("team/app:1"))
    assert f"2: digest: {digest} size: {len(plain.raw('team/app:1'))}" in pushed.stdout
    assert "Mounted" in pushed.stderr, pushed.stderr
    again = strata("push", f"{plain.name}/copies/app:2", check=0)
    assert "Layer already exists" in again.stderr and "Pushed" not in again.stderr
    run("skopeo", "copy", "-q", "--src-tls-verify=false", f"docker://{plain.name}/copies/app:2",
        f"dir:{tmp_path}/out")


def test_push_to_an_empty_registry_sends_every_platform(strata, plain, tmp_path):
    strata.ok("pull", "-q", "--all-platforms", f"{plain.name}/team/multi:1")
    with DockerRegistry(tmp_path / "other") as other:
        strata.ok("tag", f"{plain.name}/team/multi:1", f"{other.name}/x/multi:1")
        done = strata("push", f"{other.name}/x/multi:1", check=0)
        assert "Pushed" in done.stderr
        assert other.raw("x/multi:1") == plain.raw("team/multi:1")
        run("skopeo", "copy", "-q", "--all", "--src-tls-verify=false",
            f"docker://{other.name}/x/multi:1", f"dir:{tmp_path}/all")


def test_push_of_one_stored_platform_pushes_that(strata, plain, tmp_path):
    strata.ok("pull", "-q", "--platform", "linux/riscv64", f"{plain.name}/team/multi:1")
    with DockerRegistry(tmp_path / "other") as other:
        strata.ok("tag", f"{plain.name}/team/multi:1", f"{other.name}/x/one:1")
        done = strata("push", f"{other.name}/x/one:1", check=0)
        assert "Only one platform" in done.stderr
        assert b"layers" in other.raw("x/one:1")
        strata.fails("push", "--platform", "linux/amd64", f"{other.name}/x/one:1",
                     saying="not stored for the platform linux/amd64")


def test_push_needs_a_name(strata, plain):
    strata.fails("push", f"{plain.name}/no/such:1", saying="no such image")


# --- TLS and logins --------------------------------------------------------------------------


def test_tls_and_htpasswd(strata, secured, tmp_path):
    name, auth = f"{secured.name}/private/app:1", tmp_path / "auth.json"
    strata.fails("pull", name, saying="certificate of 127.0.0.1:[0-9]+ is not trusted")
    ca = ["--tls-ca", secured.ca]
    strata.fails("pull", *ca, name, saying="wants a login")
    login = ["login", *ca, "--authfile", auth, "-u", "alice", "--password-stdin", secured.name]
    strata.fails(*login, input="wrong\n", saying="does not accept the credentials")
    assert not auth.exists()
    assert strata.ok(*login, input="wonder land:1\n") == "Login Succeeded"
    assert stat.S_IMODE(auth.stat().st_mode) == 0o600
    kept = json.loads(auth.read_text())["auths"][secured.name]["auth"]
    assert base64.b64decode(kept) == b"alice:wonder land:1"
    strata.ok("pull", "-q", *ca, "--authfile", auth, name)
    strata.ok("tag", name, f"{secured.name}/private/copy:1")
    strata.ok("push", "-q", "--tls-verify=false", f"{secured.name}/private/copy:1",
              env={"REGISTRY_AUTH_FILE": str(auth)})
    strata.ok("logout", "--authfile", auth, secured.name)
    assert json.loads(auth.read_text())["auths"] == {}
    strata.fails("logout", "--authfile", auth, secured.name, saying="not logged in")
    strata.fails("pull", *ca, "--authfile", auth, name, saying="wants a login")


def test_credentials_of_others_are_used_and_kept(strata, secured):
    """A file that docker wrote, with a helper for another registry and things we do not know."""
    config = Path(strata.env()["HOME"]) / ".docker/config.json"
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text(json.dumps({
        "auths": {f"https://{secured.name}/v1/": {
            "auth": base64.b64encode(b"alice:wonder land:1").decode()}},
        "credHelpers": {"elsewhere.example": "nothere"}, "detachKeys": "ctrl-e"}))
    strata.ok("pull", "-q", "--tls-ca", secured.ca, f"{secured.name}/private/app:1")
    strata.ok("logout", secured.name)
    left = json.loads(config.read_text())
    assert left["detachKeys"] == "ctrl-e" and left["auths"] == {}


def test_certificates_in_dockers_folders(strata, secured):
    folder = Path(strata.env()["HOME"]) / ".docker/certs.d" / secured.name
    folder.mkdir(parents=True)
    (folder / "ca.crt").write_text(secured.ca.read_text())
    strata.fails("pull", f"{secured.name}/private/app:1", saying="wants a login")


def test_credential_helper(strata, secured, tmp_path):
    helper = tmp_path / "bin/docker-credential-test"
    helper.parent.mkdir()
    helper.write_text(f"""#!/usr/bin/python3
import json, pathlib, sys
store = pathlib.Path({str(tmp_path / "store")!r})
verb, text = sys.argv[1], sys.stdin.read()
if verb == "store":
    store.write_text(text)
elif verb == "get":
    if not store.exists():
        print("credentials not found in native keychain")
        sys.exit(1)
    assert json.loads(store.read_text())["ServerURL"] == text, text
    print(store.read_text())
elif verb == "erase":
    store.unlink()
""")
    helper.chmod(0o755)
    auth = tmp_path / "auth.json"
    auth.write_text('{"credsStore": "test"}')
    env = {"PATH": f"{helper.parent}:/usr/bin:/bin"}
    common = ["--tls-ca", secured.ca, "--authfile", auth]
    pull = ["pull", "-q", *common, f"{secured.name}/private/app:1"]
    strata.fails(*pull, env=env, saying="wants a login")
    strata.ok("login", *common, "-u", "alice", "--password-stdin", secured.name,
              input="wonder land:1", env=env)
    assert "wonder" not in auth.read_text()
    strata.ok(*pull, env=env)
    strata.ok("logout", "--authfile", auth, secured.name, env=env)
    assert not (tmp_path / "store").exists()
    auth.write_text('{"credsStore": "missing"}')
    strata.fails(*pull, env=env, saying="docker-credential-missing")


def test_password_prompt_shows_nothing(strata, secured, tmp_path):
    terminal = strata.terminal("login", "--tls-ca", secured.ca, "--authfile", tmp_path / "a.json",
                               secured.name)
    terminal.expect("Username: ")
    terminal.send("alice\n")
    terminal.expect("Password: ")
    terminal.send("wonder land:1\n")
    terminal.expect("Login Succeeded")
    assert b"wonder" not in terminal.output


def test_interrupted_prompt_leaves_the_terminal_as_it_was(strata, secured):
    terminal = strata.terminal("login", "--tls-ca", secured.ca, "-u", "alice", secured.name)
    before = terminal.attributes()
    terminal.expect("Password: ")
    assert terminal.attributes() != before
    terminal.send("\x03")
    assert terminal.wait() != 0
    assert terminal.attributes() == before


def test_progress_bars_on_a_terminal(strata, plain):
    terminal = strata.terminal("pull", f"{plain.name}/team/app:1", rows=24, columns=80)
    terminal.expect("Status: Downloaded")
    text = terminal.output.decode()
    assert "\033[K" in text and text.count("Pull complete") >= 3
    for line in re.split(r"[\r\n]+", re.sub(r"\033\[[0-9]*[A-Z]", "", text)):
        assert len(line) <= 80 or "sha256" in line or "image for" in line, line


# --- registries that are not well ------------------------------------------------------------


def test_registry_is_down(strata):
    name = f"127.0.0.1:{free_port()}"
    begin = time.monotonic()
    strata.fails("pull", f"{name}/x/y", saying=f"cannot connect to {name}: Connection refused")
    assert time.monotonic() - begin < 5


def test_registry_that_never_answers(strata, layout):
    gone = threading.Event()

    def fault(handler, kind, ref):
        if kind == "blob":
            gone.wait(20)
            return True

    with FaultyRegistry(layout, fault) as registry:
        begin = time.monotonic()
        strata.fails("pull", "--timeout", "1s", f"{registry.name}/x:app",
                     saying="sent nothing for 1 second")
        assert time.monotonic() - begin < 10
        gone.set()
        no_name(strata, registry.name)


def test_it_is_no_registry(strata, layout):
    with FaultyRegistry(layout) as registry:
        registry.answer = lambda handler: registry.send(handler, 404, b"<html>")
        strata.fails("pull", f"{registry.name}/x:app", saying="is no image registry")


def expect_lie(strata, layout, fault, saying):
    with FaultyRegistry(layout, fault) as registry:
        done = strata.fails("pull", "--timeout", "5s", f"{registry.name}/x:app", saying=saying)
        assert len(done.stderr.splitlines()[-1]) < 1000
        assert len([line for line in done.stderr.splitlines() if line.startswith("strata:")]) == 1
        no_name(strata, registry.name)
    check_store(strata)
    return registry


def test_wrong_layer_content(strata, layout):
    def fault(handler, kind, ref):
        body = layout.blob_path(ref).read_bytes() if kind == "blob" else b""
        if len(body) > 1 << 20:
            FaultyRegistry.send(handler, 200, body[:-1] + bytes([body[-1] ^ 1]))
            return True

    expect_lie(strata, layout, fault, "lies about layer: content of sha256:[0-9a-f]* is wrong: its digest")
    assert not [b for b in blobs(strata) if b.startswith(".partial")]


@pytest.mark.parametrize("at", [0, 5, 3000, 500000])
def test_wrong_bytes_are_the_registry_s_fault(strata, layout, at):
    """Wherever the unpacker notices first, what is said is that the content is another."""
    def fault(handler, kind, ref):
        body = layout.blob_path(ref).read_bytes() if kind == "blob" else b""
        if len(body) > 1 << 20:
            FaultyRegistry.send(handler, 200, body[:at] + b"\xff" * 100 + body[at + 100:])
            return True

    expect_lie(strata, layout, fault, "lies about layer: content of sha256:[0-9a-f]* is wrong: its digest")
    assert not [b for b in blobs(strata) if b.startswith(".partial")]


def test_bad_content_is_the_image_s_fault(strata, tmp_path):
    """The registry sends exactly what was promised; that it is no archive is said, in one sentence."""
    bad = oci.Layout(tmp_path / "bad")
    layer = bad.blob(gzip.compress(os.urandom(3 << 20), 1, mtime=0), oci.LAYER + "+gzip")
    config = bad.json({"architecture": "amd64", "os": "linux",
                       "rootfs": {"type": "layers", "diff_ids": ["sha256:" + "1" * 64]}}, oci.CONFIG)
    bad.name(bad.json({"schemaVersion": 2, "mediaType": oci.MANIFEST, "config": config,
                       "layers": [layer]}, oci.MANIFEST), "app")
    with FaultyRegistry(bad) as registry:
        done = strata.fails("pull", "-q", f"{registry.name}/x:app", saying="cannot unpack layer sha256:1")
        assert len(done.stderr.splitlines()) == 1 and "lies" not in done.stderr
    check_store(strata)


def test_wrong_manifest_digest(strata, layout):
    def fault(handler, kind, ref):
        if kind == "manifest":
            FaultyRegistry.send(handler, 200, b'{"schemaVersion": 2}', {
                "Docker-Content-Digest": "sha256:" + "1" * 64})
            return True

    expect_lie(strata, layout, fault, "lies about the digest")


def test_digest_reference_gets_something_else(strata, layout):
    digest = json.loads((layout.path / "index.json").read_text())["manifests"][0]["digest"]

    def fault(handler, kind, ref):
        if kind == "manifest":
            FaultyRegistry.send(handler, 200, b'{"schemaVersion": 2, "layers": []}')
            return True

    with FaultyRegistry(layout, fault) as registry:
        strata.fails("pull", f"{registry.name}/x@{digest}", saying="lies about sha256:")


@pytest.mark.parametrize("body, saying", [
    (b"{", "not valid JSON"),
    (b"[]", "not a JSON object"),
    (b'{"schemaVersion": 1, "fsLayers": []}', "schema 1"),
    (b'{"schemaVersion": 2, "layers": [], "manifests": []}', "neither a manifest nor an index"),
    (b'{"schemaVersion": 2, "layers": []}', "config is missing"),
    (b'{"schemaVersion": 2, "manifests": []}', "it has none at all"),
    (b'{"schemaVersion": 2, "layers": 7, "config": {}}', "must be|missing|not a sha256"),
    (b'{"schemaVersion": 2, "mediaType": "application/x-odd", "layers": []}', "x-odd"),
    (b'{"schemaVersion": 2, "layers": [], "config": {"mediaType": "application/x-thing", '
     b'"size": 2, "digest": "sha256:' + b"0" * 64 + b'"}}', "artifact of type application/x-thing"),
    (b" " * (5 << 20), "more than the"),
])
def test_malformed_manifest(strata, layout, body, saying):
    def fault(handler, kind, ref):
        if kind == "manifest":
            FaultyRegistry.send(handler, 200, body)
            return True

    expect_lie(strata, layout, fault, saying)


def test_longer_than_promised(strata, layout):
    def fault(handler, kind, ref):
        body = layout.blob_path(ref).read_bytes() if kind == "blob" else b""
        if len(body) > 1 << 20:
            FaultyRegistry.send(handler, 200, body + b"x" * 100000)
            return True

    expect_lie(strata, layout, fault, "lies about layer sha256:[0-9a-f]*: it is longer than the [0-9]+ bytes")


def test_body_always_cut_short(strata, layout):
    def fault(handler, kind, ref):
        body = layout.blob_path(ref).read_bytes() if kind == "blob" else b""
        if len(body) > 1 << 20:
            FaultyRegistry.send(handler, 200, body[:1000], length=len(body))
            handler.close_connection = True
            return True

    expect_lie(strata, layout, fault, "broke off the connection")


def test_cut_off_body_is_continued(strata, layout):
    cuts = []

    def fault(handler, kind, ref):
        body = layout.blob_path(ref).read_bytes() if kind == "blob" else b""
        if len(body) > 1 << 20 and len(cuts) < 3:
            start = int(re.sub(r"\D", "", handler.headers.get("Range", "0")))
            cuts.append(start)
            FaultyRegistry.send(handler, 206 if start else 200, body[start:start + (1 << 20)],
                                {"Content-Range": f"bytes {start}-{len(body) - 1}/{len(body)}"},
                                length=len(body) - start)
            handler.close_connection = True
            return True

    with FaultyRegistry(layout, fault) as registry:
        strata.ok("pull", f"{registry.name}/x:app")
    assert cuts[0] == 0 and cuts[1] > 0 and cuts[2] > cuts[1]
    check_store(strata)


def test_busy_registry_is_asked_again(strata, layout):
    count = {}

    def fault(handler, kind, ref):
        count[ref] = count.get(ref, 0) + 1
        if count[ref] <= 2:
            FaultyRegistry.send(handler, 503 if count[ref] == 1 else 429, b"{}",
                                {"Retry-After": "0"} if count[ref] == 2 else {})
            return True

    with FaultyRegistry(layout, fault) as registry:
        strata.ok("pull", f"{registry.name}/x:app")
    assert min(count.values()) == 3
    check_store(strata)


def test_busy_for_ever(strata, layout):
    def fault(handler, kind, ref):
        FaultyRegistry.send(handler, 503, b"{}", {"Retry-After": "0"})
        return True

    expect_lie(strata, layout, fault, "answers with status 503")


def test_redirects_get_no_credentials(strata, layout):
    """Blobs that lie on another host (here: another port) are fetched there without our token."""
    with FaultyRegistry(layout) as elsewhere:
        def fault(handler, kind, ref):
            if kind == "blob":
                FaultyRegistry.send(handler, 307, b"", {
                    "Location": f"http://{elsewhere.name}/v2/y/blobs/{ref}"})
                return True

        with FaultyRegistry(layout, fault) as registry:
            registry.token = "a-secret"
            strata.ok("pull", f"{registry.name}/x:app")
        assert any("Authorization" in headers for _, _, headers in registry.requests)
        assert len(elsewhere.requests) >= 4
        assert not any("Authorization" in headers for _, _, headers in elsewhere.requests)


def test_redirect_loop(strata, layout):
    def fault(handler, kind, ref):
        FaultyRegistry.send(handler, 302, b"", {"Location": handler.path})
        return True

    expect_lie(strata, layout, fault, "redirects more than")


def test_token_expires_half_way(strata, layout):
    state = {"left": 2}

    with FaultyRegistry(layout) as registry:
        registry.token = "first"

        def fault(handler, kind, ref):
            state["left"] -= 1
            if state["left"] == 0:
                registry.token = "second"

        registry.fault = fault
        strata.ok("pull", f"{registry.name}/x:app")
        assert len(registry.gets("/token")) >= 2
    check_store(strata)


def test_gzip_bomb(strata, tmp_path):
    """The configuration says what the layer unpacks to, so a bomb that fits it is honest; this one
    is larger than the disk has room for."""
    bad = oci.Layout(tmp_path / "bomb")
    head = oci.Tar().file("x", b"").bytes()[:512]
    size = 1 << 43
    field = b"\x80" + size.to_bytes(11, "big")
    head = head[:124] + field + head[136:148] + b"        " + head[156:]
    total = sum(head)
    head = head[:148] + b"%06o\0 " % total + head[156:]
    data = gzip.compress(head + b"\0" * (1 << 20), 9, mtime=0) + gzip.compress(
        b"\0" * (64 << 20), 9, mtime=0) * 64
    layer = bad.blob(data, oci.LAYER + "+gzip")
    config = bad.json({"architecture": "amd64", "os": "linux",
                       "rootfs": {"type": "layers", "diff_ids": ["sha256:" + "1" * 64]}}, oci.CONFIG)
    bad.name(bad.json({"schemaVersion": 2, "mediaType": oci.MANIFEST, "config": config,
                       "layers": [layer]}, oci.MANIFEST), "app")
    with FaultyRegistry(bad) as registry:
        strata.fails("pull", f"{registry.name}/x:app", saying="cannot unpack layer")
        no_name(strata, registry.name)
    check_store(strata)


def test_wrong_diff_id(strata, tmp_path):
    bad = oci.Layout(tmp_path / "bad")
    descriptor, _ = bad.layer(oci.Tar().file("x", "x").bytes())
    config = bad.json({"architecture": "amd64", "os": "linux",
                       "rootfs": {"type": "layers", "diff_ids": ["sha256:" + "1" * 64]}}, oci.CONFIG)
    bad.name(bad.json({"schemaVersion": 2, "mediaType": oci.MANIFEST, "config": config,
                       "layers": [descriptor]}, oci.MANIFEST), "app")
    with FaultyRegistry(bad) as registry:
        strata.fails("pull", f"{registry.name}/x:app", saying="cannot unpack layer")
    check_store(strata)


@pytest.mark.needs_root
def test_full_disk(make_strata, plain, tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", small], check=True)
    try:
        strata = make_strata(root=small / "root")
        done = strata("pull", f"{plain.name}/team/app:1")
        assert done.returncode != 0 and "No space left" in done.stderr
        strata.ok("images")
    finally:
        subprocess.run(["umount", "-l", small], check=True)


# --- interrupted and concurrent ----------------------------------------------------------------


def trickle(layout, rate):
    """A fault that sends large blobs slowly, honestly."""
    def fault(handler, kind, ref):
        body = layout.blob_path(ref).read_bytes() if kind == "blob" else b""
        if len(body) < 1 << 20:
            return None
        start = int(re.sub(r"\D", "", handler.headers.get("Range", "0")))
        handler.send_response(206 if start else 200)
        handler.send_header("Content-Length", str(len(body) - start))
        if start:
            handler.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        handler.end_headers()
        for at in range(start, len(body), 1 << 16):
            handler.wfile.write(body[at:at + (1 << 16)])
            time.sleep((1 << 16) / rate)
        return True

    return fault


def large_blob(layout):
    entry = json.loads((layout.path / "index.json").read_text())["manifests"][0]
    manifest = json.loads(layout.blob_path(entry["digest"]).read_text())
    return max(manifest["layers"], key=lambda d: d["size"])["digest"].split(":")[1]


@pytest.mark.parametrize("stop_at", [1, 300_000, 1_500_000, 4_000_000])
def test_killed_and_resumed(strata, layout, stop_at):
    with FaultyRegistry(layout, trickle(layout, 8 << 20)) as registry:
        name = f"{registry.name}/x:app"
        process = strata.popen("pull", name)
        folder = strata.root / "images/blobs/sha256"
        part = folder / f".partial-{large_blob(layout)}"

        def arrived():
            return part.exists() and part.stat().st_size >= stop_at

        wait_until(arrived, 20, what=f"{stop_at} bytes have arrived")
        process.kill()
        process.wait()
        partial = part.stat().st_size
        no_name(strata, registry.name)
        for path in folder.iterdir():
            if not path.name.startswith("."):
                assert oci.sha256(path.read_bytes()) == "sha256:" + path.name
        registry.requests.clear()
        strata.ok("pull", name)
        ranges = [h["Range"] for _, p, h in registry.gets("/blobs/") if "Range" in h]
        assert ranges == [f"bytes={partial}-"]
    assert not list(folder.glob(".partial-*"))


def test_registry_without_ranges(strata, layout):
    """What is here already is received again and dropped."""
    def fault(handler, kind, ref):
        if kind == "blob":
            FaultyRegistry.send(handler, 200, layout.blob_path(ref).read_bytes())
            return True

    digest = "sha256:" + large_blob(layout)
    strata.ok("images")
    folder = strata.root / "images/blobs/sha256"
    with FaultyRegistry(layout, fault) as registry:
        strata.ok("pull", "-q", f"{registry.name}/x:riscv")
        (folder / f".partial-{large_blob(layout)}").write_bytes(
            layout.blob_path(digest).read_bytes()[:1_000_000])
        strata.ok("pull", "-q", f"{registry.name}/x:app")
        assert [h.get("Range") for _, _, h in registry.gets(digest)] == ["bytes=1000000-"]
    check_store(strata)


def test_damaged_part_is_fetched_again(strata, layout):
    partial = strata.root / "images/blobs/sha256" / f".partial-{large_blob(layout)}"
    with FaultyRegistry(layout) as registry:
        strata.ok("pull", "-q", f"{registry.name}/x:riscv")
        partial.write_bytes(b"\x1f\x8b" + b"x" * 100_000)
        strata.ok("pull", "-q", f"{registry.name}/x:app")
    check_store(strata)


def test_two_pulls_at_once_share(strata, layout):
    with FaultyRegistry(layout, trickle(layout, 6 << 20)) as registry:
        name = f"{registry.name}/x:app"
        both = [strata.popen("pull", name) for _ in range(2)]
        for process in both:
            _, err = process.communicate(timeout=60)
            assert process.returncode == 0, err
        fetched = [p for _, p, _ in registry.gets("/blobs/")]
        large = [p for p in fetched
                 if layout.blob_path(p.rsplit("/", 1)[1]).stat().st_size > 1 << 20]
        assert len(large) == 1
    check_store(strata)


# --- absurd flags ------------------------------------------------------------------------------


@pytest.mark.parametrize("flags, saying", [
    (["--platform", "linux/amd64", "--all-platforms"], "exclude each other"),
    (["--parallel", "1000"], "between 1 and"),
    (["--tls-ca", "/no/such/file"], "No such file"),
    (["--tls-verify=maybe"], "maybe"),
    (["--timeout", "48h"], "at most 24h"),
    (["--authfile", "/no/such/file"], "No such file"),
])
def test_absurd_flags(strata, flags, saying):
    strata.fails("pull", *flags, "127.0.0.1:1/x/y", saying=saying)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user")
def test_rootless_pull(rootless, plain):
    rootless.ok("pull", "-q", f"{plain.name}/team/app:1")
    assert "team/app:1" in (rootless.root / "images/index.json").read_text()


# --- uploads that break ------------------------------------------------------------------------

PART = 16 << 20


@pytest.fixture
def large(strata, tmp_path):
    """A stored image with one layer of two parts and a half, and its size."""
    layout = oci.Layout(tmp_path / "large")
    descriptor = layout.manifest([oci.Tar().file("big", noise(PART * 5 // 2)).bytes()], {})
    layout.name(descriptor, "large")
    strata.ok("import", layout.path, "large")
    manifest = json.loads(layout.blob_path(descriptor["digest"]).read_text())
    return manifest["layers"][0]["size"]


def push_through(strata, proxy, plain, tmp_path):
    name = f"{proxy.name}/cut/{tmp_path.name}:1"
    strata.ok("tag", "large", name)
    strata.ok("push", name)
    # skopeo reads and checks it.
    run("skopeo", "copy", "-q", *plain.skopeo_options("src"),
        f"docker://{plain.name}/cut/{tmp_path.name}:1", f"dir:{tmp_path / 'copy'}")


def test_an_upload_that_breaks_goes_on(strata, plain, large, tmp_path):
    """Behind a proxy that hands on whole requests, what a part has brought is kept."""
    parts = [f"0-{PART - 1}", f"{PART}-{2 * PART - 1}", f"{2 * PART}-{large - 1}"]

    def cut(ranges):
        return ranges[-1] is None or ranges.count(parts[1]) in (1, 2) and ranges[-1] == parts[1]

    with CuttingProxy(plain, cut, buffering=True) as proxy:
        push_through(strata, proxy, plain, tmp_path)
    # The second part was cut twice, and only that was sent again.
    assert [r for r in proxy.ranges if r] == [parts[0], parts[1], parts[1], parts[1], parts[2]]
    assert proxy.received == large


def test_an_upload_that_cannot_go_on_begins_anew(strata, plain, large, tmp_path):
    """docker-registry forgets an upload whose request was cut; then all is sent again."""
    with CuttingProxy(plain, lambda ranges: len(ranges) <= 2, buffering=False) as proxy:
        push_through(strata, proxy, plain, tmp_path)
    assert proxy.received > large


def test_an_upload_that_never_gets_through(strata, plain, large, tmp_path):
    with CuttingProxy(plain, lambda _: True, buffering=True) as proxy:
        name = f"{proxy.name}/never:1"
        strata.ok("tag", "large", name)
        strata.fails("push", name, status=1, saying="cannot upload sha256:[0-9a-f]{64}: .* broke off the connection")
        assert 4 <= len(proxy.ranges) <= 8


# --- indexes inside an index, and layers that are elsewhere ------------------------------------


@pytest.fixture
def nested(tmp_path):
    """busybox for this machine in an index in an index, a riscv64 half in another one."""
    made = oci.Layout(tmp_path / "nested")
    amd64 = made.manifest([oci.busybox_tar()], oci.BUSYBOX_CONFIG)
    riscv64 = made.manifest([oci.Tar().file("x", "").bytes()], {}, arch="riscv64")
    attestation = made.manifest([oci.Tar().file("a", "").bytes()], {})
    attestation["platform"] = {"os": "unknown", "architecture": "unknown"}
    deep = made.index([made.index([amd64, attestation])])
    made.name(made.index([made.index([riscv64]), deep]), "nested:1")
    return made


def test_an_index_inside_an_index(make_strata, nested, plain, tmp_path):
    first, second, third = make_strata(), make_strata(), make_strata()
    first.ok("import", nested.path)
    assert first.ok("run", "--rm", "nested:1", "cat", "/etc/hostname")
    assert len(first.ok("images").splitlines()) == 3  # the heading, and each platform
    first.ok("image", "prune", "-f")
    assert "0 problems" in first.ok("image", "verify")

    name = f"{plain.name}/team/nested:1"
    first.ok("tag", "nested:1", name)
    pushed = re.search(r"digest: (sha256:[0-9a-f]{64})", first.ok("push", name))[1]
    inspected = json.loads(plain.raw("team/nested:1"))
    assert [m["mediaType"] for m in inspected["manifests"]] == [oci.INDEX] * 2

    # One platform of a chain of indexes; then all, which are the same documents as before.
    second.ok("run", "--rm", name, "true")
    assert "riscv64" not in second.ok("images")
    assert digest_line(second.ok("pull", "--all-platforms", name)) == pushed
    assert "riscv64" in second.ok("images")
    second.ok("image", "prune", "-f")
    first.ok("save", "--format", "oci", "-o", tmp_path / "saved.tar", name)
    third.ok("load", "-i", tmp_path / "saved.tar")
    assert third.ok("images", "-q").split() == second.ok("images", "-q").split()
    third.ok("run", "--rm", name, "true")
    third.ok("rmi", name)
    third.ok("image", "prune", "-f")
    assert blobs(third) == set()


def test_indexes_without_end(make_strata, tmp_path):
    layout = oci.Layout(tmp_path / "deep")
    descriptor = layout.manifest([oci.busybox_tar()], oci.BUSYBOX_CONFIG)
    for _ in range(8):
        descriptor = layout.index([descriptor])
    layout.name(descriptor, "deep")
    strata = make_strata()
    with FaultyRegistry(layout) as registry:
        strata.fails("pull", f"{registry.name}/x:deep", status=1,
                     saying="too many indexes inside indexes")
    strata.fails("import", layout.path, status=1, saying="indexes inside indexes without end")
    assert strata.ok("images", "-q") == ""


def test_foreign_layers(make_strata, tmp_path):
    layout = oci.Layout(tmp_path / "foreign")
    descriptor = layout.manifest([oci.busybox_tar()], oci.BUSYBOX_CONFIG)
    manifest = json.loads(layout.blob_path(descriptor["digest"]).read_text())
    manifest["layers"][0]["mediaType"] = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
    manifest["layers"][0]["urls"] = ["https://example.org/layer"]
    layout.name(layout.json(manifest, oci.MANIFEST), "foreign")
    strata = make_strata()
    with FaultyRegistry(layout) as registry:
        strata.fails("pull", f"{registry.name}/x:foreign", status=1,
                     saying="has a foreign layer, which registries do not hold")
    assert strata.ok("images", "-q") == ""
