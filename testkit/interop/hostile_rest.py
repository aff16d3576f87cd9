"""reliability.md §3, REST: numbers, bodies and methods that no client of ours would send."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import sqlite3
from functools import partial
from typing import Any

import httpx

from harness import SECRET, Rest, Test, check, check_equal, check_problem, running_server, service_token, token, open_group
from hostile_target import Target
from rawsocket import Headers, Raw, request

# Bytes: far above what any body may have, and what such a body becomes when it was compressed.
HUGE = 10 * 1024 * 1024
BOMB = 64 * 1024 * 1024

# Seconds within which a send is answered while the database is locked by another: the
# commit time-out (10 s) and some.
LOCKED_DEADLINE = 25

# What an error must never tell.
INSIDES = re.compile(r"sqlite|select |insert |rt_message|sea.?orm|sqlx|/tmp/|\.rs:\d|panicked|backtrace", re.IGNORECASE)


def post(target: Target, room: str, headers: Headers, body: bytes, bearer: str, length: bool = True) -> bytes:
    """A POST of a message, by hand."""
    head: Headers = [("Host", f"127.0.0.1:{target.server.port}"), ("Authorization", f"Bearer {bearer}")]
    head += headers
    if length:
        head.append(("Content-Length", str(len(body))))
    return request(head, f"/api/v1/rooms/{room}/messages", "POST") + body


async def limits_and_numbers(target: Target) -> None:
    """Pages and numbers: refused, or clamped where that is as safe."""
    async with target.rest() as rest:
        for path, what in ((f"/rooms/{target.room}/messages", "messages"), ("/rooms", "rooms")):
            for limit in ("-1", "abc", "1.5", "99999999999999999999", "1e3"):
                await rest.refused(400, "bad_request", "GET", f"{path}?limit={limit}")
            for limit in ("0", "1000000000"):
                answer = await rest.ask("GET", f"{path}?limit={limit}")
                if answer.is_success:
                    check(len(answer.json()[what]) <= 200, f"{path}?limit={limit} gave a page without bound")
                else:
                    check_problem(answer, {400}, {"bad_request"}, f"{path}?limit={limit}")
        for query in ("before=-1", "after=-1", "before=x", "around=1.5", "before=1&after=2", f"before={2**64}"):
            await rest.refused(400, "bad_request", "GET", f"/rooms/{target.room}/messages?{query}")
        for query in ("after_rev=-1", "after_rev=x", "after_rev=0&limit=-1"):
            await rest.refused(400, "bad_request", "GET", f"/rooms/{target.room}/changes?{query}")
        for seq in ("0", "-1", "x", "1.5", str(2**64)):
            answer = await rest.ask("PATCH", f"/rooms/{target.room}/messages/{seq}", {"body": "nonsense"})
            check_problem(answer, {400, 404}, {"bad_request", "not_found"}, f"PATCH of message {seq}")
        for seq in (-1, 1.5, "1", None, True, 2**64):
            await rest.refused(400, "bad_request", "PUT", f"/rooms/{target.room}/read", {"seq": seq})


async def forged_cursors(target: Target) -> None:
    async with target.rest() as rest:
        for cursor in ("x", "AAAA", "' OR 1=1 --", "%00", "..%2F..", "e30", "A" * 4_000, "eyJhIjoxfQ==", "-1"):
            await rest.refused(400, "bad_request", "GET", f"/rooms?cursor={cursor}")


async def paths_that_are_not(target: Target) -> None:
    async with target.rest() as rest:
        for path in ("/", "/nothing", "/rooms/..%2f..%2fetc%2fpasswd", "/rooms/%00", "/rooms//messages",
                     "/rooms/%ff%fe", "/rooms/" + "x" * 5_000, f"/rooms/{target.room}/nothing",
                     f"/rooms/{target.room}/messages/1/nothing"):  # fmt: skip
            answer = await rest.ask("GET", path)
            # A path that cannot be decoded may also be called bad.
            check_problem(answer, {400, 404}, {"bad_request", "not_found"}, f"GET {path[:60]}")


async def wrong_content_types(target: Target) -> None:
    body = json.dumps({"client_id": "x", "body": "nonsense"}).encode()
    async with target.rest() as rest:
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/xml",
                     "text/html", "application/jsonp"):  # fmt: skip
            answer = await rest.ask("POST", f"/rooms/{target.room}/messages", content=body, headers={"content-type": kind})
            check_problem(answer, {400, 415}, {"bad_request"}, f"content type {kind}")


async def bodies_that_are_none(target: Target) -> None:
    async with target.rest() as rest:
        for body in (b"", b"null", b"[]", b"7", b'"x"', b"{", b"{}", b"\xff", b"[" * 10_000, b'{"body":"nonsense"}',
                     b'{"client_id":"x","body":"nonsense","body":"nonsense"}', b'{"client_id":"x","body":"\\ud800"}',
                     b'{"client_id":"x","body":"a\\u0000b"}', b'{"client_id":"../x","body":"nonsense"}',
                     b'{"client_id":"x","body":["nonsense"]}'):  # fmt: skip
            answer = await rest.ask("POST", f"/rooms/{target.room}/messages", content=body,
                                    headers={"content-type": "application/json"})  # fmt: skip
            check_problem(answer, {400, 422}, {"bad_request", "rejected"}, f"the body {body[:40]!r}")


async def oversized_by_length(target: Target) -> None:
    """Announced: refused before the body was sent."""
    async with await Raw.dial(target.server) as raw:
        head = post(target, target.room, [("Content-Type", "application/json"), ("Content-Length", str(HUGE))], b"",
                    token(target.user()), length=False)  # fmt: skip
        raw.send(head)
        check_equal(await raw.answered(), 413, "the status of a body of 10 MB, announced")


async def oversized_without_length(target: Target) -> None:
    """Not announced: cut off once it is too long."""
    async with await Raw.dial(target.server) as raw:
        raw.send(post(target, target.room, [("Content-Type", "application/json"), ("Transfer-Encoding", "chunked")], b"",
                      token(target.user()), length=False))  # fmt: skip
        chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
        for _ in range(HUGE // 0x10000):
            if raw.status is not None or raw.ended:
                break
            await raw.flood(chunk, 1)
        check_equal(await raw.answered(), 413, "the status of a body of 10 MB in chunks")


async def compressed_bombs(target: Target) -> None:
    """Compressed bodies are not inflated: refused for what they are, or as no JSON."""
    bomb = gzip.compress(b'{"client_id":"x","body":"' + b"x" * BOMB + b'"}', 9)
    small = gzip.compress(json.dumps({"client_id": "x", "body": "nonsense"}).encode())
    async with target.rest() as rest:
        for body, encoding in ((bomb, "gzip"), (small, "gzip"), (small, "deflate"), (small, "br"), (small, "gzip, gzip")):
            answer = await rest.ask("POST", f"/rooms/{target.room}/messages", content=body,
                                    headers={"content-type": "application/json", "content-encoding": encoding})  # fmt: skip
            check_problem(answer, {400, 413, 415}, {"bad_request", "too_large"}, f"{len(body)} bytes of {encoding}")


async def unlisted_methods(target: Target) -> None:
    async with target.rest() as rest:
        for method, path in (
            ("PUT", "/rooms"), ("DELETE", "/rooms"), ("DELETE", f"/rooms/{target.room}"), ("POST", f"/rooms/{target.room}"),
            ("PATCH", "/unread"), ("PUT", f"/rooms/{target.room}/messages"), ("DELETE", f"/rooms/{target.room}/messages"),
            ("POST", f"/rooms/{target.room}/read"), ("GET", "/events"), ("TRACE", "/rooms"), ("BREW", "/rooms"),
            ("PROPFIND", f"/rooms/{target.room}/messages"),
        ):  # fmt: skip
            answer = await rest.ask(method, path)
            # protocol.md has no code for 405: the status says it.
            check(answer.status_code in {405, 501}, f"{method} {path} got {answer.status_code}")
            if answer.status_code == 405:
                check(answer.headers.get("allow"), f"{method} {path}: 405 without Allow")
        answer = await rest.client.request("POST", "/sse/")
        check(answer.status_code == 405, f"POST /sse/ got {answer.status_code}")


async def request_smuggling(target: Target) -> None:
    """Two lengths, or a length and chunks: one answer, and never a second request found inside the body."""
    inner = post(target, target.room, [("Content-Type", "application/json")],
                 json.dumps({"client_id": "smuggled", "body": "smuggled"}).encode(), token(target.user()))  # fmt: skip
    strange: list[Headers] = [
        [("Content-Length", "5"), ("Content-Length", "6")],
        [("Content-Length", "5"), ("Transfer-Encoding", "chunked")],
        [("Transfer-Encoding", "xchunked")],
        [("Content-Length", "-1")],
        [("Content-Length", "+5")],
    ]
    for headers in strange:
        async with await Raw.dial(target.server) as raw:
            raw.send(post(target, target.room, [("Content-Type", "application/json"), *headers], b"0\r\n\r\n" + inner,
                          "no token", length=False))  # fmt: skip
            status = await raw.answered()
            check(status is None or 400 <= status < 500, f"{headers} got {status}")


async def mass_assignment(target: Target) -> None:
    """What the server decides cannot be said by the client: ignored or refused, never taken."""
    user = target.user()
    async with target.rest(user) as rest:
        said = {"client_id": "mass", "body": "scratch mass assignment", "sender": {"type": "user", "id": "witness"}, "seq": 1,
                "rev": 1, "id": "018f5a3e-7c1b-7d2a-9f00-2b7d1e5c9a41", "sent_at": "2001-01-01T00:00:00.000Z",
                "role": "owner", "change": "edited", "counts": False, "room": target.room, "duplicate": True}  # fmt: skip
        answer = await rest.ask("POST", f"/rooms/{target.scratch}/messages", said)
        if answer.status_code == 201:
            seq = answer.json()["seq"]
            page = await rest.call("GET", f"/rooms/{target.scratch}/messages?around={seq}&limit=50")
            [message] = [message for message in page["messages"] if message["seq"] == seq]
            check_equal((message["sender"]["id"], message["room"]), (user, target.scratch), "sender and room")
            check(message["id"] != said["id"] and message["sent_at"] > "2002", f"id or sent_at were taken: {message}")
        else:
            check_problem(answer, {400}, {"bad_request"}, "mass assignment")
        for method, path, body in (
            ("PATCH", f"/rooms/{target.room}", {"title": "mine", "state": "locked"}),
            ("PUT", f"/rooms/{target.room}/participants/{user}", {"role": "owner"}),
            ("PUT", f"/rooms/{target.room}/participants/mallory", {"role": "member"}),
            ("DELETE", f"/rooms/{target.room}/participants/witness", None),
            ("POST", f"/rooms/{target.room}/lock", {}), ("POST", f"/rooms/{target.room}/archive", {}),
            ("PUT", "/rooms/by-subject/job/hostile", {"participants": [{"user": user, "role": "owner"}]}),
        ):  # fmt: skip
            await rest.refused(403, "forbidden", method, path, body)


async def one_idempotency_key_at_once(target: Target) -> None:
    """One key fifty times at once opens one room; with another content it is refused."""
    body = {"kind": "group", "participants": [{"user": "twin-1", "role": "member"}, {"user": "twin-2", "role": "member"}]}
    key = {"idempotency-key": "fifty-at-once"}
    answers = await asyncio.gather(*(target.platform.ask("POST", "/rooms", body, headers=key) for _ in range(50)))
    statuses = sorted({answer.status_code for answer in answers})
    check(set(statuses) <= {200, 201}, f"statuses: {statuses}")
    check_equal(len({answer.json()["id"] for answer in answers}), 1, "rooms opened")
    async with Rest(target.server, token("twin-1")) as twin:
        check_equal(len((await twin.call("GET", "/rooms"))["rooms"]), 1, "rooms of a participant")
    other = body | {"participants": [{"user": "twin-3", "role": "member"}]}
    answer = await target.platform.ask("POST", "/rooms", other, headers=key)
    check_problem(answer, {409, 422}, {"conflict", "client_id_reused"}, "the same key with another content")


async def one_subject_at_once(target: Target) -> None:
    """A room for a job, exactly once, however many ask."""
    body = {"participants": [{"user": "twin-4", "role": "member"}, {"user": "twin-5", "role": "member"}]}
    answers = await asyncio.gather(*(target.platform.ask("PUT", "/rooms/by-subject/job/at-once", body) for _ in range(50)))
    check(all(answer.status_code in (200, 201) for answer in answers), f"statuses: {[a.status_code for a in answers][:9]}")
    check_equal(len({answer.json()["id"] for answer in answers}), 1, "rooms opened")
    check_equal(sum(answer.status_code == 201 for answer in answers), 1, "answers that say created")


async def strange_events(target: Target) -> None:
    """Domain events that cannot be."""
    good: dict[str, Any] = {"type": "job.accepted", "id": "strange", "subject": {"type": "job", "id": "strange"},
                            "participants": [{"user": "a", "role": "owner"}], "data": {}}  # fmt: skip
    for change in ({"id": None}, {"id": ""}, {"id": "x" * 10_000}, {"id": "a\0b"}, {"subject": None}, {"subject": {"type": "job"}},
                   {"subject": {"type": "", "id": ""}}, {"participants": "a"}, {"participants": [{"user": ""}]},
                   {"participants": [{"user": "a", "role": "god"}]}, {"participants": [{"user": "u" * 10_000, "role": "owner"}]},
                   {"type": None}, {"type": ["job.accepted"]}):  # fmt: skip
        answer = await target.platform.ask("POST", "/events", good | change)
        check_problem(answer, {400, 413, 422}, {"bad_request", "too_large", "rejected"}, f"an event with {str(change)[:60]}")
    rooms = target.server.sql("SELECT COUNT(*) FROM rt_room WHERE subject_id = 'strange' OR subject_id = ''")
    check_equal(rooms, [(0,)], "rooms opened by strange events")


async def scripts_are_text(target: Target) -> None:
    """Markup goes through unchanged, as JSON that no browser takes for a page."""
    body = "scratch <script>alert(1)</script> javascript:alert(1) \u202e\r\n\x1b[31m" + "e" + "\u0301" * 1_000
    async with target.rest() as rest:
        sent = await rest.call("POST", f"/rooms/{target.scratch}/messages", {"client_id": "markup", "body": body})
        answer = await rest.ask("GET", f"/rooms/{target.scratch}/messages?around={sent['seq']}")
        check(body in [message["body"] for message in answer.json()["messages"]], "the body came back changed")
        check_equal(answer.headers["content-type"].split(";")[0], "application/json", "the content type")
        check_equal(answer.headers.get("x-content-type-options"), "nosniff", "x-content-type-options")


async def database_locked(target: Target) -> None:
    """Another holds the database's lock: an honest refusal without insides, and afterwards the send succeeds once."""
    async with running_server() as server, Rest(server, service_token()) as platform:
        room = await open_group(platform, ["ann", "ben"], "locked")
        async with Rest(server, token("ann")) as ann:
            ann.client.timeout = httpx.Timeout(LOCKED_DEADLINE)
            body = {"client_id": "while-locked", "body": "sent while locked"}
            other = sqlite3.connect(server.database, isolation_level=None)
            try:
                other.execute("BEGIN IMMEDIATE")
                answer = await ann.ask("POST", f"/rooms/{room}/messages", body)
                check_problem(answer, {503, 504}, {"busy", "timeout"}, "a send while the database is locked")
                check(not INSIDES.search(answer.text), f"the refusal tells insides: {answer.text[:300]}")
                check(SECRET not in answer.text, "the refusal tells the secret")
            finally:
                other.rollback()
                other.close()
            again = await ann.call("POST", f"/rooms/{room}/messages", body)
            history = await ann.call("GET", f"/rooms/{room}/messages")
            check_equal([message["seq"] for message in history["messages"]], [again["seq"]], "the messages afterwards")


