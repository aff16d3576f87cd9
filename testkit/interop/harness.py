"""What the scripts here share: the server as a process, REST, and a small test runner.

Nothing waits for time to pass: a wait names the fact it waits for and has a
deadline, after which the test fails and says what did not happen.
"""

from __future__ import annotations

import asyncio
import atexit
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import traceback
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, AsyncIterator, Awaitable, Callable

import httpx

import tokens

ROOT = Path(__file__).resolve().parents[2]

# Seconds. Generous, because they only matter when something is broken.
START_DEADLINE = 20
ANSWER_DEADLINE = 10
# reliability.md: SIGTERM ends the process within 15 s.
STOP_DEADLINE = 16

# Of the log, what a failure shows.
LOG_LINES_SHOWN = 15

# Far above what any test here sends: rate limits have tests of their own.
UNLIMITED = {
    "REALTIME_LIMITS__MESSAGES_PER_SECOND": "100000",
    "REALTIME_LIMITS__MESSAGE_BURST": "100000",
    "REALTIME_LIMITS__COMMANDS_PER_SECOND": "100000",
    "REALTIME_LIMITS__COMMAND_BURST": "100000",
}

CONFIG_FILE = "realtime.toml"

SECRET = "interop-only-0123456789abcdefghijklmnopqrstuvwxyz"

READY = re.compile(r"listening on (http://127\.0\.0\.1:(\d+))\s*")


# On which database the servers run: sqlite, postgresql or mariadb.
DATABASE = os.environ.get("REALTIME_INTEROP_DATABASE") or "sqlite"


class Failure(AssertionError):
    """A test's expectation that did not hold."""


def check(holds: Any, why: str) -> None:
    """Fails the test with `why` unless it `holds`."""
    if not holds:
        raise Failure(why)


def check_equal(found: Any, wanted: Any, what: str) -> None:
    """Fails the test when `what` is not as wanted, and shows both."""
    check(found == wanted, f"{what}: wanted {wanted!r}, got {found!r}")


def server_binary() -> Path:
    """The program under test."""
    return Path(os.environ.get("REALTIME_SERVER") or ROOT / "target" / "debug" / "realtime-server").resolve()


async def first_line(process: "subprocess.Popen[bytes]") -> str:
    """What a program says once it is ready; empty if it ended. Too late is a failure, and the program's end."""
    # A thread reads: asyncio's own subprocesses race with `kill` for the exit status in Python 3.11.
    reading = asyncio.create_task(asyncio.to_thread(process.stdout.readline))
    done, _ = await asyncio.wait([reading], timeout=START_DEADLINE)
    if not done:
        process.kill()
        await reading
        raise Failure(f"{process.args[0]} was not ready after {START_DEADLINE} s")
    return reading.result().decode(errors="replace")


