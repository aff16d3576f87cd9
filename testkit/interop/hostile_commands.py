"""reliability.md §3, Commands: JSON that is none, says nothing, or asks for what cannot be.

Where the design leaves open whether a connection survives nonsense, both are
accepted: an error and a connection that goes on, or a close that names the
protocol or the flood. What is never accepted: silence, another close code, or
anything stored.
"""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from harness import Failure, Rest, Test, check, check_equal, token
from hostile_target import Target
from rawsocket import Raw
from wsclient import Chat

COMMAND_ID = 7

# protocol.md §2: objects in one frame.
FRAME_OBJECTS = 32

# Outcomes: the error's code, "ok", or the close code.
Outcomes = set[Any]
BAD: Outcomes = {"bad_request", 4501}
ABSENT: Outcomes = {"not_found", "bad_request"}
TOO_MUCH: Outcomes = {"bad_request", "too_large", "limit_exceeded", "rate_limited", 1009, 4003, 4501}
UNKNOWN: Outcomes = {"unknown_command", "bad_request"}

NOWHERE = "018f5a3e-7c1b-7d2a-9f00-2b7d1e5c9a41"


async def meets(target: Target, text: str, wanted: Outcomes) -> None:
    """One frame has one of these outcomes; if the connection goes on, it works as before."""
    async with await target.connected() as raw:
        raw.send_text(text)
        outcome = await outcome_of(raw)
        check(outcome in wanted, f"wanted {sorted(map(str, wanted))}, got {outcome!r}")
        if isinstance(outcome, str):
            await target.still_answers(raw)


async def outcome_of(raw: Raw) -> Any:
    """The error's code, or "ok", of the answer or of an `error` push; or the close code."""

    def tells(item: dict[str, Any]) -> bool:
        return "error" in item or item.get("id") == COMMAND_ID

    try:
        item = await raw.item(tells)
    except Failure:
        if not raw.over:
            raise
        check(raw.close_code is not None, "the connection ended without an answer and without a close frame")
        return await raw.closed_with({raw.close_code})
    if "error" in item:
        check({"code", "message"} <= item["error"].keys(), f"an error without code or message: {item}")
        return item["error"]["code"]
    return "ok"


def command(name: str, body: Any, id: Any = COMMAND_ID) -> str:
    return json.dumps({"id": id, name: body})


def nonsense(target: Target) -> list[tuple[str, str, Outcomes]]:
    """Frames that are no command."""
    room = json.dumps(target.room)
    send = '{"room":%s,"client_id":"x","body":"nonsense"}' % room
    return [
        ("null", "null", BAD), ("true", "true", BAD),
        ("a number", "7", BAD), ("a string", '"send"', BAD), ("an array", "[]", BAD),
        ("an array of commands", "[%s]" % command("typing", {"room": target.room, "active": True}), BAD),
        ("an empty object", "{}", BAD), ("only an id", '{"id":7}', BAD),
        ("truncated", '{"id":7,"send":{"room":%s,"client_id":"x","body":"nons' % room, BAD),
        ("two objects without newline", '{"id":7,"typing":{"room":%s,"active":true}}{"id":8,"pong":{}}' % room, BAD),
        ("two commands in one object", '{"id":7,"send":%s,"typing":{"room":%s,"active":true}}' % (send, room), BAD),
        ("a trailing comma", '{"id":7,"send":%s,}' % send, BAD),
        ("single quotes", "{'id':7,'pong':{}}", BAD), ("a comment", '{"id":7,/**/"pong":{}}', BAD),
        ("NaN", '{"id":7,"read":{"room":%s,"seq":NaN}}' % room, BAD),
        ("a byte order mark", "\ufeff" + '{"id":7,"send":%s}' % send, BAD),
        ("depth 129", '{"id":7,"send":' + '{"room":' * 129 + "1" + "}" * 130, BAD),
        ("depth 129 under an unknown key", '{"id":7,"x":' + "[" * 129 + "]" * 129 + ',"send":{}}', BAD),
        ("depth 20,000", '{"id":7,"send":' + "[" * 20_000 + "]" * 20_000 + "}", BAD | TOO_MUCH),
        ("sixty thousand [", "[" * 60_000, BAD | TOO_MUCH), ("a million [", "[" * 1_000_000, {1009}),
        ("one key twice", '{"id":7,"send":{"room":%s,"client_id":"x","body":"a","body":"nonsense"}}' % room, BAD),
        ("one command twice", '{"id":7,"send":%s,"send":%s}' % (send, send), BAD),
        ("unknown command", command("launch", {}), UNKNOWN), ("command in capitals", command("SEND", {}), UNKNOWN),
        ("empty command", command("", {}), UNKNOWN), ("a 10 KB command", command("x" * 10_240, {}), UNKNOWN),
        ("a command with NUL", command("send\0", {}), UNKNOWN),
        *((f"the push {push} from a client", command(push, {"room": target.room, "rev": 99, "seq": 99}), UNKNOWN)
          for push in ("message", "receipt", "participant", "room", "reset", "drain", "unsubscribed")),
        *((f"the id {id!r}", command("typing", {"room": target.room, "active": False}, id), BAD)
          for id in (0, -1, 2**32, 1.5, "7", True, [], {}, 2**53 + 1)),
        ("10,000 objects in a frame", "{}\n" * 10_000, TOO_MUCH),
        ("10,000 commands in a frame", '{"pong":{}}\n' * 10_000, {1009}),
        ("33 commands in a frame", "\n".join(
            command("typing", {"room": target.room, "active": False}, 100 + n) for n in range(FRAME_OBJECTS + 1)),
         TOO_MUCH),
        ("connect again", command("connect", {"token": token(target.user())}), BAD | {"conflict"}),
    ]  # fmt: skip


