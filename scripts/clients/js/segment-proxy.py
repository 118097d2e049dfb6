"""usage: segment-proxy.py PORT-OF-THE-SERVER [BYTES]

A TCP proxy whose connections carry segments of BYTES (1,400) at most, as on an Ethernet: over loopback
one segment holds 64 KB, and a server that is only tried there never sees its writes cut. Node cannot set
TCP_MAXSEG. Prints the port it listens on. Ends when its standard input does.
"""

import asyncio
import os
import socket
import sys

SERVER = int(sys.argv[1])
BYTES = int(sys.argv[2]) if len(sys.argv) > 2 else 1400


def small(sock):
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, BYTES)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


async def carry(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.write_eof()
    except OSError:
        writer.transport.abort()


async def serve(near_reader, near_writer):
    far = small(socket.socket())
    far.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(far, ("127.0.0.1", SERVER))
    except OSError:
        near_writer.transport.abort()
        return
    far_reader, far_writer = await asyncio.open_connection(sock=far)
    await asyncio.gather(carry(near_reader, far_writer), carry(far_reader, near_writer))
    near_writer.close()
    far_writer.close()


async def main():
    listener = small(socket.socket())
    listener.bind(("127.0.0.1", 0))
    await asyncio.start_server(serve, sock=listener)
    print(listener.getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.buffer.read)
    os._exit(0)


asyncio.run(main())
