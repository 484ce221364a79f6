// The headline: the answer in one sentence, and below it what is wrong, why, since when, and which sinks were sent it.

import { wordButtons } from "./actions.js?v=HASH";
import { byId, el, isolated, keyed, mark, moment, setText } from "./dom.js?v=HASH";
import { pageOf } from "./paths.js?v=HASH";
import { noteOf, sinceOf } from "./row.js?v=HASH";
import { tagsOf } from "./tags.js?v=HASH";
import { watch } from "./time.js?v=HASH";
import { ATTENTION, RANK, STANDINGS, number, plural, problemsOf, statesOf, urgent, wordOf } from "./words.js?v=HASH";

const SHOWN = 5, MOST = 50; // problems at first, and after a click

const failing = (sink) => sink.configured && sink.state !== null && sink.state !== "up";

export class Headline {
  #rows = [];
  #counts = null;
  #endpoints = [];
  #sinks = [];
  #listings = [];
  #hints = [];
  #whole = false;
  #writable = false;

  constructor() {
    byId("all-problems").addEventListener("click", () => {
      this.#whole = !this.#whole;
      this.show();
    });
  }

  targets(rows, counts) {
    this.#rows = rows;
    this.#counts = counts;
    this.show();
  }

  endpoints(endpoints) {
    this.#endpoints = endpoints;
    this.show();
  }

  /** The endpoint of an id. */
  endpoint(id) {
    const found = this.#endpoints.find((each) => each.id === id);
    return found && { ...found, title: found.id };
  }

  sinks(sinks) {
    this.#sinks = sinks;
    this.show();
  }

  listings(listings) {
    this.#listings = listings;
    this.show();
  }

  hints(hints) {
    this.#hints = hints;
    this.show();
  }

