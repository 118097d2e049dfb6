from urllib.parse import quote

from socketio.exceptions import ConnectionError as Refused


async def the_server_sees_the_auth_that_was_sent(bench):
    auth = {"token": "123", "nested": {"list": [1, "two", None]}}
    client = await bench.connect(auth=auth)
    assert await client.next("auth") == [auth]


async def no_auth_arrives_as_an_empty_object(bench):
    client = await bench.connect()
    assert await client.next("auth") == [{}]


async def id_transport_and_query_agree_on_both_sides(bench):
    tag = bench.unique("tag é&=")
    client = await bench.connect(url=f"{bench.url}?tag={quote(tag)}")
    [seen] = await client.call("whoami")
    transport = "polling" if bench.transport == "polling" else "websocket"
    assert client.sio.transport() == transport
    assert seen == {"id": client.id(), "transport": transport, "tag": tag}, seen


async def a_refused_auth_carries_message_and_data(bench):
    client = bench.client()
    try:
        await client.connect(bench.url, auth={"token": "wrong"}, namespaces=["/guarded"])
    except Refused:
        pass
    else:
        raise AssertionError("it was accepted")
    [error] = await client.next("connect_error", namespace="/guarded")
    assert error == {"message": "not authorized", "data": {"code": "E_AUTH", "token": "wrong"}}, error


async def the_right_auth_is_accepted(bench):
    client = await bench.connect(auth={"token": "letmein"}, namespaces=["/guarded"])
    assert await client.next("auth", namespace="/guarded") == [{"token": "letmein"}]


async def an_unknown_namespace_is_refused(bench):
    client = bench.client()
    try:
        await client.connect(bench.url, namespaces=["/no-such-namespace"])
    except Refused:
        pass
    else:
        raise AssertionError("it was accepted")
    [error] = await client.next("connect_error", namespace="/no-such-namespace")
    assert error == {"message": "Invalid namespace"}, error


async def two_namespaces_share_a_connection_and_nothing_else(bench):
    client = await bench.connect(auth={"a": 1}, namespaces=["/", "/custom"])
    assert client.id("/") != client.id("/custom")
    await client.emit("message", "to main")
    await client.emit("message", "to custom", b"\1\2", namespace="/custom")
    assert await client.next("message-back") == ["to main"]
    assert await client.next("message-back", namespace="/custom") == ["to custom", b"\1\2"]
    for namespace in ("/", "/custom"):
        assert await client.next("auth", namespace=namespace) == [{"a": 1}]
        assert client.untaken("message-back", namespace=namespace) == []


CASES = [
    the_server_sees_the_auth_that_was_sent,
    no_auth_arrives_as_an_empty_object,
    id_transport_and_query_agree_on_both_sides,
    a_refused_auth_carries_message_and_data,
    the_right_auth_is_accepted,
    an_unknown_namespace_is_refused,
    two_namespaces_share_a_connection_and_nothing_else,
]
