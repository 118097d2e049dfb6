"""The threaded client. It handles each message in a thread of its own, so nothing about order here."""

import asyncio

import socketio


async def the_threaded_client_connects_calls_and_disconnects(bench):
    await asyncio.to_thread(connect_call_disconnect, bench)


def connect_call_disconnect(bench):
    with socketio.SimpleClient(handle_sigint=False, request_timeout=60) as client:
        client.connect(bench.url, auth={"token": "1"}, transports=bench.transports, wait_timeout=20)
        expect(client, "auth", {"token": "1"})
        client.emit("message", ("text", {"a": [1]}))
        expect(client, "message-back", "text", {"a": [1]})
        answer = client.call("message-with-ack", "x", timeout=20)
        assert answer == "x", answer


def expect(client, event, *args):
    received = client.receive(timeout=20)
    while received[0] == "broadcast":  # another case's
        received = client.receive(timeout=20)
    assert received == [event, *args], received


CASES = [the_threaded_client_connects_calls_and_disconnects]
