"""The E-Clean story, played by an independent client with real simplejwt tokens.

A job is accepted; its room opens; the client and the cleaner chat; one of them
goes offline and comes back; the server is killed in the middle. Every test has a
server and a database of its own.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, AsyncIterator

from harness import (
    ANSWER_DEADLINE, Rest, Server, accept_job, check, check_dense, check_equal, run_tests, running_server,
    service_token, token, whole_history,
)  # fmt: skip
from sse import Sse
from wsclient import Chat, Lost, Refused

# Ids as Django gives them: one token carries the number, the other a string.
CLIENT, CLIENT_ID = 7, "7"
CLEANER, CLEANER_ID = "b3e9c6c2-5f0e-4a51-9a43-0c8f5d1f7a11", "b3e9c6c2-5f0e-4a51-9a43-0c8f5d1f7a11"
STRANGER = "stranger"

JOB = "job-4711"

MISSED = 25
SENT_AROUND_THE_KILL = 150
KILL_AFTER_ACKS = 40

TEST_DEADLINE = 60


@dataclass
class Story:
    """A server with one accepted job, and both people's REST access."""

    server: Server
    room: str
    platform: Rest
    ann: Rest
    ben: Rest

    async def ann_connects(self, **body: Any) -> Chat:
        return await Chat.open(self.server, token(CLIENT), **body)

    async def ben_connects(self, **body: Any) -> Chat:
        return await Chat.open(self.server, token(CLEANER), **body)

    async def reopen_rest(self) -> None:
        """After a restart the server has another port."""
        for rest in (self.platform, self.ann, self.ben):
            rest.client.base_url = self.server.url


@asynccontextmanager
async def accepted_job(**environment: str) -> AsyncIterator[Story]:
    async with (
        running_server(**environment) as server,
        Rest(server, service_token()) as platform,
        Rest(server, token(CLIENT)) as ann,
        Rest(server, token(CLEANER)) as ben,
    ):
        await accept_job(platform, JOB, (CLIENT_ID, "owner"), (CLEANER_ID, "member"))
        async with await Chat.open(server, token(CLIENT)) as chat:
            rooms = chat.welcome["rooms"]
            check_equal([room.get("subject") for room in rooms], [{"type": "job", "id": JOB}], "the rooms of the client")
        yield Story(server, rooms[0]["id"], platform, ann, ben)


async def check_complete(chat: Chat, rest: Rest, room: str) -> None:
    """The connection got every row that changed since the rev it started from, up to where it stands."""
    after, missing = chat.start[room], []
    while True:
        changes = await rest.call("GET", f"/rooms/{room}/changes?after_rev={after}&limit=500")
        rows = [row["rev"] for row in changes["messages"]] + [row["rev"] for row in changes["participants"]]
        missing += [rev for rev in rows if rev <= chat.rev(room) and rev not in chat.revs[room]]
        if changes["complete"]:
            break
        after = changes["rev"]
    check(not missing, f"the connection was never told of the changes with rev {sorted(missing)}")


async def fence(speaker: Chat, listener: Chat, room: str, name: str) -> None:
    """Durable pushes come in order: once both heard this message, both heard all before it."""
    await speaker.say(room, name.replace(" ", "-"), name)
    for chat in (speaker, listener):
        await chat.hears("message", lambda push: push["room"] == room and push["body"] == name)


# -- the tests ---------------------------------------------------------------


async def a_job_opens_its_room_once() -> None:
    async with accepted_job() as story:
        await accept_job(story.platform, JOB, (CLIENT_ID, "owner"), (CLEANER_ID, "member"))  # told twice
        async with await story.ann_connects() as ann, await story.ben_connects() as ben:
            check_equal(ann.welcome["user"], CLIENT_ID, "the user of a token with a number")
            check_equal(ben.welcome["user"], CLEANER_ID, "the user of a token with a string")
            for chat in (ann, ben):
                check_equal([room["id"] for room in chat.welcome["rooms"]], [story.room], "the rooms after both events")
                people = {person["user"]: person["role"] for person in chat.welcome["rooms"][0]["participants"]}
                check_equal(people, {CLIENT_ID: "owner", CLEANER_ID: "member"}, "the participants")
        history = await whole_history(story.ann, story.room)
        check_equal([(m["seq"], m["kind"], m["sender"]["type"]) for m in history], [(1, "system", "system")],
                    "the room's messages after the job was told twice")  # fmt: skip


