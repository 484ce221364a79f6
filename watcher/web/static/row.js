// One row of the table: its cells are made once, and only what changed is written.

import { actButtons } from "./actions.js?v=HASH";
import { commit, el, isolated, setText } from "./dom.js?v=HASH";
import { pageOf } from "./paths.js?v=HASH";
import { strip, stripKey } from "./strip.js?v=HASH";
import { tagsOf } from "./tags.js?v=HASH";
import { inView, refresh } from "./time.js?v=HASH";
import { plural, problemsOf, wordOf } from "./words.js?v=HASH";

const TIMES = {
  since: (row) => (row.incident ? null : sinceOf(row)),
  incident: (row) => row.incident?.opened_at,
  answered: (row) => row.answered_at,
  next: (row) => (row.poll_failures ? null : row.next_poll_at),
};

/** When its status began. */
export function sinceOf(row) {
  return row.unreadable?.since ?? row.since;
}

/** Write the latest data of an entry: its `row` to its `node`. */
export function write(entry) {
  const { row, written } = entry;
  if (row === written) return;
  entry.parts ??= partsOf(entry.node);
  entry.written = row;
  const face = faceOf(row);
  if (entry.face !== face) {
    entry.face = face;
    paint(entry, row);
  }
  const moved = written?.polled_here !== row.polled_here;
  const changed = Object.entries(TIMES).filter(([, of]) => moved || of(written) !== of(row));
  for (const [is, of] of changed) setTime(entry.parts[is], row, is, of(row));
  if (row.answered_at) entry.parts.answered.dataset.late = String(lateAfter(row));
  const visible = inView(entry.node.parentNode);
  if (changed.length && (!written || visible)) refresh(entry.node);
  if (visible) dress(entry);
}

/** Return the age in seconds at which an answer is late: its next poll, or that of its repository, is overdue, too. */
function lateAfter({ answered_at: answered, next_poll_at: next, poll_failures: failures, interval }) {
  const wait = next && !failures ? (Date.parse(next) - Date.parse(answered)) / 1000 : interval;
  return Math.max(wait + 2 * interval, 30);
}

/** Add what is made only for rows in view: the strip and the controls. */
export function dress(entry) {
  const { row, parts, face } = entry;
  if (!parts || entry.dressed === face) return;
  entry.dressed = face;
  parts.attempts.replaceChildren(...[strip(row)].filter(Boolean));
  parts.act.replaceChildren(...actButtons(row));
}

function partsOf(node) {
  const [status, target, attempts, commitCell, answered, act, note] = node.children;
  target.querySelector("a").setAttribute("href", pageOf(node.dataset.id));
  return {
    use: status.querySelector("use"),
    word: status.querySelector(".word"),
    since: status.querySelector("[data-is=since]"),
    incident: status.querySelector("[data-is=incident]"),
    problems: status.querySelector(".problems"),
    title: target.querySelector("bdi"),
    where: target.querySelector(".where"),
    attempts,
    commits: commitCell.firstElementChild,
    repository: commitCell.lastElementChild,
    answered: answered.firstElementChild,
    trouble: answered.querySelector(".trouble"),
    next: answered.querySelector("[data-is=next]"),
    act,
    cause: note.firstElementChild,
    labels: note.lastElementChild,
  };
}

function setTime(node, row, is, iso) {
  if (is === "answered") node.classList.toggle("dim", !row.polled_here);
  if (iso) {
    node.setAttribute("datetime", iso);
    return;
  }
  node.removeAttribute("datetime");
  node.removeAttribute("title");
  node.classList.remove("old");
  const polled = row.polled_here
    ? { answered: "not yet", next: row.poll_failures ? "" : row.tried_at ? "next now" : "scheduled" }
    : { answered: "by another daemon" };
  setText(node, polled[is] ?? "");
}

/** Everything that a row shows except its times. */
const faceOf = (row) =>
  JSON.stringify([
    row.standing, row.status, row.title, row.account, row.region, row.kind, row.labels, row.sha, row.commit_url, row.synced,
    row.desired, row.repository, row.branch, row.note, row.unreadable, row.consecutive_failures, row.poll_failures,
    row.incident, row.muted, row.console_url, stripKey(row),
  ]);

function paint({ node, parts }, row) {
  node.dataset.standing = row.standing;
  parts.use.setAttribute("href", `#shape-${row.standing}`);
  setText(parts.word, wordOf(row));
  setText(parts.problems, problemsOf(row));
  parts.problems.parentNode.hidden = !row.incident;
  parts.since.hidden = Boolean(row.incident);
  setText(parts.title, row.title);
  parts.where.replaceChildren(...tagsOf(row), isolated(row.account), " · ", isolated(row.region), ` · ${row.kind}`);
  parts.commits.replaceChildren(...commitsOf(row));
  const branch = row.branch ? [" @ ", isolated(row.branch)] : [];
  parts.repository.replaceChildren(...(row.repository ? [isolated(row.repository), ...branch] : []));
  parts.repository.title = parts.repository.textContent;
  setText(parts.trouble, row.poll_failures ? `${plural(row.poll_failures, "poll")} failed` : "");
  parts.labels.replaceChildren(...Object.entries(row.labels).flatMap(([name, value]) => [isolated(`${name}=${value}`), " "]));
  setText(parts.cause, noteOf(row));
  parts.cause.title = parts.cause.textContent;
}

/** The commit that is synced, and after an arrow the one that should be, if that is another one. */
function commitsOf(row) {
  const wanted = row.desired ?? (row.sha ? { sha: row.sha, url: row.commit_url } : null);
  const { synced } = row;
  if (!wanted && !synced) return [];
  if (!synced) return [el("span", { class: "dim" }, "none"), arrow("not synced yet; desired:"), commit(wanted.sha, wanted.url)];
  if (!wanted || wanted.sha === synced.sha) return [commit(synced.sha, synced.url)];
  return [commit(synced.sha, synced.url), arrow("is synced; desired:"), commit(wanted.sha, wanted.url)];
}

const arrow = (words) =>
  el("span", { class: "arrow", title: "synced → desired" }, el("span", { "aria-hidden": "true" }, " → "), el("span", { class: "unseen" }, ` ${words} `));

/** What went wrong, in one line. */
export function noteOf(row) {
  const times = row.consecutive_failures > 1 ? `${row.consecutive_failures} attempts in a row failed. ` : "";
  if (row.unreadable) {
    const whose = row.unreadable.whose === "endpoint" ? "Its endpoint cannot be read. " : "";
    return `${whose}${row.unreadable.code}: ${row.unreadable.message}`;
  }
  if (row.standing === "failed") return times + (row.note || "AWS gave no reason.");
  if (row.standing === "unavailable") return row.note;
  if (row.blocked) return row.note || "A sync blocker is active.";
  if (row.standing === "active" && row.consecutive_failures) return `After ${plural(row.consecutive_failures, "failed attempt")}.`;
  return "";
}
