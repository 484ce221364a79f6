// URLs. A reverse proxy may serve the daemon below any path, so all of them are relative to the URL of this file.

/** Where the daemon is: this file is in static/ below it. */
const ROOT = new URL("..", import.meta.url);

/** The URL path of one of the daemon's own paths. */
export const at = (path) => ROOT.pathname + path;

/** The daemon's path of a link or a location; null if it is elsewhere. */
export const within = ({ origin, pathname }) =>
  origin === ROOT.origin && pathname.startsWith(ROOT.pathname) ? pathname.slice(ROOT.pathname.length) : null;

const TARGETS = "targets/";

/** The paths of a target's page and of its data. An id is a path already, with each part encoded, and is used as it is. */
export const pageOf = (id) => at(TARGETS + id);
export const dataOf = (id) => `api/${TARGETS}${id}`;

/** The id of the target whose page has this path; null if it is another page. */
export const targetOf = (path) => (path?.startsWith(TARGETS) ? path.slice(TARGETS.length) : null);
