"""Waits for a state of the lab's processes."""

from __future__ import annotations

from collections.abc import Callable

from tenacity import RetryError, Retrying, retry_if_not_result, stop_after_delay, wait_fixed

from brokerproof.lab.errors import LabError


def wait_until(
    reached: Callable[[], bool], *, within_s: float, otherwise: Callable[[], str], every_s: float = 0.2
) -> None:
    """Return once ``reached`` says so.

    Raises:
        LabError: it has not in time; in the words of ``otherwise``, which is asked then.
    """
    try:
        Retrying(stop=stop_after_delay(within_s), wait=wait_fixed(every_s), retry=retry_if_not_result(bool))(reached)
    except RetryError:
        raise LabError(otherwise()) from None
