// Relative times, by the daemon's clock, updated while they are in view.

let ahead = 0;

/** Set the clock to the daemon's time. */
export function setClock(iso) {
  ahead = Date.parse(iso) - Date.now();
}

/** Milliseconds since 1970 by the daemon's clock. */
export const now = () => Date.now() + ahead;

/** A duration in one unit. */
export function span(seconds) {
  if (seconds < 1) return `${Math.round(seconds * 10) / 10} s`;
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 129600) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} d`;
}

/** A time in the past. */
export const ago = (seconds) => (seconds < 1 ? "just now" : `${span(seconds)} ago`);

/** A time as `2026-11-23 08:00:00 UTC`, the form that watcher shows everywhere. */
const utc = (milliseconds) => `${new Date(milliseconds).toISOString().slice(0, 19).replace("T", " ")} UTC`;

/** The time of day in UTC, with the date unless that is today. */
export function hour(milliseconds) {
  const [day, ...time] = utc(milliseconds).split(" ");
  return (utc(now()).startsWith(day) ? time : [day, ...time]).join(" ");
}

const { timeZone } = Intl.DateTimeFormat().resolvedOptions();
const here = new Intl.DateTimeFormat("sv", {
  year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit",
}); // Swedish writes a time as UTC is written above

/** A time in UTC and, if it differs, in the time zone of this machine: shown on hover. */
export const inZones = (milliseconds) =>
  [utc(milliseconds), timeZone === "UTC" ? "" : `${here.format(milliseconds)} ${timeZone}`].filter(Boolean).join("\n");

const OLD = 12; // seconds that the data may be old

const due = (age) => (age < -0.5 ? `in ${span(-age)}` : age < OLD ? "now" : `${span(age)} overdue`);

const PHRASES = {
  ago: (age) => ago(age),
  answered: (age) => ago(age),
  since: (age) => `for ${span(Math.max(1, age))}`,
  incident: (age) => `open for ${span(Math.max(1, age))}`,
  until: (age) => `for ${span(Math.max(1, -age))} more`,
  due,
  next: (age) => (age < OLD ? `next ${due(age)}` : due(age)),
  at: (_, then) => hour(then),
};

/** Write the text of a `<time>`. One with `data-late` (seconds) is marked when it is older. */
function write(node) {
  const then = Date.parse(node.dateTime);
  if (Number.isNaN(then)) return;
  const age = (now() - then) / 1000;
  const late = node.dataset.late && age > Number(node.dataset.late);
  const text = PHRASES[node.dataset.is](age, then) + (late ? ", late" : "");
  if (node.textContent !== text) node.textContent = text;
  if (!node.title || node.titled !== node.dateTime) Object.assign(node, { title: inZones(then), titled: node.dateTime });
  if (node.dataset.late) node.classList.toggle("old", Boolean(late));
}

/** Write every time within a node. */
export function refresh(host) {
  for (const node of host.querySelectorAll("time[datetime]")) write(node);
}

const seen = new Set();
const entering = new WeakMap();
const observer = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) {
      if (isIntersecting) {
        seen.add(target);
        refresh(target);
        entering.get(target)?.();
      } else seen.delete(target);
    }
  },
  { rootMargin: "200px 0px" },
);

/** Call `enter` when a node that is watched comes into view. */
export const onEnter = (host, enter) => entering.set(host, enter);

/** Write the times within a node, and update them while it is in view. */
export function watch(host) {
  refresh(host);
  observer.observe(host);
}

/** Whether it is in view. */
export const inView = (host) => seen.has(host);

/** Update the times in view; called once a second. */
export function tick() {
  if (document.hidden) return;
  for (const host of seen) {
    if (host.isConnected) refresh(host);
    else seen.delete(host);
  }
}
