"""A network of one's own: what a hostile answer makes a client connect to, or ask for, must not leave this machine.

The Kafka client goes wherever Metadata sends it, and a changed byte makes another address of 127.0.0.1. So everything
here runs in a network namespace that has a loopback and nothing else.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct

_CLONE_NEWUSER = 0x1000_0000
_CLONE_NEWNET = 0x4000_0000
_SIOCSIFFLAGS = 0x8914
_IFF_UP = 1


def leave() -> str:
    """Have this thread, and all that it starts, in such a network; why that cannot be, empty where it is.

    Root may do so in any thread; anybody else in a process that has one thread.
    """
    namespaces = _CLONE_NEWNET if os.geteuid() == 0 else _CLONE_NEWNET | _CLONE_NEWUSER
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(namespaces) != 0:
        return f"no network namespace of its own: {os.strerror(ctypes.get_errno())}"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", _IFF_UP))
    return ""
