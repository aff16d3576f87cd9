// The page: reads the link, keeps the rooms, and passes on what the connection and the reader do.

import { Connection } from "./connection.js";
import { readLink, remember } from "./link.js";
import { Outbox } from "./outbox.js";
import { Room } from "./room.js";
import { Strip } from "./strip.js";
import { briefTime, presenceWords } from "./timeline.js";
import { View } from "./view.js";

const PAGE = 50; // messages of one history page
const CHANGES = 500; // rows of one answer to `changes`
const PRESENCE_USERS = 100; // people of one presence question
const READ_AFTER_MS = 1_000; // a message this long on a focused screen counts as read
const DELIVERED_AFTER_MS = 200; // one receipt for a burst of messages
const TYPING_EVERY_MS = 3_000;
const TYPING_SHOWN_MS = 6_000;
const LEFT_ROOMS = 20; // of the rooms that we have left, the newest
const LONGEST_TIMER_MS = 2 ** 31 - 1;
const NO_ACCESS = ["not_found", "forbidden", "bad_request"];

const rooms = new Map(); // id → Room
const presence = new Map(); // user → { online, last_seen_at }
const typists = new Map(); // "room/user" → timer
let me = null;
let incarnation;
let current = null; // the id of the open room
let entered = null; // the open room, once it is known
let divideAfter = null; // the unread divider stands behind this `seq` until the room is left
let newer = 0; // messages that came while the reader was further up
let refused = false; // the room of the link is not ours
let clockAhead = 0; // ms that the server's clock is ahead of ours
let lockTimer; // until the next room locks by itself

// ---- from the server ---------------------------------------------------------------------------

function greeting() {
  const open = [...rooms.values()].filter((room) => room.loaded && !room.closed);
  return { incarnation, subscribe: "all", rooms: Object.fromEntries(open.map((room) => [room.id, room.rev])) };
}

function welcomed(answer) {
  me = answer.user?.id ?? answer.user;
  clockAhead = Date.parse(answer.server_time) - Date.now() || 0;
  if (incarnation !== answer.incarnation) rooms.clear(); // another history: what we hold means nothing in it
  incarnation = answer.incarnation;
  const listed = new Set(answer.rooms.map((room) => room.id));
  for (const [id, room] of rooms) if (!listed.has(id) && id !== current && room.closed !== "left") rooms.delete(id);
  answer.rooms.forEach(known);
  outbox.identify(me);
  outbox.flush();
  if (current && !listed.has(current)) join(current);
  askPresence();
  left(`rooms?membership=left&limit=${LEFT_ROOMS}`);
  enter();
}

const serverTime = () => Date.now() + clockAhead;

/** Takes a room summary, of a room we know or a new one. */
function known(summary) {
  const held = rooms.get(summary.id);
  if (held) held.adopt(summary);
  const room = held ?? new Room(summary, me, serverTime);
  rooms.set(room.id, room);
  room.acknowledged = room.deliveredSeq;
  acknowledge(room);
}

// A room beyond the ones that the server lists by itself.
async function join(id) {
  const held = rooms.get(id);
  const wanted = { room: id, rev: held?.loaded ? held.rev : undefined };
  try {
    const answer = await connection.request("subscribe", { rooms: [wanted] });
    answer.rooms.forEach(known);
    answer.refused.forEach(({ room, code }) => leftOut(room, code));
    askPresence();
  } catch (error) {
    if (NO_ACCESS.includes(error.code)) leftOut(id, error.code);
  }
  enter();
}

// We are not in this room: we may have left it and read on, or it is not ours at all.
function leftOut(id, code) {
  const room = rooms.get(id);
  if (room) room.closed = room.closed === "left" ? "left" : code;
  else if (id === current) refused = true;
  left(`rooms/${id}`);
}

// Rooms that we have left are in no list of the socket's; only REST tells of them.
async function left(path) {
  const headers = { authorization: `Bearer ${link.token}` };
  const answer = await fetch(`/api/v1/${path}`, { headers }).catch(() => null);
  if (!answer?.ok) return;
  const told = await answer.json();
  const gone = (told.rooms ?? [told]).filter((room) => room.me?.state === "left");
  gone.forEach(known);
  if (gone.some((room) => room.id === current)) refused = false;
  enter();
}

