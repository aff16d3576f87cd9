// The page's elements and how they are filled. It shows what it is given and reports what the user does;
// text reaches the page as text nodes only.

import { STATUS_WORDS, briefTime, exactTime, pieces, presenceWords, reasonFor, timeOf } from "./timeline.js";

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
  const initials = name.split(/\s+/u).slice(0, 2).map((word) => [...word][0] ?? "").join("").toUpperCase();
  const hue = [...name].reduce((sum, letter) => sum + letter.codePointAt(0), 0) % 6;
  const dot = presence ? element("span", { className: presence.online ? "dot online" : "dot" }) : null;
  const made = element("span", { className: `avatar hue-${hue}` }, element("span", {}, initials), dot);
  made.setAttribute("aria-hidden", "true");
  return made;
}

export class View {
  #on;
  #rows = new Map(); // key → { element, shows }
  #room = null; // the id of the room that the log shows
  #toAnnounce = [];

  /** `on`: `open(room)`, `back()`, `earlier()`, `again()`, `send()`, `input(text)`, `blur()`, `retry(id)`, `remove(id)`, `looked()`, `act()`. */
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
    // Where the keyboard covers the page instead of shrinking it (iOS), we shrink it ourselves.
    window.visualViewport?.addEventListener("resize", () => {
      if (visualViewport.scale !== 1) return;
      const atEnd = this.atEnd;
      document.documentElement.style.setProperty("--rt-height", `${visualViewport.height}px`);
      if (atEnd) this.scrollToEnd();
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

  scrollToEnd() {
    $("log").scrollTop = $("log").scrollHeight;
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

  /** Says something once to screen readers. */
  announce(text) {
    this.#toAnnounce.push(text);
    if (this.#toAnnounce.length > 1) return;
    setTimeout(() => {
      const said = this.#toAnnounce.splice(0);
      $("announcer").textContent = said.length === 1 ? said[0] : `${said.length} new messages`;
    }, ANNOUNCE_AFTER_MS);
  }

  user(name) {
    $("list-user").textContent = name ? `Signed in as ${name}` : "";
  }

  /** The list of rooms: `{ id, name, title, presence, preview, at, unread }`, already in order. */
  rooms(rooms, current, notice) {
    const list = $("rooms");
    const focused = document.activeElement?.dataset?.room;
    list.replaceChildren(...rooms.map((room) => element("li", {}, this.#roomButton(room, room.id === current))));
    if (focused) list.querySelector(`[data-room="${CSS.escape(focused)}"]`)?.focus();
    $("list-notice").hidden = !notice;
    $("list-notice").textContent = notice ?? "";
  }

  #roomButton({ id, name, title, presence, preview, at, unread }, current) {
    const badge = unread ? element("span", { className: "badge" }, unread > 99 ? "99+" : String(unread)) : null;
    badge?.append(element("span", { className: "hidden" }, " unread"));
    const words = presence ? element("span", { className: "hidden" }, `${presenceWords(presence)}. `) : null;
    const button = element(
      "button",
      { type: "button", className: "room-button", onclick: () => this.#on.open(id) },
      avatar(name, presence),
      element("span", { className: "room-name", dir: "auto" }, name),
      words,
      at ? element("time", { className: "room-time", dateTime: at }, briefTime(at)) : null,
      title && title !== name ? element("span", { className: "room-title", dir: "auto" }, title) : null,
      element("span", { className: "room-preview", dir: "auto" }, preview),
      badge,
    );
    button.dataset.room = id;
    if (current) button.setAttribute("aria-current", "true");
    return button;
  }

  /** Shows one pane or both, by the width of the window; `text` stands where no room is open. */
  pane(open, text) {
    $("app").dataset.pane = open ? "room" : "list";
    $("room").hidden = !open;
    $("blank").hidden = open;
    $("blank-text").textContent = text;
    // There is always exactly one heading of the first level.
    if (open) $("list-title").removeAttribute("aria-level");
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
  log(room, rows, { hasOlder, loading, notice, again }) {
    const fresh = this.#room !== room;
    if (fresh) this.#rows.clear();
    if (fresh) $("rows").replaceChildren();
    const follow = !fresh && this.atEnd;
    const anchor = fresh ? null : this.#anchor();
    this.#place(rows);
    $("earlier").hidden = !hasOlder;
    $("earlier").setAttribute("aria-disabled", String(loading));
    $("log-notice").hidden = !notice;
    $("log-notice-text").textContent = notice ?? "";
    $("log-again").hidden = !again;
    if (follow) this.scrollToEnd();
    else if (anchor) $("log").scrollTop += anchor.element.getBoundingClientRect().top - anchor.top;
    if (rows.length) {
      if (fresh) this.#land();
      this.#room = room;
    }
  }

  // First sight of a room: the unread divider a third from the top, else the end.
  #land() {
    const divider = this.#rows.get("new")?.element;
    this.scrollToEnd();
    if (!divider) return;
    const third = $("log").getBoundingClientRect().top + $("log").clientHeight / 3;
    $("log").scrollTop += Math.min(0, divider.getBoundingClientRect().top - third);
  }

  leave() {
    this.#room = null;
  }

  // Reuses the element of every row that is still there and redraws only what changed.
  #place(rows) {
    const parent = $("rows");
    const keys = new Set(rows.map((row) => row.key));
    for (const [key, { element: old }] of this.#rows) {
      if (keys.has(key)) continue;
      old.remove();
      this.#rows.delete(key);
    }
    let next = parent.firstElementChild;
    for (const row of rows) {
      const shows = JSON.stringify(row);
      const held = this.#rows.get(row.key) ?? { element: element(row.type === "message" ? "article" : "div") };
      if (held.shows !== shows) this.#draw(held.element, row);
      this.#rows.set(row.key, { element: held.element, shows });
      if (held.element === next) next = next.nextElementSibling;
      else parent.insertBefore(held.element, next);
    }
  }

  #draw(target, row) {
    target.className = ["row", row.type, row.mine && "mine", row.first && "first", row.last && "last", row.status, row.large && "large", row.deleted && "deleted"].filter(Boolean).join(" ");
    target.dataset.seq = row.seq ?? "";
    if (row.type === "day" || row.type === "new") return target.replaceChildren(element("h2", {}, row.text));
    target.tabIndex = -1;
    const time = element("time", { dateTime: row.at, title: exactTime(row.at) }, timeOf(row.at));
    if (row.type === "system") {
      target.setAttribute("role", "article");
      target.setAttribute("aria-label", `${row.text}, ${timeOf(row.at)}`);
      return target.replaceChildren(element("p", { className: "pill", dir: "auto" }, icon("event"), element("span", {}, row.text), time));
    }
    const status = row.status ? STATUS_WORDS[row.status] : "";
    target.setAttribute("aria-label", [`${row.name}: ${row.text}`, timeOf(row.at), row.edited && "edited", status].filter(Boolean).join(", "));
    target.replaceChildren(
      ...[row.first && !row.mine && element("p", { className: "author", dir: "auto" }, row.name), this.#bubble(row), this.#meta(row, time)].filter(Boolean),
    );
  }

  #bubble(row) {
    const parts = pieces(row.text).map((piece) => {
      if (typeof piece === "string") return piece;
      return element("a", { href: piece.href, target: "_blank", rel: "noopener nofollow ugc" }, piece.href);
    });
    return element("p", { className: "bubble", dir: "auto" }, ...parts);
  }

  #meta(row, time) {
    if (row.status === "failed") {
      const again = element("button", { type: "button", className: "quiet-button", onclick: () => this.#on.retry(row.clientId) }, "Try again");
      const remove = element("button", { type: "button", className: "quiet-button bad", onclick: () => this.#on.remove(row.clientId) }, "Delete");
      const words = element("span", { className: "reason" }, icon("failed"), `Not sent: ${reasonFor(row.error)}`);
      return element("div", { className: "meta" }, words, again, remove);
    }
    if (!row.last && !row.edited && row.status !== "sending") return null;
    const edited = row.edited ? element("span", {}, "edited") : null;
    const shape = row.status === "delivered" || row.status === "read" ? "both" : row.status;
    const tick = row.status
      ? element("span", { className: `tick ${row.status}` }, icon(shape), element("span", { className: "hidden" }, STATUS_WORDS[row.status]))
      : null;
    return element("div", { className: "meta" }, edited, time, tick);
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
    const first = [...$("rows").children].find((row) => row.getBoundingClientRect().bottom > top);
    return first ? { element: first, top: first.getBoundingClientRect().top } : null;
  }

  #scrolled() {
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
    const follow = this.atEnd;
    field.style.height = "auto";
    field.style.height = `${Math.min(field.scrollHeight, most) + field.offsetHeight - field.clientHeight}px`;
    if (follow) this.scrollToEnd();
  }

  // The log is one tab stop; the arrows walk over its messages.
  #walk(event) {
    const rows = [...$("rows").querySelectorAll("[tabindex]")];
    const at = rows.indexOf(document.activeElement);
    const to = { ArrowUp: at < 0 ? rows.length - 1 : at - 1, ArrowDown: at + 1, Home: 0, End: rows.length - 1 }[event.key];
    if (event.key === "Escape") this.focusComposer();
    else if (to === undefined || !(at >= 0 || event.target === $("log"))) return;
    else rows[Math.min(Math.max(to, 0), rows.length - 1)]?.focus();
    event.preventDefault();
  }
}
