// Profiles: a list with search, and one of them with its attributes, audiences and events.

import { get } from "./shared/api.js";
import { byId, count, list, make, moment, nothing, plural, replaceWhenNew, table, write } from "./shared/dom.js";
import { listing, startOf, turn } from "./shared/listing.js";
import { link, place } from "./shared/place.js";
import * as labels from "./labels.js";

const PAGE = 25;
const EVENTS = 20;
const view = listing("profiles", PAGE);
let chosen = null;
let again = () => {};

/** Wire the search. */
export function start(refresh) {
  again = refresh;
  view.start(refresh);
}

/** Take over what the address says. */
export function open(parts) {
  chosen = view.open(parts)?.[0] ?? null;
}

/** Show the list and the profile chosen. */
export async function refresh(summary) {
  const found = await get(`profiles?${view.query()}`);
  write(byId("profiles-total"), view.searched() ? `${count(found.total)} of ${count(summary.profiles)}` : count(found.total));
  byId("profiles-empty").hidden = found.profiles.length > 0;
  write(byId("profiles-empty"), none(summary));
  list(byId("profiles-list"), found.profiles, (profile) => profile.id, pick, (element, profile) => {
    const item = element.firstElementChild;
    view.choose(item, profile.id === chosen);
    item.title = profile.email ? `${profile.id}\n${profile.email}` : profile.id;
    const [, email, counts] = item.children;
    write(email, profile.email ?? "");
    write(counts, `${plural(profile.attributes, "attribute")} · ${plural(profile.events, "event")}`);
  });
  view.turn(found.total);
  await detail();
}

function none(summary) {
  if (summary.profiles) return `${plural(summary.profiles, "profile")}, none matches “${view.searched()}”.`;
  return summary.requests.total ? `No profiles, after ${plural(summary.requests.total, "request")}.` : "No profiles yet.";
}

function pick(profile) {
  const item = make("a", { class: "item two-lines", ...view.leading(profile.id) }, make("span", { class: "name" }, profile.id));
  item.append(make("span", { class: "email" }), make("span", { class: "quiet" }));
  return make("li", {}, item);
}

async function detail() {
  const sheet = byId("profile");
  const via = place().params.get("via") ?? "";
  const profile = chosen === null ? null : await asked();
  const none = chosen === null ? "Choose a profile." : `Profile “${chosen}” not found.`;
  replaceWhenNew(sheet, [profile, none, via, location.hash], () => {
    const made = chosen === null ? [] : [back(via)];
    return [...made, ...(profile ? shown(profile) : [nothing(none)])];
  });
  if (profile) turn(sheet.querySelector(".pager"), "events", EVENTS, profile.events_total, again);
}

async function asked() {
  try {
    return await get(`profile?id=${encodeURIComponent(chosen)}&events=${EVENTS}&events_from=${startOf("events")}`);
  } catch (error) {
    if (error.status !== 404) throw error;
    return null;
  }
}

/** Lead back to what the profile was opened from. */
function back(via) {
  if (!via) return make("a", { class: "back", ...view.leading() }, "All profiles");
  const name = via.startsWith("audiences/") ? "Back to the audience" : "Back to the request";
  return make("a", { class: "back", href: `#/${via}` }, name);
}

function shown(profile) {
  const names = Object.keys(profile.attributes).sort();
  const made = [make("h2", { class: "full" }, profile.id), factsOf(profile, names)];
  if (profile.audiences.length) made.push(make("h3", {}, "Member of"), memberships(profile.audiences));
  made.push(make("h3", {}, "Attributes"), names.length ? attributes(profile, names) : quiet("No attributes."));
  made.push(make("h3", {}, `Events${profile.events_total > 1 ? ", newest first" : ""}`), events(profile));
  made.push(make("div", { class: "pager" }));
  return made;
}

const quiet = (text) => make("p", { class: "quiet" }, text);

function factsOf(profile, names) {
  const facts = [
    plural(names.length, "attribute"),
    plural(profile.events_total, "event"),
    `last change ${moment(profile.updated)}`,
  ];
  const requests = make("a", { href: link(["requests"], { search: profile.id }) }, "Requests that carried it");
  return make("p", { class: "facts" }, ...facts.map((fact) => make("span", {}, fact)), requests);
}

function memberships(audiences) {
  const links = audiences.map(({ platform, name, label }) => {
    const where = platform === "project" ? "" : ` · ${labels.platform(platform)}`;
    return make("a", { class: "chip", href: link(["audiences", platform, name]), title: name }, `${label || name}${where}`);
  });
  return make("p", { class: "chips" }, ...links);
}

function attributes(profile, names) {
  const rows = names.map((name) => {
    const label = labels.attribute(name);
    const cell = make("td", { class: label === name ? "mono full" : "", title: name }, label);
    const type = make("td", { class: "quiet wide-only" }, profile.types[name]);
    return make("tr", {}, cell, type, make("td", { class: "value" }, text(profile.attributes[name])));
  });
  const made = table(["Name", "Type", "Value"], rows);
  made.querySelector("th:nth-child(2)").className = "wide-only";
  return made;
}

const text = (value) => (Array.isArray(value) ? value.join(" · ") : String(value));

function events(profile) {
  if (!profile.events.length) return quiet("No events.");
  return make("ul", { class: "events" }, ...profile.events.toReversed().map(event));
}

function event(one) {
  const line = make("div", { class: "line" }, make("strong", { class: "full" }, one.name));
  line.append(make("span", { class: "quiet" }, one.time ?? "at its arrival"));
  const made = make("li", {}, line);
  if (one.attributes) made.append(make("pre", {}, JSON.stringify(one.attributes, null, 1)));
  return made;
}
