// The rates against their limits, as bars per second.

import { get } from "./shared/api.js";
import { byId, count, list, make, mark, plural, write } from "./shared/dom.js";
import * as labels from "./labels.js";

const SVG = "http://www.w3.org/2000/svg";
const HEIGHT = 100;
const WIDTH = 6;
const GAP = 1;

function shape(tag, attributes) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

/** Draw every rate. */
export async function refresh() {
  const found = await get("rates");
  list(byId("charts"), found.rates, (rate) => rate.endpoint, build, (sheet, rate) =>
    update(sheet, rate, found.enforced),
  );
}

function build(rate) {
  const width = rate.used.length * WIDTH;
  const picture = shape("svg", {
    viewBox: `0 0 ${width} ${HEIGHT}`,
    preserveAspectRatio: "none",
    role: "img",
  });
  for (const look of ["used", "refused"]) picture.append(...rate[look].map((_, at) => bar(look, at)));
  picture.append(
    shape("line", { class: "floor", x1: 0, x2: width, y1: HEIGHT, y2: HEIGHT }),
    shape("line", { class: "limit", x1: 0, x2: width }),
  );
  const title = labels.call(rate.endpoint);
  const head = make("div", { class: "bar" }, make("h3", {}, title), make("span", { class: "quiet" }));
  const axis = make("div", { class: "axis" });
  axis.append(make("span", {}, "2 minutes ago"), make("span"), make("span", {}, "now"));
  return make("section", { class: "sheet chart", "aria-label": title }, head, picture, axis);
}

const bar = (look, at) =>
  shape("rect", { class: look, x: at * WIDTH, width: WIDTH - GAP, y: HEIGHT, height: 0 });

function update(sheet, rate, enforced) {
  const [head, picture, axis] = sheet.children;
  const sums = rate.used.map((used, at) => used + rate.refused[at]);
  const top = Math.max(rate.limit * 1.25, ...sums);
  const scale = (units) => (units / top) * HEIGHT;
  const bars = picture.children;
  const seconds = rate.used.length;
  for (let at = 0; at < seconds; at += 1) {
    lift(bars[at], 0, scale(rate.used[at]));
    lift(bars[seconds + at], scale(rate.used[at]), scale(rate.refused[at]));
  }
  const limit = picture.lastElementChild;
  mark(limit, "y1", HEIGHT - scale(rate.limit));
  mark(limit, "y2", HEIGHT - scale(rate.limit));
  const burst = rate.burst > rate.limit ? `, burst ${count(rate.burst)}` : "";
  const off = enforced ? "" : " (not enforced)";
  write(head.lastElementChild, `${plural(rate.limit, rate.unit.replace(/s$/, ""))}/s${burst}${off}`);
  const last = rate.used.at(-2) ?? 0;
  write(axis.children[1], `${count(last)} in the last second · peak ${count(rate.peak)} · total ${count(rate.total)}`);
  const refused = rate.refused.reduce((sum, units) => sum + units, 0);
  mark(picture, "aria-label", `${count(last)} ${rate.unit} in the last second, limit ${count(rate.limit)}, ${count(refused)} refused in two minutes`);
}

function lift(bar, below, height) {
  mark(bar, "y", HEIGHT - below - height);
  mark(bar, "height", height);
}
