// The panels beside the targets: the latest events, the endpoints, the listings, the hints and the sinks.

import { byId, commit, el, isolated, keyed, mark, moment, setText, shape } from "./dom.js?v=HASH";
import { pageOf } from "./paths.js?v=HASH";
import { tagsOf } from "./tags.js?v=HASH";
import { span, watch } from "./time.js?v=HASH";
import { eventTitle, eventWords, plural, statesOf } from "./words.js?v=HASH";

const KEPT = 50, SHOWN = 6; // events; the rest after a click

/** Update a list to `items`, or show that it is empty. */
export function fill(list, empty, items, keyOf, build) {
  keyed(list, items, keyOf, build).forEach(watch);
  list.hidden = items.length === 0;
  empty.hidden = items.length > 0;
}

/** An item of a panel: its status and what stands beside it, what it is about, and further lines. */
export const item = ([standing, word], beside, about, ...lines) =>
  el("li", { "data-standing": standing },
    el("p", { class: "line" }, mark(standing, word), beside),
    el("p", { class: "about" }, about),
    ...lines);

export const dim = (...texts) => el("span", { class: "dim" }, ...texts);
const problem = (...texts) => el("p", { class: "problem" }, ...texts);

/** The identity of an event: two watchers on one table may give two events the same number. */
const keyOf = ({ number, event }) => `${number} ${event.id}`;

/** The latest events, newest first, each once. */
export class Events {
  #events = [];

  /** The number of the newest event. */
  last = 0;

  #whole = false;

  constructor() {
    byId("all-events").addEventListener("click", () => {
      this.#whole = !this.#whole;
      this.#count();
    });
  }

  /** Forget them: after a restart, numbers may begin again. */
  clear() {
    this.#events = [];
    this.last = 0;
  }

