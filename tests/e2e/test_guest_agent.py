# SPDX-License-Identifier: Apache-2.0
"""test_guest_agent.py - the first process of a machine as an ordinary one, without a machine: its
agent at the other end of a socket, in mount and pid namespaces of its own."""

import io
import os
import shutil
import struct
import subprocess
import tarfile
from pathlib import Path

import pytest

from agent import (ALL, INIT, MAIN, NO_NEW_PRIVILEGES, READ_ONLY, STDIN, STDOUT, TERMINAL, WINDOW, Session,
                   pair)

pytestmark = pytest.mark.needs_root
INIT_PROGRAM = Path(os.environ.get("STRATA_BIN", "build/src/front/strata")).absolute().with_name(
    "strata-init-amd64")
SET_UP = """
mount --make-rprivate /
mount --bind "$1" /root
mount -t proc proc /proc
mount -t devpts -o newinstance,ptmxmode=666,gid=5,mode=620 devpts /dev/pts
mkdir /root/proc /root/dev /root/sys
mount --rbind /proc /root/proc
mount --rbind /dev /root/dev
exec "$2" --serve "$3"
"""


class Guest:
    def __init__(self, root):
        self.root = root
        ours, theirs = pair()
        self.process = subprocess.Popen(
            ["unshare", "--mount", "--pid", "--uts", "--fork", "--kill-child", "sh", "-ec", SET_UP,
             "-", root, INIT_PROGRAM, str(theirs.fileno())], pass_fds=[theirs.fileno()])
        theirs.close()
        self.session = Session(ours)
        ours.settimeout(10)

    def end(self):
        self.session.sock.close()
        try:
            self.process.wait(30)
        finally:
            self.process.kill()
            self.process.wait()


@pytest.fixture
def guest(tmp_path):
    if not INIT_PROGRAM.exists():
        pytest.skip("strata-init-amd64 is built on amd64 alone")
    root = tmp_path / "root"
    for folder in ("bin", "etc", "home/user"):
        (root / folder).mkdir(parents=True)
    shutil.copy("/bin/busybox", root / "bin/busybox")
    for name in ("sh", "cat", "id", "ps", "stty", "sleep", "pwd", "env", "ls", "grep", "kill", "wc"):
        (root / "bin" / name).symlink_to("busybox")
    (root / "bin/no-format").write_text("no format\n")
    (root / "bin/no-format").chmod(0o755)
    (root / "etc/passwd").write_text(
        "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/home/user:/bin/sh\n")
    (root / "etc/group").write_text("root:x:0:\nuser:x:1000:\nextra:x:50:user\nmore:x:60:\n")
    root.chmod(0o755)
    started = Guest(root)
    yield started
    started.end()


def text(result):
    output, status = result
    assert status == 0, result
    assert output[1] == b"", result
    return output[0].decode()


def test_streams_status_and_environment(guest):
    s = guest.session
    assert s.run(["sh", "-c", "cat; echo err >&2; exit 7"], flags=MAIN | ALL, stdin=b"in") == (
        [b"in", b"err\n"], 7 << 8)
    assert s.run(["sh", "-c", "kill -9 $$; sleep 9"], flags=MAIN | INIT | ALL) == (
        [b"", b""], (128 + 9) << 8)
    assert text(s.run(["env"], flags=MAIN | ALL, env=["A=1", "PATH=/bin", "A=2"])) == (
        "PATH=/bin\nA=2\nHOME=/root\n")
    assert text(s.run(["pwd"], flags=MAIN | ALL, cwd="/new/folder")) == "/new/folder\n"


def test_much_input_and_output(guest):
    data = os.urandom(3 << 20)
    output, status = guest.session.run(["cat"], flags=MAIN | ALL, stdin=data)
    assert status == 0 and output[0] == data


