// The page's elements and how they are filled. It shows what it is given and reports what the user does;
// text reaches the page as text nodes only.

import { STATUS_WORDS, exactTime, pieces, presenceWords, reasonFor, timeOf, timeline } from "./timeline.js";

const AT_END_PX = 48; // closer to the end than this, the log follows new messages
const LOAD_EARLIER_PX = 200; // this close to the beginning, older messages are loaded
const ANNOUNCE_AFTER_MS = 700; // a burst within this time is announced as a number
const FIELD_LINES = 9;

const $ = (id) => document.getElementById(id);

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children.filter((child) => child !== null));
  return made;
}

const hidden = (text) => element("span", { className: "hidden" }, text);

function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  use.setAttribute("href", `#icon-${name}`);
  svg.append(use);
  return svg;
}

function avatar(name, presence) {
  const words = name.split(/\s+/u).slice(0, 2);
  const initials = words.map((word) => [...word][0] ?? "").join("").toUpperCase();
  const hue = [...name].reduce((sum, letter) => sum + letter.codePointAt(0), 0) % 6;
  const dot = presence ? element("span", { className: presence.online ? "dot online" : "dot" }) : null;
  const made = element("span", { className: `avatar hue-${hue}` }, element("span", {}, initials), dot);
  made.setAttribute("aria-hidden", "true");
  return made;
}

// Makes `parent` hold one element for each row. Elements are kept by key and redrawn only when their
// row changed, so that focus, clicks and selections survive.
function place(parent, held, rows, tag, draw) {
  const keys = new Set(rows.map((row) => row.key));
  const focused = document.activeElement;
  for (const [key, { made }] of held) {
    if (keys.has(key)) continue;
    made.remove();
    held.delete(key);
  }
  let next = parent.firstElementChild;
  for (const row of rows) {
    const shows = JSON.stringify(row);
    const { made, shown } = held.get(row.key) ?? { made: element(tag) };
    if (shown !== shows) draw(made, row);
    held.set(row.key, { made, shown: shows });
    if (made === next) next = next.nextElementSibling;
    else parent.insertBefore(made, next);
  }
  if (focused !== document.activeElement && parent.contains(focused)) focused.focus();
}

export class View {
  #on;
  #rooms = new Map(); // id → its element
  #rows = new Map(); // key → its element
  #shown = null; // the id of the room that the log shows
  #stuck = true; // whether the reader is at the end and stays there
  #toAnnounce = [];

