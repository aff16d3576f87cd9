// A room's whole life as the built-in page shows it, live: locked when its time comes, handed over,
// somebody erased. The platform speaks over REST, as it does in earnest.

import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, test } from "node:test";
import { DESKTOP, PHONE, accessible, launch, printed, rows, say, start, stop, visit } from "./helpers.mjs";

const LOCKS_IN_MS = 4_000; // long enough to see that it is not locked yet
const SECRET = { REALTIME_JWT_SECRET: "page-only-0123456789abcdefghijklmnopqrstuvwxyz" };
const ADDRESS = /listening on (http:\S+)\n/;
// Where pictures of what was seen are put, to be looked at; nowhere, unless somebody wants them.
const PICTURES = process.env.PAGE_PICTURES;

let folder;
let server;
let address;
let platform; // its token
let browser;
let contexts = [];
let number = 0;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "realtime-life-"));
  const database = `sqlite://${join(folder, "life.db")}`;
  server = start(folder, ["serve", "--listen", "127.0.0.1:0", "--database", database], SECRET);
  address = await printed(server, (output) => output.match(ADDRESS)?.[1]);
  platform = await token(["--service"]);
  browser = await launch();
  if (PICTURES) await mkdir(PICTURES, { recursive: true });
});

after(async () => {
  await browser?.close();
  await stop(server);
  if (folder) await rm(folder, { recursive: true, force: true });
});

beforeEach(async () => {
  await Promise.all(contexts.map((context) => context.close()));
  contexts = [];
});

const token = (args) =>
  printed(start(folder, ["token", ...args], SECRET), (output) => output.match(/(\S+)\n/)?.[1]);

/** A call of the platform's; what it answers. */
async function tell(method, path, body) {
  const headers = { authorization: `Bearer ${platform}`, "content-type": "application/json" };
  const answer = await fetch(`${address}/api/v1/${path}`, { method, headers, body: body && JSON.stringify(body) });
  const text = await answer.text();
  assert.ok(answer.ok, `${method} ${path}: ${answer.status} ${text}`);
  return text ? JSON.parse(text) : null;
}

/** A room for a new job, with its client and its cleaner; names and ids are new in every test. */
async function job() {
  number += 1;
  const [ann, ben] = ["Ann", "Ben"].map((name) => ({ user: `${name}-${number}`.toLowerCase(), name }));
  const told = await tell("POST", "events", {
    type: "job.accepted",
    id: `accepted-${number}`,
    subject: { type: "job", id: String(number) },
    participants: [ann, ben],
    title: "Deep clean, 14 Elm St",
  });
  return { id: told.room.id, subject: String(number), ann: ann.user, ben: ben.user };
}

async function open(user, room, options) {
  const bearer = await token(["--user", user]);
  const page = await visit(browser, `${address}/#token=${bearer}&room=${room}`, options);
  contexts.push(page.context());
  return page;
}

async function picture(page, name) {
  if (PICTURES) await page.screenshot({ path: join(PICTURES, `${name}.png`) });
}

const LOOKS = {
  "desktop, light": { viewport: DESKTOP, colorScheme: "light" },
  "phone, dark": { viewport: PHONE, colorScheme: "dark" },
};
const composer = (page) => page.locator("#composer");
const closed = (page, words) => page.locator("#closed", { hasText: words });

