// The table of targets, fast with 2,000 of them: each row is built once, and only its changes are written. Rows are in
// chunks, of which those out of view are neither styled nor laid out, and are written a few milliseconds at a time.
// Chunks stand below the heading of their section if the rows are grouped.

import { putInOrder } from "./dom.js?v=HASH";
import { haystack } from "./filter.js?v=HASH";
import { dress, write } from "./row.js?v=HASH";
import { Section, sectionsOf } from "./sections.js?v=HASH";
import { inView, onEnter, watch } from "./time.js?v=HASH";
import { RANK, urgent } from "./words.js?v=HASH";

const CHUNK = 8, SLICE = 6; // rows; milliseconds

const inOrder = (a, b) => urgent(b) - urgent(a) || RANK[a.standing] - RANK[b.standing] || (a.id < b.id ? -1 : Number(a.id > b.id));

export class Rows {
  #table;
  #template;
  #entries = new Map();
  #chunks = [];
  #sections = new Map();
  #by = "";
  #passes = () => true;
  #narrowed = false;
  #unwritten = [];
  #writing = 0;

  constructor(table, template) {
    this.#table = table;
    this.#template = template;
    table.addEventListener("click", ({ target }) => {
      const heading = target.closest("button.heading");
      if (!heading) return;
      this.#sections.get(heading.dataset.name).toggle();
      this.show(this.#passes, this.#narrowed);
    });
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
    if (!before || inOrder(before, row) !== 0) this.#rearrange();
    write(entry);
  }

  remove(id) {
    const entry = this.#entries.get(id);
    if (entry) this.#drop(id, entry);
  }

  /** Group the rows by an attribute or a label (`sections.js`); empty: do not. */
  group(by) {
    if (by === this.#by) return;
    this.#by = by;
    for (const { node } of this.#sections.values()) node.remove();
    this.#sections = new Map();
    this.#rearrange();
  }

  /** Show only the rows that pass; returns their number. `narrowed`: whether some may not pass. */
  show(passes, narrowed) {
    this.#passes = passes;
    this.#narrowed = narrowed;
    for (const section of this.#sections.values()) section.begin(narrowed);
    const shown = this.#chunks.reduce((sum, chunk) => sum + this.#sift(chunk), 0);
    for (const section of this.#sections.values()) section.end();
    return shown;
  }

  /** Hide the rows that do not pass, or the whole chunk if none does or its section is closed. */
  #sift(chunk) {
    const { section } = chunk;
    const passed = chunk.entries.map((entry) => this.#passes(entry.row, () => haystackOf(entry)));
    const shown = passed.filter(Boolean).length;
    if (section) chunk.entries.forEach((entry, index) => passed[index] && section.count(entry.row));
    const height = section && !section.open ? 0 : shown;
    if (chunk.height !== height) {
      chunk.height = height;
      chunk.node.hidden = height === 0;
      chunk.node.style.setProperty("--rows", height); // its approximate height while it is out of view
    }
    if (height) {
      chunk.entries.forEach((entry, index) => {
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
    for (const chunk of this.#chunks) chunk.entries = chunk.entries.filter((each) => each !== entry);
  }

  #rearrange() {
    this.#arrange([...this.#entries.values()].sort((a, b) => inOrder(a.row, b.row)));
  }

  /** Put rows in order with few moves, and keep the focus. */
  #arrange(entries) {
    const focused = this.#table.contains(document.activeElement) ? document.activeElement : null;
    const old = this.#chunks;
    this.#chunks = [];
    const bodies = [];
    for (const [name, members] of sectionsOf(entries, this.#by)) {
      const section = this.#by ? this.#section(name) : null;
      if (section) {
        section.wrong = urgent(members[0].row);
        bodies.push(section.node);
      }
      for (let start = 0; start < members.length; start += CHUNK) {
        const chunk = old.shift() ?? this.#chunk();
        chunk.section = section;
        chunk.entries = members.slice(start, start + CHUNK);
        bodies.push(chunk.node);
        putInOrder(chunk.node, chunk.entries.map(({ node }) => node));
        this.#chunks.push(chunk);
      }
    }
    putInOrder(this.#table, bodies, this.#table.querySelector("tbody"));
    for (const { node } of old) node.remove();
    this.show(this.#passes, this.#narrowed);
    if (focused && focused !== document.activeElement) focused.focus({ preventScroll: true });
  }

  #section(name) {
    if (!this.#sections.has(name)) this.#sections.set(name, new Section(name));
    return this.#sections.get(name);
  }

  #chunk() {
    const node = document.createElement("tbody");
    node.setAttribute("role", "rowgroup");
    const chunk = { node, section: null, entries: [], height: -1 };
    onEnter(node, () => chunk.entries.forEach(dress));
    watch(node);
    return chunk;
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
