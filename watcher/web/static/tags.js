// Tags of what is muted, or whose incident somebody acknowledged.

import { el, isolated } from "./dom.js?v=HASH";
import { hour } from "./time.js?v=HASH";

/** The tags of a target, an endpoint or a problem. */
export function tagsOf({ muted, incident }) {
  const found = incident?.acknowledged;
  const tags = [
    muted && [muted.until ? `muted until ${hour(Date.parse(muted.until)).replace(/:\d\d UTC/, " UTC")}` : "muted", byAndWhy(muted)],
    found && [`acknowledged by ${found.by}`, found.note],
  ];
  return tags.filter(Boolean).map(([word, title]) => el("span", { class: "tag", title }, isolated(word)));
}

const byAndWhy = ({ by, reason }) => [by && `by ${by}`, reason].filter(Boolean).join(": ");
