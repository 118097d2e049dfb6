"""A contract server that a case owns, and so may kill and start again on the same port."""

import asyncio
import re


class ServerProcess:
    def __init__(self, command):
        self._command = command
        self._port = 0
        self._process = None

    @property
    def url(self):
        return f"http://127.0.0.1:{self._port}"

    async def start(self):
        self._process = await asyncio.create_subprocess_exec(
            *self._command, "--port", str(self._port), stdout=asyncio.subprocess.PIPE
        )
        line = (await self._process.stdout.readline()).decode()
        ready = re.fullmatch(r"listening on http://127\.0\.0\.1:(\d+)\n", line)
        assert ready, f"the server did not say that it listens, but {line!r}"
        self._port = int(ready[1])

    async def kill(self):
        if self._process.returncode is None:
            self._process.kill()
        return await self._process.wait()

    async def terminate(self):
        self._process.terminate()
        return await self._process.wait()