def wrong_fields(target: Target) -> list[tuple[str, str, Outcomes]]:
    """Commands whose fields cannot be."""
    room = target.room
    good = {"room": room, "client_id": "x", "body": "nonsense"}
    cases: list[tuple[str, str, Outcomes]] = [(f"{name} without a body", command(name, {}), BAD) for name in (
        "send", "edit", "delete", "history", "changes", "read", "delivered", "typing", "presence", "subscribe",
        "unsubscribe", "refresh")]  # fmt: skip
    cases += [(f"{name} with {body!r}", command(name, body), BAD)
              for name in ("send", "history") for body in (None, [], "x", 7, True)]  # fmt: skip
    for field in ("room", "client_id", "body"):
        cases += [(f"send with {field} {value!r}", command("send", good | {field: value}), BAD)
                  for value in (None, 7, True, [], {})]  # fmt: skip
    for strange in ("../../etc/passwd", "a\0b", "x" * 10_240, "", " ", "*", "' OR 1=1 --", "ж"):
        cases.append((f"client_id {strange[:12]!r}", command("send", good | {"client_id": strange}), BAD))
        cases.append((f"room {strange[:12]!r}", command("send", good | {"room": strange}), ABSENT))
        cases.append((f"history of room {strange[:12]!r}", command("history", {"room": strange}), ABSENT))
    for number in (-1, 1.5, "1", None, True, [1], 2**64, 1e300):
        cases.append((f"read seq {number!r}", command("read", {"room": room, "seq": number}), BAD))
        cases.append((f"changes after {number!r}", command("changes", {"room": room, "after_rev": number}), BAD))
    # Beyond what JSON numbers hold exactly: refused, or clamped to what there is.
    cases.append(("read seq 2^53+1", command("read", {"room": room, "seq": 2**53 + 1}), BAD | {"ok"}))
    for number in (-1, 1.5, "1", True):
        cases.append((f"history limit {number!r}", command("history", {"room": room, "limit": number}), BAD))
        cases.append((f"history before {number!r}", command("history", {"room": room, "before": number}), BAD))
    for number in (0, 201, 10**9):  # refused or clamped; what comes is counted by a test of its own
        cases.append((f"history limit {number}", command("history", {"room": room, "limit": number}), BAD | {"ok"}))
    cases += [
        ("history before and after", command("history", {"room": room, "before": 3, "after": 1}), BAD),
        ("edit of another's message", command("edit", {"room": room, "seq": 1, "body": "nonsense"}), {"forbidden"}),
        ("delete of another's message", command("delete", {"room": room, "seq": 1}), {"forbidden"}),
        ("edit of no message", command("edit", {"room": room, "seq": 10**6, "body": "nonsense"}), {"not_found"}),
        ("reply to no message", command("send", good | {"reply_to": 10**6}), {"not_found", "bad_request"}),
        ("kind system", command("send", good | {"kind": "system"}), {"forbidden", "bad_request"}),
        ("kind unknown", command("send", good | {"kind": "admin"}), BAD),
        ("metadata that is no object", command("send", good | {"metadata": [1]}), BAD),
        ("5 KB of metadata", command("send", good | {"metadata": {"x": "x" * 5_000}}), {"too_large", "bad_request"}),
        ("an empty body", command("send", good | {"body": ""}), BAD | {"rejected"}),
        ("a body of zero-width characters", command("send", good | {"body": "\u200b\u200d\ufeff"}), BAD | {"rejected"}),
        ("a body with U+0000", command("send", good | {"body": "a\0b"}), BAD | {"rejected"}),
        ("a body of 60 KB", command("send", good | {"body": "x" * 60_000}), {"too_large", "bad_request"}),
        *((f"a lone surrogate {text}", '{"id":7,"send":{"room":"%s","client_id":"x","body":"%s"}}' % (room, text),
           BAD | {"rejected"}) for text in (r"\ud800", r"a\udc00b", r"\ude00\ud83d")),
        ("presence of 10,000", command("presence", {"users": ["u"] * 10_000}), TOO_MUCH),
        ("typing in a room that is not", command("typing", {"room": NOWHERE, "active": True}), {"not_found"}),
    ]  # fmt: skip
    return cases