async def both_are_told_live_of_a_new_job() -> None:
    async with accepted_job() as story:
        async with await story.ann_connects() as ann, await story.ben_connects() as ben:
            await accept_job(story.platform, "job-4712", (CLIENT_ID, "owner"), (CLEANER_ID, "member"))
            for chat in (ann, ben):
                pushed = await chat.hears("room", lambda room: room.get("subject") == {"type": "job", "id": "job-4712"})
            await ann.say(pushed["id"], "first", "Hello!")
            await ben.hears("message", lambda push: push["room"] == pushed["id"] and push["body"] == "Hello!")


async def they_chat_with_receipts_and_typing() -> None:
    async with accepted_job() as story:
        room = story.room
        async with await story.ann_connects() as ann, await story.ben_connects() as ben:
            await ann.call("typing", {"room": room, "active": True})
            typing = await ben.hears("typing", lambda push: push["room"] == room)
            check_equal((typing["user"], typing["active"]), (CLIENT_ID, True), "typing")

            sent = await ann.say(room, "hello-1", "Hello, when can you come? 🧹")
            check_equal(sent["duplicate"], False, "duplicate of a first send")
            heard = await ben.hears("message", lambda push: push["seq"] == sent["seq"])
            check_equal(heard["body"], "Hello, when can you come? 🧹", "the body that ben heard")
            check_equal((heard["rev"], heard["id"], heard["change"]), (sent["rev"], sent["id"], "sent"), "the message")
            check_equal((heard["sender"]["type"], heard["sender"]["id"]), ("user", CLIENT_ID), "the sender")
            check("client_id" not in heard, "client_id is told to others than the sender")
            own = await ann.hears("message", lambda push: push["seq"] == sent["seq"])
            check_equal(own.get("client_id"), "hello-1", "client_id on the sender's own connection")

            await receipts(story, ann, ben, sent["seq"])

            reply = await ben.say(room, "hello-2", "At nine.", reply_to=sent["seq"])
            heard = await ann.hears("message", lambda push: push["seq"] == reply["seq"])
            check_equal(heard.get("reply_to"), sent["seq"], "reply_to")
            await edit_and_delete(story, ann, ben)
            await check_complete(ann, story.ann, room)
            await check_complete(ben, story.ben, room)
        check_dense(await whole_history(story.ann, room), "the chat")


async def receipts(story: Story, ann: Chat, ben: Chat, seq: int) -> None:
    """Ben's pointers move forward only, and ann sees them move."""
    room = story.room
    check_equal((await ben.call("delivered", {"room": room, "seq": seq}))["delivered_seq"], seq, "delivered_seq")
    await ann.hears("receipt", lambda push: push["user"] == CLEANER_ID and push["delivered_seq"] == seq)
    answer = await ben.call("read", {"room": room, "seq": seq})
    check_equal((answer["read_seq"], answer["unread"]["count"] if isinstance(answer["unread"], dict) else answer["unread"]),
                (seq, 0), "the answer to read")  # fmt: skip
    await ann.hears("receipt", lambda push: push["user"] == CLEANER_ID and push["read_seq"] == seq)
    check_equal((await ben.call("read", {"room": room, "seq": 1}))["read_seq"], seq, "read_seq after reading backwards")
    clamped = await ben.call("read", {"room": room, "seq": seq + 1_000_000})
    check_equal(clamped["read_seq"], seq, "read_seq after reading what is not there")


async def edit_and_delete(story: Story, ann: Chat, ben: Chat) -> None:
    room = story.room
    typo = await ann.say(room, "typo", "se yuo")
    edited = await ann.call("edit", {"room": room, "seq": typo["seq"], "body": "see you"})
    heard = await ben.hears("message", lambda push: push["rev"] == edited["rev"])
    check_equal((heard["seq"], heard["change"], heard["body"]), (typo["seq"], "edited", "see you"), "the edited message")
    deleted = await ann.call("delete", {"room": room, "seq": typo["seq"]})
    heard = await ben.hears("message", lambda push: push["rev"] == deleted["rev"])
    check_equal((heard["seq"], heard["change"]), (typo["seq"], "deleted"), "the deleted message")
    check(heard.get("body") is None, f"the body of a deleted message: {heard.get('body')!r}")


