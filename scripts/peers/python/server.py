"""The event contract on python-socketio, over uvicorn. PORT (3000), PING_MS (25000)."""

import os

import socketio
import uvicorn


def milliseconds(name: str, usual: int) -> float:
    return int(os.environ.get(name, usual)) / 1000


server = socketio.AsyncServer(
    async_mode="asgi",
    namespaces="*",
    ping_interval=milliseconds("PING_MS", 25000),
    ping_timeout=milliseconds("PING_TIMEOUT_MS", 20000),
    http_compression=False,
    cors_allowed_origins="*",
)


class Contract(socketio.AsyncNamespace):
    """The events, in whatever namespace this is registered for."""

    async def on_echo(self, sid, data):
        await self.emit("echo", data, to=sid)

    async def on_echo_ack(self, _sid, data):
        return data

    async def on_broadcast(self, _sid, data):
        await self.emit("broadcast", data)

    async def on_join(self, sid, room):
        await self.enter_room(sid, room)

    async def on_room(self, _sid, room, data):
        await self.emit("room", data, room=room)


for name in os.environ.get("NAMESPACES", "/").split(","):
    server.register_namespace(Contract(name))

if __name__ == "__main__":
    uvicorn.run(
        socketio.ASGIApp(server),
        host=os.environ.get("HOST", "127.0.0.1"),
        port=int(os.environ.get("PORT", "3000")),
        loop="uvloop",
        http="httptools",
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        lifespan="off",
        access_log=False,
        log_level="error",
        backlog=4096,
    )
