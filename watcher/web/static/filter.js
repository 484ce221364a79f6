// The filter: from the URL and back, and whether a row passes it. Names and meaning are those of /api/targets; `group`,
// by which the rows are grouped, is the page's own.

/** The filter in the query of a URL. */
export function read(search) {
  const query = new URLSearchParams(search);
  const one = (name) => query.get(name) ?? "";
  return {
    text: one("text"),
    account: one("account"),
    kind: one("kind"),
    status: one("status"),
    label: [...new Set(query.getAll("label").filter(Boolean))],
    group: one("group"),
  };
}

/** A filter that every row passes. */
export const NONE = { text: "", account: "", kind: "", status: "", label: [] };

/** Whether some row may not pass. */
export const narrows = (filter) => Object.keys(NONE).some((name) => filter[name].length > 0);

/** The query of a filter, with its question mark; empty if there is nothing to keep. */
export function write(filter) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(filter)) {
    for (const each of [value].flat()) if (each) query.append(name, each);
  }
  const text = query.toString();
  return text && `?${text}`;
}

/** The text of a row that is searched: everything that it shows. */
export function haystack(row) {
  const labels = Object.entries(row.labels).map((pair) => pair.join("="));
  const { id, title, standing, status, sha, repository, branch, note } = row;
  return [id, title, standing, status, sha, repository, branch, note, decoded(id), ...labels].filter(Boolean).join("\n").toLowerCase();
}

/** A path without percent-encoding. */
export function decoded(path) {
  try {
    return decodeURIComponent(path);
  } catch {
    return path; // it may be malformed
  }
}

/** A function that says whether a row passes; its haystack is made only if it is needed. */
export function test(filter) {
  const text = filter.text.trim().toLowerCase();
  const labels = filter.label.map((pair) => [pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1)]);
  return (row, hay) =>
    (!filter.account || row.account === filter.account) &&
    (!filter.kind || row.kind === filter.kind) &&
    (!filter.status || row.standing === filter.status || row.status === filter.status) &&
    labels.every(([name, value]) => row.labels[name] === value) &&
    (!text || hay().includes(text));
}