for (const [name, look] of Object.entries(LOOKS)) {
  test(`a room locks when its time comes, without a push: ${name}`, async () => {
    const { id, ann } = await job();
    const page = await open(ann, id, look);
    // Its clock is an hour behind; what counts is the server's.
    await page.clock.install({ time: Date.now() - 3_600_000 });
    await page.reload();
    await composer(page).waitFor();
    const locked = await tell("POST", `rooms/${id}/lock`, { at: new Date(Date.now() + LOCKS_IN_MS).toISOString() });
    assert.equal(locked.state, "open", "not yet");
    await page.locator("#room-line", { hasText: "Closes" }).waitFor();
    await composer(page).waitFor();
    await closed(page, "This conversation is closed").waitFor();
    assert.equal(await composer(page).isVisible(), false);
    await accessible(page, "a locked room");
    await picture(page, `locked ${name}`);

    await tell("POST", `rooms/${id}/reopen`);
    await composer(page).waitFor();
    await say(page, "open again");
    await rows(page, "open again").waitFor();
    assert.deepEqual(page.complaints, []);
  });

  test(`a room is handed over: ${name}`, async () => {
    const { id, subject, ann, ben } = await job();
    const [client, leaver] = await Promise.all([open(ann, id), open(ben, id, look)]);
    await say(leaver, "the key is under the mat");
    await rows(client, "the key is under the mat").waitFor();
    const cal = `cal-${number}`;
    await tell("POST", "events", {
      type: "job.reassigned",
      id: `reassigned-${number}`,
      subject: { type: "job", id: subject },
      leaves: ben,
      participants: [{ user: cal, name: "Cal" }],
    });
    // Who leaves keeps what was said, and writes no more; after a reload, too.
    await closed(leaver, "You have left this conversation").waitFor();
    await say(client, "welcome, Cal");
    const newcomer = await open(cal, id, look);
    await rows(newcomer, "welcome, Cal").waitFor();
    assert.equal(await rows(newcomer, "under the mat").count(), 0, "said to somebody else");
    await newcomer.getByText("You joined here").waitFor();
    await accessible(newcomer, "a room that was handed over");
    await picture(newcomer, `newcomer ${name}`);
    for (const again of [false, true]) {
      if (again) await leaver.reload();
      await closed(leaver, "You have left this conversation").waitFor();
      await rows(leaver, "the key is under the mat").waitFor();
      assert.equal(await rows(leaver, "welcome, Cal").count(), 0);
      assert.equal(await composer(leaver).isVisible(), false);
    }
    await accessible(leaver, "a room that one has left");
    await picture(leaver, `left ${name}`);
    await client.locator("#room-name", { hasText: "Cal" }).waitFor();
    assert.deepEqual([...client.complaints, ...leaver.complaints, ...newcomer.complaints], []);
  });

  test(`somebody is erased: ${name}`, async () => {
    const { id, ann, ben } = await job();
    const [page, gone] = await Promise.all([open(ann, id, look), open(ben, id)]);
    await say(gone, "my address is 12 Oak St");
    await rows(page, "my address is 12 Oak St").waitFor();
    await say(page, "thank you");
    await tell("DELETE", `users/${ben}`);
    await rows(page, "Deleted user").waitFor();
    await rows(page, "This message was deleted").waitFor();
    assert.equal(await rows(page, "12 Oak St").count(), 0);
    await rows(page, "thank you").waitFor();
    assert.doesNotMatch(await page.locator("#app").innerText(), /\bBen\b/);
    await accessible(page, "a room with somebody erased");
    await picture(page, `erased ${name}`);
    // They themselves are told to go, and not to come back.
    await gone.locator("#strip[data-tone=bad]").waitFor();
    assert.deepEqual(page.complaints, []);
  });
}

test("messages that are kept of somebody erased have no name", async () => {
  const { id, ann, ben } = await job();
  const page = await open(ann, id);
  const other = await open(ben, id);
  await say(other, "at nine then");
  await rows(page, "at nine then").waitFor();
  await tell("DELETE", `users/${ben}?messages=keep`);
  await rows(page, "Deleted user").filter({ hasText: "at nine then" }).waitFor();
  assert.doesNotMatch(await page.locator("#app").innerText(), /\bBen\b/);
});

test("an edit is shown as one", async () => {
  const { id, ann } = await job();
  const page = await open(ann, id);
  await say(page, "at nien");
  const row = rows(page, "at nien").and(page.locator("[data-seq]:not([data-seq=''])"));
  await row.waitFor();
  const seq = await row.getAttribute("data-seq");
  await tell("PATCH", `rooms/${id}/messages/${seq}`, { body: "at nine" });
  await rows(page, "at nine").filter({ hasText: "edited" }).waitFor();
});