  /** `on` has one function for each thing the reader can do: `open(room)`, `back()`, `send()`, `input(text)` … */
  constructor(on) {
    this.#on = on;
    $("back").onclick = () => on.back();
    $("earlier").onclick = () => on.earlier();
    $("log-again").onclick = () => on.again();
    $("strip-action").onclick = () => on.act();
    $("newer").onclick = () => this.scrollToEnd();
    $("log").onscroll = () => this.#scrolled();
    $("log").onkeydown = (event) => this.#walk(event);
    $("field").oninput = () => this.#typed();
    $("field").onblur = () => on.blur();
    $("field").onkeydown = (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
      event.preventDefault();
      on.send();
    };
    $("composer").onsubmit = (event) => {
      event.preventDefault();
      on.send();
      $("field").focus();
    };
    new ResizeObserver(() => this.#stuck && this.scrollToEnd()).observe($("log"));
    // Where the keyboard covers the page instead of shrinking it (iOS), we shrink it ourselves.
    window.visualViewport?.addEventListener("resize", () => {
      if (visualViewport.scale !== 1) return;
      document.documentElement.style.setProperty("--rt-height", `${visualViewport.height}px`);
    });
  }

  get atEnd() {
    const log = $("log");
    return log.scrollHeight - log.scrollTop - log.clientHeight < AT_END_PX;
  }

  get text() {
    return $("field").value;
  }

  set text(text) {
    $("field").value = text;
    this.#grow();
  }

  focusComposer() {
    $("field").focus();
  }

  /** After leaving a room. */
  focusList(room) {
    this.#rooms.get(room)?.made.firstElementChild.focus();
  }

  /** After opening a room; a phone's keyboard would hide half of it. */
  focusRoom() {
    if (matchMedia("(min-width: 720px)").matches && !$("composer").hidden) this.focusComposer();
    else $("log").focus();
  }

  scrollToEnd() {
    $("log").scrollTop = $("log").scrollHeight;
    this.#stuck = true;
  }

  /** The connection's strip; `null` hides it. */
  strip(tone, text, action) {
    $("strip").hidden = tone === null;
    if (tone === null) return;
    $("strip").dataset.tone = tone;
    if ($("strip-text").textContent !== text) $("strip-text").textContent = text;
    $("strip-action").hidden = !action;
    $("strip-action").textContent = action ?? "";
  }

  /** Says something once to screen readers; of several messages only how many. */
  announce(text, isMessage = false) {
    this.#toAnnounce.push({ text, isMessage });
    if (this.#toAnnounce.length > 1) return;
    setTimeout(() => {
      const said = this.#toAnnounce.splice(0);
      const messages = said.filter((one) => one.isMessage);
      const words = said.filter((one) => !one.isMessage || messages.length === 1).map((one) => one.text);
      if (messages.length > 1) words.push(`${messages.length} new messages`);
      $("announcer").textContent = words.join(". ");
    }, ANNOUNCE_AFTER_MS);
  }

  user(name) {
    $("list-user").textContent = name ? `Signed in as ${name}` : "";
  }

  /** The list of rooms, in order: `{ key, name, title, presence, preview, at, when, unread }`. */
  rooms(rooms, current, notice) {
    const rows = rooms.map((room) => ({ ...room, current: room.key === current }));
    place($("rooms"), this.#rooms, rows, "li", (target, row) => target.replaceChildren(this.#roomButton(row)));
    $("list-notice").hidden = !notice;
    $("list-notice").textContent = notice ?? "";
  }

  #roomButton({ key, name, title, presence, preview, at, when, unread, current }) {
    const count = unread > 99 ? "99+" : String(unread);
    const badge = unread ? element("span", { className: "badge" }, count, hidden(" unread")) : null;
    const button = element(
      "button",
      { type: "button", className: "room-button", onclick: () => this.#on.open(key) },
      avatar(name, presence),
      element("span", { className: "room-label", dir: "auto" }, name),
      presence ? hidden(`${presenceWords(presence)}. `) : null,
      at ? element("time", { className: "room-time", dateTime: at }, when) : null,
      title && title !== name ? element("span", { className: "room-title", dir: "auto" }, title) : null,
      element("span", { className: "room-preview", dir: "auto" }, preview),
      badge,
    );
    if (current) button.setAttribute("aria-current", "true");
    return button;
  }

  /** Which pane a narrow window shows, and whether there is a room to show or only a sentence. */
  pane(inRoom, room, text) {
    $("app").dataset.pane = inRoom ? "room" : "list";
    $("room").hidden = !room;
    $("blank").hidden = Boolean(room);
    $("blank-text").textContent = text;
    // There is always exactly one heading of the first level.
    if (room) $("list-title").removeAttribute("aria-level");
    else $("list-title").setAttribute("aria-level", "1");
  }

  head({ name, line, presence }) {
    $("room-avatar").replaceChildren(avatar(name, presence));
    $("room-name").textContent = name;
    $("room-line").textContent = line;
  }

  typing(names) {
    const people = names.length > 2 ? `${names.length} people` : names.join(" and ");
    $("typing").dataset.active = names.length > 0;
    $("typing-text").textContent = names.length ? `${people} ${names.length === 1 ? "is" : "are"} typing` : "";
  }

  composer({ closed, online }) {
    $("composer").hidden = Boolean(closed);
    $("closed").hidden = !closed;
    $("closed").textContent = closed ?? "";
    $("send").setAttribute("aria-label", online ? "Send" : "Send when back online");
  }

  /** The rows of the open room. Keeps the reader where they are, or at the end if they were there. */
  log(room, waiting, divideAfter, notice) {
    const fresh = this.#shown !== room.id;
    const anchor = fresh ? null : this.#anchor();
    const rows = timeline(room, waiting, divideAfter);
    place($("rows"), this.#rows, rows, "div", (target, row) => this.#draw(target, row));
    $("earlier").hidden = !(room.loaded && room.hasOlder);
    $("earlier").setAttribute("aria-disabled", String(room.loading));
    $("log-notice").hidden = !notice;
    $("log-notice-text").textContent = notice?.text ?? "";
    $("log-again").hidden = !notice?.again;
    if (fresh) this.#land();
    else if (this.#stuck) this.scrollToEnd();
    else if (anchor) $("log").scrollTop += anchor.row.getBoundingClientRect().top - anchor.top;
    if (room.loaded) this.#shown = room.id;
  }

  // First sight of a room: the unread divider a third from the top, else the end.
  #land() {
    const divider = this.#rows.get("new")?.made;
    this.scrollToEnd();
    if (!divider) return;
    const third = $("log").getBoundingClientRect().top + $("log").clientHeight / 3;
    $("log").scrollTop += Math.min(0, divider.getBoundingClientRect().top - third);
    this.#stuck = this.atEnd;
  }

  leave() {
    this.#shown = null;
    $("rows").replaceChildren();
    this.#rows.clear();
  }

  #draw(target, row) {
    const flags = ["mine", "first", "last", "large", "deleted"].filter((flag) => row[flag]);
    target.className = ["row", row.type, ...flags, row.status ?? ""].join(" ");
    target.dataset.seq = row.seq ?? "";
    if (row.type === "day" || row.type === "new") return target.replaceChildren(element("h2", {}, row.text));
    if (row.type === "note") return target.replaceChildren(element("p", {}, row.text));
    target.tabIndex = -1;
    target.setAttribute("role", "article");
    const time = element("time", { dateTime: row.at, title: exactTime(row.at) }, timeOf(row.at));
    if (row.type === "system") {
      target.setAttribute("aria-label", `${row.text}, ${timeOf(row.at)}`);
      const text = element("span", { dir: "auto" }, row.text);
      return target.replaceChildren(element("p", { className: "pill" }, icon("event"), text, time));
    }
    const label = [`${row.name}: ${row.text}`, timeOf(row.at), row.edited && "edited", STATUS_WORDS[row.status]];
    target.setAttribute("aria-label", label.filter(Boolean).join(", "));
    const author = row.first && !row.mine ? element("p", { className: "author", dir: "auto" }, row.name) : null;
    target.replaceChildren(...[author, this.#bubble(row), this.#meta(row, time)].filter(Boolean));
  }

  #bubble(row) {
    const parts = pieces(row.text).map((piece) => {
      if (typeof piece === "string") return piece;
      return element("a", { href: piece.href, target: "_blank", rel: "noopener nofollow ugc" }, piece.href);
    });
    return element("div", { className: "bubble" }, element("p", { dir: "auto" }, ...parts));
  }

  #meta(row, time) {
    if (row.status === "failed") return this.#failure(row);
    if (!row.last && !row.edited && row.status !== "sending") return null;
    const edited = row.edited ? element("span", {}, "edited") : null;
    const shape = { delivered: "both", read: "both" }[row.status] ?? row.status;
    const words = STATUS_WORDS[row.status];
    const tick = words ? element("span", { className: "tick" }, icon(shape), hidden(words)) : null;
    return element("div", { className: "meta" }, edited, time, tick);
  }

  #failure({ clientId, error }) {
    const button = (className, text, onclick) => element("button", { type: "button", className, onclick }, text);
    return element(
      "div",
      { className: "meta" },
      element("span", { className: "reason" }, icon("failed"), `Not sent: ${reasonFor(error)}`),
      button("quiet-button", "Try again", () => this.#on.retry(clientId)),
      button("quiet-button bad", "Delete", () => this.#on.remove(clientId)),
    );
  }

  /** How many messages came while the reader was further up. */
  newer(count) {
    $("newer").hidden = count === 0;
    $("newer-text").textContent = `${count} new ${count === 1 ? "message" : "messages"}`;
  }

  /** The `seq` of the newest message whose beginning is on the screen; 0 if none is. */
  newestVisible() {
    const { top, bottom } = $("log").getBoundingClientRect();
    const seen = [...$("rows").children].findLast((row) => {
      const place = row.getBoundingClientRect();
      return row.dataset.seq && place.height > 0 && place.top < bottom - 16 && place.bottom > top;
    });
    return Number(seen?.dataset.seq ?? 0);
  }

  #anchor() {
    const { top } = $("log").getBoundingClientRect();
    const first = [...$("rows").querySelectorAll(".message")].find((row) => row.getBoundingClientRect().bottom > top);
    return first ? { row: first, top: first.getBoundingClientRect().top } : null;
  }

  #scrolled() {
    this.#stuck = this.atEnd;
    if ($("log").scrollTop < LOAD_EARLIER_PX && !$("earlier").hidden) this.#on.earlier();
    this.#on.looked();
  }

  #typed() {
    this.#grow();
    this.#on.input(this.text);
  }

  #grow() {
    const field = $("field");
    const { lineHeight, paddingBlockStart } = getComputedStyle(field);
    const most = FIELD_LINES * parseFloat(lineHeight) + 2 * parseFloat(paddingBlockStart);
    field.style.height = "auto";
    field.style.height = `${Math.min(field.scrollHeight, most) + field.offsetHeight - field.clientHeight}px`;
  }

  // The log is one tab stop; the arrows walk over its messages.
  #walk(event) {
    const rows = [...$("rows").querySelectorAll("[tabindex]")];
    const at = rows.indexOf(document.activeElement);
    const end = rows.length - 1;
    const to = { ArrowUp: at < 0 ? end : at - 1, ArrowDown: at + 1, Home: 0, End: end }[event.key];
    if (event.key === "Escape") this.focusComposer();
    else if (to === undefined || !(at >= 0 || event.target === $("log"))) return;
    else rows[Math.min(Math.max(to, 0), end)]?.focus();
    event.preventDefault();
  }
}