async def empty_frames(target: Target) -> None:
    """A frame without any object: nothing to do, or nonsense."""
    for text in ("", "\n", "  \n \n"):
        async with await target.connected() as raw:
            raw.send_text(text)
            try:
                await target.still_answers(raw)
            except Failure:
                await raw.closed_with({4501})


async def ten_thousand_rooms(target: Target) -> None:
    """More rooms than a connection may follow: refused, whatever fits into a frame."""
    async with await target.connected() as raw:
        raw.send_text(command("subscribe", {"rooms": [{"room": f"{n}"} for n in range(10_000)]}))
        await raw.closed_with({1009})
    async with await target.connected() as raw:
        raw.send_text(command("subscribe", {"rooms": [{"room": f"{n}"} for n in range(3_000)]}))
        answer = await raw.item(lambda item: item.get("id") == COMMAND_ID)
        if "ok" in answer:  # each refused by itself
            check_equal(answer["ok"]["rooms"], [], "rooms that do not exist")
        else:
            check(answer["error"]["code"] in TOO_MUCH, f"3,000 rooms: {answer}")
        await target.still_answers(raw)


async def page_is_bounded(target: Target) -> None:
    """No `limit` makes a page longer than protocol.md allows."""
    user = target.user()
    async with target.rest(user) as rest:
        for n in range(205):
            await rest.call("POST", f"/rooms/{target.scratch}/messages", {"client_id": f"page-{n}", "body": f"scratch page {n}"})
    async with await Chat.open(target.server, token(user)) as chat:
        page = await chat.call("history", {"room": target.scratch, "limit": 200})
        check_equal(len(page["messages"]), 200, "messages of a page of 200")
        for limit in (201, 10**9):
            try:
                page = await chat.call("history", {"room": target.scratch, "limit": limit})
            except Failure:
                continue  # refused is as good as clamped
            check(len(page["messages"]) <= 200, f"limit {limit} gave {len(page['messages'])} messages")


async def resume_in_the_future(target: Target) -> None:
    """A client that holds more than there is must start afresh."""
    async with await Chat.open(target.server, token(target.user()), rooms={target.room: 1_000_000}) as chat:
        await chat.hears("reset", lambda reset: reset.get("room") == target.room)


async def resume_of_another_incarnation(target: Target) -> None:
    """What was held of another life of the database is worth nothing."""
    async with await Chat.open(
        target.server, token(target.user()), rooms={target.room: 1}, incarnation="018f5a3e-0000-7000-8000-000000000000"
    ) as chat:
        await chat.hears("reset", lambda reset: reset.get("room") == target.room)


async def resume_of_the_same_incarnation(target: Target) -> None:
    """Against it: the true incarnation resumes, and gets what it missed."""
    user = target.user()
    async with await Chat.open(target.server, token(user)) as chat:
        incarnation = chat.welcome["incarnation"]
    async with await Chat.open(target.server, token(user), rooms={target.room: 1}, incarnation=incarnation) as chat:
        await chat.hears("message", lambda push: push["room"] == target.room and push["body"] == "third seed")
        check("reset" not in [kind for kind, _ in chat.pushes], "a reset for a position that is good")


