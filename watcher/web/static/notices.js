// Notices at the top of the page, and announcements of events to screen readers.

import { contact } from "./daemon.js?v=HASH";
import { byId, el, isolated, setText } from "./dom.js?v=HASH";
import { hour, inZones } from "./time.js?v=HASH";
import { eventTitle, eventWords, plural } from "./words.js?v=HASH";

const BURST_MS = 250, ANNOUNCE_MS = 5_000; // events within this time are announced together; the time between two

/**
 * One notice: its headline (null: none), its lines, and the time that the headline names. Updated only when it changes,
 * since screen readers read it aloud.
 */
export function notice(id, headline, lines, at = null) {
  const box = byId(id);
  const form = headline && JSON.stringify([headline, lines]);
  if ((box.dataset.form ?? null) === (form || null)) return;
  if (form) box.dataset.form = form;
  else delete box.dataset.form;
  box.replaceChildren(...(headline ? [el("p", {}, el("strong", { title: at && inZones(at) }, headline), lines.length ? ":" : "."), list(lines)] : []));
}

const list = (lines) => (lines.length ? el("ul", {}, lines.map((line) => el("li", { dir: "auto" }, isolated(line)))) : "");

/** Whether the daemon can be reached. */
export function showContact() {
  const { lost, answered, why } = contact;
  const from = answered ? ` The page shows the state of ${hour(answered)}.` : "";
  notice("lost", lost ? `No connection to the daemon since ${hour(lost)}: ${why}.${from} The page keeps retrying` : null, [], lost);
  document.body.classList.toggle("stale", Boolean(lost));
}

const unannounced = [];
let announcing = 0;

/** Announce new events to screen readers: the latest and their number, not more often than one can listen. */
export function announce(fresh) {
  unannounced.push(...fresh);
  if (announcing || !unannounced.length) return;
  const speak = () => {
    announcing = 0;
    const count = unannounced.length;
    if (!count) return;
    const { event } = unannounced.splice(0).at(-1);
    const last = `${eventTitle(event)}: ${eventWords(event).word}`;
    setText(byId("said"), count === 1 ? last : `${plural(count, "new event")}; the latest: ${last}`);
    announcing = setTimeout(speak, ANNOUNCE_MS);
  };
  announcing = setTimeout(speak, BURST_MS);
}
