"""What a case works with: clients on one transport, all closed when the case ends."""

import asyncio
import secrets

from client import Client
from server_process import ServerProcess


class Bench:
    def __init__(self, url, transport, transports, server_command):
        self.url = url
        self.transport = transport
        self.transports = transports
        self._server_command = server_command
        self._clients = []
        self._servers = []

    def unique(self, prefix):
        """A name that no other case uses: the server is shared."""
        return f"{prefix}-{secrets.token_hex(6)}"

    def client(self):
        client = Client(self.transports)
        self._clients.append(client)
        return client

    async def connect(self, url=None, **options):
        client = self.client()
        await client.connect(url or self.url, **options)
        return client

    async def connect_many(self, count, **options):
        return await asyncio.gather(*(self.connect(**options) for _ in range(count)))

    async def start_server(self):
        server = ServerProcess(self._server_command)
        self._servers.append(server)
        await server.start()
        return server

    def waiting_for(self):
        waits = [wait for client in self._clients for wait in client.waits]
        surprises = [f"(disconnected: {reason})" for client in self._clients for [reason] in client.untaken("disconnect")]
        return ", ".join(waits + surprises) or "nothing in particular"

    async def close(self):
        for client in self._clients:
            await client.close()
        for server in self._servers:
            await server.kill()