def test_users(guest):
    s = guest.session

    def ids(**options):
        return text(s.run(["id"], flags=MAIN | ALL, **options))

    assert ids(user="user") == "uid=1000(user) gid=1000(user) groups=50(extra),1000(user)\n"
    assert ids(user="1000:60") == "uid=1000(user) gid=60(more) groups=60(more)\n"
    assert ids(uid=7, gid=8, groups=[8, 50]) == "uid=7 gid=8 groups=8,50(extra)\n"
    assert ids(user="1234", group_names=["extra"]) == "uid=1234 gid=0(root) groups=0(root),50(extra)\n"
    assert "HOME=/home/user\n" in text(s.run(["env"], flags=MAIN | ALL, user="user"))
    assert s.run(["id"], flags=MAIN | ALL, user="nobody") == (
        0, 2, "user \"nobody\": there is no such user in the image's /etc/passwd")


def test_commands_that_cannot_be_executed(guest):
    s = guest.session
    assert s.run(["nope"], flags=MAIN | ALL) == (
        1, 2, "exec: \"nope\": executable file not found in $PATH")
    assert s.run(["/etc/passwd"], flags=MAIN | ALL)[:2] == (1, 13)
    assert s.run(["no-format"], flags=MAIN | ALL)[:2] == (1, 8)
    assert s.run(["sh"], flags=ALL)[:2] == (0, 3)  # there is no main process to join
    assert s.run(["sh", "-c", "true"], flags=MAIN | ALL) == ([b"", b""], 0)


def test_rights(guest):
    s = guest.session
    status = text(s.run(["cat", "/proc/self/status"], flags=MAIN | ALL | NO_NEW_PRIVILEGES,
                        capabilities=0x21, limits=[(7, 99, 100)], umask=0o77))
    for line in ("CapPrm:\t0000000000000021", "CapEff:\t0000000000000021",
                 "CapBnd:\t0000000000000021", "NoNewPrivs:\t1", "Umask:\t0077"):
        assert line in status
    assert text(s.run(["sh", "-c", "ulimit -n; ulimit -Hn"], flags=MAIN | ALL,
                      limits=[(7, 99, 100)])) == "99\n100\n"
    assert s.run(["sh", "-c", "echo > /file"], flags=MAIN | ALL | READ_ONLY)[1] == 1 << 8
    assert not (guest.root / "file").exists()


def test_terminal_and_signals(guest):
    s = guest.session
    output, status = s.run(["sh", "-c", "stty size; ls /proc/self/fd | wc -l"],
                           flags=MAIN | TERMINAL, rows=33, columns=77)
    assert status == 0 and output[0].split() == [b"33", b"77", b"4"]
    s.start(["sh", "-c", "trap 'stty size; exit 3' WINCH; echo ready; while :; do sleep 0.1; done"],
            flags=MAIN | TERMINAL)
    while s.receive()[0] != "OUTPUT":
        pass
    s.send("RESIZE", struct.pack("<HH", 11, 22))
    output, status = s.finish()
    assert status == 3 << 8 and output[0].split() == [b"11", b"22"]
    s.start(["sh", "-c", "trap 'exit 5' TERM; echo ready; while :; do sleep 0.1; done"],
            flags=MAIN | STDOUT)
    while s.receive()[0] != "OUTPUT":
        pass
    s.send("SIGNAL", struct.pack("<i", 15))
    assert s.finish()[1] == 5 << 8


def test_namespaces_of_the_main_process(guest):
    s = guest.session
    assert text(s.run(["sh", "-c", "echo $$; sleep 100 & exit 0"], flags=MAIN | ALL)) == "1\n"
    assert "sleep 100" not in subprocess.run(
        ["ps", "-o", "args", "--ppid", str(guest.process.pid)], stdout=subprocess.PIPE,
        text=True).stdout


