async def clients_come_back_after_the_server_was_killed(bench):
    server = await bench.start_server()
    client = await bench.connect(url=server.url, auth={"token": "kept"})
    await client.next("connect")
    assert await client.next("auth") == [{"token": "kept"}]
    before = client.id()
    await server.kill()
    await client.next("disconnect")
    await server.start()
    await client.next("connect")
    assert await client.next("auth") == [{"token": "kept"}]
    assert client.id() != before
    assert await client.call("message-with-ack", b"\1") == [b"\1"]


async def clients_come_back_after_the_server_was_told_to_stop(bench):
    server = await bench.start_server()
    client = await bench.connect(url=server.url)
    await client.next("connect")
    status = await server.terminate()
    assert status == 0, f"the server ended with status {status}"
    await client.next("disconnect")
    await server.start()
    await client.next("connect")
    answer = await client.call("message-with-ack", "back")
    assert answer == ["back"], answer


# Told by a CLOSE packet, which only a poll can carry, this client does not come back.
clients_come_back_after_the_server_was_told_to_stop.transports = ["websocket", "upgrade"]

CASES = [
    clients_come_back_after_the_server_was_killed,
    clients_come_back_after_the_server_was_told_to_stop,
]
