"""How much memory a process with a Kafka client may have: the kernel refuses it more.

librdkafka has no bound of its own for what a peer makes it keep: brokers that each answer adds, records that unpack to
a thousand times their size. What it is refused ends it, which is an outcome. Nothing here knows stages.
"""

from __future__ import annotations

import resource
import threading
from typing import Final

from brokerproof.probes.outcome.bounds import CLIENT_STACK_BYTES, PYTHON_STACK_BYTES

_ATTRIBUTE_BYTES: Final = 256
"""More than a ``pthread_attr_t`` has anywhere (glibc on x86-64: 56)."""


def bound_stacks() -> None:
    """Have threads that start from here on, also in processes forked from this one, take small stacks.

    The kernel counts a stack as it is reserved, not as it is used: librdkafka's two or three threads a broker would
    have 8 MiB each (pthread_create(3)). A C library without the call keeps its own size.
    """
    import ctypes  # noqa: PLC0415  the probe itself starts without it, and its start is measured

    threading.stack_size(PYTHON_STACK_BYTES)
    attribute = ctypes.create_string_buffer(_ATTRIBUTE_BYTES)
    library = ctypes.CDLL(None)
    try:
        set_default = library.pthread_setattr_default_np
    except AttributeError:
        return
    library.pthread_attr_init(attribute)
    library.pthread_attr_setstacksize(attribute, ctypes.c_size_t(CLIENT_STACK_BYTES))
    set_default(attribute)
    library.pthread_attr_destroy(attribute)


def bound_memory(most_bytes: int) -> None:
    """Have no more data than this: heap, stacks and private mappings (``RLIMIT_DATA``, setrlimit(2), Linux 4.7).

    It can be raised again, up to what the host allows.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    soft = most_bytes if hard == resource.RLIM_INFINITY else min(most_bytes, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
