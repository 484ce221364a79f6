// Creates elements from values, as text only: nothing from AWS is parsed as markup.

const SVG = "http://www.w3.org/2000/svg";

export const byId = (id) => document.getElementById(id);

/** An element with attributes (not for false and null) and children (texts and nodes, not for empty and false ones). */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child || child === 0));
  return node;
}

/** An element of an SVG, with attributes and children. */
export function svg(tag, attributes, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

/** A text of AWS or of a user, isolated so that its direction does not affect the texts beside it. */
export const isolated = (text) => el("bdi", {}, String(text));

/** The icon of a status, which differs in shape as well as in colour. Its name always stands beside it. */
export function shape(standing) {
  return svg("svg", { class: "shape", "aria-hidden": "true" }, svg("use", { href: `#shape-${standing}` }));
}

/** Icon and name of a status. */
export const mark = (standing, word) =>
  el("span", { class: "standing", "data-standing": standing }, shape(standing), el("span", { class: "word" }, word));

/** A link to another site if it is https, else the text alone. */
export function externalLink(url, ...children) {
  if (typeof url !== "string" || !url.startsWith("https://")) return el("span", {}, ...children);
  return el("a", { href: url, rel: "noreferrer noopener" }, ...children);
}

/** The first seven characters of a commit, linked if its page is known. */
export function commit(sha, url) {
  if (!sha) return el("span", { class: "dim" }, "no commit");
  return externalLink(url, el("code", { title: sha }, isolated(sha.slice(0, 7))));
}

/** A time, whose text `time.js` updates; `none` is shown if there is no time. */
export const moment = (is, iso, none = "") => el("time", { "data-is": is, datetime: iso ?? null }, iso ? "" : none);

/** Put nodes into `host` in this order from `cursor` on, with few moves. */
export function putInOrder(host, nodes, cursor = host.firstElementChild) {
  for (const node of nodes) {
    if (node === cursor) cursor = cursor.nextElementSibling;
    else host.insertBefore(node, cursor);
  }
}

const kept = new WeakMap();

/**
 * Update `list` to one node for each item, in order; returns the new nodes. Unchanged items keep their nodes, so that
 * focus, an open `details` and the scroll position stay.
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
  putInOrder(list, [...after.values()].map(({ node }) => node));
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

/** Set a text if it differs, so that nothing is laid out, or read aloud, without need. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}
