"""reliability.md §3, Handshake: what is not a proper upgrade is refused with the proper status."""

from __future__ import annotations

import asyncio
from functools import partial

from harness import Test, check, check_equal
from hostile_target import Target
from rawsocket import Headers, Raw, changed, request, upgrade_headers

# Seconds. The server lets go after 5 s; the rest is for a busy machine.
HEADERS_DEADLINE = 8
DRIP_INTERVAL = 0.5


async def refused(target: Target, data: bytes, statuses: set[int], wanted_headers: Headers) -> None:
    """The request gets one of these statuses, and the connection is no WebSocket."""
    async with await Raw.dial(target.server) as raw:
        raw.send(data)
        status = await raw.answered()
        check(status in statuses, f"wanted {sorted(statuses)}, got {status or 'a closed connection'}")
        for name, value in wanted_headers:
            check_equal(raw.headers.get(name, "").lower(), value, f"the header {name}")


def handshakes(target: Target) -> list[tuple[str, bytes, set[int], Headers]]:
    """A name, a request, the statuses it may get, the headers the answer must have."""
    port = target.server.port
    good = upgrade_headers(port)
    key = partial(changed, good, "Sec-WebSocket-Key")
    cases: list[tuple[str, bytes, set[int], Headers]] = [
        ("no Upgrade", request(changed(good, "Upgrade")), {426}, [("upgrade", "websocket")]),
        ("upgrade to something else", request(changed(good, "Upgrade", "h2c")), {400, 426}, []),
        ("version 8", request(changed(good, "Sec-WebSocket-Version", "8")), {426}, [("sec-websocket-version", "13")]),
        ("no version", request(changed(good, "Sec-WebSocket-Version")), {400, 426}, []),
        ("no key", request(key()), {400}, []),
        ("empty key", request(key("")), {400}, []),
        ("short key", request(key("c2hvcnQ=")), {400}, []),
        ("long key", request(key("dGhlIHNhbXBsZSBub25jZSB0aGVyZQ==")), {400}, []),
        ("key that is not base64", request(key("!!!!!!!!!!!!!!!!!!!!!!==")), {400}, []),
        ("key of 24 letters without padding", request(key("A" * 24)), {400}, []),
        ("key twice", request(key("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZQ==")), {400}, []),
        ("POST", request(good, method="POST"), {400, 405}, []),
        ("HTTP/1.0", request(good, version="HTTP/1.0"), {400, 405}, []),
        ("Connection: close", request(changed(good, "Connection", "close")), {400, 405}, []),
        ("two Hosts", request([*good, ("Host", "evil.example")]), {400}, []),
        ("no Host", request(changed(good, "Host")), {400}, []),
        ("200 headers", request([*good, *((f"X-Header-{n}", "x") for n in range(200))]), {431}, []),
        ("70 KB of headers", request([*good, ("X-Long", "x" * 70_000)]), {431}, []),
        ("70 KB of path", request(good, path="/ws/" + "x" * 70_000), {414, 431}, []),
        ("unknown subprotocols", request([*good, ("Sec-WebSocket-Protocol", "rt.v9.json, mqtt")]), {400}, []),
        ("10 KB of subprotocols", request([*good, ("Sec-WebSocket-Protocol", ", ".join(["evil"] * 1_700))]), {400}, []),
    ]
    origins = {
        "foreign Origin": "https://evil.example",
        "null Origin": "null",
        "Origin that starts alike": f"http://127.0.0.1:{port}.evil.example",
        "Origin that ends alike": f"http://evil127.0.0.1:{port}",
        "Origin with our host as a user": f"http://127.0.0.1:{port}@evil.example",
        "Origin of another port": f"http://127.0.0.1:{port + 1 if port < 65_535 else port - 1}",
        "Origin that is no address": "evil",
    }
    cases += [(name, request([*good, ("Origin", origin)]), {403}, []) for name, origin in origins.items()]
    # An empty Origin is no origin at all: malformed as much as foreign.
    cases.append(("empty Origin", request([*good, ("Origin", "")]), {400, 403}, []))
    return cases


async def tls_is_no_http(target: Target) -> None:
    """A TLS hello to the plain port: refused or let go, at once."""
    async with await Raw.dial(target.server) as raw:
        raw.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 600)
        check((await raw.answered()) in (None, 400), f"a TLS hello got {raw.status}")
        await raw.gone()


async def silence_ends(target: Target) -> None:
    """Who says nothing is let go."""
    async with await Raw.dial(target.server) as raw:
        await raw.gone(HEADERS_DEADLINE)


async def slow_headers_end(target: Target) -> None:
    """Who sends a header a little at a time is let go, however steadily it drips."""
    async with await Raw.dial(target.server) as raw:
        raw.send(request(upgrade_headers(target.server.port))[:-2])

        async def drip() -> None:
            while True:
                raw.send(b"X-Slow: 1\r\n")
                await asyncio.sleep(DRIP_INTERVAL)  # the pace of the attack, not a wait for anything

        dripping = asyncio.create_task(drip())
        try:
            await raw.gone(HEADERS_DEADLINE)
        finally:
            dripping.cancel()
        check(raw.status in (None, 408, 400), f"slow headers got {raw.status}")


async def proper_handshakes_pass(target: Target) -> None:
    """What the refusals must not refuse too."""
    port = target.server.port
    for name, headers, path, subprotocol in [
        ("no subprotocol", [], "/ws/", None),
        ("ours", [("Sec-WebSocket-Protocol", "rt.v1.json")], "/ws/", "rt.v1.json"),
        ("ours among others", [("Sec-WebSocket-Protocol", "mqtt, rt.v1.json")], "/ws/", "rt.v1.json"),
        ("without the last slash", [], "/ws", None),
        ("from a page of its own", [("Origin", f"http://127.0.0.1:{port}")], "/ws/", None),
    ]:
        async with await Raw.dial(target.server) as raw:
            raw.send(request([*upgrade_headers(port), *headers], path))
            check_equal(await raw.answered(), 101, f"a proper handshake ({name})")
            check_equal(raw.headers.get("sec-websocket-protocol"), subprotocol, f"the subprotocol ({name})")
            check_equal(raw.headers.get("sec-websocket-accept"), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", f"the accept key ({name})")


def slow_tests(target: Target) -> list[tuple[str, Test]]:
    return [
        ("hostile handshake: silence is closed after 5 s", partial(silence_ends, target)),
        ("hostile handshake: slow headers are closed after 5 s", partial(slow_headers_end, target)),
    ]


def tests(target: Target) -> list[tuple[str, Test]]:
    return [("hostile handshake: proper ones pass", partial(proper_handshakes_pass, target)),
            ("hostile handshake: a TLS hello", partial(tls_is_no_http, target))] + [  # fmt: skip
        (f"hostile handshake: {name}", partial(refused, target, data, statuses, headers))
        for name, data, statuses, headers in handshakes(target)
    ]
