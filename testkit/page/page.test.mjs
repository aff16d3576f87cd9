// The built-in page in a real browser, against the real server.
//
//   npm ci && node --test
//
// REALTIME_SERVER names the server's binary, CHROMIUM the browser. Nothing here sleeps: every step
// waits for what a person would see.

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, test } from "node:test";
import {
  DESKTOP,
  PHONE,
  SMALL_PHONE,
  accessible,
  launch,
  printed,
  ready,
  rows,
  say,
  start,
  stop,
  visit,
} from "./helpers.mjs";

const LINK = /http:\/\/127\.0\.0\.1:\d+\/#token=\S+/g;

let folder;
let server;
let links; // { ann, ben }
let browser;
let contexts = [];
let number = 0;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "realtime-page-"));
  server = start(folder, ["demo", "--listen", "127.0.0.1:0"]);
  links = await printed(server, printedLinks);
  browser = await launch();
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

function printedLinks(output) {
  const [ann, ben] = output.match(LINK) ?? [];
  // The second link is whole once its line has ended.
  return ben && output.slice(output.indexOf(ben) + ben.length).includes("\n") ? { ann, ben } : null;
}

/** As a person who was given this link. */
async function open(link, options, prepare) {
  const page = await visit(browser, link, options, prepare);
  contexts.push(page.context());
  return page;
}

/** A text that no other test has written. */
function unique(text) {
  number += 1;
  return `${text} ${number}-${process.pid}`;
}

function ownRow(page, text, status) {
  const escaped = text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  return page.getByRole("article", { name: new RegExp(`^You: ${escaped}, .*${status}$`, "s") });
}

async function texts(page, pattern) {
  return page.locator(".message .bubble").filter({ hasText: pattern }).allTextContents();
}

async function noSidewaysScroll(page) {
  const { wide, room } = await page.evaluate(() => ({
    wide: Math.max(document.documentElement.scrollWidth, document.querySelector("#log").scrollWidth),
    room: innerWidth,
  }));
  assert.ok(wide <= room, `${wide} px of content in a window of ${room} px`);
}

test("two people chat, and the ticks become read", async () => {
  const [ann, ben] = await Promise.all([open(links.ann), open(links.ben)]);
  const question = unique("Can you come at nine?");
  await say(ann, question);
  await rows(ben, question).waitFor();
  await ownRow(ann, question, "Read").waitFor();

  const answer = unique("Yes, see you then");
  await say(ben, answer);
  await rows(ann, answer).waitFor();
  await ownRow(ben, answer, "Read").waitFor();
  assert.deepEqual([await rows(ann, answer).count(), await rows(ben, answer).count()], [1, 1]);
  assert.deepEqual([...ann.complaints, ...ben.complaints], []);
});

test("the token leaves the address bar, and the page is served under a strict policy", async () => {
  const page = await open(links.ann);
  assert.equal(new URL(page.url()).hash, "");
  const response = await page.request.get(new URL("/", page.url()).href);
  const policy = response.headers()["content-security-policy"];
  assert.match(policy, /default-src 'none'/);
  assert.doesNotMatch(policy, /unsafe/);
});

test("a reload keeps the messages, a draft and who we are", async () => {
  const page = await open(links.ann);
  const text = unique("Still here after a reload");
  await say(page, text);
  await ownRow(page, text, "(Sent|Delivered|Read)").waitFor();
  await page.getByLabel("Message", { exact: true }).fill("half a thought");
  await page.reload();
  await ready(page);
  assert.equal(await rows(page, text).count(), 1);
  assert.equal(await page.getByLabel("Message", { exact: true }).inputValue(), "half a thought");
});

test("typing and presence are shown", async () => {
  const [ann, ben] = await Promise.all([open(links.ann), open(links.ben)]);
  await ann.locator("#room-line", { hasText: "Online" }).waitFor();
  await ben.getByLabel("Message", { exact: true }).pressSequentially("I am");
  await ann.getByText(/is typing$/).waitFor();
  await ben.getByLabel("Message", { exact: true }).fill("");
  await ann.getByText(/is typing$/).waitFor({ state: "detached" });
});

test("what is written offline is sent once the line is back, once and in order", async () => {
  const [ann, ben] = await Promise.all([open(links.ann), open(links.ben)]);
  const mark = unique("offline");
  const written = ["one", "two", "three"].map((word) => `${word} ${mark}`);
  await ben.context().setOffline(true);
  for (const text of written) await say(ben, text);
  for (const text of written) await ownRow(ben, text, "Sending").waitFor();
  await ben.getByText(/You’re offline/).waitFor();
  const missed = unique("said meanwhile");
  await say(ann, missed);
  await ownRow(ann, missed, "Sent").waitFor();
  assert.equal(await rows(ann, mark).count(), 0);

  await ben.context().setOffline(false);
  for (const text of written) await ownRow(ben, text, "(Delivered|Read)").waitFor();
  await rows(ben, missed).waitFor();
  for (const page of [ann, ben]) {
    assert.deepEqual(await texts(page, mark), written);
    await page.reload();
    await ready(page);
    assert.deepEqual(await texts(page, mark), written);
  }
});

