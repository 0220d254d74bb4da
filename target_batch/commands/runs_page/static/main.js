// The page: what all runs did together, the list of runs, and one of them.

import { get } from "./shared/api.js";
import { byId, count, list, make, plural, tiles, write } from "./shared/dom.js";
import { listen } from "./shared/keys.js";
import { listing } from "./shared/listing.js";
import { live } from "./shared/live.js";
import { keep, place } from "./shared/place.js";
import { badge, moment, shortly, took } from "./outcome.js";
import * as run from "./run.js";

const PAGE = 25;
const EVERY = 3000;
const view = listing("runs", PAGE);
let chosen = null;

/** Take over what the address says. */
function show() {
  const [, ...parts] = place().parts;
  chosen = view.open(parts)?.[0] ?? null;
  byId("runs-problems").checked = place().params.get("problems") === "1";
  refresh();
}

const refresh = live(async () => {
  let found;
  try {
    found = await get(`runs?${view.query()}`);
  } catch (error) {
    if (error.status !== 503) throw error;
    found = { total: 0, found: 0, runs: [], unreadable: error.message };
  }
  if (found.totals) summary(found);
  write(byId("runs-total"), count(found.total));
  byId("runs-empty").hidden = found.runs.length > 0;
  write(byId("runs-empty"), found.unreadable ?? none(found));
  list(byId("runs-list"), found.runs, (entry) => `${entry.run} ${entry.ended}`, build, (row, entry) =>
    view.choose(row.querySelector("a"), entry.run === chosen),
  );
  view.turn(found.found);
  await run.show(chosen, view, refresh);
  return found.unreadable ? "Cannot read the folder" : "Live";
}, EVERY);

function summary({ total, outcomes, totals }) {
  tiles(byId("tiles"), [
    ["Runs", total],
    ["Failed", outcomes.failed, outcomes.failed > 0],
    ["Did not end", outcomes.did_not_end, outcomes.did_not_end > 0],
    ["Delivered", totals.delivered],
    ["Rejected", totals.rejected, totals.rejected > 0],
    ["Updates saved", totals.merged, false, "Records that shared another one's update: merging spared them from the quota"],
    ["Unchanged", totals.unchanged, false, "Records that were not sent again, because Batch has them"],
  ]);
}

function none({ total }) {
  if (!total) return "No run has left a line here yet. Is `work_path` the one of the runs?";
  return `${plural(total, "run")}, ${view.searched() ? `none matches “${view.searched()}”` : "none with problems"}.`;
}

function build(entry) {
  const title = `${moment(entry)}\nrun ${entry.run}`;
  const name = make("a", { class: "item", title, ...view.leading(entry.run) }, shortly(entry));
  const streams = entry.names.join(", ") + (entry.streams_total > entry.names.length ? ", …" : "");
  const number = (name, look = "") => make("td", { class: `number ${look}` }, entry.streams_total ? count(entry[name]) : "");
  const cells = [
    make("td", { class: "started" }, name),
    make("td", {}, badge(entry)),
    make("td", { class: "cut wide-only", title: streams }, streams),
    number("read", "wide-only"),
    entry.dry_run ? make("td", { class: "number quiet", title: "Would be sent: a dry run sends nothing" }, `(${count(entry.delivered)})`) : number("delivered"),
    number("unchanged", "wide-only"),
    number("rejected"),
    make("td", { class: "number quiet wide-only" }, took(entry)),
  ];
  return make("tr", { class: "link", onclick: (event) => event.target.closest("a") || name.click() }, ...cells);
}

byId("runs-problems").addEventListener("change", (event) => {
  keep({ problems: event.currentTarget.checked ? "1" : "", from: "" });
  refresh();
});
write(byId("address"), location.origin);
view.start(refresh);
addEventListener("hashchange", show);
listen();
if (!place().parts.length) history.replaceState(null, "", "#/runs");
show();
