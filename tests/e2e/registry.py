# SPDX-License-Identifier: Apache-2.0
"""registry.py - registries on loopback: Debian's docker-registry, and one that misbehaves.

    with DockerRegistry(folder) as r: r.name            plain http
    DockerRegistry(folder, tls=True)                    https with an own authority: r.ca
    DockerRegistry(folder, users={"me": "secret"})      htpasswd
    FaultyRegistry(layout)                              serves an oci.Layout, with faults set by hand
"""

import contextlib
import http.client
import http.server
import json
import re
import socket
import subprocess
import threading
import time
import urllib.parse
from pathlib import Path

import oci


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def run(*argv, **kw):
    return subprocess.run([str(a) for a in argv], check=True, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, **kw).stdout


def make_authority(folder):
    """An authority and a certificate for localhost and 127.0.0.1. -> (ca, certificate, key)"""
    ca, ca_key, crt, key, csr = (folder / n for n in
                                 ("ca.crt", "ca.key", "host.crt", "host.key", "host.csr"))
    names = folder / "names"
    names.write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", ca_key, "-out", ca,
        "-days", "3", "-subj", "/CN=strata test authority",
        "-addext", "basicConstraints=critical,CA:TRUE")
    run("openssl", "req", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", csr,
        "-subj", "/CN=localhost")
    run("openssl", "x509", "-req", "-in", csr, "-CA", ca, "-CAkey", ca_key, "-CAcreateserial",
        "-days", "2", "-extfile", names, "-out", crt)
    return ca, crt, key


class DockerRegistry:
    def __init__(self, folder, tls=False, users=None):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.name = f"127.0.0.1:{self.port}"
        self.ca = None
        self.tls, self.users = tls, users
        self.process = None

    def _config(self):
        config = {
            "version": 0.1,
            "log": {"level": "error", "accesslog": {"disabled": True}},
            "storage": {"filesystem": {"rootdirectory": str(self.folder / "data")}},
            "http": {"addr": self.name},
        }
        if self.tls:
            self.ca, crt, key = make_authority(self.folder)
            config["http"]["tls"] = {"certificate": str(crt), "key": str(key)}
        if self.users:
            path = self.folder / "htpasswd"
            path.write_text("".join(run("htpasswd", "-nbB", user, password).strip() + "\n"
                                    for user, password in self.users.items()))
            config["auth"] = {"htpasswd": {"realm": "test", "path": str(path)}}
        path = self.folder / "config.yml"
        path.write_text(json.dumps(config))  # JSON is YAML
        return path

    def __enter__(self):
        config = self._config()
        log = open(self.folder / "log", "w")
        self.process = subprocess.Popen(["docker-registry", "serve", str(config)], stdout=log,
                                        stderr=log)
        end = time.monotonic() + 15
        while time.monotonic() < end:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return self
            assert self.process.poll() is None, (self.folder / "log").read_text()
            time.sleep(0.02)
        raise AssertionError("docker-registry does not start")

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def skopeo_options(self, side):
        """For skopeo copy: how to reach it. side: "src" or "dest"."""
        options = [f"--{side}-tls-verify=false"]
        if self.users:
            user, password = next(iter(self.users.items()))
            options.append(f"--{side}-creds={user}:{password}")
        return options

    def fill(self, layout, tag, name, *more):
        """Copy an image of a layout into the registry, every platform of it with "--all"."""
        run("skopeo", "copy", "-q", *more, *self.skopeo_options("dest"), f"oci:{layout.path}:{tag}",
            f"docker://{self.name}/{name}")

    def raw(self, name, *more):
        """The manifest as the registry has it."""
        options = [o.replace("--src-", "--") for o in self.skopeo_options("src")]
        return subprocess.run(["skopeo", "inspect", "--raw", *options, *more,
                               f"docker://{self.name}/{name}"], check=True,
                              stdout=subprocess.PIPE).stdout