  /** Set whether mutes and acknowledgements can be made here. */
  allow(writable) {
    if (this.#writable === writable) return;
    this.#writable = writable;
    this.show();
  }

  show() {
    if (!this.#counts) return;
    const broken = this.#sinks.filter(failing), listings = this.#listings.filter((each) => each.error && !this.#isUnreadable(each));
    const hints = this.#hints.filter((each) => each.readable === false);
    const { standing, text, detail } = withFailures(verdict(this.#counts, this.#rows.length), broken, listings, hints);
    const retried = this.#rows.filter((row) => row.incident && !ATTENTION.includes(row.standing)).length;
    const box = byId("verdict");
    box.dataset.standing = standing;
    box.querySelector("use").setAttribute("href", `#shape-${standing}`);
    setText(byId("answer"), text);
    setText(byId("answer-detail"), retried ? `${detail}, ${number(retried)} of these with an open incident` : detail);
    const problems = [...broken.map(sinkProblem), ...targetProblems(this.#rows, this.#endpoints)];
    this.#list([...problems, ...listings.map(listingProblem), ...hints.map(hintsProblem)], broken.map((each) => each.name));
  }

  /** Whether the endpoint of a listing is a problem already: that of its targets. */
  #isUnreadable({ account, region, api }) {
    return this.#endpoints.some((each) => each.id === `${account}/${region}/${api}` && each.outage && each.targets > 0);
  }

  #list(problems, broken) {
    const shown = problems.slice(0, this.#whole ? MOST : SHOWN);
    const items = shown.map((each) => ({ ...each, broken: each.sinks?.filter((name) => broken.includes(name)), writable: this.#writable }));
    keyed(byId("problems"), items, (each) => each.key, problemItem).forEach(watch);
    byId("problems").hidden = problems.length === 0;
    const button = byId("all-problems"), more = problems.length > SHOWN;
    button.hidden = !more;
    button.setAttribute("aria-expanded", String(this.#whole));
    const all = problems.length > MOST ? `the first ${MOST} of ${number(problems.length)}` : `all ${number(problems.length)}`;
    setText(button, this.#whole ? `Show ${SHOWN} problems` : `Show ${all} problems`);
  }
}

function sinkProblem({ name, state, waiting, oldest_waiting: since, dead, error }) {
  const kept = [waiting && `${number(waiting)} pending`, dead && plural(dead, "dead letter")].filter(Boolean).join(", ");
  return { key: `sink ${name}`, standing: "failed", word: `Sink ${statesOf(state)[1].toLowerCase()}`, title: name, href: "#sinks", since, where: kept, note: error };
}

const listingProblem = ({ id, account, region, kind, found, error }) => ({
  key: `listing ${id}`, standing: "unreadable", word: "Listing failed", title: `${account} · ${region} · ${kind}`, href: "#listings",
  where: `${plural(found, "target")} found before`, note: error,
});

const hintsProblem = ({ queue, error }) => ({
  key: `hints ${queue}`, standing: "unreadable", word: "Hints unreadable", title: queue, href: "#hints",
  where: "targets are polled without them", note: error,
});

/** The targets and endpoints with a problem; the targets of an endpoint that cannot be read are one problem together. */
function targetProblems(rows, endpoints) {
  const blind = new Map();
  const problems = [];
  for (const row of rows) {
    if (!urgent(row)) continue;
    if (row.unreadable?.whose === "endpoint") {
      const { code, message } = row.unreadable;
      const key = JSON.stringify([row.account, row.region, code, message]);
      const group = blind.get(key) ?? { row, count: 0 };
      blind.set(key, { ...group, count: group.count + 1 });
      if (!row.incident) continue;
    }
    problems.push(rowProblem(row));
  }
  for (const { row, count } of blind.values()) problems.push(endpointProblem(row, count, endpoints));
  return problems.sort((a, b) => quiet(a) - quiet(b) || RANK[a.standing] - RANK[b.standing] || (a.since < b.since ? 1 : -1));
}

/** Whether a problem is muted or acknowledged: it comes after the others. */
const quiet = ({ muted, incident }) => Boolean(muted || incident?.acknowledged);

function rowProblem(row) {
  const own = row.unreadable?.whose === "endpoint" ? { ...row, unreadable: null, standing: row.incident.problems[0] } : row;
  return {
    key: row.id, id: row.id, standing: own.standing, word: own === row ? wordOf(row) : STANDINGS[own.standing], title: row.title, href: pageOf(row.id),
    since: row.incident?.opened_at ?? sinceOf(row), where: `${row.account} · ${row.region}`, note: noteOf(own), problems: problemsOf(row),
    sinks: row.incident?.sinks, incident: row.incident, muted: row.muted, console_url: row.console_url,
  };
}

function endpointProblem(row, count, endpoints) {
  const { code, message, since } = row.unreadable;
  const found = endpoints.find(({ account, region, outage }) => account === row.account && region === row.region && outage?.code === code);
  const title = found ? `${found.account}/${found.region}/${found.api}` : `${row.account}/${row.region}`;
  return {
    key: `endpoint ${title} ${code}`, id: found?.id, standing: "unreadable", word: "Unreadable", title, href: "#endpoints", since,
    where: plural(count, "target"), note: `${code}: ${message}`, sinks: found?.incident?.sinks, incident: found?.incident ?? null, muted: found?.muted,
  };
}

function problemItem(each) {
  const open = each.incident ? moment("incident", each.since) : moment("since", each.since);
  return el("li", { "data-standing": each.standing },
    el("p", { class: "what" }, mark(each.standing, each.word), el("a", { class: "title", href: each.href }, isolated(each.title)),
      el("span", { class: "dim" }, isolated(each.where)), el("span", { class: "dim" }, open, each.problems ?? ""),
      el("span", { class: "dim" }, sentTo(each)), ...tagsOf(each)),
    el("p", { class: "cause", dir: "auto", title: each.note }, each.note),
    each.id && el("p", { class: "acts" }, wordButtons(each, each.writable)));
}

/** Which sinks were sent a problem, and which of them do not accept it. */
function sentTo({ sinks, broken = [] }) {
  if (!sinks) return "";
  const reached = sinks.filter((name) => !broken.includes(name));
  const parts = [reached.length && `sent to ${reached.join(", ")}`, broken.length && `not accepted yet by ${broken.join(", ")}`];
  return parts.filter(Boolean).join("; ") || "sent to no sink";
}

/** The summary, from how many targets have each status. */
export function verdict(counts, all) {
  const parts = (standings) =>
    standings.filter((each) => counts[each]).map((each) => `${number(counts[each])} ${STANDINGS[each].toLowerCase()}`);
  const rest = parts(["never_synced", "not_seen", "active", "succeeded", "available"]).join(", ");
  const wrong = ATTENTION.filter((each) => counts[each]);
  if (all === 0) return { standing: "not_seen", text: "No targets", detail: "The configuration has no target." };
  if (wrong.length) {
    const sum = wrong.reduce((total, each) => total + counts[each], 0);
    const need = sum === all && all > 1
      ? `All ${plural(all, "target")} need attention`
      : `${number(sum)} of ${plural(all, "target")} ${sum === 1 ? "needs" : "need"} attention`;
    return { standing: wrong[0], text: need, detail: [parts(wrong).join(", "), rest].filter(Boolean).join("; ") };
  }
  if (counts.not_seen) {
    const text = `${number(counts.not_seen)} of ${plural(all, "target")} not seen yet`;
    return { standing: "not_seen", text, detail: `Nothing is wrong so far: ${rest}` };
  }
  if (counts.succeeded + counts.available === all) {
    const text = all === 1 ? "The target is green" : `All ${plural(all, "target")} are green`;
    return { standing: "succeeded", text, detail: "The latest commit of each target is synced." };
  }
  const standing = counts.active ? "active" : counts.succeeded || counts.available ? "succeeded" : "never_synced";
  return { standing, text: `None of ${plural(all, "target")} needs attention`, detail: rest };
}

/** The verdict on the targets, preceded by the sinks, the listings and the queues of hints that fail. */
function withFailures(summary, sinks, listings, hints) {
  const said = [
    sinks.length === 1 ? `The sink ${sinks[0].name} is failing` : sinks.length && `${plural(sinks.length, "sink")} are failing`,
    listings.length === 1 ? "A listing failed" : listings.length && `${plural(listings.length, "listing")} failed`,
    hints.length === 1 ? "A queue of hints cannot be read" : hints.length && `${number(hints.length)} queues of hints cannot be read`,
  ].filter(Boolean);
  if (said.length === 0) return summary;
  const standing = ATTENTION.includes(summary.standing) ? summary.standing : sinks.length ? "failed" : "unreadable";
  return { ...summary, standing, text: `${said.join(". ")}. ${summary.text}` };
}
