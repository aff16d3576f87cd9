"""The one live server that all hostile cases try, and what it must still be afterwards."""

from __future__ import annotations

import itertools
import json
from contextlib import asynccontextmanager
from typing import Any, AsyncIterator

from harness import Rest, Server, check, check_equal, open_group, running_server, service_token, token, whole_history
from rawsocket import Raw

# Enough that neighbouring cases never share a user, few enough for a small room.
USERS = [f"user-{n}" for n in range(80)]
WITNESS = "witness"

SEEDS = ["first seed", "second seed", "third seed"]

# MiB of resident memory that the server may ever reach while it is tried: a debug
# build with a pool of database connections needs below 100, one lie believed
# ("this frame has 2^62 bytes", a bomb inflated) costs more than this.
MEMORY_CEILING = 400

# Ordinary limits: what counts as a flood is measured against them. Only the burst
# allows one case to fill a room.
LIMITS = {
    "REALTIME_LIMITS__MESSAGES_PER_SECOND": "100",
    "REALTIME_LIMITS__MESSAGE_BURST": "1000",
    "REALTIME_LIMITS__COMMANDS_PER_SECOND": "50",
    "REALTIME_LIMITS__COMMAND_BURST": "200",
}

# A command that changes nothing, to see that a connection still works.
PROBE_ID = 4_000_000_000


class Target:
    """A server with a room that must stay as it is, and a room for what may be stored."""

    def __init__(self, server: Server, platform: Rest, kept: str, scratch: str) -> None:
        self.server, self.platform, self.room, self.scratch = server, platform, kept, scratch
        self._users = itertools.cycle(USERS)

    def user(self) -> str:
        """A participant of both rooms."""
        return next(self._users)

    async def connected(self) -> Raw:
        """A raw connection, open for some user."""
        return await Raw.connected(self.server, self.user())

    async def still_answers(self, raw: Raw) -> None:
        """The connection works as if nothing had happened."""
        raw.send_text(json.dumps({"id": PROBE_ID, "typing": {"room": self.room, "active": False}}))
        answer = await raw.item(lambda item: item.get("id") == PROBE_ID)
        check_equal(answer, {"id": PROBE_ID, "ok": {}}, "a harmless command afterwards")

    def rest(self, user: str | None = None) -> Rest:
        return Rest(self.server, token(user or self.user()))

    # -- afterwards --

    async def check_nothing_stored(self) -> None:
        """The kept room holds its seeds, and no other room but the two rooms exists beyond what cases made."""
        async with self.rest(WITNESS) as rest:
            history = await whole_history(rest, self.room)
        check_equal([message["body"] for message in history], SEEDS, "the messages of the kept room")
        rows = self.server.sql("SELECT body FROM rt_message WHERE body NOT LIKE 'scratch %' ORDER BY seq")
        check_equal([body for (body,) in rows], SEEDS, "the messages in the file, but for those allowed")

    async def check_serves(self) -> None:
        """A stranger to all that happened can work."""
        async with self.rest(WITNESS) as rest:
            answer = await rest.client.get("/healthz")
            check_equal(answer.status_code, 200, "GET /healthz")
            answer = await rest.client.get("/readyz")
            check_equal(answer.status_code, 200, "GET /readyz")
            sent = await rest.call(
                "POST", f"/rooms/{self.scratch}/messages", {"client_id": "at-the-end", "body": "scratch at the end"}
            )
            check(sent["seq"] >= 1, "a message without a seq")
        async with await self.connected() as raw:
            await self.still_answers(raw)

    def check_memory(self) -> None:
        peak = self.server.peak_memory_mib()
        check(peak < MEMORY_CEILING, f"the server once held {peak:.0f} MiB; the ceiling is {MEMORY_CEILING}")


@asynccontextmanager
async def target() -> AsyncIterator[Target]:
    async with running_server(**LIMITS) as server, Rest(server, service_token()) as platform:
        kept = await open_group(platform, [WITNESS, *USERS], "kept")
        scratch = await open_group(platform, [WITNESS, *USERS], "scratch")
        async with Rest(server, token(WITNESS)) as witness:
            for n, body in enumerate(SEEDS):
                message: dict[str, Any] = {"client_id": f"seed-{n}", "body": body}
                await witness.call("POST", f"/rooms/{kept}/messages", message)
        yield Target(server, platform, kept, scratch)
