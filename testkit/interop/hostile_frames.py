"""reliability.md §3, Frames: what breaks RFC 6455, or only bends it to wear the server down."""

from __future__ import annotations

import asyncio
import json
import struct
from functools import partial

from harness import Test, check, check_equal, token
from hostile_target import Target
from rawsocket import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Raw, close_frame, frame

# protocol.md §2: bytes of one frame.
FRAME_BYTES = 64 * 1024

# RFC 6455 and protocol.md §2.4.
PROTOCOL_ERROR, UNSUPPORTED, BAD_DATA, TOO_BIG = {1002}, {1003}, {1007}, {1009}
# Frames that are allowed one by one: the design says that they are counted, not which of these codes tells it.
TOO_MANY = {1002, 1008, 1009, 4003}

# How often a flood is repeated, at most: 50 times what a budget of 10,000 frames would let pass.
FLOOD_ROUNDS = 500
FRAMES_A_ROUND = 1_000

# Seconds. One byte a second must not hold a connection beyond the connect time-out (10 s) …
UNAUTHENTICATED_DEADLINE = 14
# … nor, later, beyond the ping interval (25 s) and the time for the answer (10 s); a limit
# on how long one message may take ends it sooner.
TRICKLE_DEADLINE = 42
TRICKLE_INTERVAL = 1.0


async def breaks(target: Target, data: bytes, codes: set[int]) -> None:
    """The bytes end the connection with a code that the peer sees."""
    async with await target.connected() as raw:
        raw.send(data)
        await raw.closed_with(codes)


def broken_frames(target: Target) -> list[tuple[str, bytes, set[int]]]:
    typing = json.dumps({"id": 9, "typing": {"room": target.room, "active": False}}).encode()
    start = frame(TEXT, typing[:5], fin=False)
    split = "ж".encode()
    return [
        ("unmasked", frame(TEXT, typing, masked=False), PROTOCOL_ERROR),
        *((f"RSV {bits:03b}", frame(TEXT, typing, rsv=bits), PROTOCOL_ERROR) for bits in (0b100, 0b010, 0b001, 0b111)),
        ("RSV on a ping", frame(PING, b"x", rsv=0b100), PROTOCOL_ERROR),
        *((f"opcode {opcode:#x}", frame(opcode, b"x"), PROTOCOL_ERROR) for opcode in (0x3, 0x4, 0x7, 0xB, 0xC, 0xF)),
        ("big ping", frame(PING, b"x" * 126), PROTOCOL_ERROR),
        ("big close", frame(CLOSE, b"\x03\xe8" + b"x" * 124), PROTOCOL_ERROR),
        ("fragmented ping", frame(PING, b"x", fin=False), PROTOCOL_ERROR),
        ("fragmented close", frame(CLOSE, b"\x03\xe8", fin=False), PROTOCOL_ERROR),
        ("orphan continuation", frame(CONTINUATION, typing), PROTOCOL_ERROR),
        ("orphan continuation after a message", frame(TEXT, typing) + frame(CONTINUATION, b"x"), PROTOCOL_ERROR),
        ("new message inside a message", start + frame(TEXT, typing), PROTOCOL_ERROR),
        ("bad UTF-8", frame(TEXT, b'{"id":1,"\xff":{}}'), BAD_DATA),
        ("bad UTF-8 across fragments", frame(TEXT, b'"' + split[:1], fin=False) + frame(CONTINUATION, b'"'), BAD_DATA),
        ("UTF-8 cut off at the end", frame(TEXT, b'"' + split[:1]), BAD_DATA),
        ("a surrogate in UTF-8", frame(TEXT, b'"\xed\xa0\x80"'), BAD_DATA),
        ("an overlong NUL", frame(TEXT, b'"\xc0\x80"'), BAD_DATA),
        *((f"close code {code}", close_frame(code), PROTOCOL_ERROR)
          for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535)),
        ("close with one byte", frame(CLOSE, b"\x03"), PROTOCOL_ERROR),
        ("close with a reason that is not UTF-8", close_frame(1000, b"\xff\xfe"), PROTOCOL_ERROR | BAD_DATA),
        ("over-long by header only", frame(TEXT, claimed_length=FRAME_BYTES + 1), TOO_BIG),
        ("2 GiB by header only", frame(TEXT, claimed_length=2**31), TOO_BIG),
        ("2^62 bytes by header only", frame(TEXT, claimed_length=2**62), TOO_BIG),
        ("2^63 bytes by header only", frame(TEXT, claimed_length=2**63), TOO_BIG | PROTOCOL_ERROR),
        ("1 MiB of text", frame(TEXT, b"x" * (1 << 20)), TOO_BIG),
        ("too long only in sum", frame(TEXT, b"x" * 40_000, fin=False) + frame(CONTINUATION, b"x" * 40_000), TOO_BIG),
        ("binary", frame(BINARY, typing), UNSUPPORTED),
        ("empty binary", frame(BINARY), UNSUPPORTED),
        ("binary in fragments", frame(BINARY, b"x", fin=False) + frame(CONTINUATION, b"x"), UNSUPPORTED),
        ("1 MiB of binary", frame(BINARY, b"x" * (1 << 20)), UNSUPPORTED | TOO_BIG),
    ]  # fmt: skip


async def header_lie_before_connect(target: Target) -> None:
    """The limits hold before anyone has said who they are."""
    for data, codes in ((frame(TEXT, claimed_length=2**40), TOO_BIG), (frame(BINARY, b"x"), UNSUPPORTED)):
        async with await Raw.upgraded(target.server) as raw:
            raw.send(data)
            await raw.closed_with(codes)