async function askPresence() {
  const users = new Set([...rooms.values()].flatMap((room) => room.others.map((p) => p.user)));
  if (!users.size) return;
  const answer = await connection.request("presence", { users: [...users].slice(0, PRESENCE_USERS) }).catch(() => null);
  answer?.users.forEach((person) => presence.set(person.user, person));
  render();
}

const pushes = {
  message: (body) => durable("message", body),
  receipt: (body) => durable("receipt", body),
  participant: (body) => durable("participant", body),
  room: (body) => durable("room", body),
  presence: (body) => presence.set(body.user, body),
  typing: ({ room, user, active }) => typed(room, user, active),
  unsubscribed: ({ room, code }) => leftOut(room, code),
  reset: ({ room, rev }) => rooms.has(room) && reload(rooms.get(room), rev),
  refresh: () => view.strip("warn", "Your link expires soon. Ask for a new one and open it here."),
};

function pushed(name, body) {
  pushes[name]?.(body); // pushes of later versions are ignored
  render();
}

function durable(name, body) {
  const room = rooms.get(body.room ?? body.id);
  if (!room) return name === "room" ? appeared(body) : undefined;
  const result = room.receive(name, body);
  if (result === "hole") catchUp(room);
  if (result !== "applied") return;
  if (name === "message") arrived(room, body);
  if (name === "participant" && body.user === me && body.state !== "active") room.closed = body.state;
}

// A room that is new to us. Told as a change, it lacks who is in it.
function appeared(summary) {
  if (!summary.me) return join(summary.id);
  known(summary);
  askPresence();
  enter();
}

function arrived(room, message) {
  settle([message]);
  acknowledge(room);
  if (room.id !== current || view.atEnd) room.trim();
  typed(room.id, message.sender.id, false);
  if (message.change !== "sent" || message.sender.id === me) return;
  const name = message.kind === "system" ? "" : room.authorOf(message);
  const words = [name, message.body].filter(Boolean).join(": ");
  view.announce(room.id === current ? words : `New message: ${room.name}`, true);
  if (room.id === current && !view.atEnd) newer += 1;
}

// A message of ours that came back needs no sending any more.
function settle(messages) {
  for (const { client_id: clientId } of messages) if (clientId) outbox.remove(clientId);
}

// Asks for what lies in a hole until there is none.
async function catchUp(room) {
  if (room.catching) return;
  room.catching = true;
  try {
    for (let hole = true; hole; ) {
      const before = room.rev;
      const answer = await connection.request("changes", { room: room.id, after_rev: before, limit: CHANGES });
      if (answer.reset) {
        reload(room, answer.rev);
        break;
      }
      hole = room.catchUp(answer) || !answer.complete;
      settle(answer.messages);
      if (hole && room.rev === before) throw new Error("no progress");
    }
    acknowledge(room);
  } catch (error) {
    if (error.code !== "disconnected") reload(room); // else `connect` will tell our `rev`
  }
  room.catching = false;
  render();
}

// ---- loading -----------------------------------------------------------------------------------

// Everything anew: the messages, and by its summary who is in the room.
function reload(room, rev) {
  room.reset(rev);
  load(room);
  join(room.id);
}

/** Loads the newest page, or with `before` the one before it. */
async function load(room, before) {
  if (room.loading || !connection.online) return;
  room.loading = true;
  room.failed = false;
  render();
  const resets = room.resets;
  try {
    const page = await connection.request("history", { room: room.id, before, limit: PAGE });
    if (resets === room.resets) room.page(page);
    settle(page.messages);
  } catch (error) {
    room.failed = error.code !== "disconnected";
  }
  room.loading = false;
  if (resets !== room.resets) load(room);
  render();
}

function earlier() {
  const room = rooms.get(current);
  if (room?.loaded && room.hasOlder) load(room, room.ordered[0].seq);
}

// ---- receipts, typing, presence ----------------------------------------------------------------

function acknowledge(room) {
  if (room.role === "observer" || room.acknowledging || room.closed) return;
  if (room.lastSeq <= room.acknowledged || room.lastMessage?.sender.id === me) return;
  room.acknowledging = setTimeout(() => {
    room.acknowledging = null;
    if (!connection.online) return; // told anew after the next `connect`
    room.acknowledged = room.lastSeq;
    connection.tell("delivered", { room: room.id, seq: room.lastSeq });
  }, DELIVERED_AFTER_MS);
}

