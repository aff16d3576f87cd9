"""Server-sent events, read by an independent HTTP client."""

from __future__ import annotations

import asyncio
import json
from typing import Any, Callable

import httpx

from harness import ANSWER_DEADLINE, Failure, Server, check, check_equal


class Sse:
    """One `GET /sse/`."""

    def __init__(self, client: httpx.AsyncClient, response: httpx.Response) -> None:
        self.client, self.response = client, response
        self.pushes: list[tuple[str, dict[str, Any]]] = []
        self.last_id = ""
        self._changed = asyncio.Condition()
        self._wrong: str | None = None
        self._reader = asyncio.create_task(self._read())

    @classmethod
    async def open(cls, server: Server, bearer: str, last_event_id: str | None = None) -> "Sse":
        """Listens as `bearer`, from `last_event_id` on if there is one."""
        headers = {"authorization": f"Bearer {bearer}", "accept": "text/event-stream"}
        if last_event_id:
            headers["last-event-id"] = last_event_id
        client = httpx.AsyncClient(timeout=httpx.Timeout(ANSWER_DEADLINE, read=None), trust_env=False)
        try:
            response = await asyncio.wait_for(
                client.send(client.build_request("GET", server.url + "/sse/", headers=headers), stream=True),
                ANSWER_DEADLINE,
            )
            check_equal(response.status_code, 200, "the status of GET /sse/")
            kind = response.headers.get("content-type", "").split(";")[0]
            check_equal(kind, "text/event-stream", "the content type of GET /sse/")
        except BaseException:
            await client.aclose()
            raise
        return cls(client, response)

    async def __aenter__(self) -> "Sse":
        return self

    async def __aexit__(self, kind: Any, *_: Any) -> None:
        self._reader.cancel()
        await asyncio.gather(self._reader, return_exceptions=True)
        await self.response.aclose()
        await self.client.aclose()
        if kind is None:
            check(self._wrong is None, f"an event against the contract: {self._wrong}")

    async def hears(self, kind: str, where: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first push of this kind for which `where` holds, come or still to come."""

        def found() -> dict[str, Any] | None:
            return next((push for name, push in self.pushes if name == kind and where(push)), None)

        async with self._changed:
            try:
                await asyncio.wait_for(
                    self._changed.wait_for(lambda: found() is not None or self._reader.done()), ANSWER_DEADLINE
                )
            except asyncio.TimeoutError:
                raise Failure(f"no such {kind} event within {ANSWER_DEADLINE} s") from None
        if (push := found()) is None:
            raise Failure("the event stream ended")
        return push

    async def _read(self) -> None:
        fields: dict[str, list[str]] = {}
        try:
            async for line in self.response.aiter_lines():
                if line:
                    name, _, value = line.partition(":")  # a comment has an empty name
                    fields.setdefault(name, []).append(value.removeprefix(" "))
                    continue
                await self._take(fields)
                fields = {}
        except httpx.HTTPError:
            pass  # the server went away; whoever waits is told below
        async with self._changed:
            self._changed.notify_all()

    async def _take(self, fields: dict[str, list[str]]) -> None:
        self.last_id = fields.get("id", [self.last_id])[-1]
        if "data" not in fields:
            return
        text = "\n".join(fields["data"])
        try:
            [(kind, push)] = json.loads(text).items()
        except (ValueError, AttributeError) as why:
            self._wrong = f"{text[:300]} ({why})"
            return
        self.pushes.append((kind, push))
        async with self._changed:
            self._changed.notify_all()
