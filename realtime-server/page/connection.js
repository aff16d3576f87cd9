// One WebSocket to the server. It says `connect`, answers pings, matches answers to commands, and
// comes back by itself: connecting → online → waiting → connecting …, or stopped for good.

const SUBPROTOCOL = "rt.v1.json";
const OPEN_TIMEOUT_MS = 15_000; // from opening the socket to the answer of `connect`
const ANSWER_TIMEOUT_MS = 10_000; // for any other command; after it the outcome is unknown
const PROBE_TIMEOUT_MS = 5_000; // after a wake-up we want to know soon whether the line is dead
const SILENCE_GRACE_MS = 10_000; // on top of the server's ping interval
const STABLE_AFTER_MS = 10_000; // a connection that lived this long makes the next wait short again
const DRAIN_WINDOW_MS = 10_000; // when the server advertised no window of its own
const BACKOFF_FIRST_MS = 250;
const BACKOFF_LEAST_MS = 100; // never 0: a server that refuses at once must not be asked in a loop
const BACKOFF_MOST_MS = 20_000;

/** Why a command was not done: `code` is one of the protocol's error codes, or `disconnected`. */
export class CommandError extends Error {
  constructor({ code, message, retry_after_ms: retryAfter }) {
    super(message ?? code);
    this.code = code;
    this.retryAfter = retryAfter;
  }
}

export class Connection {
  #token;
  #on;
  #socket = null;
  #pending = new Map(); // command id → { done, timer }
  #nextId = 1;
  #attempt = 0;
  #onlineSince = 0;
  #drainAt = 0;
  #limits = {};
  #backoff = { least: BACKOFF_LEAST_MS, most: BACKOFF_MOST_MS };
  #pingInterval = 25_000;
  #timers = {}; // name → handle; one of each
  state = { name: "connecting" };