let reading = null;

// Called whenever what is on the screen, or whether anybody looks at it, may have changed.
function looked() {
  if (view.atEnd) newer = 0;
  view.newer(newer);
  const seq = view.newestVisible();
  if (reading || !attentive() || !entered.unread || seq <= entered.readSeq) return;
  const room = entered;
  reading = setTimeout(() => {
    reading = null;
    if (room === entered && attentive()) read(room, Math.min(seq, view.newestVisible()));
    else looked();
  }, READ_AFTER_MS);
}

function attentive() {
  const looking = document.visibilityState === "visible" && document.hasFocus();
  return looking && entered && !entered.closed && connection.online && entered.role !== "observer";
}

async function read(room, seq) {
  if (seq > room.readSeq) {
    const answer = await connection.request("read", { room: room.id, seq }).catch(() => null);
    if (answer) room.receive("receipt", { user: me, read_seq: answer.read_seq, delivered_seq: answer.read_seq });
    render();
  }
  looked();
}

let typingSince = 0;

function input(text) {
  remember(`draft.${current}`, text);
  if (!text.trim()) return stopTyping();
  if (Date.now() - typingSince < TYPING_EVERY_MS || entered?.role === "observer") return;
  typingSince = Date.now();
  connection.tell("typing", { room: current, active: true });
}

function stopTyping() {
  if (typingSince) connection.tell("typing", { room: current, active: false });
  typingSince = 0;
}

function typed(room, user, active) {
  if (user === me) return;
  const key = `${room}/${user}`;
  clearTimeout(typists.get(key));
  typists.delete(key);
  if (!active) return;
  const end = () => {
    typists.delete(key);
    render();
  };
  typists.set(key, setTimeout(end, TYPING_SHOWN_MS));
}

// ---- sending -----------------------------------------------------------------------------------

async function sendEntry({ room: id, client_id: clientId, body }) {
  const { seq, rev, sent_at } = await connection.request("send", { room: id, client_id: clientId, body });
  // The pushed copy may still be on its way; until then this is what it will say.
  const sender = { type: "user", id: me };
  rooms.get(id)?.place({ seq, rev, sent_at, client_id: clientId, kind: "text", body, sender });
}

function send() {
  const body = view.text.trim();
  if (!body || !current) return;
  if (!outbox.add(current, body)) return view.strip("bad", "Too many messages are waiting to be sent.");
  view.text = "";
  remember(`draft.${current}`, "");
  stopTyping();
  draw();
  view.scrollToEnd();
}

// ---- going from room to room -------------------------------------------------------------------

function show(id) {
  if (id === current) return;
  stopTyping();
  entered?.trim();
  view.leave();
  [current, entered, newer, refused] = [id, null, 0, false];
  remember("room", id);
  if (id && connection?.online && !rooms.has(id)) join(id);
  enter();
}

// The open room is known: take it as it is now.
function enter() {
  const room = rooms.get(current);
  if (room && room !== entered) {
    divideAfter = room.unread > 0 ? room.readSeq : null;
    view.text = remember(`draft.${current}`) ?? "";
    entered = room;
  }
  if (room && !room.loaded) load(room);
  render();
}

function back() {
  if (history.state?.pushed) return history.back();
  history.replaceState({ room: null }, "");
  moved();
}

// The browser went back or forward.
function moved() {
  const left = current;
  show(history.state?.room ?? null);
  draw();
  if (!current) view.focusList(left);
}

function openFromList(id) {
  // From the list to a room is a step back can undo; from room to room is not.
  if (!current) history.pushState({ room: id, pushed: true }, "");
  else history.replaceState({ ...history.state, room: id }, "");
  show(id);
  draw();
  view.focusRoom();
}

// ---- showing -----------------------------------------------------------------------------------

let drawing = false;

function render() {
  if (drawing) return;
  drawing = true;
  // A hidden page has no animation frames, but its title tells what is new.
  if (document.hidden) setTimeout(draw, 100);
  else requestAnimationFrame(draw);
}

