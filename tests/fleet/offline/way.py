"""``python -m tests.fleet.offline.way PORT SOCKET COMMAND...`` inside a client's namespace: a command with a way to S3.

A port of the namespace's own loopback leads through a socket of the file system to the bucket: what a gateway endpoint
of S3 is to a client VPC. The command is what SSM's agent runs; this ends as it does.
"""

from __future__ import annotations

import asyncio
import os
import sys

from tests.fleet.offline.sandbox import lead


async def main(port: str, socket: str, *command: str) -> int:
    await lead(int(port), socket)
    process = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.DEVNULL)
    return await process.wait()


if __name__ == "__main__":
    code = asyncio.run(main(*sys.argv[1:]))
    sys.stdout.flush()
    os._exit(code)
