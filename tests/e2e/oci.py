# SPDX-License-Identifier: Apache-2.0
"""oci.py - make OCI image layouts by hand, good and bad ones, for tests.

Nothing of strata is used here, so that a test never checks strata against itself.
"""

import gzip
import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
REF_NAME = "org.opencontainers.image.ref.name"


def sha256(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


class Tar:
    """A layer, entry by entry, in the order of the calls."""

    def __init__(self):
        self._buf = io.BytesIO()
        self._tar = tarfile.open(fileobj=self._buf, mode="w", format=tarfile.PAX_FORMAT)

    def _info(self, name, kind, mode, uid, gid, pax):
        info = tarfile.TarInfo(name)
        info.type = kind
        info.mode = mode
        info.uid, info.gid = uid, gid
        info.mtime = 1700000000
        info.pax_headers = dict(pax or {})
        return info

    def dir(self, name, mode=0o755, uid=0, gid=0, pax=None):
        self._tar.addfile(self._info(name, tarfile.DIRTYPE, mode, uid, gid, pax))
        return self

    def file(self, name, data=b"", mode=0o644, uid=0, gid=0, pax=None):
        if isinstance(data, str):
            data = data.encode()
        info = self._info(name, tarfile.REGTYPE, mode, uid, gid, pax)
        info.size = len(data)
        self._tar.addfile(info, io.BytesIO(data))
        return self

    def link(self, name, target, uid=0, gid=0):
        info = self._info(name, tarfile.SYMTYPE, 0o777, uid, gid, None)
        info.linkname = target
        self._tar.addfile(info)
        return self

    def hardlink(self, name, target):
        info = self._info(name, tarfile.LNKTYPE, 0o644, 0, 0, None)
        info.linkname = target
        self._tar.addfile(info)
        return self

    def device(self, name, major, minor, mode=0o600, char=True):
        info = self._info(name, tarfile.CHRTYPE if char else tarfile.BLKTYPE, mode, 0, 0, None)
        info.devmajor, info.devminor = major, minor
        self._tar.addfile(info)
        return self

    def bytes(self):
        self._tar.close()
        return self._buf.getvalue()


class Layout:
    """An OCI image layout folder."""

    def __init__(self, path):
        self.path = Path(path)
        (self.path / "blobs/sha256").mkdir(parents=True, exist_ok=True)
        (self.path / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
        self._index = []
        self.write_index()

    def blob_path(self, digest):
        return self.path / "blobs/sha256" / digest.split(":")[1]

    def write_index(self):
        doc = {"schemaVersion": 2, "mediaType": INDEX, "manifests": self._index}
        (self.path / "index.json").write_text(json.dumps(doc))

    def blob(self, data, media_type):
        digest = sha256(data)
        self.blob_path(digest).write_bytes(data)
        return {"mediaType": media_type, "digest": digest, "size": len(data)}

    def json(self, doc, media_type):
        return self.blob(json.dumps(doc).encode(), media_type)

    def layer_file(self, path):
        """A tar file becomes an uncompressed layer, and is moved there. -> (descriptor, diff ID)"""
        with open(path, "rb") as file:
            digest = "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()
        size = os.path.getsize(path)
        shutil.move(path, self.blob_path(digest))
        return {"mediaType": LAYER, "digest": digest, "size": size}, digest

    def layer(self, tar_bytes, compression="gzip"):
        """-> (descriptor, diff ID)"""
        if isinstance(tar_bytes, Path):
            return self.layer_file(tar_bytes)
        diff_id = sha256(tar_bytes)
        if compression == "gzip":
            return self.blob(gzip.compress(tar_bytes, 1, mtime=0), LAYER + "+gzip"), diff_id
        if compression == "zstd":
            data = subprocess.run(
                ["zstd", "-q", "-c"], input=tar_bytes, stdout=subprocess.PIPE, check=True
            ).stdout
            return self.blob(data, LAYER + "+zstd"), diff_id
        return self.blob(tar_bytes, LAYER), diff_id

    def manifest(self, layers, config=None, arch="amd64", compression="gzip"):
        """layers: list of tar bytes or Path of a tar file, bottom first; config: the "config"
        object. -> descriptor"""
        descriptors, diff_ids = [], []
        for tar_bytes in layers:
            descriptor, diff_id = self.layer(tar_bytes, compression)
            descriptors.append(descriptor)
            diff_ids.append(diff_id)
        image = {
            "created": "2024-01-02T03:04:05Z",
            "architecture": arch,
            "os": "linux",
            "config": config or {},
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
            "history": [{"created_by": "tests/e2e/oci.py"} for _ in layers],
        }
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": self.json(image, CONFIG),
            "layers": descriptors,
        }
        descriptor = self.json(manifest, MANIFEST)
        descriptor["platform"] = {"os": "linux", "architecture": arch}
        return descriptor

    def index(self, descriptors):
        return self.json({"schemaVersion": 2, "mediaType": INDEX, "manifests": descriptors}, INDEX)

    def name(self, descriptor, name):
        descriptor = dict(descriptor)
        descriptor["annotations"] = {REF_NAME: name}
        self._index.append(descriptor)
        self.write_index()


PASSWD = """root:x:0:0:root:/root:/bin/sh
daemon:x:1:1:daemon:/:/bin/false
user:x:1000:1000:A user:/home/user:/bin/sh
other:x:1001:1001::/home/other:/bin/sh
"""
GROUP = """root:x:0:
daemon:x:1:
adm:x:4:root,daemon
staff:x:50:user,other
audio:x:63:user
user:x:1000:
other:x:1001:
"""


def busybox_tar(binary="/bin/busybox", lister=None):
    """One layer: a static busybox with all its applets, a few users, the usual folders. `lister` is
    a busybox that this machine can run, to ask for the applets of one it cannot."""
    applets = subprocess.run([lister or binary, "--list"], stdout=subprocess.PIPE, check=True,
                             text=True)
    t = Tar()
    for folder in ("bin", "etc", "home", "proc", "sys", "dev", "usr", "usr/bin", "var", "var/log"):
        t.dir(folder)
    t.dir("tmp", 0o1777).dir("root", 0o700)
    t.dir("home/user", 0o755, 1000, 1000).dir("home/other", 0o755, 1001, 1001)
    t.file("bin/busybox", Path(binary).read_bytes(), 0o755)
    for applet in applets.stdout.split():
        if applet != "busybox":
            t.link("bin/" + applet, "busybox")
    t.link("usr/bin/env", "/bin/busybox")
    t.file("etc/passwd", PASSWD).file("etc/group", GROUP)
    t.file("etc/notexec", "#!/bin/sh\n", 0o644)
    t.file("etc/badinterp", "#!/no/such/interpreter\n", 0o755)
    t.file("etc/garbage", b"\0\1\2 not a program\n" * 8, 0o755)
    return t.bytes()


BUSYBOX_CONFIG = {
    "Cmd": ["sh"],
    "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "FROM_IMAGE=yes"],
}