function draw() {
  drawing = false;
  awaitLocks();
  const listed = [...rooms.values()].filter((room) => !room.closed || room.closed === "left" || room.id === current);
  const newest = (room) => room.lastMessage?.sent_at ?? "";
  listed.sort((a, b) => newest(b).localeCompare(newest(a)));
  view.rooms(listed.map(listRow), current, listNotice(listed));
  view.user(listed.map((room) => room.participants.get(me)?.name).find(Boolean) ?? me);
  const room = rooms.get(current);
  view.pane(!link.token || (current && !refused), room, room ? "" : blankText());
  const unread = listed.reduce((sum, { unread }) => sum + unread, 0);
  document.title = `${unread ? `(${unread}) ` : ""}${room?.name ?? "Conversations"}`;
  if (room) drawRoom(room);
}

// No push tells that a lock's time has come.
function awaitLocks() {
  clearTimeout(lockTimer);
  const waits = [...rooms.values()].filter((room) => room.open && room.locksAt).map((room) => room.locksAt - serverTime());
  if (waits.length) lockTimer = setTimeout(locked, Math.min(...waits, LONGEST_TIMER_MS));
}

function locked() {
  const room = rooms.get(current);
  if (room && !room.open) view.announce(closedText(room));
  draw();
}

function drawRoom(room) {
  const waiting = outbox.of(room.id);
  view.head({ name: room.name, line: roomLine(room), presence: presenceOf(room) });
  view.log(room, waiting, divideAfter, logNotice(room, waiting));
  const typing = room.others.filter((p) => typists.has(`${room.id}/${p.user}`));
  view.typing(typing.map((p) => room.nameOf(p.user)));
  view.composer({ closed: closedText(room), online: connection.online });
  looked();
}

const presenceOf = (room) => (room.others.length === 1 ? presence.get(room.others[0].user) : undefined);

function roomLine(room) {
  const people = room.kind === "group" ? `${room.people} people` : presenceWords(presenceOf(room));
  const closes = room.mayWrite && room.locksAt ? `Closes ${briefTime(room.locksAt)}` : "";
  return [closes, people, room.title].filter((words) => words && words !== room.name).join(" · ");
}

function listRow(room) {
  const { id, name, title, unread, lastMessage: last } = room;
  const text = last?.deleted_at ? "Message deleted" : (last?.body ?? "No messages yet");
  const mine = last?.sender.id === me;
  const named = room.kind === "group" && last && last.kind !== "system";
  const author = mine ? "You: " : named ? `${room.authorOf(last)}: ` : "";
  const time = last && { at: last.sent_at, when: briefTime(last.sent_at) };
  return { key: id, name, title, unread, preview: author + text, presence: presenceOf(room), ...time };
}

function listNotice(listed) {
  if (refused) return "The conversation of this link does not exist, or you are not part of it.";
  return listed.length || !me ? null : "No conversations yet. They appear here by themselves.";
}

function blankText() {
  if (!link.token) return "Open this page with the link you were given: it says who you are.";
  return current ? "Opening the conversation…" : "Choose a conversation to read and answer.";
}

function logNotice(room, waiting) {
  if (room.failed && !room.loaded) return { text: "The messages could not be loaded.", again: true };
  if (!room.loaded) return { text: "Loading messages…" };
  if (room.messages.size || waiting.length || !room.mayWrite) return null;
  return { text: `Nothing here yet. Say hello: ${room.name} reads it as soon as they are online.` };
}

function closedText(room) {
  if (room.closed === "left") return "You have left this conversation. You can still read what was said until then.";
  if (room.closed) return "You are no longer part of this conversation.";
  if (!room.open) return "This conversation is closed. You can still read it.";
  return room.mayWrite ? null : "You can read this conversation, but not write in it.";
}

function changed(state) {
  strip.show(state);
  render();
}

// ---- start -------------------------------------------------------------------------------------

const link = readLink();
const outbox = new Outbox(sendEntry, render);
const view = new View({
  open: openFromList,
  back,
  earlier,
  again: () => load(rooms.get(current)),
  send,
  input,
  blur: stopTyping,
  retry: (id) => outbox.retry(id),
  remove: (id) => outbox.remove(id),
  looked,
  act: () => connection.start(),
});
const strip = new Strip(view);
const connection = new Connection(link.token, { greeting, state: changed, online: welcomed, push: pushed });

window.addEventListener("popstate", moved);
window.addEventListener("hashchange", () => location.hash.includes("token=") && location.reload());
window.addEventListener("focus", looked);
document.addEventListener("visibilitychange", render);
show(link.room || null);
if (link.token) connection.start();
else render();
