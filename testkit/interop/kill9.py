"""2,000 messages over 5 `kill -9` of the server under load: none lost, none doubled, `seq` dense.

Eight people send into one room at once: six over WebSocket, each with many sends
in flight, two over REST. Five times, whenever another sixth of the messages was
acked, the server is killed and started again on the same database; whoever got
no answer repeats under the same `client_id`. The verdict is read from the
database file and, apart from it, through REST.

A run in which fewer than three kills hit sends in flight proves nothing and fails.
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from typing import Any

import httpx
from websockets.exceptions import WebSocketException

from harness import (
    Failure, Rest, Server, check, check_equal, excerpt, open_group, run_tests, running_server, service_token, token,
    whole_history,
)  # fmt: skip
from wsclient import Chat, Lost, Refused

MESSAGES = 2_000
KILLS = 5
KILLS_THAT_MUST_HIT = 3
SOCKET_SENDERS = [f"sender-{n}" for n in range(6)]
REST_SENDERS = [f"sender-{n}" for n in range(6, 8)]
SENDERS = SOCKET_SENDERS + REST_SENDERS
EACH = MESSAGES // len(SENDERS)

# Sends without an answer that one sender allows itself.
SOCKET_WINDOW = 16
REST_WINDOW = 4

# Seconds for the whole run, five restarts included.
DEADLINE = 60

# Refusals after which one comes again. `internal` is none of them: a kill is no excuse for a 500.
AGAIN = {"timeout", "busy", "rate_limited"}
AGAIN_STATUS = {429, 503, 504}


class Run:
    """What all senders share."""

    def __init__(self, server: Server, room: str) -> None:
        self.server, self.room = server, room
        self.acked: dict[tuple[str, str], int] = {}  # (sender, client_id) → seq
        self.duplicates = 0  # repeats that had been committed before the kill, but not answered
        self.out_of_turn: set[str] = set()  # senders that were asked to come again, so that order proves nothing
        self.life = 0  # counts the server's lives …
        self.up = True  # … and whether it lives, as far as the killer knows
        self.in_flight = [0]  # sends cut off at the end of each life
        self.changed = asyncio.Condition()

    async def ack(self, sender: str, client_id: str, answer: dict[str, Any]) -> None:
        """Notes an answer; a second one for the same send must name the same `seq`."""
        before = self.acked.setdefault((sender, client_id), answer["seq"])
        check_equal(answer["seq"], before, f"the seq of {client_id}, answered twice")
        self.duplicates += answer["duplicate"]
        async with self.changed:
            self.changed.notify_all()

    async def alive(self) -> int:
        """Waits until the server lives; which life it is."""
        async with self.changed:
            await self.changed.wait_for(lambda: self.up)
        return self.life

    def excused(self, life: int) -> bool:
        """Whether a connection of this life may be lost: only by a kill."""
        return not self.up or self.life > life


def names(sender: str) -> list[str]:
    return [f"{sender}-message-{n}" for n in range(EACH)]


def text(client_id: str) -> str:
    return f"the body of {client_id}"


async def send_over_socket(run: Run, sender: str) -> None:
    """Keeps a window of sends in flight; after each loss connects anew and repeats what is unanswered, in order."""
    todo = names(sender)
    while todo:
        life = await run.alive()
        chat = None
        try:
            chat = await Chat.open(run.server, token(sender))
            await drain(run, chat, sender, todo, life)
        except (Lost, OSError, WebSocketException) as why:
            check(run.excused(life), f"{sender} lost its connection to a living server: {why!r}")
        finally:
            if chat is not None:
                await chat.close()
                chat.check_view()


async def drain(run: Run, chat: Chat, sender: str, todo: list[str], life: int) -> None:
    """Sends `todo` until it is empty or the connection is lost; what is acked leaves it."""
    flying: dict[str, asyncio.Future[dict[str, Any]]] = {}
    while todo:
        for client_id in [name for name in todo[:SOCKET_WINDOW] if name not in flying]:
            body = {"room": run.room, "client_id": client_id, "body": text(client_id)}
            flying[client_id] = chat.post("send", body)
        await asyncio.wait(flying.values(), return_when=asyncio.FIRST_COMPLETED)
        lost: Lost | None = None
        for client_id in [name for name, answer in flying.items() if answer.done()]:
            answer = flying.pop(client_id)
            try:
                await run.ack(sender, client_id, answer.result())
                todo.remove(client_id)
            except Refused as refusal:
                check(refusal.code in AGAIN, f"{client_id}: {refusal}")
                run.out_of_turn.add(sender)
            except Lost as loss:
                lost = loss
                run.in_flight[life] += 1
        if lost:
            raise lost


async def send_over_rest(run: Run, sender: str) -> None:
    """The same with REST calls, a few at a time."""
    todo = names(sender)
    while todo:
        life = await run.alive()
        async with Rest(run.server, token(sender)) as rest:
            acked = await asyncio.gather(
                *(post(run, rest, sender, client_id, life) for client_id in todo[:REST_WINDOW])
            )
        todo = [client_id for client_id in todo if client_id not in acked]


async def post(run: Run, rest: Rest, sender: str, client_id: str, life: int) -> str | None:
    """One send; its name if it was acked, nothing if it must be repeated."""
    body = {"client_id": client_id, "body": text(client_id)}
    try:
        answer = await rest.ask("POST", f"/rooms/{run.room}/messages", body)
    except httpx.TransportError as why:
        check(run.excused(life), f"{sender} lost its connection to a living server: {why!r}")
        run.in_flight[life] += 1
        return None
    if answer.status_code in AGAIN_STATUS:
        return None
    check(answer.status_code in (200, 201), f"{client_id}: {answer.status_code} {answer.text[:200]}")
    await run.ack(sender, client_id, answer.json())
    return client_id


async def kill_again_and_again(run: Run) -> None:
    """A kill whenever another sixth was acked, so that the last one is well before the end."""
    for kill in range(1, KILLS + 1):
        async with run.changed:
            await run.changed.wait_for(lambda: len(run.acked) >= kill * MESSAGES // (KILLS + 1))
        run.up = False
        await run.server.kill9()
        await run.server.restart()
        async with run.changed:
            run.in_flight.append(0)
            run.life += 1
            run.up = True
            run.changed.notify_all()


async def two_thousand_messages_over_five_kills() -> None:
    async with running_server() as server, Rest(server, service_token()) as platform:
        run = Run(server, await open_group(platform, SENDERS, "kill9"))
        await all_or_first_failure(
            kill_again_and_again(run),
            *(send_over_socket(run, sender) for sender in SOCKET_SENDERS),
            *(send_over_rest(run, sender) for sender in REST_SENDERS),
        )
        hits = run.in_flight[:KILLS]
        print(f"   sends in flight at the kills: {hits}; repeats that had been committed: {run.duplicates}")
        check_equal(len(hits), KILLS, "kills")
        check(sum(hit > 0 for hit in hits) >= KILLS_THAT_MUST_HIT, f"void: the kills hit {hits} sends in flight")
        check_equal(len(run.acked), MESSAGES, "messages acked in the end")
        check_database(run)
        async with Rest(server, token(SENDERS[0])) as rest:
            check_rest(run, await whole_history(rest, run.room))


async def all_or_first_failure(*parts: Any) -> None:
    """Runs all; when one fails the others are stopped and its failure is told as it is."""
    try:
        async with asyncio.TaskGroup() as group:
            for part in parts:
                group.create_task(part)
    except ExceptionGroup as several:
        raise next((why for why in several.exceptions if isinstance(why, Failure)), several.exceptions[0]) from None


def check_database(run: Run) -> None:
    """The rows themselves."""
    rows = run.server.sql("SELECT seq, client_id, body FROM rt_message WHERE client_id IS NOT NULL ORDER BY seq")
    check_equal(run.server.sql("SELECT COUNT(DISTINCT room_id) FROM rt_message"), [(1,)], "rooms with messages")
    all_numbers = [seq for (seq,) in run.server.sql("SELECT seq FROM rt_message ORDER BY seq")]
    check(all_numbers == list(range(1, len(all_numbers) + 1)), f"seq in the file is not dense: {excerpt(all_numbers)}")
    doubled = [name for name, times in Counter(client_id for _, client_id, _ in rows).items() if times > 1]
    check(not doubled, f"{len(doubled)} messages are doubled in the file: {doubled[:5]}")
    stored = {client_id: (seq, body) for seq, client_id, body in rows}
    compare(run, stored, "in the file")
    check_order(run, stored)


def check_rest(run: Run, history: list[dict[str, Any]]) -> None:
    """The same as a client sees it. Others' client_ids are not told, but every body names its own."""
    numbers = [message["seq"] for message in history]
    check(numbers == list(range(1, len(numbers) + 1)), f"seq through REST is not dense: {excerpt(numbers)}")
    said = [message for message in history if message["kind"] != "system"]
    check_equal(len(said), MESSAGES, "messages through REST")
    by_sender = {message["body"]: (message["sender"]["id"], message["seq"]) for message in said}
    wanted = {text(client_id): (sender, seq) for (sender, client_id), seq in run.acked.items()}
    wrong = [body for body, found in by_sender.items() if wanted.get(body) != found]
    check(by_sender == wanted, f"{len(wrong)} messages differ through REST: {wrong[:5]}")


