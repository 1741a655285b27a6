"""Run by path inside a client's namespace: AWS's runtime client with the function, and two ways out.

usage: sandbox.py zip|image FOLDER HANDLER RUNTIME_SOCKET S3_SOCKET

A namespace has no way to the host's loopback. Two ports of its own loopback lead through sockets of the file system to
Lambda's runtime API and to S3: what a gateway endpoint of S3 is to a client VPC. The folder is that of an unpacked zip,
or the root of an image; into that one a mount namespace of its own brings what Lambda gives to every image.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

RUNTIME_PORT = 9001
S3_PORT = 9002


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.write_eof()
    except (OSError, RuntimeError):
        writer.close()


async def lead(port: int, path: str) -> None:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_unix_connection(path)
        except OSError:
            writer.close()
            return
        await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer))
        writer.close()
        far_writer.close()

    await asyncio.start_server(connected, "127.0.0.1", port)


def _bring(root: Path) -> None:
    """Devices, processes, how names are resolved here, and the lab's own authority of certificates."""
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    for name in ("dev", "proc", "run"):
        (root / name).mkdir(exist_ok=True)
        subprocess.run(["mount", "--rbind", f"/{name}", root / name], check=True)
    for name in ("etc/resolv.conf", "etc/hosts"):
        (root / name).touch()
        subprocess.run(["mount", "--bind", f"/{name}", root / name], check=True)


async def main(kind: str, folder: str, handler: str, runtime: str, s3: str) -> int:
    await lead(RUNTIME_PORT, runtime)
    await lead(S3_PORT, s3)
    environment = {
        **os.environ,
        "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{RUNTIME_PORT}",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{S3_PORT}",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    if kind == "image":
        _bring(Path(folder))
        task = "/opt/brokerproof"
        command = ["chroot", folder, "sh", "-c", f'cd {task} && exec "$@"', "sh", "python3"]
        environment |= {"PATH": "/usr/bin:/usr/sbin", "HOME": "/tmp", "PYTHONSAFEPATH": "1"}
    else:
        task, command = folder, [sys.executable]
    environment |= {"LAMBDA_TASK_ROOT": task, "PYTHONPATH": task}
    process = await asyncio.create_subprocess_exec(
        *command, "-m", "awslambdaric", handler, cwd=folder, env=environment, stdin=asyncio.subprocess.DEVNULL
    )
    # The executor holds stdin: when it is gone, so is this.
    held = asyncio.get_running_loop().run_in_executor(None, sys.stdin.buffer.read)
    ended = asyncio.ensure_future(process.wait())
    await asyncio.wait({held, ended}, return_when=asyncio.FIRST_COMPLETED)
    if not ended.done():
        process.terminate()
        await ended
    os._exit(process.returncode or 0)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
