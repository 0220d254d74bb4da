// Profiles: a list with search, and one of them with its attributes and events.

import { get } from "./api.js";
import { byId, count, list, make, mark, moment, plural, replaceWhenNew, write } from "./dom.js";
import { pager } from "./pager.js";

const PAGE = 25;
const EVENTS = 100;
let chosen = null;
let from = 0;
let again = () => {};

/** Wire the search. */
export function start(refresh) {
  again = refresh;
  byId("profiles-search").addEventListener("input", () => {
    from = 0;
    refresh();
  });
}

/** Choose a profile. */
export function open([id]) {
  chosen = id ?? null;
}

/** Show the list and the profile chosen. */
export async function refresh() {
  const text = encodeURIComponent(byId("profiles-search").value);
  const found = await get(`profiles?search=${text}&from=${from}&limit=${PAGE}`);
  write(byId("profiles-total"), count(found.total));
  byId("profiles-empty").hidden = found.profiles.length > 0;
  list(byId("profiles-list"), found.profiles, (profile) => profile.id, pick, (element, profile) => {
    const link = element.firstElementChild;
    mark(link, "aria-current", profile.id === chosen ? "true" : null);
    write(link.lastElementChild, `${profile.attributes} attr. · ${plural(profile.events, "event")}`);
  });
  pager(byId("profiles-pager"), { from, limit: PAGE, total: found.total }, (start) => {
    from = start;
    again();
  });
  await detail();
}

function pick(profile) {
  const name = make("span", { class: "name" }, profile.id);
  const link = make("a", { href: `#/profiles/${encodeURIComponent(profile.id)}`, title: profile.id });
  link.append(name, make("span", { class: "quiet" }));
  return make("li", {}, link);
}

async function detail() {
  const sheet = byId("profile");
  let profile = null;
  try {
    profile = chosen === null ? null : await get(`profile?id=${encodeURIComponent(chosen)}&events=${EVENTS}`);
  } catch (error) {
    if (error.status !== 404) throw error;
  }
  const none = chosen === null ? "Choose a profile." : "Profile not found.";
  replaceWhenNew(sheet, [profile, none], () =>
    profile ? shown(profile) : [make("p", { class: "empty" }, none)],
  );
}

function shown(profile) {
  const names = Object.keys(profile.attributes).sort();
  const facts = make("p", { class: "facts" });
  facts.append(
    make("span", {}, plural(names.length, "attribute")),
    make("span", {}, plural(profile.events_total, "event")),
    make("span", {}, `last change ${moment(profile.updated)}`),
  );
  const parts = [make("h2", {}, profile.id), facts];
  if (names.length) parts.push(make("h3", {}, "Attributes"), attributes(profile, names));
  if (profile.events.length) parts.push(make("h3", {}, "Events, newest first"), events(profile));
  return parts;
}

function attributes(profile, names) {
  const head = ["Name", "Type", "Value"].map((text) => make("th", { scope: "col" }, text));
  const rows = names.map((name) =>
    make(
      "tr",
      {},
      make("td", { class: "mono" }, name),
      make("td", { class: "quiet" }, profile.types[name]),
      make("td", { class: "value" }, text(profile.attributes[name])),
    ),
  );
  return make("table", {}, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...rows));
}

const text = (value) => (Array.isArray(value) ? value.join(" · ") : String(value));

function events(profile) {
  const made = make("ul", { class: "events" }, ...profile.events.reverse().map(event));
  const left = profile.events_total - profile.events.length;
  if (left) made.append(make("li", { class: "quiet" }, `and ${plural(left, "older event")}`));
  return made;
}

function event(one) {
  const line = make("div", { class: "line" }, make("strong", {}, one.name));
  line.append(make("span", { class: "quiet" }, one.time ?? "at its arrival"));
  const made = make("li", {}, line);
  if (one.attributes) made.append(make("pre", {}, JSON.stringify(one.attributes, null, 1)));
  return made;
}
