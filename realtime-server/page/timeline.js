// What a room looks like as a list of rows, and the words for times and states. No DOM in here.

const GROUP_MS = 5 * 60 * 1000; // messages of one person within this time share a name and a time
const LINK = /\bhttps?:\/\/[^\s<>"]+/giu;
const TRAILING = /[.,;:!?'")\]}]+$/u; // punctuation of the sentence, not of the link
const EMOJI = /^(?:\p{Extended_Pictographic}(?:\uFE0F|\p{Emoji_Modifier}|\u200D\p{Extended_Pictographic})*\s*){1,3}$/u;

const REASONS = {
  too_large: "it is too long",
  room_locked: "the conversation is closed",
  forbidden: "you may not write here",
  not_found: "you are no longer in this conversation",
  rejected: "it is against the rules here",
  bad_request: "the server did not understand it",
  busy: "the server is too busy",
};

export const reasonFor = (code) => REASONS[code] ?? "something went wrong";
export const STATUS_WORDS = {
  sending: "Sending",
  sent: "Sent",
  delivered: "Delivered",
  read: "Read",
  failed: "Not sent",
};

const clock = new Intl.DateTimeFormat([], { hour: "2-digit", minute: "2-digit" });
const weekday = new Intl.DateTimeFormat([], { weekday: "long", day: "numeric", month: "long" });
const shortDay = new Intl.DateTimeFormat([], { day: "numeric", month: "short" });
const exact = new Intl.DateTimeFormat([], { dateStyle: "full", timeStyle: "medium" });

export const timeOf = (at) => clock.format(new Date(at));
export const exactTime = (at) => exact.format(new Date(at));

const dayNumber = (date) => Math.round(new Date(date.getFullYear(), date.getMonth(), date.getDate(), 12) / 86_400_000);

function daysAgo(at) {
  return dayNumber(new Date()) - dayNumber(new Date(at));
}

export function dayOf(at) {
  return ["Today", "Yesterday"][daysAgo(at)] ?? weekday.format(new Date(at));
}

/** For the list of rooms: the time today, else the day. */
export function briefTime(at) {
  const ago = daysAgo(at);
  if (ago === 0) return timeOf(at);
  return ago === 1 ? "Yesterday" : shortDay.format(new Date(at));
}

export function presenceWords(presence) {
  if (!presence) return "";
  if (presence.online) return "Online";
  return presence.last_seen_at ? `Last seen ${briefTime(presence.last_seen_at)}` : "Away";
}

/** Text in pieces: strings, and `{ href }` for web addresses. Only http and https become links. */
export function pieces(text) {
  const found = [];
  let end = 0;
  for (const match of text.matchAll(LINK)) {
    const href = match[0].replace(TRAILING, "");
    if (!URL.canParse?.(href)) continue;
    found.push(text.slice(end, match.index), { href });
    end = match.index + href.length;
  }
  return [...found, text.slice(end)].filter((piece) => piece !== "");
}

/** The rows of a room, oldest first: days, the unread divider, system events and messages. */
export function timeline(room, waiting, divideAfter) {
  const rows = [];
  let day = null;
  let previous = null; // the message row before, if it may share its name and time
  let divided = divideAfter === null;
  const startNew = (row) => {
    rows.push(row);
    previous = null;
  };
  if (room.loaded && !room.hasOlder && room.visibleFrom > 1 && !room.closed) {
    rows.push({ type: "note", key: "joined", text: "You joined here. What was said before is not shown to you." });
  }
  for (const item of [...room.ordered.map((m) => stored(room, m)), ...waiting.map(pending)]) {
    const label = dayOf(item.at);
    if (label !== day) startNew({ type: "day", key: `day ${item.key}`, text: label });
    day = label;
    if (!divided && item.seq > divideAfter && item.counts) {
      startNew({ type: "new", key: "new", text: "New messages" });
      divided = true;
    }
    if (item.type === "system") {
      startNew(item);
      continue;
    }
    const soon = previous && Date.parse(item.at) - Date.parse(previous.at) < GROUP_MS;
    const grouped = soon && previous.author === item.author;
    item.first = !grouped;
    if (grouped && previous.status !== "failed") previous.last = false;
    rows.push(item);
    previous = item;
  }
  return rows;
}

function stored(room, message) {
  const { seq, sender, body, sent_at: at } = message;
  if (message.kind === "system") return { type: "system", key: `s${seq}`, seq, text: body ?? "", at };
  const mine = sender.id === room.me;
  return {
    type: "message",
    key: mine && message.client_id ? `c${message.client_id}` : `s${seq}`,
    seq,
    at,
    mine,
    author: mine ? null : (sender.id ?? sender.type),
    name: mine ? "You" : room.authorOf(message),
    text: message.deleted_at ? "This message was deleted" : (body ?? ""),
    deleted: Boolean(message.deleted_at),
    edited: Boolean(message.edited_at),
    large: !message.deleted_at && EMOJI.test(body ?? ""),
    status: mine ? room.status(seq) : null,
    counts: room.counts(message),
    last: true,
  };
}

function pending(entry) {
  const status = entry.error ? "failed" : "sending";
  const { body: text, at, client_id: clientId } = entry;
  const common = { type: "message", key: `c${clientId}`, mine: true, author: null, name: "You", last: true };
  return { ...common, clientId, at, text, large: EMOJI.test(text), status, error: entry.error };
}
