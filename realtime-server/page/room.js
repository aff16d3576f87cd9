// One room as this page knows it: a gap-free run of changes up to `rev`, and the messages by `seq`.

const KEPT_EARLY = 500; // pushes held back behind a hole; more than that is asked for anew
const KEPT_MESSAGES = 600; // in memory; what is trimmed can be loaded again
const TRIM_TO = 400;

export class Room {
  messages = new Map(); // seq → message
  participants = new Map(); // user → participant
  loaded = false; // whether the newest page of the history is here
  loading = false;
  failed = false;
  resets = 0;
  hasOlder = false;
  closed = null; // the code, once we may no longer read
  #early = []; // pushes that came before the ones they follow
  #summaryUnread = 0;

  /** `now` tells the server's time, in milliseconds. */
  constructor(summary, me, now) {
    this.id = summary.id;
    this.me = me;
    this.now = now;
    this.rev = summary.rev;
    this.adopt(summary);
  }

  /** Takes a room summary. A room that is open keeps its own `rev`: the changes in between are on their way. */
  adopt(summary) {
    if (!this.loaded) this.rev = Math.max(this.rev, summary.rev);
    this.kind = summary.kind;
    this.title = summary.title;
    this.state = summary.state;
    this.locksAt = summary.locks_at ? Date.parse(summary.locks_at) : null;
    this.lastSeq = Math.max(this.lastSeq ?? 0, summary.last_seq ?? 0);
    this.people = summary.participant_count ?? summary.participants?.length ?? this.people;
    this.role = summary.me?.role ?? this.role;
    this.visibleFrom = summary.me?.visible_from_seq ?? this.visibleFrom ?? 1;
    this.closed = summary.me?.state ?? null; // only told to who is not in any more
    if (summary.unread) this.#summaryUnread = summary.unread.count;
    if (summary.last_message) this.#keepNewest(summary.last_message);
    for (const participant of summary.participants ?? []) this.#participant(participant);
    if (summary.me) this.#participant({ user: this.me, ...summary.me });
  }