def compare(run: Run, stored: dict[str, tuple[int, str]], where: str) -> None:
    """Every acked message is there, under the `seq` that was answered, and nothing else is."""
    wanted = {client_id: (seq, text(client_id)) for (_, client_id), seq in run.acked.items()}
    lost = [client_id for client_id in wanted if client_id not in stored]
    check(not lost, f"{len(lost)} acked messages are lost {where}: {lost[:5]}")
    changed = [client_id for client_id in wanted if stored[client_id] != wanted[client_id]]
    check(not changed, f"{len(changed)} acked messages are changed {where}: {changed[:5]}")
    check_equal(len(stored), len(wanted), f"messages {where}")


def check_order(run: Run, stored: dict[str, tuple[int, str]]) -> None:
    """One connection's sends keep their order, and repeats follow in order too."""
    in_turn = [sender for sender in SOCKET_SENDERS if sender not in run.out_of_turn]
    check(in_turn, "void: every sender was asked to come again, so nothing is known about order")
    for sender in in_turn:
        numbers = [stored[client_id][0] for client_id in names(sender)]
        check(numbers == sorted(numbers), f"the sends of {sender} are stored out of order")


if __name__ == "__main__":
    TESTS = [("kill9: 2,000 messages over 5 kills, 0 lost, 0 doubled", two_thousand_messages_over_five_kills)]
    sys.exit(asyncio.run(run_tests(TESTS, DEADLINE)))