class DatabaseServer:
    """A private PostgreSQL or MariaDB, as a process that makes databases in it and looks into them."""

    running: "DatabaseServer | None" = None

    def __init__(self) -> None:
        program = os.environ.get("REALTIME_DATABASE_PROGRAM") or ROOT / "target" / "debug" / "examples" / "database"
        self.process = subprocess.Popen(
            [Path(program).resolve(), DATABASE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        atexit.register(self.stop)
        said = self.process.stdout.readline()
        check_equal(said, "ready\n", f"what the {DATABASE} server said")

    @classmethod
    def get(cls) -> "DatabaseServer":
        """The one of this process."""
        cls.running = cls.running or cls()
        return cls.running

    def ask(self, line: str) -> Any:
        check("\n" not in line, "one line a question")
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def stop(self) -> None:
        """Its input ends, and so does it."""
        self.process.stdin.close()
        self.process.wait()


def number_or_text(column: str) -> Any:
    """As SQLite's own driver gives it."""
    return int(column) if column.isdigit() else column


class Server:
    """One `realtime-server serve` on a database of its own, which survives restarts."""

    def __init__(self, directory: Path, files: dict[str, str], **environment: str) -> None:
        self.database = directory / "realtime.db"
        self.log = directory / "server.log"
        self.directory = directory
        self.url = ""
        self.port = 0
        self.process: subprocess.Popen[bytes] | None = None
        for name, text in files.items():
            (directory / name).write_text(text, encoding="utf-8")
        self.arguments = ["--config", CONFIG_FILE] if CONFIG_FILE in files else []
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("REALTIME_")}
        self.environment = inherited | {"REALTIME_JWT_SECRET": SECRET} | UNLIMITED | environment
        self.name = ""
        if DATABASE == "sqlite":
            database = f"sqlite://{self.database}"
        else:
            made = DatabaseServer.get().ask("fresh")
            self.name, database = made["name"], made["url"]
        self.environment.setdefault("REALTIME_DATABASE__URL", database)

    async def start(self) -> None:
        """Starts it and waits for the line that says it is ready."""
        check(self.process is None, "the server runs already")
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [server_binary(), "serve", "--listen", "127.0.0.1:0", *self.arguments],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, env=self.environment, cwd=self.directory,
            )  # fmt: skip
        line = await first_line(self.process)
        if not line:
            raise Failure(f"the server ended with {await self.ended()} instead of serving")
        ready = READY.fullmatch(line)
        check(ready, f"the server said {line!r} instead of its address")
        self.url, self.port = ready[1], int(ready[2])

    @property
    def pid(self) -> int:
        check(self.process is not None, "the server does not run")
        return self.process.pid

    async def ended(self, deadline: float = ANSWER_DEADLINE) -> int:
        """Waits until the process has ended; its status."""
        status = await asyncio.to_thread(self.process.wait, deadline)
        self.process.stdout.close()
        self.process = None
        return status

    async def kill9(self) -> None:
        """`kill -9`: the signal is sent before the first suspension, so nothing more is answered."""
        os.kill(self.pid, signal.SIGKILL)
        check_equal(await self.ended(), -signal.SIGKILL, "how the killed server ended")

    async def stop(self) -> None:
        """SIGTERM, the polite way: it must end by itself, in time, with success."""
        os.kill(self.pid, signal.SIGTERM)
        try:
            status = await self.ended(STOP_DEADLINE)
        except subprocess.TimeoutExpired:
            raise Failure(f"the server did not end within {STOP_DEADLINE} s of SIGTERM") from None
        check_equal(status, 0, "the server's exit code after SIGTERM")

    def destroy(self) -> None:
        """Makes sure that nothing is left, in whatever state a failed test left it."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    async def restart(self) -> None:
        """A killed server comes back on the same database, on another port."""
        await self.start()

    def log_text(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""

    def peak_memory_mib(self) -> float:
        """The most resident memory it ever had."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1024

    def open_files(self) -> int:
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def sql(self, query: str) -> list[tuple[Any, ...]]:
        """Reads the database itself, past all of the server's code."""
        if DATABASE != "sqlite":
            rows = DatabaseServer.get().ask(f"sql {self.name} {query}")
            return [tuple(number_or_text(column) for column in row.split("\t")) for row in rows]
        connection = sqlite3.connect(self.database, timeout=ANSWER_DEADLINE)
        try:
            return connection.execute(query).fetchall()
        finally:
            connection.close()


@asynccontextmanager
async def running_server(files: dict[str, str] | None = None, **environment: str) -> AsyncIterator[Server]:
    """A fresh server, with `files` beside its database; at the end it must stop cleanly and have a clean log."""
    directory = Path(tempfile.mkdtemp(prefix="realtime-interop-"))
    server = Server(directory, files or {}, **environment)
    try:
        await server.start()
        yield server
        if server.process is not None:
            await server.stop()
        check_log(server.log_text())
    except BaseException as why:
        tail = server.log_text().splitlines()[-LOG_LINES_SHOWN:]
        why.add_note("the server's log ends:\n" + "\n".join(f"    | {line[:400]}" for line in tail))
        raise
    finally:
        server.destroy()


def check_log(log: str) -> None:
    """No panic, and nothing that looks like a JWT's signed part or the secret."""
    check("panicked at" not in log, "the server panicked")
    check(SECRET not in log, "the signing secret is in the log")
    leaked = re.search(r"eyJ[\w-]+\.eyJ[\w-]+\.", log)
    check(not leaked, f"a token is in the log: {leaked and leaked[0][:40]}…")


# -- tokens ------------------------------------------------------------------


def token(user: Any, **options: Any) -> str:
    """An access token of `user`, signed with the server's secret by the real simplejwt."""
    return tokens.mint(SECRET, user, **options)


def service_token() -> str:
    """The platform's token."""
    return tokens.mint(SECRET, "platform", service=True)


# -- REST --------------------------------------------------------------------


