// The strip of a target's last attempts: a bar for each, the newest on the right, in one SVG of few elements.

import { svg } from "./dom.js?v=HASH";
import { plural, standingOf, statusWord } from "./words.js?v=HASH";

const MOST = 20, STEP = 7, WIDE = 5, HIGH = 18; // attempts; units of the picture, each a pixel

/** Where each kind of bar begins: height differs as well as colour. */
const TOPS = { failed: 0, succeeded: 7, active: 12, unknown: 3 };

/** The last attempts of a row, the newest first. */
const attemptsOf = (row) => row.attempts.slice(0, MOST);

/** A text that changes when the strip does. */
export const stripKey = (row) => attemptsOf(row).map((each) => each.status[0] + each.startedAt).join();

/** The strip of a row; null if there is no attempt. */
export function strip(row) {
  const attempts = attemptsOf(row);
  if (!attempts.length) return null;
  const paths = {};
  attempts.forEach((each, index) => {
    const standing = standingOf(each.status), top = TOPS[standing];
    const bar = `M${(MOST - 1 - index) * STEP} ${top}h${WIDE}v${HIGH - top}h-${WIDE}z`;
    paths[standing] = (paths[standing] ?? "") + bar;
  });
  const bars = Object.entries(paths).map(([standing, d]) => svg("path", { "data-standing": standing, d }));
  return svg("svg", { class: "strip", viewBox: `0 0 ${MOST * STEP - 2} ${HIGH}`, role: "img", "aria-label": inWords(attempts) }, ...bars);
}

/** The number of attempts of each kind, and the newest. */
function inWords(attempts) {
  const counts = {};
  for (const { status } of attempts) {
    const word = statusWord(status).toLowerCase();
    counts[word] = (counts[word] ?? 0) + 1;
  }
  const parts = Object.entries(counts).map(([word, count]) => `${count} ${word}`);
  return `${plural(attempts.length, "attempt")}: ${parts.join(", ")}; the latest ${statusWord(attempts[0].status).toLowerCase()}`;
}
