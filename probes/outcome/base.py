"""What every value of an outcome has in common."""

from __future__ import annotations

import msgspec


class Value(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """A frozen value that refuses unknown fields when decoded.

    It can be in no cycle, so the collector may skip it. ``kw_only`` is not inherited: each class says it.
    """
