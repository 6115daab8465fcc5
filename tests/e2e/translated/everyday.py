# SPDX-License-Identifier: Apache-2.0
"""everyday.py - what Python programs do: numbers, threads, processes, signals, sockets, files.

Prints one line a part; the test compares them with what Python on the host says.
"""

import ctypes
import hashlib
import json
import math
import mmap
import multiprocessing
import os
import random
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time


def numbers():
    r = random.Random(5)
    values = [r.gauss(0, 1) * 10 ** r.randint(-200, 200) for _ in range(2000)]
    text = repr([math.fsum(values), [repr(v) for v in values], 2 ** 4000 % 10 ** 40, 7.0 // -2,
                 float("nan") != float("nan"), math.inf, -0.0, round(2.5), struct.pack(">d", 0.1)])
    return hashlib.sha256(text.encode()).hexdigest()


def threads():
    total, lock, queue = [0], threading.Lock(), []

    def work(n):
        for _ in range(200):
            with lock:
                total[0] += n
        queue.append(n)

    ts = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for t in ts:
        t.start()
    for t in ts:
        t.join()
    return total[0], sorted(queue)


def square(n):
    return n * n


def processes():
    with multiprocessing.get_context("fork").Pool(3) as pool:
        squares = pool.map(square, range(20))
    done = subprocess.run(["sh", "-c", "read x; echo got $x; exit 7"], input="one\n", text=True,
                          stdout=subprocess.PIPE)
    return sum(squares), done.stdout, done.returncode


def signals():
    got = []
    signal.signal(signal.SIGUSR1, lambda n, _: got.append(n))
    signal.signal(signal.SIGALRM, lambda n, _: got.append(n))
    os.kill(os.getpid(), signal.SIGUSR1)
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    time.sleep(0.3)
    child = os.fork()
    if child == 0:
        signal.pause()
    os.kill(child, signal.SIGTERM)
    return [int(n) for n in got], os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def crash():
    """A process that reads address 8 dies of it, and its parent is told."""
    done = subprocess.run([sys.executable, "-c", "import ctypes; ctypes.string_at(8)"],
                          stderr=subprocess.DEVNULL)
    return done.returncode


def sockets():
    server = socket.create_server(("127.0.0.1", 0))

    def serve():
        peer, _ = server.accept()
        with peer:
            while data := peer.recv(65536):
                peer.sendall(data.upper())

    thread = threading.Thread(target=serve)
    thread.start()
    with socket.create_connection(server.getsockname()) as client:
        client.sendall(b"hello" * 1000)
        client.shutdown(socket.SHUT_WR)
        got = b""
        while data := client.recv(65536):
            got += data
    thread.join()
    a, b = socket.socketpair()
    poll = select.epoll()
    poll.register(b, select.EPOLLIN)
    socket.send_fds(a, [b"x"], [0])
    ready = poll.poll(1)
    data, fds, _, _ = socket.recv_fds(b, 10, 4)
    return hashlib.md5(got).hexdigest(), len(ready), data, len(fds)


def files():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "f")
        with open(path, "wb+") as file:
            file.truncate(1 << 20)
            with mmap.mmap(file.fileno(), 0) as memory:
                memory[4096:4100] = b"abcd"
            os.pwrite(file.fileno(), b"X", 4097)
            file.seek(4095)
            part = file.read(6)
        os.symlink("f", os.path.join(folder, "l"))
        os.utime(path, ns=(1_000_000_001, 2_000_000_003))
        st = os.stat(os.path.join(folder, "l"))
        names = sorted(e.name for e in os.scandir(folder))
        return part, st.st_size, st.st_mtime_ns, names, os.readlink(os.path.join(folder, "l"))


def foreign_functions():
    libc = ctypes.CDLL(None)
    compare = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int),
                               ctypes.POINTER(ctypes.c_int))
    values = (ctypes.c_int * 6)(5, 2, 9, 1, 7, 3)
    libc.qsort(values, 6, 4, compare(lambda a, b: a[0] - b[0]))
    return list(values)


def main():
    for part in (numbers, threads, processes, signals, crash, sockets, files, foreign_functions):
        print(part.__name__, json.dumps(part(), default=repr), flush=True)


main()
