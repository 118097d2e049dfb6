async def a_hundred_events_in_one_go_are_answered_in_order(bench):
    client = await bench.connect()
    sent = [[i, bytes([i]), {"deep": bytes([i, i])}] if i % 3 == 1 else [i] for i in range(100)]
    for args in sent:
        await client.emit("message", *args)
    assert await client.take(100, "message-back") == sent


async def a_hundred_acks_in_one_go_come_in_order(bench):
    client = await bench.connect()
    order = []
    for i in range(99):
        await client.sio.emit("message-with-ack", i, callback=order.append)
    order.extend(await client.call("message-with-ack", 99))
    assert order == list(range(100)), order


CASES = [
    a_hundred_events_in_one_go_are_answered_in_order,
    a_hundred_acks_in_one_go_come_in_order,
]
