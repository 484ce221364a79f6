// The overview: the status chips, the filter and the table; the headline gets the rows from here.

import { byId, el, setText, shape } from "./dom.js?v=HASH";
import { NONE, narrows, read, test, write } from "./filter.js?v=HASH";
import { within } from "./paths.js?v=HASH";
import { Rows } from "./rows.js?v=HASH";
import { ATTRIBUTES } from "./sections.js?v=HASH";
import { STANDINGS, number, plural } from "./words.js?v=HASH";

const KEEP_MS = 150; // the pause in typing after which the filter is written to the URL

export class Overview {
  #headline;
  #rows = new Rows(byId("table"), byId("row"));
  #form = byId("filters");
  #filter = read(location.search);
  #place = "";
  #loaded = false;
  #asked = 0;
  #keeping = 0;

  /** How many targets have each status; null until they are loaded. */
  counts = null;

  constructor(headline) {
    this.#headline = headline;
    this.#choices([]);
    this.#form.addEventListener("submit", (event) => event.preventDefault());
    this.#form.addEventListener("input", (event) => this.#chose(event.target));
    this.#form.addEventListener("reset", (event) => {
      event.preventDefault();
      this.#set(NONE);
      this.#form.elements.text.focus();
    });
    byId("standings").addEventListener("click", (event) => {
      const chip = event.target.closest("button");
      if (chip) this.#set({ status: chip.dataset.status === this.#filter.status ? "" : chip.dataset.status });
    });
    byId("chosen").addEventListener("click", (event) => {
      const chip = event.target.closest("button");
      if (!chip) return;
      this.#set({ label: this.#filter.label.filter((pair) => pair !== chip.dataset.pair) });
      this.#form.elements.label.focus();
    });
  }

  get known() {
    return this.#loaded;
  }

  row(id) {
    return this.#rows.row(id);
  }

  /** All targets, from /api/targets. */
  replace(rows) {
    this.#loaded = true;
    this.#rows.replace(rows);
    this.#changed();
  }

  /** One target, from /api/targets/<id>. */
  patch(row) {
    if (!this.#loaded) return;
    this.#rows.patch(row);
    this.#changed();
  }

  /** Remove a target that is no longer configured. */
  remove(id) {
    this.#rows.remove(id);
    this.#changed();
  }

  /** Set the place of the configuration, which an empty page shows. */
  configured(place) {
    this.#place = place;
    if (this.#loaded) this.#nothing();
  }

  /** Read the filter from the URL. */
  readAddress() {
    this.#filter = read(location.search);
    this.#write();
    this.#apply();
  }

  /** Write the filter to the URL, after a pause in typing or before navigation. */
  keepFilter() {
    if (!this.#keeping) return;
    clearTimeout(this.#keeping);
    this.#keeping = 0;
    if (within(location)) return; // the user has navigated back meanwhile
    history.replaceState(history.state, "", location.pathname + write(this.#filter) + location.hash);
  }

  #chose(control) {
    if (control.name === "label") {
      if (control.value) this.#set({ label: [...this.#filter.label, control.value] });
    } else this.#set({ [control.name]: control.value });
  }

  /** Change the filter. The table follows once with the next frame, however fast the user types. */
  #set(change) {
    this.#filter = { ...this.#filter, ...change };
    if (this.#asked) return;
    this.#asked = requestAnimationFrame(() => {
      this.#asked = 0;
      clearTimeout(this.#keeping);
      this.#keeping = setTimeout(() => this.keepFilter(), KEEP_MS);
      this.#write();
      this.#apply();
    });
  }

  #changed() {
    const rows = this.#rows.all;
    const counts = Object.fromEntries(Object.keys(STANDINGS).map((standing) => [standing, 0]));
    for (const row of rows) counts[row.standing] += 1;
    this.counts = counts;
    this.#headline.targets(rows, counts);
    this.#chips(counts, rows.length);
    this.#choices(rows);
    this.#write();
    this.#apply();
  }

  #apply() {
    if (!this.#loaded) return;
    this.#rows.group(this.#filter.group);
    const filtered = narrows(this.#filter);
    const shown = this.#rows.show(test(this.#filter), filtered);
    const all = this.#rows.all.length;
    setText(byId("shown"), filtered ? `${number(shown)} of ${plural(all, "target")}` : plural(all, "target"));
    byId("clear").hidden = !filtered;
    byId("table").hidden = shown === 0;
    byId("none").hidden = shown > 0;
    this.#nothing();
  }

  #nothing() {
    const some = this.#rows.all.length > 0;
    const place = this.#place ? ` in ${this.#place}` : "";
    setText(byId("none"), some ? "No target matches this filter." : `No targets are configured${place}. Add stacks or other targets there.`);
  }

  #chips(counts, all) {
    const chip = (status, word, count) => {
      const found = byId("standings").querySelector(`[data-status="${status}"]`);
      const node =
        found ??
        el("button", { type: "button", "data-status": status, "data-standing": status, "aria-pressed": "false" },
          status ? shape(status) : null, el("span", { class: "count" }), ` ${word}`);
      setText(node.querySelector(".count"), number(count));
      node.hidden = count === 0 && status !== "" && status !== this.#filter.status;
      if (!found) byId("standings").append(node);
    };
    chip("", "in total", all);
    for (const [standing, word] of Object.entries(STANDINGS)) chip(standing, word.toLowerCase(), counts[standing]);
  }

  /** Offer the values that targets have, and those that are chosen though no target has them. */
  #choices(rows) {
    const { account, kind, label, group } = this.#form.elements;
    offer(account, [...rows.map((row) => row.account), this.#filter.account]);
    offer(kind, [...rows.map((row) => row.kind), this.#filter.kind]);
    offer(label, rows.flatMap((row) => Object.entries(row.labels).map((pair) => pair.join("="))));
    const labels = [...new Set(rows.flatMap((row) => Object.keys(row.labels)))].sort().map((name) => `label:${name}`);
    offer(group, [...Object.keys(ATTRIBUTES), ...labels, this.#filter.group], { "": "nothing", ...ATTRIBUTES });
  }

  /** Write the filter to its controls. */
  #write() {
    const { text, account, kind, label, group } = this.#form.elements;
    if (text.value !== this.#filter.text) text.value = this.#filter.text;
    account.value = this.#filter.account;
    kind.value = this.#filter.kind;
    label.value = "";
    group.value = this.#filter.group;
    for (const chip of byId("standings").children) {
      chip.setAttribute("aria-pressed", String(chip.dataset.status === this.#filter.status));
    }
    const pairs = [...byId("chosen").children].map((chip) => chip.dataset.pair);
    if (pairs.join("\n") === this.#filter.label.join("\n")) return;
    byId("chosen").replaceChildren(
      ...this.#filter.label.map((pair) =>
        el("button", { type: "button", "data-pair": pair, "aria-label": `Remove the label ${pair}` }, el("bdi", {}, pair), " ×"),
      ),
    );
  }
}

/** Set the options of a control to these values; `words` has the names of those whose value is not their name. */
function offer(select, values, words = { "": "any" }) {
  const options = ["", ...[...new Set(values.filter(Boolean))].sort()];
  if (options.length === select.options.length && options.every((each, index) => select.options[index].value === each)) return;
  const chosen = select.value;
  select.replaceChildren(...options.map((each) => el("option", { value: each }, words[each] ?? each.replace(/^label:/, "label "))));
  select.value = chosen;
}