test("an answer that is lost does not make a second message", async () => {
  const ann = await open(links.ann);
  let lost = 0;
  const ben = await open(links.ben, {}, (page) =>
    page.routeWebSocket(/\/ws\//, (route) => {
      const upstream = route.connectToServer();
      let doomed = null; // the id of the first `send`; from then on this connection tells nothing
      route.onMessage((frame) => {
        const command = JSON.parse(frame);
        if (command.send && lost === 0) doomed = command.id;
        upstream.send(frame);
      });
      upstream.onMessage((frame) => {
        if (doomed === null) return route.send(frame);
        if (!frame.split("\n").some((line) => JSON.parse(line).id === doomed)) return;
        lost += 1; // the message is stored, but its sender did not hear of it
        upstream.close();
        route.close({ code: 4000 });
      });
    }),
  );
  const text = unique("only once");
  await say(ben, text);
  await ownRow(ben, text, "(Sent|Delivered|Read)").waitFor();
  assert.equal(lost, 1);
  const next = unique("after that");
  await say(ben, next);
  await rows(ann, next).waitFor();
  assert.deepEqual([await rows(ann, text).count(), await rows(ben, text).count()], [1, 1]);
});

test("text stays text, and only web addresses become links", async () => {
  const [ann, ben] = await Promise.all([open(links.ann), open(links.ben)]);
  const mark = unique("markup");
  await say(ann, `<img src=x onerror=alert(1)> javascript:alert(1) https://example.org/a?b=c. ${mark}`);
  await rows(ben, mark).waitFor();
  assert.equal(await ben.locator(".bubble img").count(), 0);
  const link = rows(ben, mark).getByRole("link");
  assert.deepEqual(await link.evaluateAll((all) => all.map((a) => [a.getAttribute("href"), a.rel])), [
    ["https://example.org/a?b=c", "noopener nofollow ugc"],
  ]);
  assert.deepEqual(ben.complaints, []);
});

test("a phone shows one pane, and nothing scrolls sideways", async () => {
  const ann = await open(links.ann, { viewport: PHONE });
  const mark = unique("wide");
  await say(ann, `${"x".repeat(120)} مرحبا بالعالم ${mark}`);
  await ownRow(ann, `${"x".repeat(120)} مرحبا بالعالم ${mark}`, "(Sent|Delivered|Read)").waitFor();
  for (const size of [PHONE, SMALL_PHONE]) {
    await ann.setViewportSize(size);
    await noSidewaysScroll(ann);
    const field = await ann.getByLabel("Message", { exact: true }).boundingBox();
    assert.ok(field.y + field.height <= size.height, "the composer is on the screen");
    assert.equal(await ann.locator("#rooms").isVisible(), false);
  }
  await ann.getByRole("button", { name: "Back to conversations" }).click();
  await ann.locator("#rooms").waitFor();
  assert.equal(await ann.locator("#room").isVisible(), false);
  await noSidewaysScroll(ann);
  await ann.locator("#rooms").getByRole("button").first().click();
  await rows(ann, mark).waitFor();
  await ann.goBack();
  await ann.locator("#rooms").waitFor();
});

test("the keyboard reaches everything", async () => {
  const page = await open(links.ann);
  const text = unique("by keyboard");
  await page.getByLabel("Message", { exact: true }).focus();
  await page.keyboard.type(text);
  await page.keyboard.press("Shift+Enter");
  await page.keyboard.type("second line");
  await page.keyboard.press("Enter");
  await ownRow(page, `${text} second line`, "(Sent|Delivered|Read)").waitFor(); // names have no line breaks
  assert.deepEqual(await texts(page, text), [`${text}\nsecond line`]);
  await page.locator("#log").focus();
  await page.keyboard.press("End");
  const focused = () => page.evaluate(() => document.activeElement.getAttribute("aria-label"));
  assert.match(await focused(), new RegExp(`^You: ${text}`));
  await page.keyboard.press("Home");
  assert.doesNotMatch(await focused(), new RegExp(`^You: ${text}`));
  await page.keyboard.press("Escape");
  assert.equal(await page.evaluate(() => document.activeElement.id), "field");
});

for (const colorScheme of ["light", "dark"]) {
  for (const [name, viewport] of Object.entries({ desktop: DESKTOP, phone: PHONE })) {
    test(`accessible: ${colorScheme}, ${name}`, async () => {
      const page = await open(links.ann, { colorScheme, viewport });
      await accessible(page, "the room");
      await page.context().setOffline(true);
      await say(page, unique("waiting"));
      await page.getByText(/You’re offline/).waitFor();
      await accessible(page, "offline, with a message that waits");
      if (viewport !== PHONE) return;
      await page.getByRole("button", { name: "Back to conversations" }).click();
      await page.locator("#rooms").waitFor();
      await accessible(page, "the list");
    });
  }
}