def test_requests(guest):
    s = guest.session
    assert s.request("HOSTNAME", b"guest\0\0") == (0, "")
    file = struct.pack("<II", 0o640, 0)
    assert s.request("FILE", file + b"/etc/deep/hosts\x00127.0.0.1 x\n") == (0, "")
    assert (guest.root / "etc/deep/hosts").read_text() == "127.0.0.1 x\n"
    (guest.root / "etc/link").symlink_to("/etc/passwd")
    assert s.request("FILE", file + b"/etc/link\0new\n") == (0, "")
    assert (guest.root / "etc/link").read_text() == "new\n" and not (
        guest.root / "etc/link").is_symlink()
    assert s.request("FILE", struct.pack("<II", 0o640, 1) + b"/etc/link\0newer\n") == (0, "")
    assert (guest.root / "etc/link").read_text() == "new\n"
    (guest.root / "tmp").mkdir()
    (guest.root / "out").symlink_to("../../../../../../../../tmp")
    assert s.request("FILE", file + b"/out/escaped\0x")[0] == 0
    assert (guest.root / "tmp/escaped").exists()
    assert s.request("FILE", file + b"no name")[0] == 22
    assert s.request("MOUNT", struct.pack("<QII", 0, 0, 0) + b"tmpfs\0x\0/mnt/new\0size=1m\0")[0] == 0
    assert "tmpfs" in text(s.run(["sh", "-c", "hostname 2>/dev/null; grep /mnt/new /proc/mounts"],
                                 flags=MAIN | ALL))
    s.send("STATS")
    kind, _, payload = s.receive()
    assert kind == "STATS" and struct.unpack("<12Q", payload)[5] > 0


@pytest.mark.parametrize("payload", [
    b"", b"\xff" * 88, struct.pack("<IIIIiHHIIIIIIQQQQQ", 0, 0, 0, 0, 0, 0, 0, 0, 0, 1 << 31, 0, 0,
                                   0, 0, 0, 0, 0, 0) + b"x\0",
    struct.pack("<IIIIiHHIIIIIIQQQQQ", 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0) + b"/\0\0x"])
def test_a_host_that_makes_no_sense_is_left(guest, payload):
    guest.session.send("EXEC", payload)
    with pytest.raises((EOFError, ConnectionError)):
        while True:
            guest.session.receive()
    assert guest.process.wait(30) == 0


def test_more_than_the_window_is_refused(guest):
    s = guest.session
    s.start(["sleep", "100"], flags=MAIN | STDIN)
    s.send("STDIN", b"x" * 65536)
    with pytest.raises((EOFError, ConnectionError)):
        for _ in range(3):
            s.send("STDIN", b"x" * 65536)
        while True:
            s.receive()


def answer(session):
    kind, _, payload = session.receive()
    while kind == "STDIN_TAKEN":
        kind, _, payload = session.receive()
    assert kind == "RESULT"
    return struct.unpack("<i", payload[:4])[0], payload[4:].decode(errors="replace")


def archive_from(session, path):
    """The bytes of the archive; or the failure."""
    session.send("GET", path.encode() + b"\0")
    archive = b""
    while True:
        kind, _, payload = session.receive()
        if kind != "DATA":
            break
        archive += payload
    assert kind == "RESULT"
    code = struct.unpack("<i", payload[:4])[0]
    return (code, payload[4:].decode()) if code else archive


def get(session, path):
    """The members of the archive, {name: (type, mode, uid, link, content)}; or the failure."""
    archive = archive_from(session, path)
    if isinstance(archive, tuple):
        return archive
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return {m.name: (m.type, m.mode, m.uid, m.linkname,
                         tar.extractfile(m).read() if m.isfile() else None) for m in tar}


def put(session, path, archive):
    session.send("PUT", path.encode() + b"\0")
    taken = 0
    while archive:
        piece, archive = archive[:WINDOW - taken], archive[WINDOW - taken:]
        if piece:
            session.send("DATA", piece)
            taken += len(piece)
            continue
        kind, _, payload = session.receive()
        if kind == "RESULT":
            return struct.unpack("<i", payload[:4])[0], payload[4:].decode()
        taken -= struct.unpack("<I", payload)[0]
    session.send("DATA")
    return answer(session)


