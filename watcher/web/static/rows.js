// The table of targets, fast with 2,000 of them: each row is built once, and only its changes are written. Rows are in
// groups, of which those out of view are neither styled nor laid out, and are written a few milliseconds at a time.

import { commit, setText, isolated } from "./dom.js?v=HASH";
import { haystack } from "./filter.js?v=HASH";
import { pageOf } from "./paths.js?v=HASH";
import { inView, refresh, watch } from "./time.js?v=HASH";
import { RANK, plural, problemsOf, urgent, wordOf } from "./words.js?v=HASH";

const GROUP = 12, SLICE = 6; // rows; milliseconds

const inOrder = (a, b) => urgent(b) - urgent(a) || RANK[a.standing] - RANK[b.standing] || (a.id < b.id ? -1 : Number(a.id > b.id));

const TIMES = {
  since: sinceOf,
  incident: (row) => row.incident?.opened_at,
  begun: (row) => row.started_at,
  answered: (row) => row.answered_at,
  next: (row) => row.next_poll_at,
};

/** When its status began. */
export function sinceOf(row) {
  return row.unreadable?.since ?? row.since;
}

export class Rows {
  #table;
  #template;
  #entries = new Map();
  #groups = [];
  #passes = () => true;
  #unwritten = [];
  #writing = 0;

  constructor(table, template) {
    this.#table = table;
    this.#template = template;
  }

  /** The latest data of every row. */
  get all() {
    return [...this.#entries.values()].map((entry) => entry.row);
  }

  row(id) {
    return this.#entries.get(id)?.row;
  }

  /** Set all rows, in this order. */
  replace(rows) {
    const wanted = new Set(rows.map((row) => row.id));
    for (const [id, entry] of this.#entries) if (!wanted.has(id)) this.#drop(id, entry);
    const entries = rows.map((row) => this.#put(row));
    this.#entries = new Map(entries.map((entry) => [entry.row.id, entry]));
    this.#arrange(entries);
    const seen = (entry) => inView(entry.node.parentNode);
    this.#unwritten = [...entries.filter((entry) => !seen(entry)).reverse(), ...entries.filter(seen).reverse()];
    this.#write();
  }

  /** Update one row, and its place in the order. */
  patch(row) {
    const before = this.row(row.id);
    const entry = this.#put(row);
    if (!before || inOrder(before, row) !== 0) this.#arrange([...this.#entries.values()].sort((a, b) => inOrder(a.row, b.row)));
    write(entry);
  }

  remove(id) {
    const entry = this.#entries.get(id);
    if (entry) this.#drop(id, entry);
  }

  /** Show only the rows that pass; returns their number. */
  show(passes) {
    this.#passes = passes;
    return this.#groups.reduce((shown, group) => shown + this.#sift(group), 0);
  }

  /** Hide the rows that do not pass, or the whole group if none does. */
  #sift(group) {
    const passed = group.entries.map((entry) => this.#passes(entry.row, () => haystackOf(entry)));
    const shown = passed.filter(Boolean).length;
    if (group.shown !== shown) {
      group.shown = shown;
      group.node.hidden = shown === 0;
      group.node.style.setProperty("--rows", shown); // its approximate height while it is out of view
    }
    if (shown) {
      group.entries.forEach((entry, index) => {
        if (entry.shown === passed[index]) return;
        entry.shown = passed[index];
        entry.node.hidden = !entry.shown;
      });
    }
    return shown;
  }

  #put(row) {
    const entry = this.#entries.get(row.id) ?? this.#build(row.id);
    entry.row = row;
    return entry;
  }

  #build(id) {
    const node = this.#template.content.firstElementChild.cloneNode(true);
    node.dataset.id = id;
    const entry = { node, shown: true, parts: null, row: null, written: null, face: "", hay: "", hayOf: null };
    this.#entries.set(id, entry);
    return entry;
  }

  #drop(id, entry) {
    entry.node.remove();
    this.#entries.delete(id);
    for (const group of this.#groups) group.entries = group.entries.filter((each) => each !== entry);
  }

  /** Put rows in order with few moves, and keep the focus. */
  #arrange(entries) {
    const focused = this.#table.contains(document.activeElement) ? document.activeElement : null;
    const count = Math.ceil(entries.length / GROUP);
    while (this.#groups.length < count) this.#groups.push(this.#group());
    this.#groups.forEach((group, index) => {
      group.entries = entries.slice(index * GROUP, (index + 1) * GROUP);
      let cursor = group.node.firstElementChild;
      for (const { node } of group.entries) {
        if (node === cursor) cursor = cursor.nextElementSibling;
        else group.node.insertBefore(node, cursor);
      }
      this.#sift(group);
    });
    for (const { node } of this.#groups.splice(count)) node.remove();
    if (focused && focused !== document.activeElement) focused.focus({ preventScroll: true });
  }