async def who_was_offline_gets_exactly_what_was_missed() -> None:
    async with accepted_job() as story:
        room = story.room
        async with await story.ann_connects() as ann:
            ben = await story.ben_connects()
            await fence(ann, ben, room, "before")
            held = ben.rev(room)
            await ben.vanish()
            ben.check_view()

            missed = [await ann.say(room, f"missed-{n}", f"missed {n}") for n in range(MISSED)]
            edited = missed[3]["seq"]
            await ann.call("edit", {"room": room, "seq": edited, "body": "missed 3, edited"})

            async with await story.ben_connects(rooms={room: held}) as ben:
                await fence(ann, ben, room, "after")
                check("reset" not in [kind for kind, _ in ben.pushes], "a reset instead of what was missed")
                got = ben.messages(room)[:-1]  # without the fence
                revs = [message["rev"] for message in got]
                check_equal(revs, sorted(set(revs)), "the order of what was missed")
                # Who is back soon is told change by change, the edited message twice; others what is now.
                check_equal(sorted({m["seq"] for m in got}), [m["seq"] for m in missed], "what was missed")
                bodies = {message["seq"]: message["body"] for message in got}
                check_equal(bodies[edited], "missed 3, edited", "the present state of an edited message")
                check_equal(got[-1]["seq"], edited, "the last change, which is the edit")
                await check_complete(ben, story.ben, room)

            # Who holds the room's head gets nothing again.
            head = ben.rev(room)
            async with await story.ben_connects(rooms={room: head}) as ben:
                await fence(ann, ben, room, "once more")
                check_equal(len(ben.messages(room)), 1, "messages to one who had missed nothing")


@dataclass
class Burst:
    """What one person sends around the kill, and what was answered."""

    chat: Chat
    name: str
    acked: dict[str, int]
    unacked: list[str]


async def send_until_killed(burst: Burst, room: str, enough: asyncio.Event, acks: list[str]) -> None:
    """Sends all at once, without waiting for answers; notes which were acked before the connection died."""
    answers = {}
    for n in range(SENT_AROUND_THE_KILL):
        client_id = f"{burst.name}-{n}"
        answers[client_id] = burst.chat.post("send", {"room": room, "client_id": client_id, "body": client_id})

    async def wait_for(client_id: str, answer: "asyncio.Future[dict[str, Any]]") -> None:
        try:
            burst.acked[client_id] = (await answer)["seq"]
        except Lost:
            burst.unacked.append(client_id)
            return
        acks.append(client_id)
        if len(acks) >= KILL_AFTER_ACKS:
            enough.set()

    await asyncio.gather(*(wait_for(client_id, answer) for client_id, answer in answers.items()))


async def acked_messages_survive_a_kill() -> None:
    async with accepted_job() as story:
        room = story.room
        ann, ben = await story.ann_connects(), await story.ben_connects()
        bursts = [Burst(ann, "ann", {}, []), Burst(ben, "ben", {}, [])]
        enough, acks = asyncio.Event(), []
        sending = asyncio.gather(*(send_until_killed(burst, room, enough, acks) for burst in bursts))
        await asyncio.wait_for(enough.wait(), ANSWER_DEADLINE)
        await story.server.kill9()
        await sending
        for chat in (ann, ben):
            await chat.close()
            chat.check_view()
        unacked = sum(len(burst.unacked) for burst in bursts)
        check(unacked, "void: the kill hit nothing in flight")

        await story.server.restart()
        await story.reopen_rest()
        await check_survivors(story, bursts, [ann, ben])
        views = [ann, ben]
        async with (
            await story.ann_connects(rooms={room: ann.rev(room)}) as ann,
            await story.ben_connects(rooms={room: ben.rev(room)}) as ben,
        ):
            await repeat_unacked(room, bursts, ann, ben)
            await fence(ann, ben, room, "the end")
            await fence(ben, ann, room, "the very end")
            await check_after_the_kill(story, bursts, ann, views, [ann, ben])


