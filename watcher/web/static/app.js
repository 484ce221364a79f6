// The page: which part of it the address asks for, and when the daemon is asked again.

import { Refused, Stream, ask, contact } from "./daemon.js?v=HASH";
import { el, keyed, moment, say, told } from "./dom.js?v=HASH";
import { decoded } from "./filter.js?v=HASH";
import { Overview } from "./overview.js?v=HASH";
import { dataOf, targetOf, within } from "./paths.js?v=HASH";
import { Events, showEndpoints, showLive, showSinks } from "./panels.js?v=HASH";
import { TargetPage } from "./target.js?v=HASH";
import { ago, hour, inZones, tick, watch } from "./time.js?v=HASH";
import { ATTENTION, eventTitle, eventWords, plural } from "./words.js?v=HASH";

const EVERY = 10_000;
const SOONER = 2_000; // while it cannot be reached, or has not seen everything yet
const BURST = 250;
const MANY = 8;
const SHARED = 1_200;
const SAY_EVERY = 5_000;
const NAME = "watcher";

const byId = (id) => document.getElementById(id);

const overview = new Overview();
const targetPage = new TargetPage(byId("target"));
const events = new Events();
let opened = null; // the id of the target whose page is shown
let cameFrom = null; // the link that opened it
let scrolled = 0; // where the overview was then
let counts = null;
let run = null; // when the daemon was started
let next = 0;

const stream = new Stream({
  last: () => events.last,
  open: (yes) => {
    showLive(yes);
    if (!yes) soon(0);
  },
  config: () => soon(0),
  event: (number, event) => {
    arrived(events.add([{ number, event }]));
    touched(event.subject);
  },
});

// Asking again

/** Ask for everything that is shown, and again later. Whatever fails is tried again with the rest. */
async function refresh() {
  clearTimeout(next);
  const asked = [showStatus(), opened ? showTarget(opened) : showOverview()];
  await Promise.allSettled(asked);
  showContact();
  if (!document.hidden) soon(contact.lost || counts?.not_seen ? SOONER : EVERY);
}

function soon(milliseconds) {
  clearTimeout(next);
  next = setTimeout(refresh, milliseconds);
}

const all = (path, show) => ask(path).then(show);

async function showOverview() {
  await Promise.all([
    all("api/targets", ({ targets }) => overview.replace(targets)),
    all("api/endpoints", ({ endpoints }) => showEndpoints(endpoints)),
    all("api/sinks", ({ sinks }) => {
      showSinks(sinks);
      overview.sinks(sinks);
    }),
    listen(),
  ]);
  title();
}

/** Hear of events from the last one on that is known; the last ones before are asked for. */
async function listen() {
  if (!stream.on) {
    const { events: before } = await ask("api/events?limit=50");
    events.add(before);
    stream.start();
  }
}

async function showTarget(id) {
  try {
    const [row] = await Promise.all([ask(dataOf(id)), listen()]);
    overview.patch(row);
    if (opened !== id) return;
    targetPage.show(row);
    title(row.title);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    if (overview.row(id)) overview.remove(id);
    if (opened === id) targetPage.missing();
  }
}

const changed = new Set();
let gathering = 0;

/** Something happened to a target: look at it anew, with whatever else happens just now. */
function touched(subject) {
  if (!overview.known && subject !== opened) return;
  changed.add(subject);
  gathering ||= setTimeout(lookAgain, BURST);
}

async function lookAgain() {
  const subjects = [...changed];
  changed.clear();
  const known = subjects.every((id) => id === opened || overview.row(id));
  if (known && subjects.length <= MANY) {
    await Promise.allSettled(subjects.map(showTarget));
    showContact();
    title();
  } else {
    await new Promise((done) => setTimeout(done, SHARED)); // what is told of all may be that old
    await refresh();
  }
  gathering = changed.size ? setTimeout(lookAgain, BURST) : 0;
}

// What is said beside the targets

async function showStatus() {
  const status = await ask("api/status");
  if (run && run !== status.started_at) startAnew();
  run = status.started_at;
  counts = status.counts;
  keyed(byId("run"), [[status.version, status.started_at]], () => "run", ([version, started]) =>
    el("span", {}, el("span", {}, `version ${version}`), " · ", el("span", {}, "runs ", moment("since", started))));
  watch(byId("run"));
  notice("trouble", status.watcher.live ? null : "The daemon makes no progress", status.watcher.live ? [] : status.watcher.reasons);
  const { faults, restart_for: keys, tried_at: tried, place } = status.config;
  notice("faults", faults.length ? `The configuration that was read at ${hour(Date.parse(tried))} is wrong; the one before it stays in force` : null, faults, Date.parse(tried));
  notice("restart", keys.length ? "New values of these keys hold from the next start on" : null, keys);
  overview.configured(place);
  title();
}

