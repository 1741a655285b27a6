"""Calls beside the event loop: a thread serves many, and one that hangs holds up nobody."""

from __future__ import annotations

import asyncio
import os
import threading

import pytest

from brokerproof.probes.threads import in_thread
from tests.probes.peers import PATIENT_MS, run


async def _until_it_waits() -> threading.Thread:
    """A thread that has done its call, and waits for another."""
    thread = await in_thread(threading.current_thread, "before", shared=True)
    for _ in range(1000):
        if await in_thread(threading.current_thread, "another", shared=True) is thread:
            return thread
        await asyncio.sleep(0.001)
    raise AssertionError("every call had a thread of its own")


def test_a_thread_that_has_done_its_call_is_given_another() -> None:
    run(_until_it_waits())


def test_one_that_hangs_is_waited_for_by_nobody() -> None:
    async def work() -> None:
        await _until_it_waits()
        release = threading.Event()
        hanging = [in_thread(release.wait, "hangs", shared=True) for _ in range(3)]
        try:
            assert await in_thread(lambda: "answered", "quick", shared=True) == "answered"
            assert not any(each.done() for each in hanging)
        finally:
            release.set()
        assert await asyncio.gather(*hanging) == [True] * 3

    run(work())


def test_a_thread_is_not_kept_where_nobody_said_so() -> None:
    async def work() -> None:
        waiting = await _until_it_waits()
        thread = await in_thread(threading.current_thread, "alone")
        assert thread is not waiting
        thread.join(PATIENT_MS / 1000)
        assert not thread.is_alive()

    run(work())


def test_what_a_call_raises_is_raised_where_it_is_awaited() -> None:
    def fail() -> None:
        raise LookupError("said so")

    async def work() -> None:
        with pytest.raises(LookupError, match="said so"):
            await in_thread(fail, "fails")
        assert await in_thread(threading.current_thread, "next") is not threading.main_thread()

    run(work())


def test_a_forked_process_waits_for_no_thread_of_its_parent() -> None:
    run(_until_it_waits())
    child = os.fork()
    if not child:
        code = 1
        try:
            code = run(in_here())
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


async def in_here() -> int:
    return await asyncio.wait_for(in_thread(lambda: 0, "in the child", shared=True), PATIENT_MS / 1000)