  #group() {
    const node = document.createElement("tbody");
    node.setAttribute("role", "rowgroup");
    this.#table.append(node);
    watch(node);
    return { node, entries: [], shown: -1 };
  }

  /** Write pending rows for a few milliseconds, and the rest a little later. */
  #write() {
    clearTimeout(this.#writing);
    const end = performance.now() + SLICE;
    while (this.#unwritten.length && performance.now() < end) write(this.#unwritten.pop());
    if (this.#unwritten.length) this.#writing = setTimeout(() => this.#write());
  }
}

function haystackOf(entry) {
  if (entry.hayOf !== entry.row) Object.assign(entry, { hay: haystack(entry.row), hayOf: entry.row });
  return entry.hay;
}

function partsOf(node) {
  const [status, target, commitCell, answered, next, note] = node.children;
  target.querySelector("a").setAttribute("href", pageOf(node.dataset.id));
  return {
    use: status.querySelector("use"),
    word: status.querySelector(".word"),
    since: status.querySelector("[data-is=since]"),
    incident: status.querySelector("[data-is=incident]"),
    problems: status.querySelector(".problems"),
    title: target.querySelector("bdi"),
    where: target.querySelector(".where"),
    labels: target.querySelector(".labels"),
    commit: commitCell.firstElementChild,
    begun: commitCell.querySelector("time"),
    repository: commitCell.lastElementChild,
    answered: answered.firstElementChild,
    trouble: answered.lastElementChild,
    next: next.firstElementChild,
    note,
  };
}

/** Write the latest data of a row. */
function write(entry) {
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
  if (changed.length && (!written || inView(entry.node.parentNode))) refresh(entry.node);
}

function setTime(node, row, is, iso) {
  if (is === "answered") node.classList.toggle("dim", !row.polled_here);
  if (iso) {
    node.setAttribute("datetime", iso);
    if (is === "answered") node.dataset.late = String(Math.max(3 * row.interval, 30));
    return;
  }
  node.removeAttribute("datetime");
  node.removeAttribute("title");
  node.classList.remove("old");
  const polled = row.polled_here
    ? { answered: "not yet", next: row.tried_at ? "now" : "scheduled" }
    : { answered: "by another daemon" };
  setText(node, polled[is] ?? "");
}

/** Everything that a row shows except its times. */
const faceOf = (row) =>
  JSON.stringify([
    row.standing, row.status, row.title, row.account, row.region, row.kind, row.labels, row.sha, row.commit_url,
    row.repository, row.branch, row.note, row.unreadable, row.consecutive_failures, row.poll_failures, row.incident?.problems,
  ]);

function paint({ node, parts }, row) {
  node.dataset.standing = row.standing;
  parts.use.setAttribute("href", `#shape-${row.standing}`);
  setText(parts.word, wordOf(row));
  setText(parts.problems, problemsOf(row));
  parts.problems.parentNode.hidden = !row.incident;
  setText(parts.title, row.title);
  parts.where.replaceChildren(isolated(row.account), " · ", isolated(row.region), ` · ${row.kind}`);
  parts.labels.replaceChildren(...Object.entries(row.labels).map(([name, value]) => isolated(`${name}=${value}`)));
  parts.commit.replaceChildren(commit(row.sha, row.commit_url));
  const branch = row.branch ? [" @ ", isolated(row.branch)] : [];
  parts.repository.replaceChildren(...(row.repository ? [isolated(row.repository), ...branch] : []));
  setText(parts.trouble, row.poll_failures ? `${plural(row.poll_failures, "poll")} failed` : "");
  setText(parts.note, noteOf(row));
}

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
