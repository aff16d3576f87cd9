"""HTTP and WebSocket by hand, so that what no library would send can be sent.

A `Raw` reads in the background all that the server says: the response's head,
then frames. So a close frame is seen even while the other side is being flooded.
"""

from __future__ import annotations

import asyncio
import json
import struct
from typing import Any, Callable

from harness import ANSWER_DEADLINE, Failure, Server, check, check_equal, token

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA

# After a close frame the server drains at most 2 s before it lets the socket go.
GONE_DEADLINE = 6

HEAD_LIMIT = 1 << 20

# A valid masking key that leaves the payload as it is: masks nothing, costs nothing.
ZERO_KEY = b"\0\0\0\0"

Headers = list[tuple[str, str]]


def upgrade_headers(port: int) -> Headers:
    """What a correct opening handshake sends."""
    return [
        ("Host", f"127.0.0.1:{port}"),
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("Sec-WebSocket-Version", "13"),
    ]


def changed(headers: Headers, name: str, *values: str) -> Headers:
    """The headers with other values (or none, or several) of one name."""
    return [pair for pair in headers if pair[0].lower() != name.lower()] + [(name, value) for value in values]


def request(headers: Headers, path: str = "/ws/", method: str = "GET", version: str = "HTTP/1.1") -> bytes:
    """The bytes of a request's head."""
    lines = [f"{method} {path} {version}", *(f"{name}: {value}" for name, value in headers), "", ""]
    return "\r\n".join(lines).encode("latin-1")


def frame(
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    rsv: int = 0,
    masked: bool = True,
    claimed_length: int | None = None,
) -> bytes:
    """A frame's bytes; `claimed_length` lies in the header about a payload that is not there."""
    length = len(payload) if claimed_length is None else claimed_length
    mask_bit = 0x80 if masked else 0
    first = (0x80 if fin else 0) | rsv << 4 | opcode
    if length < 126:
        head = struct.pack("!BB", first, mask_bit | length)
    elif length < 1 << 16:
        head = struct.pack("!BBH", first, mask_bit | 126, length)
    else:
        head = struct.pack("!BBQ", first, mask_bit | 127, length)
    return head + (ZERO_KEY if masked else b"") + payload


def close_frame(code: int, reason: bytes = b"") -> bytes:
    return frame(CLOSE, struct.pack("!H", code) + reason)


