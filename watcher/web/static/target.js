// The page of one target: its status, attempts, AWS's sync events, and watcher's events with their deliveries.

import { commandsOf, wordButtons } from "./actions.js?v=HASH";
import { commit, el, keyed, mark, moment, setText, shape, isolated } from "./dom.js?v=HASH";
import { at, dataOf } from "./paths.js?v=HASH";
import { noteOf, sinceOf } from "./row.js?v=HASH";
import { tagsOf } from "./tags.js?v=HASH";
import { span, watch } from "./time.js?v=HASH";
import { detailOf, fill } from "./panels.js?v=HASH";
import { eventWords, plural, problemsOf, standingOf, statusWord, stepWords, wordOf } from "./words.js?v=HASH";

const DELIVERIES = { sent: "succeeded", waiting: "active", dead: "failed", dropped: "never_synced" };

export class TargetPage {
  #article;
  #parts = null;
  id = null;

  /** The latest data of the target; null until it is loaded. */
  row = null;

  constructor(article) {
    this.#article = article;
  }

  /** Prepare the page of a target that is being loaded. */
  open(id) {
    if (this.id === id && this.#parts) return;
    this.id = id;
    this.row = null;
    this.#parts = null;
    this.#article.replaceChildren(back(), el("h1", { tabindex: "-1" }, "Loading…"));
  }

  /** The target is not in the configuration. */
  missing() {
    this.row = null;
    this.#parts = null;
    this.#article.replaceChildren(back(), el("h1", { tabindex: "-1" }, "There is no such target"),
      el("p", {}, "The current configuration does not have ", el("code", { class: "id" }, isolated(this.id)), "."));
  }

  /** Show everything about a target; `writable`: whether it can be muted here. */
  show(row, writable) {
    this.row = row;
    const parts = (this.#parts ??= this.#frame(row));
    setText(parts.title, row.title);
    parts.verdict.dataset.standing = row.standing;
    parts.verdict.querySelector("use").setAttribute("href", `#shape-${row.standing}`);
    keyed(parts.word, [[wordOf(row), sinceOf(row)]], () => "word", ([word, since]) =>
      el("span", {}, el("strong", {}, word), " ", moment("since", since)));
    keyed(parts.incident, row.incident ? [[row.incident, problemsOf(row)]] : [], () => "incident", ([{ opened_at: opened, sinks }, problems]) =>
      el("span", {}, "Incident ", moment("incident", opened), problems, sinks ? `, sent to ${sinks.join(", ") || "no sink"}` : ""));
    keyed(parts.acts, [{ ...aboutOf(row), writable }], () => "acts", (each) =>
      el("span", { class: "buttons" }, ...wordButtons(each, each.writable), ...tagsOf(each)));
    keyed(parts.commands, Object.entries(commandsOf(row)), ([word]) => word, commandItem);
    const note = noteOf(row);
    parts.note.hidden = !note;
    setText(parts.note, note);
    keyed(parts.facts, factsOf(row), ([name]) => name, ([name, kind, ...values]) =>
      el("div", {}, el("dt", {}, name), el("dd", {}, ...valueOf(kind, values))));
    fill(parts.attempts, parts.noAttempts, row.attempts, (attempt) => attempt.startedAt, attemptItem);
    const lines = (row.attempt?.events ?? []).map((line, index) => ({ ...line, index }));
    fill(parts.lines, parts.noLines, lines, (line) => line.index, lineItem);
    fill(parts.events, parts.noEvents, row.events, (entry) => entry.number, eventItem);
    for (const host of [parts.verdict, parts.facts]) watch(host);
  }

  #frame(row) {
    const parts = {
      title: el("bdi"),
      word: el("p", { class: "state" }),
      incident: el("p", { class: "dim" }),
      acts: el("p", { class: "acts" }),
      commands: el("ul", { class: "commands" }),
      note: el("p", { class: "problem", dir: "auto", hidden: true }),
      facts: el("dl", { class: "facts" }),
      attempts: el("ol", { class: "timeline" }),
      lines: el("ol", { class: "lines" }),
      events: el("ol", { class: "list" }),
      noAttempts: el("p", { class: "empty" }, "No attempt yet."),
      noLines: el("p", { class: "empty" }, "AWS returned no sync events for this attempt."),
      noEvents: el("p", { class: "empty" }, "No event yet."),
    };
    parts.verdict = el("div", { class: "answer" }, shape(row.standing),
      el("div", {}, el("h1", { tabindex: "-1" }, parts.title), parts.word, parts.incident, parts.acts));
    const data = at(dataOf(row.id));
    const badge = `${data}/badge.svg`;
    const halves = el("div", { class: "halves" },
      section("attempts-title", "Attempts", parts.attempts, parts.noAttempts),
      section("lines-title", "AWS's sync events of the latest attempt", parts.lines, parts.noLines));
    const read = this.#article.querySelector("h1") === document.activeElement;
    this.#article.replaceChildren(back(), parts.verdict, parts.note,
      el("p", {}, el("code", { class: "id" }, isolated(row.id))),
      section("facts-title", "Details", parts.facts),
      ...(row.kind !== "connection" ? [halves] : []), // a connection has no attempts
      section("target-events-title", "Events and their deliveries", parts.events, parts.noEvents),
      section("commands-title", "Command line", parts.commands),
      section("more-title", "More", el("p", { class: "elsewhere" },
        el("img", { src: badge, alt: "Badge of this target", height: "20" }), " ",
        el("a", { href: badge }, "badge"), ", ", el("a", { href: data }, "this page as JSON"))));
    if (read) parts.verdict.querySelector("h1").focus({ preventScroll: true });
    return parts;
  }
}

