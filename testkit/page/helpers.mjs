// What the tests of the page share: the server as a process, and a browser that looks at it.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { resolve } from "node:path";
import { AxeBuilder } from "@axe-core/playwright";
import { chromium } from "playwright-core";

const SERVER = resolve(import.meta.dirname, process.env.REALTIME_SERVER ?? "../../target/debug/realtime-server");
const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";
const START_MS = 30_000;
const STEP_MS = 15_000; // for anything a person waits for; a lost connection needs a retry or two
const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

export const DESKTOP = { width: 1180, height: 800 };
export const PHONE = { width: 390, height: 844 };
export const SMALL_PHONE = { width: 320, height: 640 };

/** Starts the server's program in `folder`. */
export function start(folder, args, env = {}) {
  const options = { cwd: folder, stdio: ["ignore", "pipe", "inherit"], env: { ...process.env, ...env } };
  const child = spawn(SERVER, args, options);
  child.stdout.setEncoding("utf8");
  return child;
}

/** Waits until what the program printed makes `found` answer something. */
export function printed(child, found) {
  return new Promise((done, fail) => {
    let output = "";
    child.stdout.on("data", (text) => {
      output += text;
      const answer = found(output);
      if (answer) done(answer);
    });
    child.on("error", fail);
    child.on("exit", (code) => fail(new Error(`the program ended with ${code}:\n${output}`)));
    setTimeout(() => fail(new Error(`not said after ${START_MS} ms:\n${output}`)), START_MS).unref();
  });
}

export async function stop(child) {
  if (child?.exitCode !== null) return;
  const exited = once(child, "exit");
  child.kill("SIGTERM");
  await exited;
}

export const launch = () =>
  chromium.launch({
    executablePath: CHROMIUM,
    chromiumSandbox: false,
    args: [
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });

/** Opens a link in a browser profile of its own and waits until the room is there. */
export async function visit(browser, link, options = {}, prepare = () => {}) {
  const context = await browser.newContext({ viewport: DESKTOP, reducedMotion: "reduce", ...options });
  context.setDefaultTimeout(STEP_MS);
  const page = await context.newPage();
  page.complaints = [];
  page.on("pageerror", (error) => page.complaints.push(error.message));
  page.on("console", (line) => {
    if (/Content Security Policy|Refused to/i.test(line.text())) page.complaints.push(line.text());
  });
  await prepare(page);
  await page.goto(link);
  await ready(page);
  return page;
}

export async function ready(page) {
  await page.getByRole("heading", { level: 1 }).and(page.locator("#room-name")).waitFor();
  await page.getByText("Loading messages…").waitFor({ state: "hidden" });
}

export async function say(page, text) {
  await page.getByLabel("Message", { exact: true }).fill(text);
  await page.getByLabel("Message", { exact: true }).press("Enter");
}

export const rows = (page, text) => page.getByRole("article").filter({ hasText: text });

export async function accessible(page, where) {
  const { violations } = await new AxeBuilder({ page }).withTags(RULES).analyze();
  const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.target.join(" ")).join(", ")}`);
  assert.deepEqual(found, [], where);
}
