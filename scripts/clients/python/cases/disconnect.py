# Nobody broadcasts in this namespace. A broadcast that meets a WebSocket which is just closing is a
# write error, and the official server then says `transport error` instead of `transport close`.
QUIET = "/guarded"


async def watched(bench, namespaces=(QUIET,)):
    """A client, and a function that returns the reason the server saw for its end."""
    client = await bench.connect(auth={"token": "letmein"}, namespaces=namespaces)
    witness = await bench.connect()
    tags = {}
    for namespace in namespaces:
        tags[namespace] = bench.unique("watched")
        await witness.call("join", f"gone:{tags[namespace]}")
        await client.call("watch", tags[namespace], namespace=namespace)

    async def gone(namespace=QUIET):
        return (await witness.next("gone", lambda tag, _: tag == tags[namespace]))[1]

    return client, gone


async def by_the_client(bench):
    client, gone = await watched(bench)
    await client.sio.disconnect()
    # The client says DISCONNECT and closes the engine in one breath; the official server lets the
    # close overtake.
    seen = await gone()
    assert seen in ("client namespace disconnect", "transport close"), seen
    assert await client.next("disconnect", namespace=QUIET) == ["client disconnect"]


async def by_the_client_from_one_of_two_namespaces(bench):
    client, gone = await watched(bench, ["/", "/custom"])
    await client.sio.eio.send("1/custom,")  # the client itself can only leave all of them
    assert await gone("/custom") == "client namespace disconnect"
    assert await client.call("message-with-ack", "still here") == ["still here"]


async def by_the_client_without_a_word(bench):
    client, gone = await watched(bench)
    await client.sio.eio.disconnect()
    assert await gone() == "transport close"
    assert await client.next("disconnect", namespace=QUIET) == ["client disconnect"]


async def by_the_server_one_namespace(bench):
    client, gone = await watched(bench, ["/", "/custom"])
    await client.emit("kick", False, namespace="/custom")
    assert await gone("/custom") == "server namespace disconnect"
    assert await client.next("disconnect", namespace="/custom") == ["server disconnect"]
    assert await client.call("message-with-ack", "still here") == ["still here"]


async def by_the_server_the_whole_connection(bench):
    client, gone = await watched(bench, ["/", "/custom"])
    await client.emit("kick", True)
    for namespace in ("/", "/custom"):
        assert await gone(namespace) == "server namespace disconnect"
        assert await client.next("disconnect", namespace=namespace) == ["server disconnect"]


CASES = [
    by_the_client,
    by_the_client_from_one_of_two_namespaces,
    by_the_client_without_a_word,
    by_the_server_one_namespace,
    by_the_server_the_whole_connection,
]