const back = () => el("p", { class: "back" }, el("a", { href: at(""), "data-back": true }, "← All targets"));

const section = (id, title, ...content) =>
  el("section", { "aria-labelledby": id }, el("h2", { id }, title), ...content);

/** The facts: name, how `valueOf` shows it, and its values. */
function factsOf(row) {
  const { interval, active_interval: active, stalled_after: stalled, timeout } = row.watching;
  const labels = Object.entries(row.labels).map((pair) => pair.join("="));
  const facts = [
    ["Kind", "text", row.kind],
    ["Account", "text", row.account],
    ["Region", "text", row.region],
    ["Watched because", "text", row.discovered ? "discovery found it" : "the configuration lists it"],
    ["Labels", "labels", ...labels],
    [row.synced?.sha === row.sha ? "Commit" : "Commit of the latest attempt", "commit", row.sha, row.commit_url],
    ["Repository", "text", row.repository && [row.repository, row.branch].filter(Boolean).join(" @ ")],
    ["Attempt started", "moment", "at", row.started_at],
    ["Console", "link", row.console_url],
    ["Blocked since", "moment", "at", row.blockers[0]?.created_at],
    ["Blocked because", "text", row.blockers.map((blocker) => blocker.created_reason).filter(Boolean).join(" ")],
    ["Blocker", "text", row.blockers.map((blocker) => blocker.id).join(", ")],
    ["Synced commit", "success", row.synced?.sha === row.sha ? null : row.synced, row.latest_successful?.startedAt],
    ["Desired commit", "commit", [row.sha, row.synced?.sha].includes(row.desired?.sha) ? null : row.desired?.sha, row.desired?.url],
    ["Failed attempts in a row", "text", row.consecutive_failures || null],
    ["Answered", "moment", "answered", row.answered_at],
    ["Failed polls in a row", "text", row.poll_failures || null],
    ["Next poll", "moment", "due", row.next_poll_at],
    ["Listed", "text", row.kind !== "connection" ? null : `${row.polled_here ? "" : "by another daemon, "}with all connections`],
    ["Polled", "text", row.kind === "connection" ? null : `${row.polled_here ? "" : "by another daemon, "}every ${span(interval)}, every ${span(active)} during a sync`],
    ["Limits", "text", row.kind === "connection" ? null : `stalled after ${span(stalled)}, call timeout ${span(timeout)}`],
  ];
  return facts.filter(([, kind, first, second]) => (kind === "moment" ? second : first));
}

function valueOf(kind, values) {
  const [first, second] = values;
  if (kind === "link") return [el("a", { href: first }, "AWS console")];
  if (kind === "commit") return [commit(first, second)];
  if (kind === "moment") return [moment(first, second)];
  if (kind === "success") return [commit(first.sha, first.url), ", started ", moment("ago", second)];
  if (kind === "labels") return [el("span", { class: "labels" }, values.map(isolated))];
  return [isolated(first)];
}

/** What the buttons of a target depend on. */
const aboutOf = ({ id, title, incident, muted, console_url }) => ({ id, title, incident, muted, console_url });

const commandItem = ([word, text]) =>
  el("li", {}, el("span", { class: "dim" }, word), el("code", {}, text),
    el("button", { type: "button", class: "plain", "data-do": "copy", "data-text": text, "aria-label": `Copy: ${word}` }, "Copy"));

function attemptItem(attempt) {
  const standing = standingOf(attempt.status);
  return el("li", { "data-standing": standing },
    el("p", { class: "line" }, mark(standing, statusWord(attempt.status)), commit(attempt.sha, attempt.commit_url)),
    el("p", { class: "dim" }, "started ", moment("at", attempt.startedAt), ", ", moment("ago", attempt.startedAt)),
    el("ol", { class: "steps" }, attempt.steps.map((step) => stepItem(step))));
}

function stepItem({ status, time, type, observed }) {
  const [standing, word] = stepWords(type) ?? [standingOf(status), statusWord(status)];
  return el("li", {}, mark(standing, word), " ",
    time ? moment("at", time) : "", observed === false ? el("span", { class: "dim" }, " (found afterwards)") : "");
}

function lineItem(line) {
  const wrong = /error|fail/i.test(line.type ?? "");
  return el("li", { "data-standing": wrong ? "failed" : null },
    el("p", { class: "line" }, el("span", { class: "kind" }, isolated(line.type || "—")), line.time ? moment("at", line.time) : ""),
    el("p", { dir: "auto" }, line.event ?? ""),
    line.externalId && el("p", { class: "dim" }, isolated(line.externalId)));
}

function eventItem({ number, event, sinks }) {
  const { standing, word } = eventWords(event);
  return el("li", { "data-standing": standing },
    el("p", { class: "line" }, mark(standing, word), el("span", { class: "dim" }, moment("ago", event.time), `, number ${number}`)),
    el("p", { class: "dim" }, ...detailOf(event)),
    el("ul", { class: "deliveries", "aria-label": `Deliveries of event ${number}` }, sinks.map(deliveryItem)),
    el("details", {}, el("summary", {}, `Event ${number} as JSON`),
      el("pre", { tabindex: "0", "aria-label": `JSON of event ${number}` }, JSON.stringify(event, null, 2))));
}

function deliveryItem({ sink, state, why, tries, reminder }) {
  const tried = tries ? `, ${plural(tries, "try", "tries")}` : "";
  return el("li", {}, mark(DELIVERIES[state] ?? "not_seen", state), " ", el("strong", {}, isolated(sink)),
    el("span", { class: "dim" }, tried, reminder ? `, reminder ${reminder}` : "", why ? [": ", isolated(why)] : ""));
}