class FaultyRegistry:
    """Serves the images of a layout by the distribution protocol, and misbehaves as told.

    fault(handler, kind, ref) is called for every GET of a "manifest" or "blob"; it answers itself
    and returns True, or returns None for the honest answer. `requests` is a list of
    (method, path, headers).
    """

    def __init__(self, layout, fault=None):
        self.layout, self.fault = layout, fault or (lambda *_: None)
        self.requests = []
        self.token = None  # a bearer token that is asked for
        self.lock = threading.Lock()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_HEAD(self):
                self.do_GET()

            def do_GET(self):
                with outer.lock:
                    outer.requests.append((self.command, self.path, dict(self.headers)))
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    outer.answer(self)

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass  # a client that speaks TLS to us, or goes away

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        self.name = f"127.0.0.1:{self.port}"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def gets(self, part):
        return [r for r in self.requests if r[0] == "GET" and part in r[1]]

    @staticmethod
    def send(handler, status, body=b"", headers=None, length=None):
        handler.send_response(status)
        for name, value in (headers or {}).items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body) if length is None else length))
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(body)

    def answer(self, handler):
        path = urllib.parse.urlsplit(handler.path).path
        if path == "/token":
            return self.send(handler, 200, json.dumps({"token": self.token}).encode())
        if self.token and handler.headers.get("Authorization") != f"Bearer {self.token}":
            return self.send(handler, 401, b"{}", {
                "WWW-Authenticate": f'Bearer realm="http://{self.name}/token",service="test"'})
        if path == "/v2/":
            return self.send(handler, 200, b"{}")
        match = re.fullmatch(r"/v2/(.+)/(manifest|blob)s/([^/]+)", path)
        if not match:
            return self.send(handler, 404, b"{}")
        kind, ref = match[2], match[3]
        if self.fault(handler, kind, ref):
            return None
        return self.honest(handler, kind, ref)

    def honest(self, handler, kind, ref):
        media_type = "application/octet-stream"
        if kind == "manifest" and not ref.startswith("sha256:"):
            for entry in json.loads((self.layout.path / "index.json").read_text())["manifests"]:
                if entry.get("annotations", {}).get(oci.REF_NAME) == ref:
                    ref = entry["digest"]
        try:
            body = self.layout.blob_path(ref).read_bytes()
        except (OSError, IndexError):
            return self.send(handler, 404, json.dumps(
                {"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}]}).encode())
        if kind == "manifest":
            media_type = json.loads(body).get("mediaType", media_type)
        headers = {"Content-Type": media_type, "Docker-Content-Digest": oci.sha256(body)}
        wanted = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range", ""))
        if wanted and int(wanted[1]) < len(body):
            start = int(wanted[1])
            headers["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
            return self.send(handler, 206, body[start:], headers)
        return self.send(handler, 200, body, headers)


class CuttingProxy:
    """Stands before a registry and cuts connections in the middle of a PATCH's body.

    cut(ranges) says whether, after those of all large PATCHes so far, the last one is to be cut;
    None stands for one without Content-Range. buffering: like nginx it passes a request on only
    when it has all of it; else what has come is passed on. `received` is how many bytes of large
    PATCHes have reached the registry.
    """

    def __init__(self, registry, cut, buffering):
        self.registry, self.cut, self.buffering = registry, cut, buffering
        self.ranges = []
        self.received = 0
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def forward(self):
                outer.forward(self)

            do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = forward

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass  # a client that goes away

        self.server = Server(("127.0.0.1", 0), Handler)
        self.name = f"127.0.0.1:{self.server.server_address[1]}"

    __enter__ = FaultyRegistry.__enter__
    __exit__ = FaultyRegistry.__exit__

    def forward(self, handler):
        size = int(handler.headers.get("Content-Length") or 0)
        upstream = http.client.HTTPConnection("127.0.0.1", self.registry.port)
        patch = handler.command == "PATCH" and size > 1 << 20
        if patch:
            self.ranges.append(handler.headers.get("Content-Range"))
        if patch and self.cut(self.ranges):
            half = handler.rfile.read(size // 2)
            if not self.buffering:
                upstream.putrequest(handler.command, handler.path, skip_host=True)
                for name, value in handler.headers.items():
                    upstream.putheader(name, value)
                upstream.endheaders(half)
                self.received += len(half)
                upstream.sock.close()
            handler.close_connection = True
            handler.connection.shutdown(socket.SHUT_RDWR)
            return
        body = handler.rfile.read(size)
        self.received += len(body) if patch else 0
        headers = {k: v for k, v in handler.headers.items() if k.lower() != "expect"}
        upstream.request(handler.command, handler.path, body, headers)
        response = upstream.getresponse()
        answer = response.read()
        handler.send_response(response.status)
        for name, value in response.getheaders():
            if name.lower() not in ("connection", "transfer-encoding"):
                handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(answer)
        upstream.close()
