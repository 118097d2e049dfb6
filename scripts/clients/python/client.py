"""A python-socketio client whose every event is kept, so that a case may ask for it later.

The asyncio client is used because it handles messages in the order they came; the threaded one
starts a thread for each (it has its own few cases in cases/threads.py).
"""

import asyncio

import socketio
from engineio.payload import Payload

# Its own limit of 16 would make the client refuse what a server answers to 100 events in one poll.
Payload.max_decode_packets = 1000


class Client:
    def __init__(self, transports):
        self._transports = transports
        self._events = []
        self._came = asyncio.Event()
        self.waits = []
        self.answer = None  # how to answer the server's `question`
        self.sio = socketio.AsyncClient(
            reconnection_delay=0.05,
            reconnection_delay_max=0.2,
            randomization_factor=0,
            request_timeout=60,  # its own 5 s would make it give up on a busy machine
            handle_sigint=False,
        )

    async def connect(self, url, auth=None, namespaces=("/",)):
        for namespace in namespaces:
            self._keep_all(namespace)
        await self.sio.connect(
            url, auth=auth, transports=self._transports, namespaces=list(namespaces), wait_timeout=20
        )

    def _keep_all(self, namespace):
        def on_any(event, *args):
            self._keep(namespace, event, args)
            if event == "question" and self.answer is not None:
                return self.answer(*args)
            return None

        self.sio.on("*", on_any, namespace=namespace)
        for event in ("connect", "disconnect", "connect_error"):
            self.sio.on(event, self._keeper(namespace, event), namespace=namespace)

    def _keeper(self, namespace, event):
        return lambda *args: self._keep(namespace, event, args)

    def _keep(self, namespace, event, args):
        self._events.append((namespace, event, list(args)))
        self._came.set()

    def id(self, namespace="/"):
        return self.sio.get_sid(namespace)

    async def emit(self, event, *args, namespace="/"):
        await self.sio.emit(event, args, namespace=namespace)

    async def call(self, event, *args, namespace="/"):
        """Emits with an ack; returns the list of the ack's arguments."""
        answered = asyncio.get_running_loop().create_future()
        await self.sio.emit(
            event, args, namespace=namespace, callback=lambda *answer: answered.set_result(list(answer))
        )
        return await self._wait(f"the ack of {event}", answered)

    async def next(self, event, matches=lambda *args: True, namespace="/"):
        """The arguments of the first matching event not yet taken, come or to come."""
        return await self._wait(event, self._next(event, matches, namespace))

    async def _next(self, event, matches, namespace):
        while True:
            for index, (at, name, args) in enumerate(self._events):
                if (at, name) == (namespace, event) and matches(*args):
                    del self._events[index]
                    return args
            self._came.clear()
            await self._came.wait()

    async def take(self, count, event, **options):
        return [await self.next(event, **options) for _ in range(count)]

    def untaken(self, event, matches=lambda *args: True, namespace="/"):
        """The arguments of what has come so far and was not taken."""
        return [args for at, name, args in self._events if (at, name) == (namespace, event) and matches(*args)]

    async def _wait(self, label, awaitable):
        self.waits.append(label)
        value = await awaitable
        self.waits.remove(label)
        return value

    async def close(self):
        await asyncio.sleep(0)  # a reconnection that was just begun can be stopped once it has run
        await self.sio.shutdown()
