"""usage: python run.py URL -- SERVER-COMMAND...

Runs every case with python-socketio over each transport against the contract server at URL (see
../CONTRACT.md) and prints one line a case: `ok NAME` or `FAIL NAME: why`. SERVER-COMMAND starts
further servers, for the cases that kill theirs.
"""

import asyncio
import os
import sys
import traceback

from bench import Bench
from cases import acks, connect, disconnect, events, order, restart, rooms, threads

TRANSPORTS = {"polling": ["polling"], "websocket": ["websocket"], "upgrade": ["polling", "websocket"]}
TOPICS = [connect, events, acks, rooms, disconnect, order, restart, threads]

# Far above what any case needs; it only turns a hang into a failure.
CASE_DEADLINE_S = 60


async def run_case(case, bench):
    try:
        await asyncio.wait_for(case(bench), CASE_DEADLINE_S)
    except asyncio.TimeoutError:
        raise AssertionError(f"waited too long for: {bench.waiting_for()}") from None
    finally:
        await bench.close()


async def run_transport(transport, url, server_command):
    failures = 0
    for topic in TOPICS:
        for case in topic.CASES:
            if transport not in getattr(case, "transports", TRANSPORTS):
                continue
            title = case.__name__.replace("_", " ")
            name = f"python {transport} {topic.__name__.removeprefix('cases.')}: {title}"
            try:
                await run_case(case, Bench(url, transport, TRANSPORTS[transport], server_command))
                print(f"ok {name}", flush=True)
            except Exception as error:
                failures += 1
                why = " ".join(f"{type(error).__name__}: {error}".split())
                print(f"FAIL {name}: {why}", flush=True)
                if os.environ.get("VERBOSE"):
                    traceback.print_exc()
    return failures


async def main():
    if len(sys.argv) < 4 or sys.argv[2] != "--":
        sys.exit(__doc__)
    url, server_command = sys.argv[1], sys.argv[3:]
    counts = await asyncio.gather(*(run_transport(name, url, server_command) for name in TRANSPORTS))
    sys.exit(1 if any(counts) else 0)


asyncio.run(main())
