"""Cut a process and its children off from the network, with what the kernel lets this user do.

First choice is a network namespace of its own, in which only the loopback device is up: root may make one, and others
may where the system lets users make user namespaces. Where it does not (a container, a hardened desktop), a seccomp
filter refuses every socket but Unix ones; tools that talk to themselves over the loopback device do not work then
(docs/decisions/0091). Loads nothing but small modules of the standard library: the supervisor starts once per command.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import platform
import struct
from pathlib import Path

_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 38, 22, 2
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1
_AF_UNIX = 1

#: Machine to (AUDIT_ARCH, socket, io_uring_setup), from the kernel's linux/audit.h and unistd.h.
_SYSTEM_CALLS = {"x86_64": (0xC000003E, 41, 425), "aarch64": (0xC00000B7, 198, 425)}
#: x86-64's calls with 32-bit pointers have this bit: they are not used, and would pass the numbers by.
_X32_BIT = 0x40000000


def cut_off() -> str:
    """Cut this process and all its children off, for good; give how: ``namespace`` or ``seccomp``.

    Raises
    ------
    OSError
        If this system allows neither.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        _leave_network(libc)
    except OSError:
        _refuse_sockets(libc)
        return "seccomp"
    return "namespace"


def _leave_network(libc: ctypes.CDLL) -> None:
    user, group = os.geteuid(), os.getegid()
    if libc.unshare(_CLONE_NEWNET) != 0:
        _checked(libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET))
        # The same ids inside as outside: files that the command makes belong to the user.
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    _raise_loopback()


def _raise_loopback() -> None:
    import socket

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stream:
        request = struct.pack("16sh14x", b"lo", 0)
        _, flags = struct.unpack("16sh14x", fcntl.ioctl(stream, _SIOCGIFFLAGS, request))
        fcntl.ioctl(stream, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | _IFF_UP))


class _Program(ctypes.Structure):
    """The kernel's ``struct sock_fprog``."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def _refuse_sockets(libc: ctypes.CDLL) -> None:
    """Let `socket` fail with EACCES for all families but Unix, and io_uring, which makes sockets too, with ENOSYS."""
    found = _SYSTEM_CALLS.get(platform.machine())
    if found is None:
        raise OSError(f"no filter of system calls is known for {platform.machine()}")
    code = _filter(*found)
    program = _Program(len(code) // 8, code)
    none = ctypes.c_ulong(0)
    _checked(libc.prctl(_PR_SET_NO_NEW_PRIVS, ctypes.c_ulong(1), none, none, none))
    _checked(libc.prctl(_PR_SET_SECCOMP, ctypes.c_ulong(_SECCOMP_MODE_FILTER), ctypes.byref(program), none, none))


def _filter(architecture: int, socket_call: int, io_uring_call: int) -> bytes:
    """Write the BPF program; a jump counts the instructions that it passes by."""
    load, equal, at_least, give = 0x20, 0x15, 0x35, 0x06
    allow, fail = 0x7FFF0000, 0x00050000
    eacces, enosys = 13, 38
    rows = [
        (load, 0, 0, 4),  # 0: seccomp_data.arch
        (equal, 0, 8, architecture),  # 1: to 2, or to 10
        (load, 0, 0, 0),  # 2: seccomp_data.nr
        (at_least, 5, 0, _X32_BIT),  # 3: to 9, or to 4
        (equal, 4, 0, io_uring_call),  # 4: to 9, or to 5
        (equal, 0, 2, socket_call),  # 5: to 6, or to 8
        (load, 0, 0, 16),  # 6: the low half of the first argument, the family
        (equal, 0, 2, _AF_UNIX),  # 7: to 8, or to 10
        (give, 0, 0, allow),  # 8
        (give, 0, 0, fail | enosys),  # 9
        (give, 0, 0, fail | eacces),  # 10
    ]
    return b"".join(struct.pack("HBBI", *row) for row in rows)


def _checked(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
