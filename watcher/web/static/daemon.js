// The daemon from here: asking it, hearing from it, and whether it can be reached.

import { at } from "./paths.js?v=HASH";
import { hear } from "./time.js?v=HASH";

const PATIENCE = 10_000;
const AGAIN = 5_000;
const REASONS = { TimeoutError: "it did not answer in time", TypeError: "it cannot be reached" };

/** When it last answered, and since when it does not: milliseconds by this machine's clock. */
export const contact = { answered: 0, lost: 0, why: "" };

/** It answered, and what it answered is no good to us. */
export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** The JSON at a path of the daemon. Raises `Refused` with the daemon's own words, or another error where it was not reached. */
export async function ask(path) {
  try {
    const answer = await fetch(at(path), { headers: { accept: "application/json" }, signal: AbortSignal.timeout(PATIENCE) });
    const body = await answer.json().catch(() => ({}));
    if (answer.status >= 500 || answer.status === 401) throw new Error(body.error ?? `it answered ${answer.status}`);
    Object.assign(contact, { answered: Date.now(), lost: 0, why: "" });
    if (!answer.ok) throw new Refused(answer.status, body.error ?? `it answered ${answer.status}`);
    if (body.now) hear(body.now);
    return body;
  } catch (error) {
    if (error instanceof Refused) throw error;
    contact.lost ||= Date.now();
    contact.why = REASONS[error.name] ?? error.message;
    throw error;
  }
}

/** Events as they are recorded, for as long as somebody looks: a hidden page holds no connection. */
export class Stream {
  #source = null;
  #again = 0;
  #on;

  /** `on` has `event(number, event)`, `config()`, `open(yes)`, and `last()`: the number to go on after. */
  constructor(on) {
    this.#on = on;
  }

  /** Whether it listens, or is about to again. */
  get on() {
    return this.#source !== null;
  }

  start() {
    if (this.#source) return;
    clearTimeout(this.#again);
    const source = (this.#source = new EventSource(at(`api/stream?after=${this.#on.last()}`)));
    source.onopen = () => this.#on.open(true);
    source.onmessage = ({ data, lastEventId }) => this.#on.event(Number(lastEventId), JSON.parse(data));
    source.addEventListener("config", () => this.#on.config());
    source.onerror = () => {
      this.#on.open(false);
      if (source.readyState !== EventSource.CLOSED) return; // the browser tries again by itself
      this.stop();
      this.#again = setTimeout(() => this.start(), AGAIN);
    };
  }

  stop() {
    clearTimeout(this.#again);
    this.#source?.close();
    this.#source = null;
  }
}