/** Another run of the daemon: its events may be others. */
function startAnew() {
  stream.stop();
  events.clear();
  listen().catch(() => {}); // the next refresh tries again
}

/**
 * One notice: its headline (null: none), its lines, and the time that the headline names. Updated only when it changes,
 * since screen readers read it aloud.
 */
function notice(id, headline, lines, at = null) {
  const box = byId(id);
  const form = headline && JSON.stringify([headline, lines]);
  if ((box.dataset.form ?? null) === (form || null)) return;
  if (form) box.dataset.form = form;
  else delete box.dataset.form;
  box.replaceChildren(...(headline ? [el("p", {}, el("strong", { title: at && inZones(at) }, headline), lines.length ? ":" : "."), list(lines)] : []));
}

const list = (lines) => (lines.length ? el("ul", {}, lines.map((line) => el("li", { dir: "auto" }, told(line)))) : "");

function showContact() {
  const { lost, answered, why } = contact;
  const from = answered ? ` What is shown is from ${hour(answered)}.` : "";
  notice("lost", lost ? `No connection to the daemon since ${hour(lost)}: ${why}.${from} It is tried again by itself` : null, [], lost);
  document.body.classList.toggle("stale", Boolean(lost));
}

const unsaid = [];
let saying = 0;

/** Tell of new events aloud: the last of them, and how many there were, not more often than one can listen. */
function arrived(fresh) {
  unsaid.push(...fresh);
  if (saying || !unsaid.length) return;
  const speak = () => {
    saying = 0;
    const count = unsaid.length;
    if (!count) return;
    const { event } = unsaid.splice(0).at(-1);
    const last = `${eventTitle(event)}: ${eventWords(event).word}`;
    say(byId("said"), count === 1 ? last : `${plural(count, "new event")}; the last: ${last}`);
    saying = setTimeout(speak, SAY_EVERY);
  };
  saying = setTimeout(speak, BURST);
}

function title(name = opened && overview.row(opened)?.title) {
  const current = opened ? counts : (overview.counts ?? counts);
  const wrong = current ? ATTENTION.reduce((sum, each) => sum + (current[each] ?? 0), 0) : 0;
  if (opened && !name) return;
  const text = [wrong ? `(${wrong})` : "", opened ? `${name} ·` : "", NAME].filter(Boolean).join(" ");
  if (document.title !== text) document.title = text;
}

// Which part is shown

function route({ focus = true } = {}) {
  const id = targetOf(within(location));
  const same = id === opened;
  opened = id;
  byId("overview").hidden = id !== null;
  byId("target").hidden = id === null;
  if (id === null) overview.readAddress();
  if (same) return;
  if (id === null) comeBack(focus);
  else {
    targetPage.open(id);
    title(decoded(id.split("/").at(-1)));
    if (focus) window.scrollTo(0, 0);
    if (focus) byId("target").querySelector("h1").focus({ preventScroll: true });
  }
  soon(0);
}

function comeBack(focus) {
  title();
  if (!focus) return;
  window.scrollTo(0, scrolled);
  const place = cameFrom?.isConnected ? cameFrom : byId("answer");
  place.focus({ preventScroll: true });
}

document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[href]:not([href^='#'])");
  if (!link || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  const path = within(link);
  if (path !== "" && targetOf(path) === null) return;
  event.preventDefault();
  overview.keepFilter();
  if (link.dataset.back !== undefined && history.state?.inside) return history.back();
  if (!opened && path) {
    cameFrom = link;
    scrolled = window.scrollY;
  }
  if (link.href !== location.href) history.pushState({ inside: true }, "", link.getAttribute("href"));
  route();
});

window.addEventListener("popstate", () => route());
window.addEventListener("pagehide", () => overview.keepFilter());
document.addEventListener("visibilitychange", () => {
  if (document.hidden) {
    stream.stop();
    clearTimeout(next);
  } else refresh();
});

// Made absolute: they are relative to the URL that the page was opened at, which changes with navigation.
for (const link of document.querySelectorAll("[href^='.']:not([rel=stylesheet])")) link.setAttribute("href", link.href);

history.scrollRestoration = "manual";
setInterval(() => {
  tick();
  if (contact.answered) say(byId("fresh"), `, answered ${ago((Date.now() - contact.answered) / 1000)}`);
}, 1_000);
showLive(false);
route({ focus: false });
refresh();
