// Addresses. A reverse proxy may put the daemon below any path, so all of them are relative to that of this file.

/** Where the daemon is: this file is in static/ below it. */
const ROOT = new URL("..", import.meta.url);

/** The address of one of its paths. */
export const at = (path) => ROOT.pathname + path;

/** The path of the daemon that a link, or the location, leads to; null where it leads to another place. */
export const within = ({ origin, pathname }) =>
  origin === ROOT.origin && pathname.startsWith(ROOT.pathname) ? pathname.slice(ROOT.pathname.length) : null;

const TARGETS = "targets/";

/** A target's page, and its data. Its id is a path already, each part encoded: it is taken as it is. */
export const pageOf = (id) => at(TARGETS + id);
export const dataOf = (id) => `api/${TARGETS}${id}`;

/** The id of the target whose page a path is; null where it is another page. */
export const targetOf = (path) => (path?.startsWith(TARGETS) ? path.slice(TARGETS.length) : null);
