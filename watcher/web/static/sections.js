// Sections of the table: which one a row belongs to, and a heading for each with its counts, which opens and closes it.

import { el, isolated, mark } from "./dom.js?v=HASH";
import { STANDINGS, number, plural, urgent } from "./words.js?v=HASH";

/** The attributes that rows may be grouped by, and their names; a label is `label:NAME`. */
export const ATTRIBUTES = { account: "account", region: "region", kind: "kind", repository: "repository" };

/** What a row is grouped under. */
function nameOf(row, by) {
  return (by.startsWith("label:") ? row.labels[by.slice(6)] : row[by]) || "";
}

/** Entries by the name of their section: first the sections in which something is wrong, then the others by name. */
export function sectionsOf(entries, by) {
  if (!by) return [["", entries]];
  const found = new Map();
  for (const entry of entries) {
    const name = nameOf(entry.row, by);
    if (!found.has(name)) found.set(name, []);
    found.get(name).push(entry);
  }
  const wrong = ([, members]) => urgent(members[0].row); // entries are in order of urgency
  const all = [...found];
  const fine = all.filter((each) => !wrong(each)).sort(([a], [b]) => (a === "") - (b === "") || (a < b ? -1 : 1));
  return [...all.filter(wrong), ...fine];
}

export class Section {
  #button;
  #counts = el("span", { class: "counts" });
  #chosen = null;
  #narrowed = false;
  #found = {};
  #written = "";

  /** Whether one of its rows, shown or not, comes first. */
  wrong = false;

  constructor(name) {
    this.#button = el("button", { type: "button", class: "heading", "data-name": name, "aria-expanded": "true" },
      name ? isolated(name) : "none");
    const cell = el("th", { role: "rowheader", scope: "rowgroup", "aria-colspan": "7" }, this.#button, " ", this.#counts);
    this.node = el("tbody", { role: "rowgroup", class: "section" }, el("tr", { role: "row" }, cell));
  }

  /** Whether its rows are shown: as the user chose, or by default while something in it is wrong or a filter is set. */
  get open() {
    return this.#chosen ?? (this.wrong || this.#narrowed);
  }

  toggle() {
    this.#chosen = !this.open;
  }

  /** Begin to count its rows. */
  begin(narrowed) {
    this.#narrowed = narrowed;
    this.#found = {};
  }

  /** Count a row that passes the filter. */
  count(row) {
    this.#found[row.standing] = (this.#found[row.standing] ?? 0) + 1;
  }

  /** Write the counts. */
  end() {
    const standings = Object.keys(STANDINGS).filter((standing) => this.#found[standing]);
    const sum = standings.reduce((total, standing) => total + this.#found[standing], 0);
    this.node.hidden = sum === 0;
    this.#button.setAttribute("aria-expanded", String(this.open));
    const form = JSON.stringify(this.#found);
    if (this.#written === form) return;
    this.#written = form;
    this.#counts.replaceChildren(plural(sum, "target"),
      ...standings.map((standing) => mark(standing, `${number(this.#found[standing])} ${STANDINGS[standing].toLowerCase()}`)));
  }
}