async def check_survivors(story: Story, bursts: list[Burst], old: list[Chat]) -> None:
    """Right after the restart: what was acked or delivered is stored, as it was."""
    stored = {message["seq"]: message for message in await whole_history(story.ann, story.room)}
    for burst in bursts:
        lost = {client_id: seq for client_id, seq in burst.acked.items() if stored.get(seq, {}).get("body") != client_id}
        check(not lost, f"acked, then lost or changed: {lost}")
    for chat in old:
        early = [push["seq"] for push in chat.messages(story.room) if push["seq"] not in stored]
        check(not early, f"delivered, but never committed: seq {early}")


async def repeat_unacked(room: str, bursts: list[Burst], ann: Chat, ben: Chat) -> None:
    """The client's duty after a loss: the same client_id again; also of an acked one, which must get its old seq."""
    for burst, chat in zip(bursts, (ann, ben)):
        known = next(iter(burst.acked.items()), None)
        if known:
            again = await chat.say(room, known[0], known[0])
            check_equal((again["seq"], again["duplicate"]), (known[1], True), "the answer to a repeated acked send")
        for client_id in burst.unacked:
            burst.acked[client_id] = (await chat.say(room, client_id, client_id))["seq"]


async def check_after_the_kill(story: Story, bursts: list[Burst], ann: Chat, old: list[Chat], new: list[Chat]) -> None:
    """Everything once, by WebSocket, by REST, in the file, and in both people's views."""
    room = story.room
    wanted = {client_id: seq for burst in bursts for client_id, seq in burst.acked.items()}
    check_equal(len(wanted), 2 * SENT_AROUND_THE_KILL, "how many were acked in the end")
    by_rest = await whole_history(story.ben, room)
    by_socket = await history_by_socket(ann, room)
    check_equal([(m["seq"], m["id"], m["body"]) for m in by_socket], [(m["seq"], m["id"], m["body"]) for m in by_rest],
                "history by WebSocket, compared with REST")  # fmt: skip
    check_dense(by_rest, "the room after the kill")
    found = {message["body"]: message["seq"] for message in by_rest if message["body"] in wanted}
    check_equal(found, wanted, "the seq of every message")
    bodies = [message["body"] for message in by_rest]
    check_equal(len(bodies), len(set(bodies)), "how many messages are doubled")
    rows = story.server.sql("SELECT client_id, COUNT(*) FROM rt_message GROUP BY client_id HAVING COUNT(*) > 1 AND client_id IS NOT NULL")
    check_equal(rows, [], "client ids with more than one row")
    for before, after in zip(old, new):
        seen = [push["seq"] for push in before.messages(room) + after.messages(room)]
        start = before.start[room]
        due = [message["seq"] for message in by_rest if message["rev"] > start]
        check_equal(sorted(seen), due, "what one person saw, over both connections")


async def history_by_socket(chat: Chat, room: str) -> list[dict[str, Any]]:
    """The whole room through the `history` command."""
    messages: list[dict[str, Any]] = []
    before: dict[str, int] = {}
    while True:
        page = await chat.call("history", {"room": room, "limit": 100, **before})
        messages = page["messages"] + messages
        if not page["has_older"]:
            return messages
        before = {"before": page["messages"][0]["seq"]}


async def the_same_over_rest_and_server_sent_events() -> None:
    async with accepted_job() as story:
        room = story.room
        async with await Sse.open(story.server, token(CLEANER)) as events:
            first = await post(story.ann, room, "rest-1", "Hello over REST")
            check_equal((first.status_code, first.json()["duplicate"]), (201, False), "a first send over REST")
            heard = await events.hears("message", lambda push: push["seq"] == first.json()["seq"])
            check_equal(heard["body"], "Hello over REST", "the body that ben heard")
            again = await post(story.ann, room, "rest-1", "Hello over REST")
            check_equal((again.status_code, again.json()["duplicate"], again.json()["seq"]),
                        (200, True, first.json()["seq"]), "a repeat over REST")  # fmt: skip
            await story.ann.refused(422, "client_id_reused", "POST", f"/rooms/{room}/messages",
                                    {"client_id": "rest-1", "body": "something else"})  # fmt: skip
            position = events.last_id
            check(position, "the events carry no id")

        missed = [(await post(story.ann, room, f"rest-missed-{n}", f"missed {n}")).json()["seq"] for n in range(MISSED)]
        async with await Sse.open(story.server, token(CLEANER), last_event_id=position) as events:
            last = (await post(story.ann, room, "rest-last", "the last")).json()["seq"]
            await events.hears("message", lambda push: push["seq"] == last)
            got = [push["seq"] for kind, push in events.pushes if kind == "message"]
            check_equal(got, [*missed, last], "what came after Last-Event-ID")

        await receipts_over_rest(story, last)


