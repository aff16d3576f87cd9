"""reliability.md §3 against one live server: handshake, tokens, frames, commands, REST.

Every bullet is a case with the status, code or close code it must meet. All run
against the same server, several at once; at the end it must still serve, hold
no more memory and files than it should, and have stored nothing that it refused.
"""

from __future__ import annotations

import asyncio
import sys
import time
from functools import partial

import hostile_commands
import hostile_frames
import hostile_handshake
import hostile_rest
import hostile_tokens
from harness import Test, check, run_tests
from hostile_target import Target, target

SECTIONS = (hostile_handshake, hostile_tokens, hostile_frames, hostile_commands, hostile_rest)

# Seconds for one case.
CASE_DEADLINE = 60

# Cases side by side: those that wait for a time-out of the server, and the others.
SLOW_AT_ONCE = 16
AT_ONCE = 6

# Files that may stay open beyond those before: pooled database connections, a log.
SPARE_FILES = 12
FILES_DEADLINE = 15
POLL_INTERVAL = 0.05


async def files_are_given_back(target: Target, before: int) -> None:
    """Every connection that was closed is really closed."""
    deadline = time.monotonic() + FILES_DEADLINE
    while (now := target.server.open_files()) > before + SPARE_FILES:
        check(time.monotonic() < deadline, f"{now} open files, {before} before the cases")
        await asyncio.sleep(POLL_INTERVAL)  # looks again: nothing tells when a process closes a file


async def memory(target: Target) -> None:
    target.check_memory()


def afterwards(target: Target, files_before: int) -> list[tuple[str, Test]]:
    return [
        ("hostile: the server still serves", target.check_serves),
        ("hostile: nothing was stored", target.check_nothing_stored),
        ("hostile: memory stayed bounded", partial(memory, target)),
        ("hostile: files were given back", partial(files_are_given_back, target, files_before)),
    ]


async def main() -> int:
    wanted = sys.argv[1:]  # parts of names, to run only those

    def chosen(tests: list[tuple[str, Test]]) -> list[tuple[str, Test]]:
        return [(name, test) for name, test in tests if not wanted or any(part in name for part in wanted)]

    outcomes = []

    async def all_cases() -> None:
        async with target() as live:
            files = live.server.open_files()
            slow = chosen([test for section in SECTIONS for test in section.slow_tests(live)])
            quick = chosen([test for section in SECTIONS for test in section.tests(live)])
            groups = [(slow, SLOW_AT_ONCE), (quick, AT_ONCE)]
            outcomes.extend(await asyncio.gather(*(run_tests(tests, CASE_DEADLINE, n) for tests, n in groups if tests)))
            outcomes.append(await run_tests(afterwards(live, files), CASE_DEADLINE))

    whole = await run_tests([("hostile: the server starts, stops cleanly, and logs no token", all_cases)], 600)
    return 1 if whole or any(outcomes) else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
