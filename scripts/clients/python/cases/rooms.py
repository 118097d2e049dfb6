import asyncio

# Enough clients that each of four shards has some, whichever way they were spread.
CROWD = 8


async def settled(bench, sender, clients):
    """Returns when everything the sender emitted before has arrived.

    "Nobody else got it" is shown by order, not by waiting: what one sender emits arrives at one
    receiver in order, so a marker broadcast afterwards comes last.
    """
    marker = bench.unique("marker")
    await sender.emit("broadcast", marker)
    await asyncio.gather(*(client.next("broadcast", lambda d: d == marker) for client in clients))


def received(client):
    return [d for [d] in client.untaken("room")]


async def crowd_in(bench, room):
    crowd = await bench.connect_many(CROWD)
    await asyncio.gather(*(client.call("join", room) for client in crowd))
    return crowd


async def a_room_reaches_its_members_and_nobody_else(bench):
    room = bench.unique("room é")
    members = await crowd_in(bench, room)
    outsiders = await bench.connect_many(2)
    for d in ("text", {"deep": [b"\1\2", b"\3"]}):
        await members[0].emit("room", room, d)
    await settled(bench, members[0], [*members, *outsiders])
    for member in members:
        assert received(member) == ["text", {"deep": [b"\1\2", b"\3"]}]
    for outsider in outsiders:
        assert received(outsider) == []


async def to_a_room_but_the_sender(bench):
    room = bench.unique("room")
    sender, *others = await crowd_in(bench, room)
    await sender.emit("room-others", room, "hello")
    await settled(bench, sender, [sender, *others])
    assert received(sender) == []
    for other in others:
        assert received(other) == ["hello"]


async def to_a_room_except_another(bench):
    room, spared = bench.unique("room"), bench.unique("spared")
    members = await crowd_in(bench, room)
    for member in members[::2]:
        await member.call("join", spared)
    await members[0].emit("room-except", room, spared, "hello")
    await settled(bench, members[0], members)
    for index, member in enumerate(members):
        assert received(member) == ([] if index % 2 == 0 else ["hello"])


async def nothing_arrives_after_leaving(bench):
    room = bench.unique("room")
    members = await crowd_in(bench, room)
    for member in members[::2]:
        await member.call("leave", room)
    await members[0].emit("room", room, "after")
    await settled(bench, members[0], members)
    for index, member in enumerate(members):
        assert received(member) == ([] if index % 2 == 0 else ["after"])


async def a_broadcast_to_all_and_to_all_but_me(bench):
    sender, *others = await bench.connect_many(CROWD)
    everybody, not_me = bench.unique("all"), bench.unique("others")
    await sender.emit("broadcast", everybody)
    await sender.emit("broadcast-others", not_me)
    await settled(bench, sender, [sender, *others])
    ours = {everybody, not_me}
    assert sender.untaken("broadcast", lambda d: d in ours) == [[everybody]]
    for other in others:
        assert other.untaken("broadcast", lambda d: d in ours) == [[everybody], [not_me]]


async def a_broadcast_with_acks(bench):
    room = bench.unique("room")
    members = await crowd_in(bench, room)
    for index, member in enumerate(members):
        member.answer = lambda d, index=index: {"index": index, "d": d}
    timed_out, answers = await members[0].call("survey", 20_000, room, b"\7")
    assert timed_out is False
    answers.sort(key=lambda answer: answer["index"])
    assert answers == [{"index": index, "d": b"\7"} for index in range(CROWD)]


CASES = [
    a_room_reaches_its_members_and_nobody_else,
    to_a_room_but_the_sender,
    to_a_room_except_another,
    nothing_arrives_after_leaving,
    a_broadcast_to_all_and_to_all_but_me,
    a_broadcast_with_acks,
]
