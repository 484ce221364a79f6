// The panel that lists the mutes.

import { byId, el, isolated, keyed, moment } from "./dom.js?v=HASH";
import { dim, item, showPanel } from "./panels.js?v=HASH";
import { watch } from "./time.js?v=HASH";

/** The mutes, from /api/mutes; `writable`: whether they can be ended here. The panel is hidden without any. */
export function showMutes(mutes, writable) {
  showPanel("mutes", mutes.length > 0);
  const items = mutes.map((each) => ({ ...each, writable }));
  keyed(byId("mute-list"), items, (each) => each.id ?? JSON.stringify(each), muteItem).forEach(watch);
}

function muteItem({ id, by, reason, until, targets, events, when, active, writable }) {
  const what = targets.length ? targets.join(", ") : "all targets";
  const status = active ? ["never_synced", "Muted"] : ["not_seen", "Not muted now"];
  return item(status, dim(until ? moment("until", until) : when ?? "without an end"), isolated(what),
    reason && el("p", {}, isolated(reason)),
    el("p", { class: "dim" }, by ? ["by ", isolated(by)] : "by the configuration", until ? [", until ", moment("at", until)] : "",
      when && until ? `, ${when}` : "", events.length ? [", only ", isolated(events.join(", "))] : ""),
    id && writable && el("p", {}, el("button", {
      type: "button", class: "plain", "data-do": "unmute", "data-id": id, "aria-label": `End the mute of ${what}`,
    }, "End the mute")),
  );
}