class Rest:
    """REST calls as one bearer; `None` for nobody."""

    def __init__(self, server: Server, bearer: str | None) -> None:
        headers = {"authorization": f"Bearer {bearer}"} if bearer else {}
        self.client = httpx.AsyncClient(
            base_url=server.url, headers=headers, timeout=ANSWER_DEADLINE, trust_env=False,
            limits=httpx.Limits(max_connections=64),
        )  # fmt: skip

    async def __aenter__(self) -> "Rest":
        return self

    async def __aexit__(self, *_: Any) -> None:
        await self.client.aclose()

    async def ask(self, method: str, path: str, body: Any = None, **options: Any) -> httpx.Response:
        """Any call, any answer; paths are below `/api/v1`."""
        if body is not None:
            options["json"] = body
        return await self.client.request(method, "/api/v1" + path, **options)

    async def call(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        """A call that must succeed; its JSON."""
        answer = await self.ask(method, path, body, **options)
        check(answer.is_success, f"{method} {path} answered {answer.status_code}: {answer.text[:300]}")
        return answer.json() if answer.content else None

    async def refused(self, status: int, code: str, method: str, path: str, body: Any = None, **options: Any) -> Any:
        """A call that must be refused with this status and code, as RFC 9457 wants it; its JSON."""
        answer = await self.ask(method, path, body, **options)
        check_problem(answer, {status}, {code}, f"{method} {path}")
        return answer.json()


def check_problem(answer: httpx.Response, statuses: set[int], codes: set[str], what: str) -> None:
    """An error answer in the form of protocol.md §4."""
    check(answer.status_code in statuses, f"{what}: wanted {sorted(statuses)}, got {answer.status_code}: {answer.text[:300]}")
    kind = answer.headers.get("content-type", "")
    check(kind.split(";")[0] == "application/problem+json", f"{what}: content type {kind!r}")
    problem = answer.json()
    missing = {"type", "title", "status", "detail", "code", "request_id"} - problem.keys()
    check(not missing, f"{what}: the problem lacks {sorted(missing)}")
    check_equal(problem["status"], answer.status_code, f"{what}: status in the body")
    check(problem["code"] in codes, f"{what}: wanted {sorted(codes)}, got {problem['code']!r} ({problem['detail']!r})")


async def accept_job(platform: Rest, job: str, *participants: tuple[str, str], event: str | None = None) -> None:
    """The platform tells that a job was accepted, as E-Clean does."""
    await platform.call(
        "POST", "/events",
        {
            "type": "job.accepted",
            "id": event or f"accepted-{job}",
            "subject": {"type": "job", "id": job},
            "participants": [{"user": user, "role": role} for user, role in participants],
            "data": {"address": "12 Main Street", "starts_at": "2030-01-01T09:00:00.000Z"},
        },
    )  # fmt: skip


async def open_group(platform: Rest, users: list[str], key: str) -> str:
    """A group room of `users`; its id."""
    participants = [{"user": user, "role": "member"} for user in users]
    room = await platform.call(
        "POST", "/rooms", {"kind": "group", "participants": participants}, headers={"idempotency-key": key}
    )
    check(isinstance(room.get("id"), str), f"POST /rooms answered without the room's id: {str(room)[:200]}")
    return room["id"]


async def whole_history(rest: Rest, room: str, page: int = 200) -> list[dict[str, Any]]:
    """All messages of a room through REST, read backwards page by page, in ascending order."""
    messages: list[dict[str, Any]] = []
    before = ""
    while True:
        answer = await rest.call("GET", f"/rooms/{room}/messages?limit={page}{before}")
        got = answer["messages"]
        check(len(got) <= page, f"a page of {len(got)} for limit {page}")
        messages = got + messages
        if not answer["has_older"]:
            return messages
        check(len(got) == page, f"a short page ({len(got)} of {page}) that says has_older")
        before = f"&before={got[0]['seq']}"


def check_dense(messages: list[dict[str, Any]], what: str) -> None:
    """`seq` is 1, 2, 3 … without a hole and without a double."""
    numbers = [message["seq"] for message in messages]
    check(numbers == list(range(1, len(numbers) + 1)), f"{what}: seq is not dense: {excerpt(numbers)}")


def excerpt(numbers: list[int]) -> str:
    """Where a list that should be 1, 2, 3 … first goes wrong."""
    for place, number in enumerate(numbers, start=1):
        if number != place:
            return f"{number} at place {place} of {len(numbers)}"
    return "as it should be"


# -- the runner --------------------------------------------------------------

Test = Callable[[], Awaitable[None]]


async def run_test(name: str, test: Test, deadline: float) -> bool:
    """Runs one test and prints its line; whether it passed."""
    try:
        await asyncio.wait_for(test(), deadline)
    except Exception as why:  # a broken test must not hide the ones after it
        reason = str(why) if isinstance(why, Failure) else f"{type(why).__name__}: {why}"
        print(f"FAILED {name}: {' '.join(reason.split())[:1000]}", flush=True)
        if not isinstance(why, Failure):
            traceback.print_exc()
        else:
            print("\n".join(getattr(why, "__notes__", [])), file=sys.stderr, flush=True)
        return False
    print(f"ok {name}", flush=True)
    return True


async def run_tests(tests: list[tuple[str, Test]], deadline: float, at_once: int = 1) -> int:
    """Runs the tests, `at_once` side by side; the script's exit code."""
    turn = asyncio.Semaphore(at_once)

    async def in_turn(name: str, test: Test) -> bool:
        async with turn:
            return await run_test(name, test, deadline)

    passed = await asyncio.gather(*(in_turn(name, test) for name, test in tests))
    return 0 if passed and all(passed) else 1