async def largest_frame_passes(target: Target) -> None:
    """A frame of exactly the limit is a frame: blanks around a command are JSON."""
    async with await target.connected() as raw:
        text = json.dumps({"id": 9, "typing": {"room": target.room, "active": False}})
        raw.send(frame(TEXT, text.ljust(FRAME_BYTES).encode()))
        check_equal(await raw.item(lambda item: item.get("id") == 9), {"id": 9, "ok": {}}, "the answer to a full frame")
        await target.still_answers(raw)


async def fragments_and_pings_pass(target: Target) -> None:
    """What is unusual but allowed: a command in 1-byte fragments with pings between them."""
    text = json.dumps({"id": 9, "typing": {"room": target.room, "active": False}}).encode()
    async with await target.connected() as raw:
        for place in range(len(text)):
            last = place == len(text) - 1
            raw.send(frame(CONTINUATION if place else TEXT, text[place : place + 1], fin=last))
            if place % 16 == 0:
                raw.send(frame(PING, b"%d" % place) + frame(PONG, b"unasked"))
        check_equal(await raw.item(lambda item: item.get("id") == 9), {"id": 9, "ok": {}}, "the answer to the fragments")
        pongs = [payload for opcode, payload in raw.frames if opcode == PONG]
        check(pongs and pongs[-1] == b"%d" % ((len(text) - 1) // 16 * 16), f"pongs: {pongs}")


async def floods(target: Target, opening: bytes, data: bytes, codes: set[int]) -> None:
    """An endless stream of small frames is cut off, and the peer sees why."""
    async with await target.connected() as raw:
        raw.send(opening)
        await raw.flood(data * FRAMES_A_ROUND, FLOOD_ROUNDS)
        # What fits into the sockets' buffers is sent before the close is seen.
        await raw.closed_with(codes)


async def data_after_close(target: Target) -> None:
    """What comes after a close frame is not done."""
    async with await target.connected() as raw:
        body = json.dumps({"id": 2, "send": {"room": target.room, "client_id": "late", "body": "after the close"}})
        raw.send(close_frame(1000) + frame(TEXT, body.encode()))
        await raw.closed_with({1000})
        check(not [item for item in raw.items() if item.get("id") == 2], "a command after the close was answered")


async def polite_close(target: Target) -> None:
    """A close is echoed, with or without a code."""
    async with await target.connected() as raw:
        raw.send(frame(CLOSE))
        await raw.closed_with({1000, 1005})
    async with await target.connected() as raw:
        raw.send(close_frame(3000, b"bye"))
        await raw.closed_with({1000, 3000})


async def half_closed(target: Target) -> None:
    """A peer that shuts its side without a close frame is let go."""
    async with await target.connected() as raw:
        raw.writer.write_eof()
        await raw.gone()


async def trickle(target: Target, raw: Raw, codes: set[int], deadline: float) -> None:
    """A frame that comes one byte a second does not keep a connection."""
    data = frame(TEXT, b" " * 1_000)

    async def drip() -> None:
        for byte in data:
            raw.send(struct.pack("B", byte))
            await asyncio.sleep(TRICKLE_INTERVAL)  # the pace of the attack, not a wait for anything

    async with raw:
        dripping = asyncio.create_task(drip())
        try:
            await raw.wait(lambda: raw.over, deadline, "the end of a trickle")
        finally:
            dripping.cancel()
        check(raw.close_code is None or raw.close_code in codes, f"closed with {raw.close_code}, wanted {sorted(codes)}")


async def trickle_before_connect(target: Target) -> None:
    await trickle(target, await Raw.upgraded(target.server), {4502}, UNAUTHENTICATED_DEADLINE)


async def trickle_after_connect(target: Target) -> None:
    raw = await Raw.connected(target.server, target.user(), token("trickler"))
    await trickle(target, raw, {4001, 4003, 1002, 1008}, TRICKLE_DEADLINE)


async def silence_before_connect(target: Target) -> None:
    """Without a `connect`, 10 s; with the code that says so."""
    async with await Raw.upgraded(target.server) as raw:
        await raw.closed_with({4502}, UNAUTHENTICATED_DEADLINE)


def slow_tests(target: Target) -> list[tuple[str, Test]]:
    return [
        ("hostile frames: one byte a second after connect", partial(trickle_after_connect, target)),
        ("hostile frames: one byte a second before connect", partial(trickle_before_connect, target)),
        ("hostile frames: no connect for 10 s closes with 4502", partial(silence_before_connect, target)),
    ]


def tests(target: Target) -> list[tuple[str, Test]]:
    one_byte = frame(CONTINUATION, b" ", fin=False)
    flood_of = [
        ("endless empty continuations", frame(TEXT, b"{", fin=False), frame(CONTINUATION, fin=False), TOO_MANY),
        ("endless 1-byte fragments", frame(TEXT, b" ", fin=False), one_byte, TOO_MANY),
        ("endless empty messages", b"", frame(TEXT), TOO_MANY | {4002, 4501}),
        ("ping flood", b"", frame(PING, b"ping"), TOO_MANY | {4002}),
        ("pong flood", b"", frame(PONG, b"pong"), TOO_MANY),
    ]
    named = [
        ("header lies before connect", header_lie_before_connect),
        ("the largest frame passes", largest_frame_passes),
        ("1-byte fragments with pings pass", fragments_and_pings_pass),
        ("data after close", data_after_close),
        ("a polite close is echoed", polite_close),
        ("half closed", half_closed),
    ]
    return (
        [(f"hostile frames: {name}", partial(breaks, target, data, codes)) for name, data, codes in broken_frames(target)]
        + [(f"hostile frames: {name}", partial(test, target)) for name, test in named]
        + [(f"hostile frames: {name}", partial(floods, target, opening, data, codes))
           for name, opening, data, codes in flood_of]  # fmt: skip
    )