async def trace_log_has_no_secrets(target: Target) -> None:
    """At the most talkative level the log has no token, no secret (both checked at the end) and no body."""
    async with running_server(REALTIME_LOG__LEVEL="trace") as server, Rest(server, service_token()) as platform:
        room = await open_group(platform, ["ann", "ben"], "traced")
        body = "a-body-that-must-not-be-logged"
        async with Rest(server, token("ann")) as ann, await Raw.connected(server, "ben") as ben:
            await ann.call("POST", f"/rooms/{room}/messages", {"client_id": "traced", "body": body})
            await ben.item(lambda item: item.get("message", {}).get("body") == body)
            ben.send_text(json.dumps({"id": 2, "send": {"room": room, "client_id": "x", "body": body}}))
            await ben.item(lambda item: item.get("id") == 2)
        await server.stop()
        check(server.log_text(), "void: there is no log")
        check(body not in server.log_text(), "a message's body is in the log")


def slow_tests(target: Target) -> list[tuple[str, Test]]:
    return [
        ("hostile rest: the database locked by another", partial(database_locked, target)),
        ("hostile rest: the log at trace level has no secrets", partial(trace_log_has_no_secrets, target)),
    ]


def tests(target: Target) -> list[tuple[str, Test]]:
    named = [
        ("limits and numbers", limits_and_numbers),
        ("forged cursors", forged_cursors),
        ("paths that are not", paths_that_are_not),
        ("wrong content types", wrong_content_types),
        ("bodies that are none", bodies_that_are_none),
        ("oversized with a length", oversized_by_length),
        ("oversized without a length", oversized_without_length),
        ("compressed bombs", compressed_bombs),
        ("unlisted methods", unlisted_methods),
        ("request smuggling", request_smuggling),
        ("mass assignment", mass_assignment),
        ("one idempotency key fifty times at once", one_idempotency_key_at_once),
        ("one subject fifty times at once", one_subject_at_once),
        ("strange events", strange_events),
        ("scripts are text", scripts_are_text),
    ]
    return [(f"hostile rest: {name}", partial(test, target)) for name, test in named]
