# SPDX-License-Identifier: Apache-2.0
"""intruder.py - system calls from inside another process, as one would make them who has taken it
over: by ptrace(2), on x86-64."""

import ctypes
import os
import signal
import time
from pathlib import Path

from program import wait_until

PTRACE_POKEDATA, PTRACE_CONT, PTRACE_GETREGS, PTRACE_SETREGS = 5, 7, 12, 13
PTRACE_SINGLESTEP, PTRACE_ATTACH, PTRACE_DETACH = 9, 16, 17
WALL = 0x40000000  # __WALL: threads, too


class Registers(ctypes.Structure):
    """struct user_regs_struct of x86-64"""
    _fields_ = [(name, ctypes.c_ulonglong) for name in (
        "r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig_rax rip cs eflags rsp ss "
        "fs_base gs_base ds es fs gs").split()]


class Forbidden(Exception):
    """A call that was not made, by its number."""


class Intruder:
    """In a process, or in one of its threads, that sleeps in a call of its own."""

    def __init__(self, pid):
        self.pid = pid
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
        self.libc.ptrace.restype = ctypes.c_long

    def _ptrace(self, request, address=None, data=None):
        if self.libc.ptrace(request, self.pid, address, data) < 0:
            raise OSError(ctypes.get_errno(), f"ptrace {request}")

    def _waits(self):
        """In the same call now and a little later: it sleeps in it."""
        where = [Path(f"/proc/{self.pid}/syscall").read_text()]
        time.sleep(0.05)
        where.append(Path(f"/proc/{self.pid}/syscall").read_text())
        return where[0] == where[1] and not where[0].startswith("running")

    def __enter__(self):
        wait_until(self._waits)
        self._ptrace(PTRACE_ATTACH)
        os.waitpid(self.pid, WALL)
        self.saved = Registers()
        self._ptrace(PTRACE_GETREGS, None, ctypes.addressof(self.saved))
        self.is_left = False
        return self

    def __exit__(self, *exc):
        if not self.is_left:
            self._ptrace(PTRACE_SETREGS, None, ctypes.addressof(self.saved))
            self._ptrace(PTRACE_DETACH)

    def _run(self, request):
        self._ptrace(request)
        return os.WSTOPSIG(os.waitpid(self.pid, WALL)[1])

    def _prepare(self, number, args):
        """It waits in a call, so there is a `syscall` instruction just behind it."""
        regs = Registers.from_buffer_copy(self.saved)
        regs.rip -= 2
        regs.rax, regs.orig_rax = number, 2**64 - 1
        for name, value in zip(("rdi", "rsi", "rdx", "r10", "r8", "r9"), args):
            setattr(regs, name, value)
        self._ptrace(PTRACE_SETREGS, None, ctypes.addressof(regs))

    def call(self, number, *args):
        """What it returns: -errno when it fails. Forbidden: the process hears nothing of that."""
        self._prepare(number, args)
        if self._run(PTRACE_SINGLESTEP) == signal.SIGSYS:
            self._run(PTRACE_SINGLESTEP)
            raise Forbidden(number)
        regs = Registers()
        self._ptrace(PTRACE_GETREGS, None, ctypes.addressof(regs))
        return ctypes.c_longlong(regs.rax).value

    def end(self, number, *args):
        """Make a call that is forbidden, with all that comes of it."""
        self._prepare(number, args)
        assert self._run(PTRACE_CONT) == signal.SIGSYS
        self._ptrace(PTRACE_DETACH, None, signal.SIGSYS)
        self.is_left = True

    def text(self, text):
        """Put a short string below its stack."""
        where = self.saved.rsp - 4096 & ~7
        data = text.encode() + b"\0"
        for i in range(0, len(data), 8):
            word = int.from_bytes(data[i:i + 8].ljust(8, b"\0"), "little")
            self._ptrace(PTRACE_POKEDATA, where + i, word)
        return where
