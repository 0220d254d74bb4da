// The page: tabs, what stands at the top, and the refreshing.

import { get } from "./api.js";
import * as audiences from "./audiences.js";
import { byId, count, duration, list, make, write } from "./dom.js";
import * as faults from "./faults.js";
import * as profiles from "./profiles.js";
import * as rates from "./rates.js";
import * as requests from "./requests.js";

const VIEWS = { requests, profiles, audiences, rates, faults };
const EVERY = 1000;
const tabs = [...document.querySelectorAll('[role="tab"]')];
let current = null;
let busy = false;

/** Read the address: the view, and what is chosen in it. */
function place() {
  const parts = location.hash.replace(/^#\/?/, "").split("/").map(decode);
  const view = parts[0] in VIEWS ? parts[0] : "requests";
  return { view, chosen: parts.slice(1) };
}

function decode(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** Show the view that the address names. */
function show() {
  const { view, chosen } = place();
  current = view;
  for (const tab of tabs) {
    const on = tab.dataset.view === view;
    tab.setAttribute("aria-selected", on);
    tab.tabIndex = on ? 0 : -1;
    byId(tab.getAttribute("aria-controls")).hidden = !on;
  }
  VIEWS[view].open?.(chosen);
  refresh();
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
  location.hash = `#/${tabs[next].dataset.view}`;
}

function tiles(summary) {
  const failed = Object.values(summary.requests.by_endpoint).flatMap(Object.entries);
  const refused = failed.reduce((sum, [status, times]) => sum + (status < 200 || status > 399 ? times : 0), 0);
  const shown = [
    ["Profiles", summary.profiles],
    ["Events", summary.events],
    ["Events outside 24 hours", summary.events_late],
    ["Audiences", summary.audiences],
    ["Members", summary.members],
    ["Requests", summary.null.on ? summary.null.requests : summary.requests.total],
    ["Failed requests", refused, refused > 0],
    ["Partial errors", summary.partial_errors, summary.partial_errors > 0],
  ];
  list(byId("tiles"), shown, ([label]) => label, tile, (element, [, number, alert]) => {
    write(element.lastElementChild, count(number));
    element.classList.toggle("alert", Boolean(alert));
  });
}

const tile = ([label]) => make("div", { class: "tile" }, make("dt", {}, label), make("dd"));

function pulse(text, lost) {
  byId("pulse").classList.toggle("lost", lost);
  write(byId("pulse-text"), text);
}

/** Bring everything that is seen up to date. */
async function refresh() {
  if (busy) return;
  busy = true;
  const view = current;
  try {
    const summary = await get("summary");
    tiles(summary);
    faults.badge(await get("faults"));
    await VIEWS[view].refresh(summary);
    pulse(summary.null.on ? "Null mode: keeps nothing" : "Live", false);
    byId("pulse").title = `Running for ${duration(summary.seconds)}`;
  } catch (error) {
    console.error(error);
    pulse("Does not answer", true);
  } finally {
    busy = false;
  }
  if (view !== current) refresh();
}

for (const tab of tabs) {
  tab.addEventListener("click", () => (location.hash = `#/${tab.dataset.view}`));
  tab.addEventListener("keydown", move);
}
write(byId("address"), location.origin);
for (const view of Object.values(VIEWS)) view.start?.(refresh);
addEventListener("hashchange", show);
document.addEventListener("visibilitychange", () => document.hidden || refresh());
setInterval(() => document.hidden || refresh(), EVERY);
show();
