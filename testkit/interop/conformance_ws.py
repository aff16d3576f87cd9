"""The public WebSocket conformance cases (Autobahn's, run by `kosoku`) against our connection code.

    python conformance_ws.py            compares with kosoku-expected.json
    python conformance_ws.py --update   writes what was found into it

The cases want an echo: `$REALTIME_ECHO_URL` names a running one, or else
`$REALTIME_ECHO` names a program that echoes through the server's own connection
code and prints `listening on ws://127.0.0.1:PORT/`.

The comparison is exact, in both directions: a case that begins to pass is a
difference too, so that the file always tells what the server does. A case that
does not pass must be covered by an entry of `exceptions`, with its reason, which
only a human writes: `--update` cannot turn a regression into an expectation.
"""

from __future__ import annotations

import asyncio
import fnmatch
import importlib.metadata
import json
import os
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, AsyncIterator

from kosoku import FailureError, run_fuzzingclient

from harness import Failure, check, first_line

EXPECTED = Path(__file__).parent / "kosoku-expected.json"

# Seconds. The suite takes 4 to 15 s; a peer that never answers would hold one case for 100 s.
SUITE_DEADLINE = 75

# Cases wait for the peer far more than they compute: four at once take 4 s instead of 14.
CONCURRENCY = 4

# What kosoku 0.1.0 holds. Fewer would mean that the comparison proves less than it says.
MINIMUM_CASES = 517

PASSING = {"OK", "NON-STRICT", "INFORMATIONAL"}

Verdict = list[str]


@asynccontextmanager
async def echo() -> AsyncIterator[str]:
    """The address of the echo, started here unless it runs already."""
    if url := os.environ.get("REALTIME_ECHO_URL"):
        yield url
        return
    program = os.environ.get("REALTIME_ECHO")
    if not program:
        raise Failure("set REALTIME_ECHO (a program) or REALTIME_ECHO_URL")
    process = subprocess.Popen([program], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    try:
        line = (await first_line(process)).strip()
        prefix = "listening on "
        check(line.startswith(prefix + "ws://"), f"{program} said {line!r} instead of its address")
        yield line.removeprefix(prefix)
        check(process.poll() is None, f"the echo ended by itself with {process.returncode}")
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


async def run_suite(url: str) -> dict[str, Verdict]:
    """Every case's verdict: on the exchange, and on the closing handshake."""
    try:
        results = await asyncio.wait_for(run_fuzzingclient(url, concurrency=CONCURRENCY), SUITE_DEADLINE)
    except FailureError as failure:  # it carries all results, passed ones too
        results = failure.results
    return {case.case_id: [case.behavior.value, case.behavior_close.value] for case in results}


def differences(expected: dict[str, Verdict], found: dict[str, Verdict]) -> list[str]:
    """One readable line for each case whose verdict is not the expected one."""
    lines = []
    for case in sorted({*expected, *found}, key=lambda case: [int(part) for part in case.split(".")]):
        was, now = expected.get(case), found.get(case)
        if was != now:
            lines.append(f"{case}: expected {'/'.join(was or ['no such case'])}, got {'/'.join(now or ['not run'])}")
    return lines


def unexcused(found: dict[str, Verdict], exceptions: dict[str, str]) -> list[str]:
    """The cases that do not pass and that no exception explains."""
    return [
        f"{case}: {'/'.join(verdict)}"
        for case, verdict in found.items()
        if not set(verdict) <= PASSING and not any(fnmatch.fnmatchcase(case, glob) for glob in exceptions)
    ]


def idle_exceptions(found: dict[str, Verdict], exceptions: dict[str, str]) -> list[str]:
    """Exceptions under which no case fails any more."""
    failing = [case for case, verdict in found.items() if not set(verdict) <= PASSING]
    return [glob for glob in exceptions if not fnmatch.filter(failing, glob)]


def write(expected: dict[str, Any], found: dict[str, Verdict]) -> None:
    """Replaces the verdicts, keeps the exceptions; one line a case, so that a diff reads well."""
    cases = ",\n".join(f"  {json.dumps(case)}: {json.dumps(verdict)}" for case, verdict in found.items())
    head = json.dumps({"kosoku": importlib.metadata.version("kosoku"), "exceptions": expected["exceptions"]}, indent=1)
    EXPECTED.write_text(head.removesuffix("\n}") + f',\n "cases": {{\n{cases}\n }}\n}}\n', encoding="utf-8")


def verdict(name: str, problems: list[str]) -> bool:
    """Prints the line of one check; whether it failed."""
    if problems:
        print(f"FAILED {name}: {len(problems)} case(s)")
        for problem in problems:
            print(f"    {problem}")
    else:
        print(f"ok {name}")
    return bool(problems)


async def main() -> int:
    expected = json.loads(EXPECTED.read_text(encoding="utf-8"))
    try:
        async with echo() as url:
            found = await run_suite(url)
    except (Failure, OSError, asyncio.TimeoutError) as why:
        print(f"FAILED conformance: {type(why).__name__}: {why}")
        return 1
    if sys.argv[1:] == ["--update"]:
        write(expected, found)
        expected["cases"] = found
        print(f"wrote {len(found)} cases to {EXPECTED.name}")
    count = [] if len(found) >= MINIMUM_CASES else [f"only {len(found)} of {MINIMUM_CASES} cases ran"]
    failed = [
        verdict(f"conformance: all {MINIMUM_CASES} cases ran", count),
        verdict("conformance: as in kosoku-expected.json", differences(expected["cases"], found)),
        verdict("conformance: what does not pass is explained", unexcused(found, expected["exceptions"])),
        verdict("conformance: every explanation is needed", idle_exceptions(found, expected["exceptions"])),
    ]
    return 1 if any(failed) else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
