from socketio.exceptions import TimeoutError as TimedOut


async def the_server_answers_with_text(bench):
    client = await bench.connect()
    for args in ([], ["x"], [1, "2", {"3": [False]}]):
        assert await client.call("message-with-ack", *args) == args


async def the_server_answers_with_binary_nested(bench):
    client = await bench.connect()
    args = [b"\1\2", {"a": [b"\3"]}, "text"]
    assert await client.call("message-with-ack", *args) == args


async def the_client_answers_with_text(bench):
    client = await bench.connect()
    client.answer = lambda *args: ("answer", *args, [1])
    await client.emit("ask", 20_000, "q", {"deep": True})
    assert await client.next("question") == ["q", {"deep": True}]
    assert await client.next("asked") == [None, "answer", "q", {"deep": True}, [1]]


async def the_client_answers_with_binary_nested(bench):
    client = await bench.connect()
    binary = {"deep": [b"\1\2\3"]}
    client.answer = lambda *args: (b"\x09", *args)
    await client.emit("ask", 20_000, binary)
    assert await client.next("asked") == [None, b"\x09", binary]


async def the_client_answers_with_nothing(bench):
    client = await bench.connect()
    await client.emit("ask", 20_000)
    assert await client.next("asked") == [None]


async def the_clients_own_timeout_and_the_late_answer_is_harmless(bench):
    client = await bench.connect()
    try:
        await client.sio.call("late-ack", (500, "late"), timeout=0.05)
    except TimedOut:
        pass
    else:
        raise AssertionError("it was answered")
    # Asked for after it and with the same delay, so answered after it.
    assert await client.call("late-ack", 500, "next") == ["next"]


async def a_slow_answer_does_not_hold_up_the_next_ones(bench):
    client = await bench.connect()
    order = []
    await client.sio.emit("late-ack", (500, "slow"), callback=lambda *answer: order.append(answer))
    order.append(tuple(await client.call("message-with-ack", "fast")))
    assert order == [("fast",)], order
    await client.call("late-ack", 500, "last")
    assert order == [("fast",), ("slow",)], order


async def a_handler_that_throws_harms_only_its_own_event(bench):
    client = await bench.connect()
    answered = []
    await client.sio.emit("throw", ("a",), callback=lambda *answer: answered.append(answer))
    await client.emit("throw", b"\1")
    assert await client.call("message-with-ack", "after") == ["after"]
    # Node says nothing, Stentor that something went wrong.
    assert answered in ([], [({"error": {"message": "Internal server error"}},)]), answered
    assert client.untaken("disconnect") == []


CASES = [
    the_server_answers_with_text,
    the_server_answers_with_binary_nested,
    the_client_answers_with_text,
    the_client_answers_with_binary_nested,
    the_client_answers_with_nothing,
    the_clients_own_timeout_and_the_late_answer_is_harmless,
    a_slow_answer_does_not_hold_up_the_next_ones,
    a_handler_that_throws_harms_only_its_own_event,
]
