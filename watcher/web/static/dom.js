// Elements from values, as text only: nothing from AWS is ever read as markup.

const SVG = "http://www.w3.org/2000/svg";

/** An element with attributes (false and null: left out) and children (texts and nodes; what is empty or false: left out). */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child || child === 0));
  return node;
}

/** A text of AWS or of a user: isolated, so that its direction does not turn what stands beside it. */
export const told = (text) => el("bdi", {}, String(text));

/** The shape of a standing: says by form what colour says as well. The word always stands beside it. */
export function shape(standing) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "shape");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#shape-${standing}`);
  svg.append(use);
  return svg;
}

/** Shape and word. */
export const mark = (standing, word) =>
  el("span", { class: "standing", "data-standing": standing }, shape(standing), el("span", { class: "word" }, word));

/** A link to another site, where it is one that is safe to follow; else the text alone. */
export function outward(url, ...children) {
  if (typeof url !== "string" || !url.startsWith("https://")) return el("span", {}, ...children);
  return el("a", { href: url, rel: "noreferrer noopener" }, ...children);
}

/** The first seven characters of a commit, linked where its repository has a page for it. */
export function commit(sha, url) {
  if (!sha) return el("span", { class: "dim" }, "no commit");
  return outward(url, el("code", { title: sha }, told(sha.slice(0, 7))));
}

/** A moment, whose text the ticker keeps (see `time.js`); `none` where there is no moment. */
export const moment = (is, iso, none = "") => el("time", { "data-is": is, datetime: iso ?? null }, iso ? "" : none);

const kept = new WeakMap();

/**
 * Let `list` have one node for each item, in order. What did not change is left alone, so that focus, an open
 * `details` and a reader's place survive. Tells which nodes are new.
 */
export function keyed(list, items, keyOf, build) {
  const before = kept.get(list) ?? new Map();
  const after = new Map();
  const fresh = [];
  for (const item of items) {
    const key = String(keyOf(item));
    const form = JSON.stringify(item);
    const old = before.get(key);
    if (old?.form === form) {
      after.set(key, old);
      continue;
    }
    const node = build(item);
    fresh.push(node);
    if (old) inherit(old.node, node);
    after.set(key, { form, node });
  }
  for (const [key, { node }] of before) if (after.get(key)?.node !== node) node.remove();
  let cursor = list.firstElementChild;
  for (const { node } of after.values()) {
    if (node === cursor) cursor = cursor.nextElementSibling;
    else list.insertBefore(node, cursor);
  }
  kept.set(list, after);
  return fresh;
}

function inherit(old, node) {
  const folds = node.querySelectorAll("details");
  old.querySelectorAll("details").forEach((fold, index) => folds[index] && (folds[index].open = fold.open));
  if (!old.contains(document.activeElement)) return;
  const tag = document.activeElement.localName;
  const place = [...old.querySelectorAll(tag)].indexOf(document.activeElement);
  queueMicrotask(() => node.querySelectorAll(tag)[place]?.focus({ preventScroll: true }));
}

/** Change a text only where it differs, so that nothing is laid out, or read aloud, for nothing. */
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}
