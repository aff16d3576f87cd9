// The strip above the panes: what is wrong with the connection, and what happens next.

const QUIET_FIRST_MS = 300; // a first connection this fast needs no word
const QUIET_AGAIN_MS = 1_000; // nor does a lost one that is back this soon
const BACK_ONLINE_MS = 3_000;
const TICK_MS = 500;

const STOPPED = {
  4300: "This link has expired. Ask for a new one and open it here; nothing you wrote is lost.",
  4301: "Your access has changed. Ask for a new link and open it here; nothing you wrote is lost.",
  4500: "This link is not valid. Ask for a new one.",
  4501: "This page is out of date. Reload it.",
  4503: "You have too many windows open. Close some, then try again.",
  4504: "You were signed out.",
  4505: "Chat is not available at this address.",
};
const RETRYABLE = [4502, 4503];

export class Strip {
  #view;
  #state;
  #known = false; // whether we were ever online: only what was there can be lost
  #lost = false; // whether the reader was told so
  #timer = null;
  #ticker = null;

  constructor(view) {
    this.#view = view;
  }

  /** Takes every new state of the connection. */
  show(state) {
    this.#state = state;
    if (state.name === "online") this.#online();
    else if (state.name === "stopped") this.#stopped(state.code);
    else if (this.#ticker) this.#tick();
    else if (!this.#timer) this.#timer = setTimeout(() => this.#start(), this.#known ? QUIET_AGAIN_MS : QUIET_FIRST_MS);
  }

  #online() {
    this.#known = true;
    this.#clear();
    if (!this.#lost) return this.#view.strip(null);
    this.#lost = false;
    this.#tell("ok", "Back online — you’re up to date");
    setTimeout(() => this.#state.name === "online" && this.#view.strip(null), BACK_ONLINE_MS);
  }

  #stopped(code) {
    this.#clear();
    const action = RETRYABLE.includes(code) ? "Try again" : null;
    this.#tell("bad", STOPPED[code] ?? "The server ended this connection.", action);
  }

  #start() {
    this.#lost = this.#known;
    if (this.#lost) this.#view.announce("Connection lost");
    this.#ticker = setInterval(() => this.#tick(), TICK_MS);
    this.#tick();
  }

  #tick() {
    const { name, retryAt } = this.#state;
    const what = this.#known ? "Connection lost" : "No connection to the server";
    if (!navigator.onLine) return this.#view.strip("warn", "You’re offline — messages are sent when you’re back");
    if (name === "connecting" && !this.#known) return this.#view.strip("quiet", "Connecting…");
    if (name === "connecting") return this.#view.strip("warn", `${what} — reconnecting…`);
    const seconds = Math.max(1, Math.ceil((retryAt - Date.now()) / 1000));
    this.#view.strip("warn", `${what} — retrying in ${seconds} s`, "Retry now");
  }

  #tell(tone, words, action) {
    this.#view.strip(tone, words, action);
    this.#view.announce(words);
  }

  #clear() {
    clearTimeout(this.#timer);
    clearInterval(this.#ticker);
    this.#timer = this.#ticker = null;
  }
}