class Raw:
    """One TCP connection to the server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.status: int | None = None
        self.headers: dict[str, str] = {}
        self.body = b""
        self.frames: list[tuple[int, bytes]] = []
        self.close_code: int | None = None
        self.ended = False
        self._taken = 0
        self._changed = asyncio.Condition()
        self._pump = asyncio.create_task(self._read())

    @classmethod
    async def dial(cls, server: Server) -> "Raw":
        return cls(*await asyncio.open_connection("127.0.0.1", server.port, limit=HEAD_LIMIT))

    @classmethod
    async def upgraded(cls, server: Server, path: str = "/ws/", headers: Headers | None = None) -> "Raw":
        """A connection after a correct handshake, before `connect`."""
        raw = await cls.dial(server)
        raw.send(request((headers or []) + upgrade_headers(server.port), path))
        check_equal(await raw.answered(), 101, "the status of a correct handshake")
        return raw

    @classmethod
    async def connected(cls, server: Server, user: str, bearer: str | None = None) -> "Raw":
        """A connection that is open for `user`."""
        raw = await cls.upgraded(server)
        raw.send_text(json.dumps({"id": 1, "connect": {"token": bearer or token(user)}}))
        answer = await raw.item(lambda item: item.get("id") == 1)
        check("ok" in answer, f"connect was refused: {answer}")
        return raw

    async def __aenter__(self) -> "Raw":
        return self

    async def __aexit__(self, *_: Any) -> None:
        self._pump.cancel()
        await asyncio.gather(self._pump, return_exceptions=True)
        self.writer.transport.abort()

    # -- saying --

    def send(self, data: bytes) -> None:
        """Bytes as they are; a server that is gone already is no error, its last words count."""
        if not self.writer.transport.is_closing():
            self.writer.write(data)

    def send_text(self, text: str) -> None:
        self.send(frame(TEXT, text.encode("utf-8", "surrogatepass")))

    async def flood(self, data: bytes, times: int) -> int:
        """Repeats `data` until the server has closed, at most so often; how often it was sent."""
        for sent in range(times):
            if self.over:
                return sent
            self.send(data)
            try:
                await self.writer.drain()
            except ConnectionError:
                return sent
            await asyncio.sleep(0)  # lets the reader look; `drain` alone does not always yield
        return times

    # -- hearing --

    @property
    def over(self) -> bool:
        """Whether the server has said goodbye or gone."""
        return self.ended or self.close_code is not None

    async def wait(self, fact: Callable[[], Any], deadline: float, what: str) -> None:
        """Waits for a fact about what was heard."""
        async with self._changed:
            try:
                await asyncio.wait_for(self._changed.wait_for(fact), deadline)
            except asyncio.TimeoutError:
                raise Failure(f"{what} did not happen within {deadline} s") from None

    async def answered(self, deadline: float = ANSWER_DEADLINE) -> int | None:
        """The status of the HTTP response; nothing if the server just closed."""
        await self.wait(lambda: self.status is not None or self.ended, deadline, "an HTTP response")
        return self.status

    async def gone(self, deadline: float = GONE_DEADLINE) -> None:
        """Waits until the server has let the connection go."""
        await self.wait(lambda: self.ended, deadline, "the end of the connection")

    async def closed_with(self, codes: set[int], deadline: float = ANSWER_DEADLINE) -> int:
        """The server must close with a close frame that we see, and then let the connection go."""
        await self.wait(lambda: self.over, deadline, "a close")
        check(self.close_code is not None, f"the connection ended without a close frame, wanted {sorted(codes)}")
        check(self.close_code in codes, f"closed with {self.close_code}, wanted {sorted(codes)}")
        self.send(close_frame(self.close_code))
        await self.gone()
        return self.close_code

    async def item(self, where: Callable[[dict[str, Any]], bool], deadline: float = ANSWER_DEADLINE) -> dict[str, Any]:
        """The next JSON object that fits, passing over the others."""
        found: list[dict[str, Any]] = []

        def look() -> bool:
            items = self.items()
            while self._taken < len(items) and not found:
                if where(items[self._taken]):
                    found.append(items[self._taken])
                self._taken += 1
            return bool(found) or self.over

        await self.wait(look, deadline, "an answer")
        if not found:
            how = "ended" if self.close_code is None else f"was closed with {self.close_code}"
            raise Failure(f"the connection {how} before an answer came")
        return found[0]

    def items(self) -> list[dict[str, Any]]:
        """Every JSON object so far."""
        texts = [payload.decode() for opcode, payload in self.frames if opcode == TEXT]
        return [json.loads(line) for text in texts for line in text.split("\n") if line]

    async def _read(self) -> None:
        try:
            await self._read_head()
            if self.status == 101:
                while True:
                    await self._read_frame()
            while chunk := await self.reader.read(1 << 16):
                self.body += chunk
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
            pass
        self.ended = True
        async with self._changed:
            self._changed.notify_all()

    async def _read_head(self) -> None:
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        self.headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
        self.status = int(head[0].split(" ")[1])
        async with self._changed:
            self._changed.notify_all()

    async def _read_frame(self) -> None:
        first, second = await self.reader.readexactly(2)
        length = second & 0x7F
        if length == 126:
            length = int.from_bytes(await self.reader.readexactly(2), "big")
        elif length == 127:
            length = int.from_bytes(await self.reader.readexactly(8), "big")
        payload = await self.reader.readexactly(length)
        self.frames.append((first & 0x0F, payload))
        if first & 0x0F == CLOSE:
            self.close_code = int.from_bytes(payload[:2], "big") if payload else 1005
        async with self._changed:
            self._changed.notify_all()
