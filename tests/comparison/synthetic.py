"""Latency as paths really give it: it drifts, neighbours are alike, each block has its own luck, and tails are long."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MS = 1_000_000


def interleaved(
    draw: np.random.Generator, *, rounds: int, each: int, apart_ms: float, paths: int = 2
) -> list[list[NDArray[np.int64]]]:
    """Rounds of blocks, a block a path, in random order within the round; path ``i`` is ``i * apart_ms`` slower.

    Independent samples would make every test look well: here most of the spread is between blocks and over time.
    """
    blocks: list[list[NDArray[np.int64]]] = [[] for _ in range(paths)]
    slope_ms = draw.normal(0, 1) / rounds
    wander_ms = 0.0
    for number in range(rounds):
        for path in draw.permutation(paths):
            wander_ms += draw.normal(0, 0.15)
            luck_ms = draw.normal(0, 0.2)
            noise = np.empty(each)
            state = draw.normal(0, 0.3)
            for index in range(each):
                state = 0.8 * state + draw.normal(0, 0.18)
                noise[index] = state
            tail = np.where(draw.random(each) < 0.03, draw.lognormal(1.5, 0.8, each), 0)
            base_ms = 8 + slope_ms * number + wander_ms + luck_ms + apart_ms * int(path)
            taken_ms = np.maximum(base_ms + noise, 0.05) + tail
            blocks[int(path)].append((taken_ms * MS).astype(np.int64))
    return blocks