async def post(rest: Rest, room: str, client_id: str, body: str) -> Any:
    answer = await rest.ask("POST", f"/rooms/{room}/messages", {"client_id": client_id, "body": body})
    check(answer.is_success, f"POST messages answered {answer.status_code}: {answer.text[:300]}")
    return answer


async def receipts_over_rest(story: Story, last: int) -> None:
    room = story.room
    unread = await story.ben.call("GET", "/unread")
    check_equal(unread["rooms"], 1, "rooms with unread messages")
    check_equal((await story.ben.call("PUT", f"/rooms/{room}/delivered", {"seq": last}))["delivered_seq"], last, "delivered_seq")
    check_equal((await story.ben.call("PUT", f"/rooms/{room}/read", {"seq": last}))["read_seq"], last, "read_seq")
    unread = await story.ben.call("GET", "/unread")
    check_equal((unread["rooms"], unread["messages"]), (0, 0), "unread after reading all")
    answer = await story.ben.ask("GET", f"/rooms/{room}")
    check_equal(answer.headers.get("etag", "").strip('W/"'), str(answer.json()["rev"]), "the ETag")
    after = await story.ben.call("GET", f"/rooms/{room}/messages?after={last - 3}&limit=2")
    check_equal([message["seq"] for message in after["messages"]], [last - 2, last - 1], "messages after a seq")
    check_equal((after["has_older"], after["has_newer"]), (True, True), "has_older, has_newer")


async def one_client_id_is_one_message_on_every_way_in() -> None:
    async with accepted_job() as story:
        room = story.room
        async with await story.ann_connects() as ann:
            sent = await ann.say(room, "one", "once")
            over_rest = await post(story.ann, room, "one", "once")
            check_equal((over_rest.status_code, over_rest.json()["seq"]), (200, sent["seq"]), "the repeat over REST")
            await ann.refused("client_id_reused", "send", {"room": room, "client_id": "one", "body": "other"})
        await story.server.kill9()
        await story.server.restart()
        await story.reopen_rest()
        async with await story.ann_connects() as ann, await story.ben_connects() as ben:
            again = await ann.say(room, "one", "once")
            check_equal((again["seq"], again["duplicate"]), (sent["seq"], True), "the repeat after a restart")
            other = await ben.say(room, "one", "once")  # a client_id belongs to its sender
            check_equal(other["duplicate"], False, "the same client_id of another sender")
        check_equal([m["body"] for m in (await whole_history(story.ann, room))[1:]], ["once", "once"], "the messages")


async def a_finished_job_says_so() -> None:
    async with accepted_job() as story:
        async with await story.ann_connects() as ann:
            event = {"type": "job.completed", "id": "completed-1", "subject": {"type": "job", "id": JOB}, "data": {}}
            for _ in range(2):  # told twice, said once
                await story.platform.call("POST", "/events", event)
            await ann.hears("message", lambda push: push["kind"] == "system" and push["room"] == story.room)
        history = await whole_history(story.ann, story.room)
        check_equal([message["kind"] for message in history], ["system", "system"], "the messages of a finished job")


async def strangers_see_nothing() -> None:
    async with accepted_job() as story, Rest(story.server, token(STRANGER)) as rest:
        room, nowhere = story.room, "018f5a3e-7c1b-7d2a-9f00-2b7d1e5c9a41"
        commands = {
            "send": {"client_id": "x", "body": "let me in"}, "history": {}, "changes": {"after_rev": 0},
            "read": {"seq": 1}, "delivered": {"seq": 1}, "typing": {"active": True},
            "edit": {"seq": 1, "body": "x"}, "delete": {"seq": 1},
        }  # fmt: skip
        async with await Chat.open(story.server, token(STRANGER), rooms={room: 1}) as stranger:
            check_equal(stranger.welcome["rooms"], [], "a stranger's rooms")
            for command, body in commands.items():
                known = await stranger.refused("not_found", command, {"room": room, **body})
                unknown = await stranger.refused("not_found", command, {"room": nowhere, **body})
                check_equal(known, unknown, f"{command} on a room that exists, compared with one that does not")
            answer = await stranger.call("subscribe", {"rooms": [{"room": room}, {"room": nowhere}]})
            check_equal(answer["rooms"], [], "what a stranger may subscribe to")
            check_equal({(r["room"], r["code"]) for r in answer["refused"]},
                        {(room, "not_found"), (nowhere, "not_found")}, "refused subscriptions")  # fmt: skip
            async with await story.ann_connects() as ann, await story.ben_connects() as ben:
                await fence(ann, ben, room, "between us")
            await stranger.call("presence", {"users": [STRANGER]})
            leaked = [(kind, push) for kind, push in stranger.pushes if room in str(push)
                      and kind not in ("reset", "unsubscribed")]  # fmt: skip
            check_equal(leaked, [], "what a stranger was told")
        await strangers_over_rest(rest, room, nowhere)
        check_equal(len(await whole_history(story.ann, room)), 2, "messages in the room")


