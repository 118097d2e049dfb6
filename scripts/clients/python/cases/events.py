TEXTS = ["", "plain", "quotes \" \\ / ,", "line\nfeed \0 \x1e \u2028 end", "über 東京 🚀"]
VALUES = [None, True, False, 0, -1, 1.5, [], {}, [[[]]], {"a": {"b": [1, {"c": None}]}}]


async def text_of_every_kind_comes_back_unchanged(bench):
    client = await bench.connect()
    await client.emit("message", *TEXTS, *VALUES)
    assert await client.next("message-back") == [*TEXTS, *VALUES]


async def an_event_without_arguments(bench):
    client = await bench.connect()
    await client.emit("message")
    assert await client.next("message-back") == []


async def several_binary_arguments_between_text(bench):
    client = await bench.connect()
    args = ["a", bytes(range(256)), 1, b"", b"\xff"]
    await client.emit("message", *args)
    assert await client.next("message-back") == args


async def binary_nested_in_arrays_and_objects(bench):
    client = await bench.connect()
    nested = {"a": [b"\1", {"b": b"\2\3"}], "c": "text", "d": b"\4"}
    await client.emit("message", [b"\0", [nested]], nested)
    assert await client.next("message-back") == [[b"\0", [nested]], nested]


async def large_text_and_large_binary(bench):
    client = await bench.connect()
    text = "0123456789é🚀" * 20_000
    await client.emit("message", text)
    [back] = await client.next("message-back")
    assert back == text, "the text differs"  # too long to print
    binary = b"stentor" * 60_000
    await client.emit("message", binary)
    [back] = await client.next("message-back")
    assert back == binary, "the binary differs"


async def many_events_from_one_handler_call(bench):
    client = await bench.connect()
    for d in ("text", {"deep": [b"\7\10", "x"]}):
        await client.call("flood", 300, d)
        assert await client.take(300, "flood") == [[i, d] for i in range(300)]
    assert client.untaken("flood") == []


async def a_volatile_event_reaches_a_client_that_listens(bench):
    client = await bench.connect()
    # Any one of them may be lost, between two polls for instance; all of them may not.
    sent = 0
    while not client.untaken("volatile"):
        await client.call("volatile", sent)
        sent += 1
    got = [n for [n] in client.untaken("volatile")]
    assert got == sorted(set(got)), got


CASES = [
    text_of_every_kind_comes_back_unchanged,
    an_event_without_arguments,
    several_binary_arguments_between_text,
    binary_nested_in_arrays_and_objects,
    large_text_and_large_binary,
    many_events_from_one_handler_call,
    a_volatile_event_reaches_a_client_that_listens,
]