async def resume_nonsense(target: Target) -> None:
    """Positions that cannot be, and rooms that are not the client's."""
    for rooms in ({target.room: -1}, {target.room: 1.5}, {target.room: "1"}, {target.room: 2**64}, [target.room], "x"):
        async with await Raw.upgraded(target.server) as raw:
            raw.send_text(command("connect", {"token": token(target.user()), "rooms": rooms}))
            outcome = await outcome_of(raw)
            # A negative position may also be taken as one to start afresh from.
            may = BAD | ({"ok"} if isinstance(rooms, dict) and rooms.get(target.room) == -1 else set())
            check(outcome in may, f"rooms {str(rooms)[:60]}: got {outcome!r}")
    async with await Chat.open(target.server, token("stranger"), rooms={target.room: 1, NOWHERE: 1}) as chat:
        check_equal(chat.welcome["rooms"], [], "a stranger's rooms")
        await chat.refused("not_found", "history", {"room": target.room})
        told = [push for kind, push in chat.pushes if kind in ("message", "receipt", "participant", "room")]
        check_equal(told, [], "what a stranger was told of the room")


async def reused_ids(target: Target) -> None:
    """The client's ids are its own business: two commands under one id get two answers."""
    async with await target.connected() as raw:
        for _ in range(2):
            raw.send_text(command("history", {"room": target.room, "limit": 1}))
        for _ in range(2):
            await raw.item(lambda item: item.get("id") == COMMAND_ID)
        await target.still_answers(raw)


async def no_id_no_answer(target: Target) -> None:
    """A command without an id is done, and not answered."""
    async with await target.connected() as raw:
        raw.send_text(json.dumps({"typing": {"room": target.room, "active": False}}))
        await target.still_answers(raw)
        unasked = [item for item in raw.items() if "ok" in item and "id" not in item]
        check_equal(unasked, [], "answers without an id")


async def same_client_id_at_once(target: Target) -> None:
    """One `client_id` fifty times at once, by WebSocket and REST together, is one message."""
    user = target.user()
    body = {"client_id": "fifty", "body": "scratch fifty times"}
    async with await Chat.open(target.server, token(user)) as chat, target.rest(user) as rest:
        over_socket = [chat.post("send", body | {"room": target.scratch}) for _ in range(25)]
        over_rest = [await rest.call("POST", f"/rooms/{target.scratch}/messages", body) for _ in range(25)]
        answers = [await answer for answer in over_socket] + over_rest
    check_equal(len({answer["seq"] for answer in answers}), 1, "different seq for one client_id")
    check_equal(sum(not answer["duplicate"] for answer in answers), 1, "answers that were the first")


async def strangers_wear_no_names(target: Target) -> None:
    """A user whose id is a pattern, a path or markup is a user like any other."""
    for user in ("%", "*", "../witness", "<script>", "'; DROP TABLE rt_message; --", "witness "):
        async with await Chat.open(target.server, token(user)) as chat, Rest(target.server, token(user)) as rest:
            check_equal((chat.welcome["user"], chat.welcome["rooms"]), (user, []), "who that is, and its rooms")
            await chat.refused("not_found", "history", {"room": target.room})
            await rest.refused(404, "not_found", "GET", f"/rooms/{target.room}")


def slow_tests(target: Target) -> list[tuple[str, Test]]:
    return []


def tests(target: Target) -> list[tuple[str, Test]]:
    named = [
        ("empty frames", empty_frames),
        ("10,000 rooms to subscribe", ten_thousand_rooms),
        ("a page is bounded", page_is_bounded),
        ("resume in the future", resume_in_the_future),
        ("resume of another incarnation", resume_of_another_incarnation),
        ("resume of the same incarnation", resume_of_the_same_incarnation),
        ("resume nonsense", resume_nonsense),
        ("reused ids", reused_ids),
        ("no id, no answer", no_id_no_answer),
        ("one client_id fifty times at once", same_client_id_at_once),
        ("strange names", strangers_wear_no_names),
    ]
    return [(f"hostile commands: {name}", partial(test, target)) for name, test in named] + [
        (f"hostile commands: {name}", partial(meets, target, text, wanted))
        for name, text, wanted in nonsense(target) + wrong_fields(target)
    ]