  /** Add events in any order; returns the new ones among those that are shown. */
  add(entries) {
    const known = new Set(this.#events.map(keyOf));
    const fresh = entries.filter((entry) => !known.has(keyOf(entry)));
    this.#events = [...this.#events, ...fresh].sort((a, b) => b.number - a.number).slice(0, KEPT);
    this.last = Math.max(this.last, ...fresh.map((entry) => entry.number));
    fill(byId("event-list"), byId("no-events"), this.#events, keyOf, eventItem);
    this.#count();
    return fresh.filter((entry) => this.#events.includes(entry));
  }

  /** Show the first of them, or all. */
  #count() {
    const button = byId("all-events");
    button.hidden = this.#events.length <= SHOWN;
    button.setAttribute("aria-expanded", String(this.#whole));
    setText(button, this.#whole ? `Show ${SHOWN} events` : `Show ${this.#events.length} events`);
    byId("event-list").classList.toggle("whole", this.#whole);
  }
}

function eventItem({ event }) {
  const { standing, word } = eventWords(event);
  const title = isolated(eventTitle(event));
  const linked = event.data?.target ? el("a", { href: pageOf(event.subject) }, title) : title;
  return el("li", { "data-standing": standing },
    el("p", { class: "line" }, shape(standing), el("span", { class: "about" }, linked), moment("ago", event.time)),
    el("p", { class: "dim" }, el("strong", {}, word), " ", ...detailOf(event)),
  );
}

/** A detail of an event: its commit, and AWS's message if it failed. */
export function detailOf(event) {
  const { attempt, blocker, connection, status, error, endpoint, message, muted } = event.data ?? {};
  const silent = muted ? [" (muted)"] : [];
  if (error) {
    const many = endpoint?.targets > 1 ? [`, ${plural(endpoint.targets, "target")}`] : [];
    return [isolated(`${error.code}: ${error.message}`), ...many, ...silent];
  }
  if (blocker) return [isolated(blocker.resolved_reason || blocker.created_reason || ""), ...silent];
  if (connection) return [isolated(connection.status), ...silent];
  if (!attempt) return message ? [isolated(message)] : [];
  const sha = attempt.targetRevision?.sha;
  const said = status === "FAILED" ? attempt.events?.at(-1)?.event : null;
  return [sha ? commit(sha) : "", said ? isolated(`${sha ? " " : ""}${said}`) : "", ...silent];
}

/** Show or hide a panel, and the link that leads to it. */
export function showPanel(id, some) {
  byId(id).hidden = !some;
  document.querySelector(`.jump [href="#${id}"]`).hidden = !some;
}

export function showEndpoints(endpoints) {
  fill(byId("endpoint-list"), byId("no-endpoints"), endpoints, (each) => each.id, endpointItem);
}

function endpointItem(each) {
  const status = !each.tried
    ? ["not_seen", "Not polled yet"]
    : each.readable ? ["succeeded", "Readable"] : ["unreadable", "Unreadable"];
  const slowed = each.rate < each.allowed;
  return item(status, dim("answered ", moment("ago", each.answered_at, "never")),
    [isolated(each.account), " · ", isolated(each.region), " · ", isolated(each.api), " ", ...tagsOf(each)],
    el("p", { class: "dim" }, `${plural(each.targets, "target")}, ${plural(round(each.rate), "call")} a second`,
      slowed ? ` of ${round(each.allowed)} allowed: AWS throttles` : "",
      each.poll_failures ? `, ${plural(each.poll_failures, "poll")} in a row failed` : ""),
    each.load && el("p", { class: "dim" }, needs(each.load)),
    each.outage && problem(isolated(`${each.outage.code}: ${each.outage.message}`), " ", moment("since", each.outage.since)),
  );
}

const round = (rate) => Math.round(rate * 100) / 100;
const dollars = (amount) => `$${amount < 100 ? amount.toFixed(2) : Math.round(amount)}`;

function needs(load) {
  const price = `${dollars(load.trail_dollars_a_month)} a month in each further CloudTrail trail`;
  const without = `without polling by repository ${round(load.requests_per_second_without_repositories)} and ` +
    dollars(load.trail_dollars_a_month_without_repositories);
  return `needs ${plural(round(load.requests_per_second), "call")} a second, ${price}` +
    (load.repositories ? ` (${without})` : "");
}

/** What the rules of discovery find; the panel is hidden without rules. */
export function showListings(listings) {
  showPanel("listings", listings.length > 0);
  keyed(byId("listing-list"), listings, (each) => each.id, listingItem).forEach(watch);
}

function listingItem(each) {
  const status = each.error
    ? ["unreadable", "Failed"]
    : each.completed_at ? ["succeeded", "Listed"] : ["not_seen", "Not listed yet"];
  return item(status, dim("complete ", moment("ago", each.completed_at, "never")),
    [isolated(each.account), " · ", isolated(each.region), " · ", each.kind],
    el("p", { class: "dim" }, `${plural(each.watched, "target")} watched of ${each.found.toLocaleString("en")} found, listed every ${span(each.every)}`,
      each.made_here ? "" : ", by another daemon"),
    each.error && problem(isolated(each.error)),
  );
}

/** The queues of hints; the panel is hidden without any. */
export function showHints(hints) {
  showPanel("hints", hints.length > 0);
  keyed(byId("hint-list"), hints, (each) => each.queue, hintItem).forEach(watch);
}

function hintItem(each) {
  const status = each.readable
    ? ["succeeded", "Read"]
    : each.readable === null ? ["not_seen", "Not read yet"] : ["unreadable", "Cannot be read"];
  return item(status, dim("last message ", moment("ago", each.received_at, "never")), isolated(each.queue),
    el("p", { class: "dim" }, `${plural(each.messages, "message")} since the start`),
    each.error && problem(isolated(each.error)),
  );
}

export function showSinks(sinks) {
  fill(byId("sink-list"), byId("no-sinks"), sinks, (each) => each.name, sinkItem);
}

function sinkItem(each) {
  const status = each.configured
    ? statesOf(each.state)
    : ["unknown", "No longer configured"];
  return item(status, each.type && dim(each.type), isolated(each.name),
    el("p", { class: "dim" },
      each.waiting ? `${each.waiting.toLocaleString("en")} pending` : "nothing pending",
      each.oldest_waiting ? [", the oldest ", moment("since", each.oldest_waiting)] : ""),
    each.dead > 0 && problem(`${plural(each.dead, "dead letter")}: `, el("code", {}, "watcher deliveries --dead")),
    each.error && problem(isolated(each.error)),
  );
}

/** Show whether events arrive as they are recorded. */
export function showLive(open) {
  setText(byId("live"), open ? "live" : "not live");
  byId("live").classList.toggle("on", open);
}
