# SPDX-License-Identifier: Apache-2.0
"""agent.py - the host's side of src/lib/agent.h, for tests of the guest's side."""

import socket
import struct

VERSION = 3
NAMES = ("HELLO EXEC STDIN STDIN_EOF RESIZE SIGNAL DATA BEGIN CLOCK ENTROPY HOSTNAME NETWORK FILE SYSCTL MOUNT "
         "LIMITS FREEZE SHUTDOWN STATS LOOK GET PUT RESULT STARTED FAILED OUTPUT STDIN_TAKEN EXITED").split()
NUMBERS = {name: number for number, name in enumerate(NAMES, 1)}
MAIN, TERMINAL, STDIN, STDOUT, STDERR = 1, 2, 4, 8, 16
NO_NEW_PRIVILEGES, READ_ONLY, OOM_SCORE, INIT, DETACHED = 32, 64, 128, 256, 512
ALL = STDIN | STDOUT | STDERR
WINDOW = 65536
CAPABILITIES = (1 << 40) - 1


class Session:
    """One connection; `sock` is its stream."""

    def __init__(self, sock, greet=True):
        self.sock = sock
        self.sock.settimeout(60)
        self.bytes = b""
        if greet:
            self.send("HELLO", struct.pack("<II", 0x61727473, VERSION))
            assert self.receive() == ("HELLO", 0, struct.pack("<II", 0x61727473, VERSION))

    def send(self, name, payload=b"", stream=0):
        self.sock.sendall(struct.pack("<IHH", len(payload), NUMBERS[name], stream) + payload)

    def receive(self):
        while True:
            if len(self.bytes) >= 8:
                size, kind, stream = struct.unpack("<IHH", self.bytes[:8])
                if len(self.bytes) >= 8 + size:
                    payload = self.bytes[8:8 + size]
                    self.bytes = self.bytes[8 + size:]
                    return NAMES[kind - 1], stream, payload
            more = self.sock.recv(65536)
            if not more:
                raise EOFError
            self.bytes += more

    def request(self, name, payload=b""):
        """The errno value and the sentence of its RESULT."""
        self.send(name, payload)
        kind, _, payload = self.receive()
        assert kind == "RESULT"
        return struct.unpack("<i", payload[:4])[0], payload[4:].decode()

    def start(self, args, flags=ALL, env=("PATH=/bin",), cwd="/", user="", uid=0, gid=0, umask=0o22,
              rows=0, columns=0, limits=(), groups=(), group_names=(), capabilities=CAPABILITIES,
              oom_score=0):
        strings = [cwd, user, *args, *env, *group_names]
        self.send("EXEC", struct.pack(
            "<IIIIiHHIIIIIIQQQQQ", flags, uid, gid, umask, oom_score, rows, columns, len(limits),
            len(groups), len(args), len(env), len(group_names), 0, capabilities, capabilities, 0,
            capabilities, 0)
            + b"".join(struct.pack("<IIQQ", which, 0, soft, hard) for which, soft, hard in limits)
            + b"".join(struct.pack("<I", group) for group in groups)
            + b"".join(s.encode() + b"\0" for s in strings))

    def finish(self, stdin=None):
        """What it wrote, as [standard output, error], and its wait status; or the failure."""
        output, taken = [b"", b""], 0
        waiting = memoryview(stdin or b"")
        while True:
            while len(waiting) and taken < WINDOW:
                piece = waiting[:WINDOW - taken]
                self.send("STDIN", bytes(piece))
                taken += len(piece)
                waiting = waiting[len(piece):]
            if stdin is not None and not len(waiting):
                self.send("STDIN_EOF")
                stdin = None
            kind, stream, payload = self.receive()
            if kind == "OUTPUT":
                output[stream - 1] += payload
            elif kind == "STDIN_TAKEN":
                taken -= struct.unpack("<I", payload)[0]
            elif kind == "EXITED":
                return output, struct.unpack("<i", payload)[0]
            elif kind == "FAILED":
                return stream, struct.unpack("<i", payload[:4])[0], payload[4:].decode()
            else:
                assert kind == "STARTED"

    def run(self, args, stdin=None, **options):
        self.start(args, **options)
        return self.finish(stdin)


def pair():
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