  /** `on`: `greeting()` → more fields for `connect`, `state(state)`, `online(answer)`, `push(name, body)`. */
  constructor(token, on) {
    this.#token = token;
    this.#on = on;
    window.addEventListener("online", () => this.#wake());
    window.addEventListener("pageshow", () => this.#wake());
    window.addEventListener("offline", () => this.#socket && this.#lost(0));
    document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && this.#wake());
  }

  get online() {
    return this.state.name === "online";
  }

  /** Connects now; also the way out of `waiting` and `stopped`. */
  start() {
    this.#close();
    const url = new URL("/ws/", location.href);
    url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(url, SUBPROTOCOL);
    this.#socket = socket;
    // Every callback asks whether its socket is still the current one: late events of an old one do nothing.
    const current = (act) => (event) => socket === this.#socket && act(event);
    socket.onopen = current(() => this.#greet());
    socket.onmessage = current((event) => this.#frame(event.data));
    socket.onclose = current((event) => this.#lost(event.code));
    this.#timer("open", OPEN_TIMEOUT_MS, () => this.#lost(0));
    this.#become({ name: "connecting" });
  }

  /** Sends a command; resolves with its answer, rejects with a `CommandError`. */
  request(command, body, timeout = ANSWER_TIMEOUT_MS) {
    return new Promise((resolve, reject) => {
      if (!this.online) return reject(new CommandError({ code: "disconnected" }));
      this.#command(command, body, timeout, (error, ok) => (error ? reject(new CommandError(error)) : resolve(ok)));
    });
  }

  /** Sends a command whose answer does not matter. */
  tell(command, body) {
    if (this.online) this.#socket.send(JSON.stringify({ [command]: body }));
  }

  // `done` runs at once, before the next object of the same frame is looked at.
  #command(command, body, timeout, done) {
    const id = this.#nextId;
    this.#nextId = (id % 0xffff_ffff) + 1;
    const frame = JSON.stringify({ id, [command]: body });
    // The server would close the connection over it, and repeating it would do so for ever.
    if (this.#limits.frame_bytes && new TextEncoder().encode(frame).length > this.#limits.frame_bytes) {
      return done({ code: "too_large" });
    }
    const timer = setTimeout(() => this.#answer(id, { code: "timeout" }), timeout);
    this.#pending.set(id, { done, timer });
    this.#socket.send(frame);
  }

  #answer(id, error, ok) {
    const waiting = this.#pending.get(id);
    if (!waiting) return;
    this.#pending.delete(id);
    clearTimeout(waiting.timer);
    waiting.done(error, ok);
  }

  #greet() {
    const client = { name: "realtime-page", version: "1", device: "browser" };
    const body = { token: this.#token, client, ...this.#on.greeting() };
    this.#command("connect", body, OPEN_TIMEOUT_MS, (error, ok) => (error ? this.#refused(error) : this.#welcomed(ok)));
  }

  #welcomed(answer) {
    this.#clear("open");
    this.#onlineSince = Date.now();
    this.#limits = answer.limits ?? {};
    this.#pingInterval = answer.ping_interval_ms ?? this.#pingInterval;
    const { min_ms: least, max_ms: most } = answer.reconnect ?? {};
    this.#backoff = { least: Math.max(BACKOFF_LEAST_MS, least ?? 0), most: most || BACKOFF_MOST_MS };
    this.#heard();
    this.#become({ name: "online" });
    this.#on.online(answer);
  }

  // `connect` was answered with an error; the close frame that may follow comes too late to matter.
  #refused({ code, retry_after_ms: retryAfter }) {
    if (code === "token_expired") this.#lost(4300);
    else if (["unauthenticated", "forbidden"].includes(code)) this.#lost(4500);
    else if (["bad_request", "unknown_command"].includes(code)) this.#lost(4501);
    else this.#lost(0, retryAfter);
  }

  #frame(text) {
    this.#heard();
    if (typeof text !== "string") return;
    for (const line of text.split("\n")) {
      let object;
      try {
        object = JSON.parse(line);
      } catch {
        continue;
      }
      if (object?.id !== undefined) this.#answer(object.id, object.error, object.ok);
      else for (const [name, body] of Object.entries(object ?? {})) this.#push(name, body);
    }
  }

  #push(name, body) {
    if (name === "ping") return this.#socket?.send('{"pong":{}}');
    if (name === "drain") {
      const wait = body.min_ms + Math.random() * Math.max(0, body.max_ms - body.min_ms);
      this.#drainAt = Date.now() + wait;
      return this.#timer("drain", wait, () => this.start());
    }
    this.#on.push(name, body);
  }

  // Something arrived: the line is alive for another ping interval.
  #heard() {
    if (this.#onlineSince) this.#timer("silence", this.#pingInterval + SILENCE_GRACE_MS, () => this.#lost(0));
  }

  // The machine woke up, the network is back or the tab is looked at again: do not wait, and do not
  // trust a socket that may have died in its sleep.
  #wake() {
    if (this.state.name === "waiting") return this.start();
    if (!this.online) return;
    const socket = this.#socket;
    this.request("presence", { users: [] }, PROBE_TIMEOUT_MS).catch((error) => {
      if (error.code === "timeout" && socket === this.#socket) this.#lost(0);
    });
  }

  // The range of the close code says what to do; codes outside 4000-4999 are the network's.
  #lost(code, retryAfter) {
    const livedLong = this.#onlineSince && Date.now() - this.#onlineSince >= STABLE_AFTER_MS;
    const drainAt = this.#drainAt;
    this.#close();
    if (code >= 4300 && code <= 4399) return this.#become({ name: "stopped", code });
    if (code >= 4500 && code <= 4599) return this.#become({ name: "stopped", code });
    if (livedLong) this.#attempt = 0;
    const wait = this.#delay(code, retryAfter, drainAt);
    this.#attempt += 1;
    this.#timer("retry", wait, () => this.start());
    this.#become({ name: "waiting", retryAt: Date.now() + wait });
  }

  // Full jitter: thousands of clients that were cut together do not come back together.
  #delay(code, retryAfter, drainAt) {
    if (retryAfter) return retryAfter * (1 + Math.random() / 4);
    if (drainAt > Date.now()) return drainAt - Date.now();
    if (code >= 4200 && code <= 4299) return Math.random() * DRAIN_WINDOW_MS;
    const most = Math.min(this.#backoff.most, BACKOFF_FIRST_MS * 2 ** this.#attempt);
    return Math.max(this.#backoff.least, Math.random() * most);
  }

  #close() {
    const socket = this.#socket;
    this.#socket = null;
    this.#onlineSince = 0;
    this.#drainAt = 0;
    for (const name of Object.keys(this.#timers)) this.#clear(name);
    if (socket) {
      this.state = { name: "connecting" };
      socket.close();
    }
    for (const id of [...this.#pending.keys()]) this.#answer(id, { code: "disconnected" });
  }

  #become(state) {
    this.state = state;
    this.#on.state(state);
  }

  #timer(name, ms, act) {
    this.#clear(name);
    this.#timers[name] = setTimeout(act, ms);
  }

  #clear(name) {
    clearTimeout(this.#timers[name]);
    delete this.#timers[name];
  }
}