def archive_of(*members):
    """[(name, attributes of its TarInfo, content)] as a pax archive."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, attributes, content in members:
            member = tarfile.TarInfo(name)
            for key, value in attributes.items():
                setattr(member, key, value)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return made.getvalue()


def test_files_out_of_the_guest(guest):
    s, root = guest.session, guest.root
    long = "n" * 90 + "/" + "m" * 90
    (root / "tree" / long).parent.mkdir(parents=True)
    (root / "tree" / long).write_bytes(b"x" * 200000)
    (root / "tree/link").symlink_to("l" * 150)
    (root / "tree/empty").touch(0o600)
    os.chown(root / "tree/empty", 3000000, 7)
    os.mkfifo(root / "tree/pipe")
    found = get(s, "/tree/")
    assert found["tree"][0] == tarfile.DIRTYPE and found["tree/pipe"][0] == tarfile.FIFOTYPE
    assert found[f"tree/{long}"][4] == b"x" * 200000
    assert found["tree/link"][:1] + found["tree/link"][3:4] == (tarfile.SYMTYPE, "l" * 150)
    assert found["tree/empty"][1:3] == (0o600, 3000000)
    assert list(get(s, "/etc/passwd")) == ["passwd"]
    found = get(s, "/")
    assert "./etc/passwd" in found and "./proc" in found and "./proc/1" not in found
    assert get(s, "/missing")[0] == 2
    (root / "out").symlink_to("/etc/../../../../tmp")
    assert get(s, "/out/missing-there")[0] == 2


CAPABILITY = struct.pack("<IIIII", 0x02000001, 1 << 10, 0, 0, 0)  # cap_net_bind_service=ep


def test_attributes_links_and_holes_out_of_the_guest(guest, tmp_path):
    tree = guest.root / "tree"
    (tree / "z").mkdir(parents=True)
    (tree / "file").write_bytes(b"content")
    os.setxattr(tree / "file", "security.capability", CAPABILITY)
    os.setxattr(tree / "file", "trusted.odd", b"\0\n=\xff" * 300)
    os.setxattr(tree, "trusted.of-folder", b"")
    os.link(tree / "file", tree / "z/again")
    os.mknod(tree / "device", 0o600 | 0o020000, os.makedev(300, 70000))
    os.setxattr(tree / "device", "trusted.of-device", b"yes")
    with open(tree / "holes", "wb") as file:
        for at in (1 << 20, 40 << 30, 50 << 30):
            os.pwrite(file.fileno(), b"data", at)
        file.truncate(60 << 30)
    (tree / "all-hole").touch()
    os.truncate(tree / "all-hole", 1 << 30)
    archive = archive_from(guest.session, "/tree")
    assert len(archive) < 1 << 20
    (tmp_path / "out").mkdir()
    # Two readers of it that are not ours.
    subprocess.run(["tar", "-C", tmp_path / "out", "-x", "--xattrs", "--xattrs-include=*", "--acls"],
                   input=archive, check=True)
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        linked = [member.name for member in tar if member.islnk()]
        assert len(linked) == 1 and tar.getmember("tree/holes").size == 60 << 30
    out = tmp_path / "out/tree"
    assert os.getxattr(out / "file", "security.capability") == CAPABILITY
    assert os.getxattr(out / "file", "trusted.odd") == b"\0\n=\xff" * 300
    assert os.getxattr(out / "device", "trusted.of-device") == b"yes"
    assert os.listxattr(out) == ["trusted.of-folder"]
    assert (out / "file").stat().st_ino == (out / "z/again").stat().st_ino
    assert (out / "device").stat().st_rdev == os.makedev(300, 70000)
    assert (out / "all-hole").stat().st_size == 1 << 30
    holes = (out / "holes").stat()
    assert holes.st_size == 60 << 30 and holes.st_blocks * 512 < 1 << 20
    with open(out / "holes", "rb") as file:
        assert [os.pread(file.fileno(), 5, at) for at in (0, 1 << 20, 40 << 30, 50 << 30)] == [
            b"\0" * 5] + [b"data\0"] * 3


def test_attributes_and_holes_into_the_guest(guest):
    content = b"\0" * (1 << 20) + b"middle" + b"\0" * (1 << 20)
    odd = "\n=" * 200
    assert put(guest.session, "/home", archive_of(
        ("./file", {"pax_headers": {"SCHILY.xattr.trusted.odd": odd,
                                    "SCHILY.xattr.trusted.overlay.opaque": "y"}}, content),
        ("plain", {}, b"x"), ("hard", {"type": tarfile.LNKTYPE, "linkname": "file"}, b""))) == (0, "")
    file = guest.root / "home/file"
    assert os.listxattr(file) == ["trusted.odd"]
    assert os.getxattr(file, "trusted.odd") == odd.encode()
    assert not os.listxattr(guest.root / "home/plain")
    assert file.read_bytes() == content and file.stat().st_blocks * 512 < 1 << 20
    assert file.stat().st_ino == (guest.root / "home/hard").stat().st_ino
    odd_type = archive_of(("x", {"type": b"Z"}, b""))
    assert put(guest.session, "/home", odd_type) == (22, "x: Invalid argument")


def test_holes_are_sent_to_the_guest_as_holes(guest, strata_binary, tmp_path):
    (tmp_path / "tree").mkdir()
    with open(tmp_path / "tree/holes", "wb") as file:
        for at in (1 << 20, 40 << 30, 50 << 30):
            os.pwrite(file.fileno(), b"data", at)
        file.truncate((60 << 30) + 1)
    (tmp_path / "tree/plain").write_text("x")
    helper = Path(strata_binary).parent / "strata-image"
    ours = subprocess.run([helper, "__tar-create", "--holes", tmp_path / "tree"], check=True,
                          stdout=subprocess.PIPE).stdout
    theirs = subprocess.run(["tar", "-C", tmp_path / "tree", "-c", "--sparse", "--format=posix", "."],
                            check=True, stdout=subprocess.PIPE).stdout
    for archive in ours, theirs:
        assert len(archive) < 1 << 20
        assert put(guest.session, "/home", archive) == (0, "")
        assert (guest.root / "home/plain").read_text() == "x"
        with open(guest.root / "home/holes", "rb") as file:
            st = os.fstat(file.fileno())
            assert st.st_size == (60 << 30) + 1 and st.st_blocks * 512 < 1 << 20
            assert [os.pread(file.fileno(), 5, at) for at in (0, 1 << 20, 40 << 30, 50 << 30)] == [
                b"\0" * 5] + [b"data\0"] * 3
        (guest.root / "home/holes").unlink()


@pytest.mark.parametrize("text,size", [
    (b"1\n0\n513\n", 600),  # more than there is
    (b"1\n500\n101\n", 600), (b"1\n601\n0\n", 600),  # beyond the end
    (b"2\n100\n10\n100\n10\n", 600),  # twice the same place
    (b"1\n0\n100\n", 600),  # bytes left over
    (b"5000\n", 600), (b"-1\n", 600), (b"x\n", 600), (b"1" * 400 + b"\n", 600), (b"1\n0", 600),
])
def test_maps_of_holes_that_are_wrong(guest, text, size):
    def archive(text, data, major="1"):
        return archive_of(("holes", {"pax_headers": {
            "GNU.sparse.major": major, "GNU.sparse.minor": "0", "GNU.sparse.name": "holes",
            "GNU.sparse.realsize": str(size)}}, text.ljust(512, b"\0") + data))

    assert put(guest.session, "/home", archive(text, b"d" * 512)) == (22, "holes: Invalid argument")
    right = b"1\n88\n512\n"
    assert put(guest.session, "/home", archive(right, b"d" * 512, "2"))[0] == 22
    assert put(guest.session, "/home", archive(right, b"d" * 512)) == (0, "")
    assert (guest.root / "home/holes").read_bytes() == b"\0" * 88 + b"d" * 512


FILL = 4


def fill(guest, volume, target):
    """What the main process finds in an empty folder of the host that is mounted on `target`."""
    s = guest.session
    assert s.request("MOUNT", struct.pack("<QII", 4096 | 16384, FILL, 0) + b"\0" + os.fsencode(volume) + b"\0"
                     + target.encode() + b"\0\0") == (0, "")
    return s.run(["sh", "-c", f"ls {target}"], flags=MAIN | ALL)


def test_a_new_volume_is_filled(guest, tmp_path):
    (tmp_path / "volume").mkdir()
    tree = guest.root / "tree"
    (tree / "dir").mkdir(parents=True)
    (tree / "dir/file").write_text("content")
    os.setxattr(tree / "dir/file", "trusted.kept", b"yes")
    os.link(tree / "dir/file", tree / "again")
    os.chown(tree / "dir", 7, 8)
    os.chown(tree, 1000, 1001)
    tree.chmod(0o2751)
    assert text(fill(guest, tmp_path / "volume", "/tree")) == "again\ndir\n"
    volume = tmp_path / "volume"
    st = volume.stat()
    assert (st.st_uid, st.st_gid, st.st_mode & 0o7777) == (1000, 1001, 0o2751)
    assert ((volume / "dir").stat().st_uid, (volume / "dir").stat().st_gid) == (7, 8)
    assert (volume / "again").stat().st_ino == (volume / "dir/file").stat().st_ino
    assert os.getxattr(volume / "again", "trusted.kept") == b"yes"


@pytest.mark.parametrize("target", ["/etc", "/none", "/etc/passwd/x"])
def test_a_volume_is_filled_if_that_can_be(guest, tmp_path, target):
    (tmp_path / "volume").mkdir()
    if target == "/etc":
        (tmp_path / "volume/full").touch()
    done = fill(guest, tmp_path / "volume", target)
    if target == "/etc/passwd/x":
        assert done == (0, 20, "cannot mount " + str(tmp_path / "volume") +
                        " on /etc/passwd/x: Not a directory")
    else:
        assert text(done) == ("full\n" if target == "/etc" else "")


def test_a_volume_that_cannot_be_filled_says_why(guest, tmp_path):
    small = tmp_path / "small"
    size = b"tmpfs\0x\0" + os.fsencode(small) + b"\0size=64k\0"
    assert guest.session.request("MOUNT", struct.pack("<QII", 0, 2, 0) + size) == (0, "")
    (guest.root / "large").mkdir()
    (guest.root / "large/file").write_bytes(b"x" * (1 << 20))
    assert fill(guest, small, "/large") == (
        0, 28, "cannot fill the volume on /large: file: No space left on device")
    assert not list(small.iterdir())


def test_looking(guest):
    s = guest.session
    for path, kind in (("/etc", "folder"), ("/etc/passwd", "file"), ("/none", "missing"),
                       ("/etc/passwd/x", "missing"), ("/bin/sh", "file")):
        s.send("LOOK", path.encode() + b"\0")
        assert answer(s) == (0, kind)


def test_files_into_the_guest(guest):
    s, root = guest.session, guest.root
    long = "n" * 120
    assert put(s, "/home", archive_of(
        (".", {"type": tarfile.DIRTYPE, "mode": 0o700}, b""),
        ("dir", {"type": tarfile.DIRTYPE, "mode": 0o750, "uid": 5}, b""),
        (f"dir/{long}", {"mode": 0o4755, "uid": 1234, "gid": 3000000, "mtime": 1600000000}, b"c" * 70001),
        ("dir/soft", {"type": tarfile.SYMTYPE, "linkname": "/etc"}, b""),
        ("dir/hard", {"type": tarfile.LNKTYPE, "linkname": f"dir/{long}"}, b""),
        ("user", {"type": tarfile.DIRTYPE, "mode": 0o711}, b""),
        ("file", {"mode": 0o644}, b"first"), ("file", {"mode": 0o640}, b"second"))) == (0, "")
    file = root / "home/dir" / long
    st = file.stat()
    assert file.read_bytes() == b"c" * 70001 and st.st_nlink == 2
    assert (st.st_mode & 0o7777, st.st_uid, st.st_gid, st.st_mtime) == (0o4755, 1234, 3000000, 1600000000)
    assert os.readlink(root / "home/dir/soft") == "/etc"
    assert (root / "home/file").read_text() == "second" and (root / "home").stat().st_mode & 0o777 == 0o755
    assert (root / "home/user").stat().st_mode & 0o777 == 0o711
    assert put(s, "/missing", archive_of(("x", {}, b"x")))[0] == 2
    assert put(s, "/home", archive_of(("../x", {}, b"x")))[0] == 22
    assert put(s, "/home", archive_of(("x", {}, b"x"))[:700])[0] != 0
    assert put(s, "/home", b"\xff" * 5000)[0] != 0
    assert put(s, "/home", archive_of(("last", {}, b"x"))) == (0, "")
