// The connection to the daemon: requests, the event stream, and whether it can be reached.

import { at } from "./paths.js?v=HASH";
import { setClock } from "./time.js?v=HASH";

const TIMEOUT_MS = 10_000;
const RECONNECT_MS = 5_000;
const REASONS = { TimeoutError: "it did not respond in time", TypeError: "it cannot be reached" };

/** When it last responded, and since when it does not: milliseconds by this machine's clock. */
export const contact = { answered: 0, lost: 0, why: "" };

/** An error response of the daemon. `load` throws another error for a failure or a missing token: it counts as no contact. */
export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** The JSON at a path of the daemon. Throws `Refused` with the daemon's error, or another error if it was not reached. */
export async function load(path) {
  try {
    const answer = await fetch(at(path), { headers: { accept: "application/json" }, signal: AbortSignal.timeout(TIMEOUT_MS) });
    const body = await answer.json().catch(() => ({}));
    if (answer.status >= 500 || answer.status === 401) throw new Error(body.error ?? `it responded with ${answer.status}`);
    Object.assign(contact, { answered: Date.now(), lost: 0, why: "" });
    if (!answer.ok) throw new Refused(answer.status, body.error ?? `it responded with ${answer.status}`);
    if (body.now) setClock(body.now);
    return body;
  } catch (error) {
    if (error instanceof Refused) throw error;
    contact.lost ||= Date.now();
    contact.why = REASONS[error.name] ?? error.message;
    throw error;
  }
}

/** Ask the daemon to change something, with a token. Returns its JSON; throws `Refused`, or another error if it was not reached. */
export async function send(method, path, token, body) {
  const headers = { accept: "application/json", authorization: `Bearer ${token}`, ...(body ? { "content-type": "application/json" } : {}) };
  const answer = await fetch(at(path), { method, headers, body: body && JSON.stringify(body), signal: AbortSignal.timeout(TIMEOUT_MS) });
  const found = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Refused(answer.status, found.error ?? `The daemon responded with ${answer.status}`);
  return found;
}

/** Events as they are recorded. A hidden page keeps no connection. */
export class Stream {
  #source = null;
  #again = 0;
  #on;

  /** `on` has `event(number, event)`, `config()`, `open(yes)`, and `last()`: the number of the last known event. */
  constructor(on) {
    this.#on = on;
  }

  /** Whether it is connected, or reconnecting. */
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
      if (source.readyState !== EventSource.CLOSED) return; // the browser reconnects
      this.stop();
      this.#again = setTimeout(() => this.start(), RECONNECT_MS);
    };
  }

  stop() {
    clearTimeout(this.#again);
    this.#source?.close();
    this.#source = null;
  }
}
