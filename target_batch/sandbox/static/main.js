// The page: tabs, what stands at the top, and the refreshing.

import { get } from "./shared/api.js";
import * as audiences from "./audiences.js";
import { byId, duration, tiles, write } from "./shared/dom.js";
import * as faults from "./faults.js";
import { listen } from "./shared/keys.js";
import { live } from "./shared/live.js";
import { place } from "./shared/place.js";
import * as profiles from "./profiles.js";
import * as rates from "./rates.js";
import * as requests from "./requests.js";

const VIEWS = { requests, profiles, audiences, rates, faults };
const EVERY = 1000;
const tabs = [...document.querySelectorAll('[role="tab"]')];
const addresses = {};
let current = null;

/** Show the view that the address names. */
function show() {
  const [first, ...chosen] = place().parts;
  current = Object.hasOwn(VIEWS, first ?? "") ? first : "requests";
  for (const tab of tabs) {
    const on = tab.dataset.view === current;
    tab.setAttribute("aria-selected", on);
    tab.tabIndex = on ? 0 : -1;
    byId(tab.getAttribute("aria-controls")).hidden = !on;
  }
  VIEWS[current].open?.(chosen);
  refresh();
}

/** Go to a view: as it was left, or to its beginning when it is already seen. */
function go(view) {
  if (view !== current) addresses[current] = location.hash;
  location.hash = (view !== current && addresses[view]) || `#/${view}`;
}

function move(event) {
  const steps = { ArrowRight: 1, ArrowLeft: -1 };
  const ends = { Home: 0, End: tabs.length - 1 };
  const at = tabs.indexOf(event.currentTarget);
  const step = steps[event.key];
  const next = step ? (at + step + tabs.length) % tabs.length : ends[event.key];
  if (next === undefined) return;
  event.preventDefault();
  tabs[next].focus();
  go(tabs[next].dataset.view);
}

function totals(summary) {
  const failed = Object.values(summary.requests.by_endpoint).flatMap(Object.entries);
  const refused = failed.reduce((sum, [status, times]) => sum + (status < 200 || status > 399 ? times : 0), 0);
  tiles(byId("tiles"), [
    ["Profiles", summary.profiles],
    ["Events", summary.events],
    ["Late events", summary.events_late, false, "Refused because they lie outside the last 24 hours"],
    ["Audiences", summary.audiences],
    ["Members", summary.members],
    ["Requests", summary.null.on ? summary.null.requests : summary.requests.total],
    ["Failed requests", refused, refused > 0],
    ["Partial errors", summary.partial_errors, summary.partial_errors > 0],
  ]);
}

/** Bring everything that is seen up to date. */
const refresh = live(async () => {
  const summary = await get("summary");
  totals(summary);
  faults.badge(await get("faults"));
  await VIEWS[current].refresh(summary);
  byId("pulse").title = `Running for ${duration(summary.seconds)}`;
  return summary.null.on ? "Null mode: keeps nothing" : "Live";
}, EVERY);

for (const tab of tabs) {
  tab.addEventListener("click", () => go(tab.dataset.view));
  tab.addEventListener("keydown", move);
}
write(byId("address"), location.origin);
for (const view of Object.values(VIEWS)) view.start?.(refresh);
addEventListener("hashchange", show);
listen();
show();