  /**
   * Takes a durable push. Answers "applied", "dropped" (we already had it) or "hole" (kept until
   * what lies before it is here: ask for `changes`).
   */
  receive(name, body) {
    if (body.rev === undefined) return this.#apply(name, body);
    if (body.rev <= this.rev) return "dropped";
    // `after_rev` says that everything in between was superseded by later state.
    if ((body.after_rev ?? body.rev - 1) > this.rev) {
      if (this.#early.length < KEPT_EARLY) this.#early.push([name, body]);
      return "hole";
    }
    this.#apply(name, body);
    this.rev = body.rev;
    return "applied";
  }

  /** Takes an answer to `changes`; true when a hole is left. */
  catchUp({ messages = [], participants = [], room, rev }) {
    messages.forEach((message) => this.#apply("message", message));
    participants.forEach((participant) => this.#participant(participant));
    if (room) this.adopt({ ...room, id: this.id });
    this.rev = Math.max(this.rev, rev);
    const early = this.#early.sort(([, a], [, b]) => a.rev - b.rev);
    this.#early = [];
    return early.map(([name, body]) => this.receive(name, body)).includes("hole");
  }

  /** Takes a page of the history: the newest one, or one that ends where we begin. */
  page({ messages, has_older: hasOlder }) {
    messages.forEach((message) => this.#merge(message));
    if (messages.length) this.#keepNewest(messages.at(-1));
    this.hasOlder = hasOlder;
    this.loaded = true;
  }

  /** Forgets everything that was told piece by piece: too much has changed since `rev`. */
  reset(rev) {
    const own = this.participants.get(this.me);
    this.messages.clear();
    this.participants.clear();
    if (own) this.participants.set(this.me, own);
    this.lastMessage = null;
    this.#early = [];
    this.rev = rev ?? this.rev;
    this.loaded = false;
    this.resets += 1;
  }

  /** Places a message of ours that was just acknowledged, unless its page is not loaded. */
  place(message) {
    if (this.loaded && message.seq >= (this.ordered[0]?.seq ?? 0)) this.#merge(message);
    this.#keepNewest(message);
  }

  /** Lets go of old messages while the reader is at the newest ones. */
  trim() {
    if (this.messages.size <= KEPT_MESSAGES) return;
    for (const { seq } of this.ordered.slice(0, -TRIM_TO)) this.messages.delete(seq);
    this.hasOlder = true;
  }

  get ordered() {
    return [...this.messages.values()].sort((a, b) => a.seq - b.seq);
  }

  get others() {
    return [...this.participants.values()].filter((p) => p.user !== this.me && (p.state ?? "active") === "active");
  }

  get readSeq() {
    return this.participants.get(this.me)?.read_seq ?? 0;
  }

  get deliveredSeq() {
    return this.participants.get(this.me)?.delivered_seq ?? 0;
  }

  /** How many messages of others are new; exact where we hold them all, else what the server counted. */
  get unread() {
    const { readSeq, ordered } = this;
    const complete = this.loaded && (!this.hasOlder || (ordered[0]?.seq ?? Infinity) <= readSeq + 1);
    if (!complete) return Math.max(0, Math.min(this.#summaryUnread, this.lastSeq - readSeq));
    return ordered.filter((message) => message.seq > readSeq && this.counts(message)).length;
  }

  counts(message) {
    return message.kind !== "system" && message.sender.id !== this.me && !message.deleted_at;
  }

  /** Whether participants can write: a lock needs no push when its time comes. */
  get open() {
    return this.state === "open" && !(this.locksAt !== null && this.locksAt <= this.now());
  }

  get mayWrite() {
    return !this.closed && this.open && this.role !== "observer";
  }

  /** What the sender of a message is called. */
  authorOf({ sender }) {
    return sender.type === "erased" ? "Deleted user" : sender.name || this.nameOf(sender.id);
  }

  nameOf(user) {
    return this.participants.get(user)?.name || user;
  }

  /** What the room is called here: the other person, or the title of a group. */
  get name() {
    const names = this.others.map((p) => this.nameOf(p.user));
    if (this.kind === "group") return this.title || names.join(", ") || "Group";
    return names.join(", ") || this.title || "Conversation";
  }

  /** How far a message of ours has come: read and delivered mean by everybody. */
  status(seq) {
    const reached = (pointer) => this.others.length > 0 && this.others.every((p) => (p[pointer] ?? 0) >= seq);
    if (reached("read_seq")) return "read";
    return reached("delivered_seq") ? "delivered" : "sent";
  }

  #apply(name, body) {
    if (name === "message") {
      if (body.seq > this.lastSeq && this.counts(body)) this.#summaryUnread += 1;
      this.#keepNewest(body);
      if (this.loaded || this.loading) this.#merge(body);
    } else if (name === "room") {
      this.adopt(body);
    } else {
      this.#participant(body);
    }
    return "applied";
  }

  // The state with the highest `rev` wins, whichever way it came.
  #merge(message) {
    const held = this.messages.get(message.seq);
    if (held && held.rev > message.rev) return;
    this.messages.set(message.seq, { ...message, client_id: message.client_id ?? held?.client_id });
  }

  #keepNewest(message) {
    this.lastSeq = Math.max(this.lastSeq, message.seq);
    // As the server does: whoever writes has read, if nothing came in between.
    if (message.sender.id === this.me && message.seq === this.readSeq + 1) {
      this.#participant({ user: this.me, read_seq: message.seq });
    }
    if (message.seq >= (this.lastMessage?.seq ?? 0)) this.lastMessage = message;
  }

  // Pointers only move forward.
  #participant(change) {
    const held = this.participants.get(change.user) ?? {};
    const furthest = (pointer) => Math.max(held[pointer] ?? 0, change[pointer] ?? 0);
    const known = Object.fromEntries(Object.entries(change).filter(([, value]) => value != null));
    const pointers = { read_seq: furthest("read_seq"), delivered_seq: furthest("delivered_seq") };
    this.participants.set(change.user, { ...held, ...known, ...pointers });
    if (change.user === this.me && change.role) this.role = change.role;
  }
}
