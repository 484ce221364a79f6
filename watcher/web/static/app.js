// The page: which part of it the URL selects, and when data is loaded again.

import { serveActions } from "./actions.js?v=HASH";
import { Refused, Stream, load, contact } from "./daemon.js?v=HASH";
import { byId, el, keyed, moment, setText } from "./dom.js?v=HASH";
import { decoded } from "./filter.js?v=HASH";
import { Forms } from "./forms.js?v=HASH";
import { Headline } from "./headline.js?v=HASH";
import { showMutes } from "./mutes.js?v=HASH";
import { announce, notice, showContact } from "./notices.js?v=HASH";
import { Overview } from "./overview.js?v=HASH";
import { dataOf, targetOf, within } from "./paths.js?v=HASH";
import { Events, showEndpoints, showHints, showListings, showLive, showSinks } from "./panels.js?v=HASH";
import { TargetPage } from "./target.js?v=HASH";
import { ago, hour, tick, watch } from "./time.js?v=HASH";
import { ATTENTION } from "./words.js?v=HASH";

const REFRESH_MS = 10_000;
const QUICK_REFRESH_MS = 2_000; // while the daemon cannot be reached, or has not seen every target yet
const BURST_MS = 250; // targets with events within this time are loaded together
const MAX_SINGLE = 8; // targets that are loaded one by one; more are loaded with all
const OVERVIEW_AGE_MS = 1_200; // how old the response with all targets may be
const NAME = "watcher";

const headline = new Headline();
const overview = new Overview(headline);
const forms = new Forms(() => refreshIn(OVERVIEW_AGE_MS)); // until then the response may be older than the change
const targetPage = new TargetPage(byId("target"));
const events = new Events();
let opened = null; // the id of the target whose page is shown
let openedBy = null; // the link that opened it
let scrolled = 0; // the scroll position of the overview then
let counts = null;
let run = null; // when the daemon was started
let next = 0;

const stream = new Stream({
  last: () => events.last,
  open: (yes) => {
    showLive(yes);
    if (!yes) refreshIn(0);
  },
  config: () => refreshIn(0),
  event: (number, event) => {
    announce(events.add([{ number, event }]));
    touched(event.subject);
  },
});

// Loading

/** Load everything that is shown, and again later, which also retries what failed. */
async function refresh() {
  clearTimeout(next);
  const asked = [showStatus(), opened ? showTarget(opened) : showOverview()];
  await Promise.allSettled(asked);
  showContact();
  if (!document.hidden) refreshIn(contact.lost || counts?.not_seen ? QUICK_REFRESH_MS : REFRESH_MS);
}

function refreshIn(milliseconds) {
  clearTimeout(next);
  next = setTimeout(refresh, milliseconds);
}

const all = (path, show) => load(path).then(show);

async function showOverview() {
  await Promise.all([
    all("api/targets", ({ targets }) => overview.replace(targets)),
    all("api/endpoints", ({ endpoints }) => {
      showEndpoints(endpoints);
      headline.endpoints(endpoints);
    }),
    all("api/listings", ({ listings }) => {
      showListings(listings);
      headline.listings(listings);
    }),
    all("api/hints", ({ hints }) => {
      showHints(hints);
      headline.hints(hints);
    }),
    all("api/sinks", ({ sinks }) => {
      showSinks(sinks);
      headline.sinks(sinks);
    }),
    all("api/mutes", ({ mutes }) => showMutes(mutes, forms.writable)),
    listen(),
  ]);
  title();
}

/** Load the latest events, and open the stream for those that follow. */
async function listen() {
  if (!stream.on) {
    const { events: before } = await load("api/events?limit=50");
    events.add(before);
    stream.start();
  }
}

async function showTarget(id) {
  try {
    const [row] = await Promise.all([load(dataOf(id)), listen()]);
    overview.patch(row);
    if (opened !== id) return;
    targetPage.show(row, forms.writable);
    title(row.title);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    if (overview.row(id)) overview.remove(id);
    if (opened === id) targetPage.missing();
  }
}

const changed = new Set();
let gathering = 0;

/** Load a target again after an event, together with others that have events now. */
function touched(subject) {
  if (!overview.known && subject !== opened) return;
  changed.add(subject);
  gathering ||= setTimeout(refreshChanged, BURST_MS);
}

async function refreshChanged() {
  const subjects = [...changed];
  changed.clear();
  const known = subjects.every((id) => id === opened || overview.row(id));
  if (known && subjects.length <= MAX_SINGLE) {
    await Promise.allSettled(subjects.map(showTarget));
    showContact();
    title();
  } else {
    await new Promise((done) => setTimeout(done, OVERVIEW_AGE_MS)); // until then the response may be older than the event
    await refresh();
  }
  gathering = changed.size ? setTimeout(refreshChanged, BURST_MS) : 0;
}

// The daemon's status

async function showStatus() {
  const status = await load("api/status");
  if (run && run !== status.started_at) reconnect();
  run = status.started_at;
  counts = status.counts;
  keyed(byId("run"), [[status.version, status.started_at]], () => "run", ([version, started]) =>
    el("span", {}, el("span", {}, `version ${version}`), " · ", el("span", {}, "running ", moment("since", started))));
  watch(byId("run"));
  notice("trouble", status.watcher.live ? null : "The daemon makes no progress", status.watcher.live ? [] : status.watcher.reasons);
  const { faults, restart_for: keys, tried_at: tried, kept_at: kept, place } = status.config;
  const refused = kept
    ? `The configuration could not be read; the copy kept at ${hour(Date.parse(kept))} is in effect`
    : `The configuration read at ${hour(Date.parse(tried))} is invalid; the previous one stays in effect`;
  notice("faults", faults.length ? refused : null, faults, Date.parse(tried));
  notice("restart", keys.length ? "New values of these keys take effect at the next start" : null, keys);
  forms.writable = status.writable;
  headline.allow(forms.writable);
  overview.configured(place);
  title();
}

/** The daemon was restarted, and may have other events. */
function reconnect() {
  stream.stop();
  events.clear();
  listen().catch(() => {}); // the next refresh tries again
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
  if (id === null) returnToOverview(focus);
  else {
    targetPage.open(id);
    title(decoded(id.split("/").at(-1)));
    if (focus) window.scrollTo(0, 0);
    if (focus) byId("target").querySelector("h1").focus({ preventScroll: true });
  }
  refreshIn(0);
}

function returnToOverview(focus) {
  title();
  if (!focus) return;
  window.scrollTo(0, scrolled);
  const place = openedBy?.isConnected ? openedBy : byId("answer");
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
    openedBy = link;
    scrolled = window.scrollY;
  }
  if (link.href !== location.href) history.pushState({ inside: true }, "", link.getAttribute("href"));
  route();
});

serveActions((id) => (id === opened ? targetPage.row : overview.row(id) ?? headline.endpoint(id)), forms);
window.addEventListener("popstate", () => route());
window.addEventListener("pagehide", () => overview.keepFilter());
document.addEventListener("visibilitychange", () => {
  if (document.hidden) {
    stream.stop();
    clearTimeout(next);
  } else refresh();
});

// Make relative links absolute, since navigation changes the URL that they are relative to.
for (const link of document.querySelectorAll("[href^='.']:not([rel=stylesheet])")) link.setAttribute("href", link.href);

history.scrollRestoration = "manual";
setInterval(() => {
  tick();
  if (contact.answered) setText(byId("fresh"), `, updated ${ago((Date.now() - contact.answered) / 1000)}`);
}, 1_000);
showLive(false);
route({ focus: false });
refresh();
