// Names for people: of the statuses ("standings"), in the order of urgency, and of the types of events.

export const STANDINGS = {
  unreadable: "Unreadable",
  failed: "Failed",
  blocked: "Blocked",
  unavailable: "Unavailable",
  stalled: "Stalled",
  unknown: "Unknown status",
  never_synced: "Never synced",
  not_seen: "Not seen yet",
  active: "Syncing",
  succeeded: "Succeeded",
  available: "Available",
};

export const RANK = Object.fromEntries(Object.keys(STANDINGS).map((standing, rank) => [standing, rank]));

/** The statuses that need attention. */
export const ATTENTION = ["unreadable", "failed", "blocked", "unavailable", "stalled", "unknown"];

/** Whether a row comes first: it needs attention by its status, or has an open incident, as while it is retried. */
export const urgent = (row) => row.incident !== null || ATTENTION.includes(row.standing);

/** The problems of an open incident, after the time for which it has been open; empty if the status says the same. */
export function problemsOf({ incident, standing }) {
  const problems = incident?.problems ?? [];
  return problems.every((each) => each === standing) ? "" : `: ${problems.join(", ")}`;
}

const STATUSES = {
  INITIATED: "Initiated",
  IN_PROGRESS: "In progress",
  QUEUED: "Queued",
  SUCCEEDED: "Succeeded",
  FAILED: "Failed",
  PENDING: "Pending",
  ERROR: "Error",
  AVAILABLE: "Available",
};

/** The status for a status of AWS. */
export function standingOf(status) {
  if (status === "SUCCEEDED") return "succeeded";
  if (status === "FAILED") return "failed";
  return status in STATUSES ? "active" : "unknown";
}

export const statusWord = (status) => STATUSES[status] ?? status ?? "";

/** The name of a row's status. */
export function wordOf(row) {
  if (row.standing === "active") return statusWord(row.status);
  if (row.standing === "unavailable") return `Unavailable: ${statusWord(row.status).toLowerCase()}`;
  if (row.standing === "unknown") return `Unknown: ${row.status}`;
  return STANDINGS[row.standing] ?? row.standing;
}

const EVENTS = {
  "sync.initiated": ["active", "Initiated"],
  "sync.in_progress": ["active", "In progress"],
  "sync.queued": ["active", "Queued"],
  "sync.succeeded": ["succeeded", "Succeeded"],
  "sync.failed": ["failed", "Failed"],
  "sync.unknown": ["unknown", "Unknown status"],
  "sync.stalled": ["stalled", "Stalled"],
  "sync.blocked": ["blocked", "Blocked"],
  "sync.unblocked": ["succeeded", "Unblocked"],
  "connection.unavailable": ["unavailable", "Unavailable"],
  "connection.available": ["available", "Available again"],
  "target.unreadable": ["unreadable", "Unreadable"],
  "target.readable": ["succeeded", "Readable again"],
  "endpoint.unreadable": ["unreadable", "Unreadable"],
  "endpoint.readable": ["succeeded", "Readable again"],
  "target.discovered": ["not_seen", "Discovered"],
  "target.removed": ["not_seen", "Removed"],
  "endpoint.removed": ["not_seen", "Removed"],
  test: ["not_seen", "Test"],
  digest: ["not_seen", "Digest"],
};

/** The status and the name of a step that is no status of AWS, by the type of its event. */
export function stepWords(type) {
  const name = type?.replace(/^watcher\./, "");
  return ["sync.stalled", "sync.blocked", "sync.unblocked"].includes(name) ? EVENTS[name] : null;
}

/** The status and the name of an event's type. */
export function eventWords(event) {
  const type = event.type.replace(/^watcher\./, "");
  const [standing, word] = EVENTS[type] ?? ["unknown", type];
  return { standing, word: event.data?.recovered ? `${word}, recovered` : word };
}

/** The title of an event's subject, as that of a row. */
export function eventTitle(event) {
  const { target, endpoint } = event.data ?? {};
  if (target?.kind === "template") return `${target.name} v${target.version} (${target.type})`;
  if (target?.kind === "service-instance") return `${target.service}/${target.name}`;
  if (target?.kind === "repository") {
    return `${target.name ?? target.repository ?? target.link} @ ${target.branch}${target.sync_type ? ` (${target.sync_type})` : ""}`;
  }
  if (target?.name) return target.name;
  if (endpoint) return `${endpoint.account}/${endpoint.region}/${endpoint.api}`;
  return event.subject;
}

const SINK_STATES = {
  up: ["succeeded", "Up"],
  failing: ["failed", "Failing"],
  down: ["failed", "Down"],
  gone: ["failed", "Gone"],
  closed: ["failed", "Closed"],
};

/** The status and the name of the state of a sink. */
export const statesOf = (state) => SINK_STATES[state] ?? ["not_seen", state ?? "Not started"];

const numbers = new Intl.NumberFormat("en"); // made once: `toLocaleString` looks its rules up at each call

export const number = (count) => numbers.format(count);

export const plural = (count, one, many = `${one}s`) => `${number(count)} ${count === 1 ? one : many}`;
