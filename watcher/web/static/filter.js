// The filter: from the address and back, and whether a row passes it. The same names and meaning as in /api/targets.

/** What the query of an address asks for. */
export function read(search) {
  const query = new URLSearchParams(search);
  const one = (name) => query.get(name) ?? "";
  return {
    text: one("text"),
    account: one("account"),
    kind: one("kind"),
    status: one("status"),
    label: [...new Set(query.getAll("label").filter(Boolean))],
  };
}

/** The query of a filter, with its question mark; empty for one that lets everything through. */
export function write(filter) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(filter)) {
    for (const each of [value].flat()) if (each) query.append(name, each);
  }
  const text = query.toString();
  return text && `?${text}`;
}

/** What text is looked for in: everything of a row that a person can read. */
export function haystack(row) {
  const labels = Object.entries(row.labels).map((pair) => pair.join("="));
  const { id, title, standing, status, sha, repository, branch, note } = row;
  return [id, title, standing, status, sha, repository, branch, note, decoded(id), ...labels].filter(Boolean).join("\n").toLowerCase();
}

/** A path as people write it. */
export function decoded(path) {
  try {
    return decodeURIComponent(path);
  } catch {
    return path; // not everything in an address is well formed
  }
}

/** A function that says whether a row passes; its haystack is asked for only where it matters. */
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
