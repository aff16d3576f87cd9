"""The committed simplejwt vectors, each tried on a running server that is configured as the vector says.

One server knows the shared secret and the public keys of all algorithms at once,
so that a key can also be taken for another; more servers have an issuer, an
audience or another claim for the user.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import defaultdict
from functools import partial
from typing import Any

from harness import CONFIG_FILE, Rest, Test, check, check_equal, check_problem, run_tests, running_server
from mint_simplejwt import SECRET, VECTORS
from wsclient import Chat, Refused

DEADLINE = 60

NOWHERE = "018f5a3e-7c1b-7d2a-9f00-2b7d1e5c9a41"

Vector = dict[str, Any]
Settings = tuple[str | None, str | None, str]


def key_files(vectors: list[Vector]) -> dict[str, str]:
    """The public keys as files, and the configuration that names them."""
    keys = {vector["alg"]: vector["key"] for vector in vectors if vector["alg"] != "HS256"}
    entries = [f'[[auth.keys]]\nalg = "{alg}"\nfile = "{alg}.pem"\n' for alg in keys]
    return {f"{alg}.pem": key for alg, key in keys.items()} | {CONFIG_FILE: "\n".join(entries)}


async def verdicts(settings: Settings, vectors: list[Vector], files: dict[str, str]) -> None:
    """Every vector of these settings meets its verdict, on WebSocket and over REST."""
    issuer, audience, user_claim = settings
    environment = {"REALTIME_JWT_SECRET": SECRET, "REALTIME_AUTH__USER_CLAIM": user_claim}
    if issuer:
        environment["REALTIME_AUTH__ISSUER"] = issuer
    if audience:
        environment["REALTIME_AUTH__AUDIENCE"] = audience
    async with running_server(files, **environment) as server:
        wrong = []
        for vector in vectors:
            found = await verdict_of(server, vector["token"])
            wanted = {name: value for name, value in vector["expect"].items() if name != "name"}
            if found != wanted:
                wrong.append(f"{vector['name']}: wanted {wanted}, got {found}")
        check(not wrong, "; ".join(wrong))


async def verdict_of(server: Any, token: str) -> dict[str, Any]:
    """Who the server takes the token for, in the form of the vectors' `expect`."""
    async with Rest(server, token) as rest:
        try:
            async with await Chat.open(server, token) as chat:
                user = chat.welcome["user"]
        except Refused as refusal:
            answer = await rest.ask("GET", "/rooms")
            check_problem(answer, {401}, {refusal.code}, "GET /rooms, compared with the WebSocket")
            return {"error": refusal.code}
        # A service is told that the room is not there, a user that this is not for users.
        answer = await rest.ask("POST", f"/rooms/{NOWHERE}/lock", {})
        check_problem(answer, {403, 404}, {"forbidden", "not_found"}, "locking a room that is not there")
        return {"user": user, "service": answer.status_code == 404}


def tests() -> list[tuple[str, Test]]:
    vectors: list[Vector] = json.loads(VECTORS.read_text(encoding="utf-8"))
    check_equal({"HS256", "RS256", "ES256", "EdDSA"} - {vector["alg"] for vector in vectors}, set(), "missing algorithms")
    groups: dict[Settings, list[Vector]] = defaultdict(list)
    for vector in vectors:
        groups[vector["issuer"], vector["audience"], vector["user_claim"]].append(vector)
    files = key_files(vectors)
    return [
        (f"vectors: {len(group)} with iss {settings[0]}, aud {settings[1]}, {settings[2]}",
         partial(verdicts, settings, group, files))
        for settings, group in groups.items()
    ]  # fmt: skip


if __name__ == "__main__":
    sys.exit(asyncio.run(run_tests(tests(), DEADLINE)))
