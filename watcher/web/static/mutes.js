// Mutes: which rows they hold back, and the panel that lists them.

import { el, isolated, keyed, moment } from "./dom.js?v=HASH";
import { dim, item, showPanel } from "./panels.js?v=HASH";
import { hour, watch } from "./time.js?v=HASH";

const byId = (id) => document.getElementById(id);

let mutes = [];
let held = new Map(); // tags by the id of a row, as long as the mutes do not change

/** Set the mutes, from /api/mutes, and show them; returns whether they changed. */
export function showMutes(found, writable) {
  const changed = JSON.stringify(found) !== JSON.stringify(mutes);
  if (changed) held = new Map();
  mutes = found.map((each) => ({ ...each, matches: (id) => each.targets.some((glob) => pattern(glob).test(id)) }));
  showPanel("mutes", found.length > 0);
  keyed(byId("mute-list"), found.map((each) => ({ ...each, writable })), (each) => each.id, muteItem).forEach(watch);
  return changed;
}

/** The tags of a row or an endpoint: whether it is muted, and whether its incident is acknowledged. */
export function heldOf({ id, incident }) {
  if (!held.has(id)) held.set(id, mutes.filter((each) => each.matches(id)).map(muteTag));
  const ack = incident?.acknowledgement;
  return [...held.get(id), ...(ack ? [{ word: `acknowledged by ${ack.by}`, title: ack.note ?? "" }] : [])];
}

const muteTag = ({ events, until, by, reason }) => ({
  word: `${events.length ? "partly muted" : "muted"} until ${hour(Date.parse(until))}`,
  title: `by ${by}: ${reason}`,
});

function muteItem({ id, targets, events, until, by, reason, writable }) {
  return item(["never_synced", "Muted"], dim(moment("until", until)), isolated(targets.join(", ")),
    el("p", {}, isolated(reason)),
    el("p", { class: "dim" }, "by ", isolated(by), ", until ", moment("at", until), events.length ? [", only ", isolated(events.join(", "))] : ""),
    writable && el("p", {}, el("button", { type: "button", class: "plain", "data-do": "unmute", "data-id": id, "aria-label": `End the mute of ${targets.join(", ")}` }, "End it now")),
  );
}

/** A shell glob as a regular expression, as the daemon reads it. */
export function pattern(glob) {
  const text = glob.replace(/\[(!?)([^\]]*)\]|[.+^${}()|\\[\]*?]/g, (found, not, set) => {
    if (set !== undefined && set !== "") return `[${not ? "^" : ""}${set.replaceAll("\\", "\\\\").replaceAll("^", "\\^")}]`;
    return found === "*" ? "[^]*" : found === "?" ? "[^]" : found.replace(/[^]/g, "\\$&");
  });
  return new RegExp(`^(?:${text})$`);
}
