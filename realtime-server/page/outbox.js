// Messages on their way. Each has a `client_id` under which it may be repeated for ever and is still
// sent once. They survive a reload (local storage, one key each, so that tabs do not overwrite each other).

const MOST_ENTRIES = 200;
const LONGEST_AGE_MS = 7 * 24 * 3600 * 1000;
const MOST_TRIES = 8; // for answers that may be different next time
const RETRY_MS = 1_000;
const WORTH_RETRYING = ["rate_limited", "busy", "timeout", "internal"];

/** A random UUID; `crypto.randomUUID` exists only in secure contexts, and http on a LAN is none. */
export function uuid() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

export class Outbox {
  #send;
  #changed;
  #entries = []; // { client_id, room, body, at, error? } in the order of sending
  #prefix = null; // known once the server said who we are
  #flushing = false;

  /** `send(entry)` resolves once the server has the message; `changed()` is called after every change. */
  constructor(send, changed) {
    this.#send = send;
    this.#changed = changed;
    window.addEventListener("storage", ({ key, newValue }) => {
      if (key && newValue === null && this.#prefix && key.startsWith(this.#prefix)) {
        this.#forget(key.slice(this.#prefix.length)); // another tab has settled or deleted it
      }
    });
  }

  /** Loads what this user left behind, before anything written in the meantime. */
  identify(user) {
    if (this.#prefix) return;
    this.#prefix = `rt.outbox/${encodeURIComponent(user)}/`;
    const written = this.#entries;
    this.#entries = [...this.#stored(), ...written].slice(-MOST_ENTRIES);
    written.forEach((entry) => this.#store(entry));
  }

  of(room) {
    return this.#entries.filter((entry) => entry.room === room);
  }

  /** False when too much is waiting already. */
  add(room, body) {
    if (this.#entries.length >= MOST_ENTRIES) return false;
    const entry = { client_id: uuid(), room, body, at: new Date().toISOString() };
    this.#entries.push(entry);
    this.#store(entry);
    this.#changed();
    this.flush();
    return true;
  }

  /** The message is stored at the server, or is not wanted any more. */
  remove(clientId) {
    if (!this.#entries.some((entry) => entry.client_id === clientId)) return;
    try {
      if (this.#prefix) localStorage.removeItem(this.#prefix + clientId);
    } catch {
      // No storage here: there is nothing to remove.
    }
    this.#forget(clientId);
  }

  retry(clientId) {
    const entry = this.#entries.find((entry) => entry.client_id === clientId);
    if (!entry) return;
    delete entry.error;
    this.#store(entry);
    this.#changed();
    this.flush();
  }

  /** Sends what waits, one after the other, so that the order stays. Safe to call at any time. */
  async flush() {
    if (this.#flushing) return;
    this.#flushing = true;
    for (let tries = 0; ; ) {
      const entry = this.#entries.find((entry) => !entry.error);
      if (!entry) break;
      const result = await this.#try(entry);
      if (result === "offline") break;
      tries = result === "again" ? tries + 1 : 0;
      if (tries >= MOST_TRIES) this.#fail(entry, "busy");
    }
    this.#flushing = false;
  }

  async #try(entry) {
    try {
      await this.#send(entry);
      this.remove(entry.client_id);
    } catch (error) {
      if (!this.#entries.includes(entry)) return "done"; // its push was faster than the answer
      if (error.code === "disconnected") return "offline";
      if (!WORTH_RETRYING.includes(error.code)) this.#fail(entry, error.code);
      else {
        await new Promise((resume) => setTimeout(resume, error.retryAfter ?? RETRY_MS));
        return "again";
      }
    }
    return "done";
  }

  #fail(entry, code) {
    entry.error = code ?? "internal";
    this.#store(entry);
    this.#changed();
  }

  #forget(clientId) {
    this.#entries = this.#entries.filter((entry) => entry.client_id !== clientId);
    this.#changed();
  }

  #store(entry) {
    try {
      if (this.#prefix) localStorage.setItem(this.#prefix + entry.client_id, JSON.stringify(entry));
    } catch {
      // Full or forbidden: the entry lives in memory as long as the page.
    }
  }

  #stored() {
    const oldest = Date.now() - LONGEST_AGE_MS;
    try {
      const keys = Object.keys(localStorage).filter((key) => key.startsWith(this.#prefix));
      const entries = keys.map((key) => [key, parsed(localStorage.getItem(key))]);
      const [young, old] = [true, false].map((keep) => entries.filter(([, e]) => Date.parse(e?.at) > oldest === keep));
      old.forEach(([key]) => localStorage.removeItem(key));
      return young.map(([, entry]) => entry).sort((a, b) => a.at.localeCompare(b.at));
    } catch {
      return [];
    }
  }
}

function parsed(json) {
  try {
    return JSON.parse(json);
  } catch {
    return null;
  }
}