async def strangers_over_rest(rest: Rest, room: str, nowhere: str) -> None:
    calls: list[tuple[str, str, Any]] = [
        ("GET", "", None), ("GET", "/participants", None), ("GET", "/messages", None),
        ("GET", "/changes?after_rev=0", None), ("POST", "/messages", {"client_id": "x", "body": "let me in"}),
        ("PATCH", "/messages/1", {"body": "x"}), ("DELETE", "/messages/1", None),
        ("PUT", "/read", {"seq": 1}), ("PUT", "/delivered", {"seq": 1}),
    ]  # fmt: skip
    for method, path, body in calls:
        known = await rest.refused(404, "not_found", method, f"/rooms/{room}{path}", body)
        unknown = await rest.refused(404, "not_found", method, f"/rooms/{nowhere}{path}", body)
        for problem, asked in ((known, room), (unknown, nowhere)):
            problem.pop("request_id")
            check_equal(asked in problem["detail"], False, "the room is named in the refusal")
        check_equal(known, unknown, f"{method} {path} on a room that exists, compared with one that does not")
    await rest.refused(403, "forbidden", "POST", "/events", {
        "type": "job.accepted", "id": "forged", "subject": {"type": "job", "id": "job-1"},
        "participants": [{"user": STRANGER, "role": "owner"}], "data": {},
    })  # fmt: skip


async def a_connection_to_one_room_hears_only_that() -> None:
    async with accepted_job() as story:
        await accept_job(story.platform, "job-4712", (CLIENT_ID, "owner"), (CLEANER_ID, "member"))
        async with await story.ann_connects() as ann, await story.ben_connects(path=f"/ws/chat/{story.room}/") as ben:
            check_equal([room["id"] for room in ben.welcome["rooms"]], [story.room], "the rooms of /ws/chat/{room}/")
            other = next(room["id"] for room in ann.welcome["rooms"] if room["id"] != story.room)
            await ann.say(other, "elsewhere", "elsewhere")
            await fence(ann, ben, story.room, "here")
            check_equal([push["body"] for push in ben.messages(story.room)], ["here"], "what ben heard")
            check_equal(ben.messages(other), [], "what ben heard of the other room")
        try:
            async with await Chat.open(story.server, token(STRANGER), path=f"/ws/chat/{story.room}/") as stranger:
                check_equal(stranger.welcome["rooms"], [], "the room of a stranger on /ws/chat/{room}/")
        except (Refused, Lost):
            pass  # refusing the connection is as good


TESTS = [
    ("story: a job opens its room once", a_job_opens_its_room_once),
    ("story: both are told live of a new job", both_are_told_live_of_a_new_job),
    ("story: they chat with receipts and typing", they_chat_with_receipts_and_typing),
    ("story: who was offline gets exactly what was missed", who_was_offline_gets_exactly_what_was_missed),
    ("story: acked messages survive a kill -9", acked_messages_survive_a_kill),
    ("story: the same over REST and server-sent events", the_same_over_rest_and_server_sent_events),
    ("story: one client_id is one message on every way in", one_client_id_is_one_message_on_every_way_in),
    ("story: a finished job says so", a_finished_job_says_so),
    ("story: strangers see nothing", strangers_see_nothing),
    ("story: a connection to one room hears only that", a_connection_to_one_room_hears_only_that),
]

if __name__ == "__main__":
    sys.exit(asyncio.run(run_tests(TESTS, TEST_DEADLINE)))
