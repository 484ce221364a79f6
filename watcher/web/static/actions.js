// What a person can do about a target or an endpoint: open AWS's console, copy a command, mute it, acknowledge its
// incident. Buttons carry what they are for in `data-do`; one listener serves them all.

import { byId, el, isolated, setText } from "./dom.js?v=HASH";

const TOAST_MS = 6_000;

/** A word of a shell's command line. */
const quoted = (text) => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

/** The commands about a subject, by what they do. */
export function commandsOf({ id, kind, name, region, incident }) {
  const commands = {
    "Show its events": eventsOf(id),
    "Mute it for two hours": `watcher mute ${quoted(id)} --for 2h --reason ${quoted("planned work")}`,
  };
  if (incident) commands["Acknowledge its incident"] = `watcher ack ${quoted(incident.id)}`;
  if (kind === "stack") {
    commands["Show the stack's events"] =
      `aws cloudformation describe-stack-events --stack-name ${quoted(name)} --region ${quoted(region)}`;
  }
  return commands;
}

/** The controls at the end of a row: the console, the command that lists its events, and the rest in a menu. */
export function actButtons(row) {
  const named = (title, label, more) => ({ class: "icon", title, "aria-label": `${label} ${row.title}`, ...more });
  const command = { "data-do": "copy", "data-text": eventsOf(row.id), type: "button" };
  const menu = { "data-do": "menu", "data-id": row.id, type: "button", "aria-haspopup": "true" };
  return [
    row.console_url && el("a", named("AWS console", "AWS console of", outward(row.console_url)), "\u2197\ufe0e"),
    el("button", named("Copy the command that shows its events", "Copy the command that shows the events of", command), ">_"),
    el("button", named("More", "More about", menu), "\u22ef"),
  ].filter(Boolean);
}

/** The attributes of a link to another site, which the daemon made. */
const outward = (href) => ({ href, rel: "noreferrer noopener" });

const eventsOf = (id) => `watcher events --target ${quoted(id)}`;

/** The same controls in words, where there is room for them. */
export function wordButtons(subject, writable) {
  return [
    writable && subject.incident && !subject.incident.acknowledged && button("Acknowledge", "ack", subject),
    writable && button("Mute", "mute", subject),
    subject.console_url && el("a", { class: "plain", ...outward(subject.console_url) }, "Console"),
    button("More", "menu", subject, "More about"),
  ].filter(Boolean);
}

const button = (word, what, { id, title }, label = word) =>
  el("button", { type: "button", class: "plain", "data-do": what, "data-id": id, "aria-label": `${label} ${title}` }, word);

/** Show a short message at the edge of the window. */
export function toast(text) {
  setText(byId("toast"), text);
  clearTimeout(toast.timer);
  toast.timer = setTimeout(() => setText(byId("toast"), ""), TOAST_MS);
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    if (!copiedBySelection(text)) return toast(`The browser does not allow copying. The command is: ${text}`);
  }
  toast(`Copied: ${text}`);
}

/** Copy as browsers do without the clipboard API, which they have on HTTPS and localhost only. */
function copiedBySelection(text) {
  const field = el("textarea", { class: "unseen", readonly: true, tabindex: "-1" });
  field.value = text;
  const focused = document.activeElement;
  (focused?.closest("dialog, [popover]") ?? document.body).append(field);
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  focused?.focus({ preventScroll: true });
  return done;
}

/** The menu of a subject, below the button that opens it. */
function openMenu(opener, subject, writable) {
  const menu = byId("menu");
  menu.querySelector("#menu-title").replaceChildren(isolated(subject.title));
  const items = Object.entries(commandsOf(subject)).map(([word, text]) =>
    el("button", { type: "button", "data-do": "copy", "data-text": text }, el("span", {}, `${word}: copy`), el("code", {}, text)));
  menu.querySelector("ul").replaceChildren(
    ...[
      writable && button("Mute", "mute", subject),
      writable && subject.incident && !subject.incident.acknowledged && button("Acknowledge", "ack", subject),
      subject.console_url && el("a", outward(subject.console_url), "Open the AWS console"),
      ...items,
    ].filter(Boolean).map((each) => el("li", {}, each)),
  );
  menu.showPopover();
  const at = opener.getBoundingClientRect(), size = menu.getBoundingClientRect();
  const below = at.bottom + size.height + 8 < innerHeight;
  menu.style.left = `${Math.max(8, Math.min(at.right - size.width, innerWidth - size.width - 8))}px`;
  menu.style.top = `${Math.max(8, below ? at.bottom + 4 : at.top - size.height - 4)}px`;
  menu.querySelector("a, button").focus();
  const close = ({ newState }) => {
    if (newState !== "closed") return;
    menu.removeEventListener("toggle", close);
    if (document.activeElement === document.body || menu.contains(document.activeElement)) opener.focus({ preventScroll: true });
  };
  menu.addEventListener("toggle", close);
}

/** Serve all buttons. `find`: the row or endpoint of an id; `by`: has `writable`, `mute(subject)`, `acknowledge(subject)`. */
export function serveActions(find, by) {
  document.addEventListener("click", ({ target }) => {
    const pressed = target.closest?.("[data-do]");
    if (!pressed) {
      if (target.closest?.("#menu a")) byId("menu").hidePopover();
      return;
    }
    const { do: what, id, text } = pressed.dataset;
    const subject = id && find(id);
    if (what === "menu" && subject) return openMenu(pressed, subject, by.writable);
    if (byId("menu").contains(pressed)) byId("menu").hidePopover();
    if (what === "copy") copy(text);
    else if (what === "mute" && subject) by.mute(subject);
    else if (what === "ack" && subject) by.acknowledge(subject);
    else if (what === "unmute") by.unmute(id);
  });
}
