"""A client of `rt.v1.json` on the independent `websockets` package.

It holds the server to protocol.md while the tests play: every frame's form, the
order of durable pushes, times, and that a push never carries an id.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections import defaultdict
from typing import Any, Callable

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from harness import ANSWER_DEADLINE, Failure, Server, check, check_equal

SUBPROTOCOL = "rt.v1.json"

# Pushes that carry a room's `rev`.
DURABLE = ("message", "receipt", "participant", "room")

MESSAGE_KEYS = {"room", "rev", "seq", "id", "change", "sender", "kind", "body", "sent_at"}
RECEIPT_KEYS = {"room", "rev", "user", "delivered_seq", "read_seq"}
SUMMARY_KEYS = {"id", "kind", "state", "rev", "last_seq", "first_seq", "unread", "me", "participants"}
CONNECT_KEYS = {
    "session", "user", "server_time", "ping_interval_ms", "incarnation", "limits", "reconnect", "rooms", "notifications",
}  # fmt: skip
LIMIT_KEYS = {"frame_bytes", "body_bytes", "rooms", "messages_per_second"}

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


class Refused(Failure):
    """A command that was answered with an error."""

    def __init__(self, command: str, error: dict[str, Any]) -> None:
        super().__init__(f"{command} was refused: {error}")
        self.code = error.get("code")
        self.error = error


class Lost(Failure):
    """The connection ended before the answer."""

    def __init__(self, code: int | None) -> None:
        super().__init__(f"the connection ended with {code}")
        self.code = code


class Chat:
    """One connection of one user."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.pushes: list[tuple[str, dict[str, Any]]] = []
        self.revs: dict[str, list[int]] = defaultdict(list)  # of durable pushes, as they came
        self.start: dict[str, int] = {}  # the rev that each room is followed from
        self.welcome: dict[str, Any] = {}
        self.close_code: int | None = None
        self._awaited: dict[int, tuple[str, asyncio.Future[dict[str, Any]]]] = {}
        self._last_id = 0
        self._changed = asyncio.Condition()
        self._wrong: str | None = None
        self._writing: set[asyncio.Task[None]] = set()
        self._reader = asyncio.create_task(self._read())

    @classmethod
    async def dial(cls, server: Server, path: str = "/ws/", **options: Any) -> "Chat":
        """The socket alone, before `connect`."""
        url = server.url.replace("http://", "ws://") + path
        socket = await connect(
            url, subprotocols=[SUBPROTOCOL], compression=None, proxy=None, ping_interval=None,
            open_timeout=ANSWER_DEADLINE, close_timeout=ANSWER_DEADLINE, max_queue=None, **options,
        )  # fmt: skip
        check_equal(socket.subprotocol, SUBPROTOCOL, "the subprotocol")
        return cls(socket)

    @classmethod
    async def open(cls, server: Server, bearer: str, *, path: str = "/ws/", **connect_body: Any) -> "Chat":
        """Dials and connects; `connect_body` is the rest of the `connect` command (rooms, …)."""
        chat = await cls.dial(server, path)
        try:
            await chat.hello({"token": bearer, **connect_body})
        except BaseException:
            await chat.close()
            raise
        return chat

    async def hello(self, body: dict[str, Any]) -> dict[str, Any]:
        """The `connect` command, whose answer is checked against the contract."""
        self.start |= body.get("rooms", {})
        self.welcome = await self.call("connect", body)
        missing = CONNECT_KEYS - self.welcome.keys()
        check(not missing, f"the answer to connect lacks {sorted(missing)}")
        missing = LIMIT_KEYS - self.welcome["limits"].keys()
        check(not missing, f"limits lack {sorted(missing)}")
        for room in self.welcome["rooms"]:
            missing = SUMMARY_KEYS - room.keys()
            check(not missing, f"a room summary lacks {sorted(missing)}")
            self.start.setdefault(room["id"], room["rev"])
        return self.welcome

    async def __aenter__(self) -> "Chat":
        return self

    async def __aexit__(self, kind: Any, *_: Any) -> None:
        await self.close()
        if kind is None:
            self.check_view()

    # -- commands --

    def post(self, command: str, body: dict[str, Any]) -> "asyncio.Future[dict[str, Any]]":
        """A command whose answer is fetched later; the frame leaves when the caller next awaits."""
        self._last_id += 1
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        if self.close_code is not None or self._reader.done():
            answer.set_exception(Lost(self.close_code))
            return answer
        self._awaited[self._last_id] = (command, answer)
        frame = json.dumps({"id": self._last_id, command: body})
        self._write_soon(frame)
        return answer

    def _write_soon(self, frame: str) -> None:
        """Frames leave in the order of these calls: tasks start in order, and `websockets` queues fairly."""
        writing = asyncio.create_task(self._write(frame))
        self._writing.add(writing)
        writing.add_done_callback(self._writing.discard)

    async def _write(self, frame: str) -> None:
        try:
            await self.socket.send(frame)
        except ConnectionClosed:
            pass  # the reader tells everyone who waits

    async def call(self, command: str, body: dict[str, Any], deadline: float = ANSWER_DEADLINE) -> dict[str, Any]:
        """A command and its answer."""
        try:
            return await asyncio.wait_for(self.post(command, body), deadline)
        except asyncio.TimeoutError:
            raise Failure(f"no answer to {command} within {deadline} s") from None

    async def refused(self, code: str, command: str, body: dict[str, Any]) -> dict[str, Any]:
        """A command that must be refused with this code."""
        try:
            answer = await self.call(command, body)
        except Refused as refusal:
            check_equal(refusal.code, code, f"the code of {command}")
            return refusal.error
        raise Failure(f"{command} was answered {answer} instead of {code}")

    async def say(self, room: str, client_id: str, body: str, **more: Any) -> dict[str, Any]:
        """Sends a message; the answer must have all that protocol.md promises."""
        answer = await self.call("send", {"room": room, "client_id": client_id, "body": body, **more})
        missing = {"seq", "rev", "id", "sent_at", "duplicate"} - answer.keys()
        check(not missing, f"the answer to send lacks {sorted(missing)}")
        return answer

    # -- pushes --

    async def hears(
        self, kind: str, where: Callable[[dict[str, Any]], bool] = lambda push: True, deadline: float = ANSWER_DEADLINE
    ) -> dict[str, Any]:
        """The first push of this kind for which `where` holds, come or still to come."""

        def found() -> dict[str, Any] | None:
            return next((push for name, push in self.pushes if name == kind and where(push)), None)

        async with self._changed:
            try:
                await asyncio.wait_for(
                    self._changed.wait_for(lambda: found() is not None or self._reader.done()), deadline
                )
            except asyncio.TimeoutError:
                heard = [name for name, _ in self.pushes][-20:]
                raise Failure(f"no such {kind} push within {deadline} s; heard last: {heard}") from None
        if (push := found()) is None:
            raise Lost(self.close_code)
        return push

    def messages(self, room: str) -> list[dict[str, Any]]:
        """The message pushes of a room, as they came."""
        return [push for name, push in self.pushes if name == "message" and push["room"] == room]

    def rev(self, room: str) -> int:
        """The rev this connection holds the room at."""
        return max(self.revs[room][-1:] + [self.start.get(room, 0)])

    # -- the end --

    async def closed(self, deadline: float = ANSWER_DEADLINE) -> int | None:
        """Waits until the server has closed; the code."""
        try:
            await asyncio.wait_for(asyncio.shield(self._reader), deadline)
        except asyncio.TimeoutError:
            raise Failure(f"the server did not close within {deadline} s") from None
        return self.close_code

    async def close(self) -> None:
        """Closes politely."""
        await self.socket.close()
        await self._reader

    async def vanish(self) -> None:
        """Cuts the connection without a word, as a phone in a tunnel does."""
        self.socket.transport.abort()
        await self._reader

    def check_view(self) -> None:
        """What protocol.md §2.2 says of order, for all that came; and every frame was well formed."""
        check(self._wrong is None, f"a frame against the contract: {self._wrong}")
        for room, revs in self.revs.items():
            for earlier, later in zip([self.start.get(room, 0), *revs], revs):
                check(later > earlier, f"room {room}: rev {later} came after {earlier}")

    async def _read(self) -> None:
        try:
            async for frame in self.socket:
                await self._take_frame(frame)
        except ConnectionClosed:
            pass
        self.close_code = self.socket.close_code
        for _, answer in self._awaited.values():
            if not answer.done():
                answer.set_exception(Lost(self.close_code))
                answer.exception()  # seen: a test may have stopped waiting for it
        self._awaited.clear()
        async with self._changed:
            self._changed.notify_all()

    async def _take_frame(self, frame: str | bytes) -> None:
        if isinstance(frame, bytes):
            self._wrong = "a binary frame"
            return
        for line in frame.split("\n"):
            if not line:
                continue
            try:
                self._take(json.loads(line))
            except (Failure, ValueError, KeyError, TypeError) as why:
                self._wrong = self._wrong or f"{line[:300]} ({why})"
        async with self._changed:
            self._changed.notify_all()

    def _take(self, item: dict[str, Any]) -> None:
        if "id" in item:
            self._take_answer(item)
            return
        check(len(item) == 1, "a push is one key")
        [(kind, push)] = item.items()
        self.pushes.append((kind, push))
        if kind == "ping":
            self._write_soon('{"pong":{}}')
        elif kind == "reset" and "room" in push:
            self.start[push["room"]] = push["rev"]
            self.revs.pop(push["room"], None)
        elif kind in DURABLE:
            self._take_durable(kind, push)

    def _take_durable(self, kind: str, push: dict[str, Any]) -> None:
        wanted = {"message": MESSAGE_KEYS, "receipt": RECEIPT_KEYS}.get(kind, {"rev"})
        missing = wanted - push.keys()
        check(not missing, f"{kind} lacks {sorted(missing)}")
        room = push["id"] if kind == "room" else push["room"]
        # Rooms are announced by a `room` push with their present rev; a receipt may come from a room that is new too.
        if kind == "room" and room not in self.start and not self.revs[room]:
            self.start[room] = push["rev"]
            return
        self.revs[room].append(push["rev"])
        if kind == "message":
            check(TIME.fullmatch(push["sent_at"]), f"sent_at {push['sent_at']!r}")

    def _take_answer(self, item: dict[str, Any]) -> None:
        check(len(item) == 2 and ("ok" in item or "error" in item), "an answer is id and ok or error")
        awaited = self._awaited.pop(item["id"], None)
        check(awaited is not None, f"an answer to id {item['id']}, which nobody awaits")
        command, answer = awaited
        if answer.done():
            return
        if "ok" in item:
            answer.set_result(item["ok"])
        else:
            check({"code", "message"} <= item["error"].keys(), "an error has code and message")
            answer.set_exception(Refused(command, item["error"]))
