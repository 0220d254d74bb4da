// Audiences: the list, and one of them with its members and the state of its index.

import { get } from "./shared/api.js";
import { byId, count, list, make, mark, moment, nothing, plural, replaceWhenNew, write } from "./shared/dom.js";
import { fillBox, listing, searchBox, startOf, turn } from "./shared/listing.js";
import { leading, place } from "./shared/place.js";
import * as labels from "./labels.js";

const PAGE = 25;
const MEMBERS = 50;
const LOOKS = { APPLIED: "good", IN_PROGRESS: "warn" };
const view = listing("audiences", PAGE);
let chosen = null;
let again = () => {};

/** Remember how to refresh. */
export function start(refresh) {
  again = refresh;
  view.start(refresh);
}

/** Take over what the address says. */
export function open(parts) {
  const [platform, name] = view.open(parts) ?? [];
  chosen = name === undefined ? null : { platform, name };
}

const keyOf = ({ platform, name }) => `${platform}/${encodeURIComponent(name)}`;

/** Show the list and the audience chosen. */
export async function refresh(summary) {
  const found = await get(`audiences?${view.query()}`);
  write(byId("audiences-total"), view.searched() ? `${count(found.total)} of ${count(found.all)}` : count(found.all));
  byId("audiences-empty").hidden = found.audiences.length > 0;
  write(byId("audiences-empty"), none(found.all, summary));
  list(byId("audiences-list"), found.audiences, keyOf, pick, (element, audience) => {
    const item = element.firstElementChild;
    const [, members, badge] = item.children;
    view.choose(item, chosen !== null && keyOf(audience) === keyOf(chosen));
    write(members, plural(audience.members, "member"));
    state(badge, audience.indexing_state);
  });
  view.turn(found.total);
  await detail();
}

function none(all, summary) {
  if (all) return `${plural(all, "audience")}, none matches “${view.searched()}”.`;
  return summary.requests.total ? `No audiences, after ${plural(summary.requests.total, "request")}.` : "No audiences yet.";
}

function pick(audience) {
  const where = audience.platform === "project" ? "" : ` · ${labels.platform(audience.platform)}`;
  const title = `${audience.label || audience.name}\n${audience.name}`;
  const item = make("a", { class: "item", title, ...view.leading(audience.platform, audience.name) });
  const name = make("span", { class: "name" }, `${audience.label || audience.name}${where}`);
  item.append(name, make("span", { class: "quiet" }), make("span"));
  return make("li", {}, item);
}

function state(badge, value) {
  mark(badge, "class", `badge ${LOOKS[value] ?? ""}`);
  mark(badge, "title", value);
  write(badge, labels.state(value));
}

async function detail() {
  const sheet = byId("audience");
  const audience = chosen && (await asked());
  if (!audience) {
    const none = chosen ? `Audience “${chosen.name}” not found.` : "Choose an audience.";
    replaceWhenNew(sheet, none, () => [...(chosen ? [back()] : []), nothing(none)]);
    return;
  }
  replaceWhenNew(sheet, keyOf(chosen), frame);
  const [, head, facts, pending, bar, members, pages] = sheet.children;
  write(head.firstElementChild, audience.label || audience.name);
  state(head.lastElementChild, audience.indexing_state);
  replaceWhenNew(facts, [audience.members, audience.updated], () => factsOf(audience));
  replaceWhenNew(pending, audience.pending, pendingOf);
  const box = bar.querySelector("input");
  fillBox(box, place().params.get("member"));
  const content = [audience.ids, audience.members, audience.pending.length, box.value];
  replaceWhenNew(members, content, () => membersOf(audience, box.value));
  turn(pages, "members", MEMBERS, audience.total, again);
}

async function asked() {
  const search = encodeURIComponent(place().params.get("member") ?? "");
  try {
    return await get(`audiences/${keyOf(chosen)}?search=${search}&from=${startOf("members")}&limit=${MEMBERS}`);
  } catch (error) {
    if (error.status !== 404) throw error;
    return null;
  }
}

const back = () => make("a", { class: "back", ...view.leading() }, "All audiences");

function frame() {
  const box = make("input", {
    type: "search",
    "aria-controls": "members-list",
    placeholder: "ID of a member",
    autocomplete: "off",
    spellcheck: "false",
  });
  searchBox(box, "member", "members", again);
  const search = make("label", { class: "search" }, make("span", { class: "hidden-text" }, "Search members"), box);
  return [
    back(),
    make("div", { class: "bar" }, make("h2", { class: "full" }), make("span", { class: "badge" })),
    make("p", { class: "facts" }),
    make("ul", { class: "events" }),
    make("div", { class: "bar" }, make("h3", {}, "Members indexed"), search),
    make("ul", { class: "members", id: "members-list", "data-list": "", "aria-label": "Members" }),
    make("div", { class: "pager" }),
  ];
}

function factsOf(audience) {
  const facts = [
    `name ${audience.name}`,
    `of ${labels.idType(audience.type)}`,
    labels.platform(audience.platform),
    plural(audience.members, "member"),
    `last change ${moment(audience.updated)}`,
  ];
  return facts.map((fact) => make("span", { class: "full" }, fact));
}

function pendingOf(changes) {
  return changes.map((change) => {
    const left = Math.max(0, Math.ceil(change.seconds_left));
    const line = make("div", { class: "line" });
    line.append(
      make("span", {}, `Waiting for the index: ${labels.change(change.action)}, ${plural(change.members, "member")}`),
      make("span", { class: "quiet" }, `${left} s left`),
    );
    return make("li", {}, line);
  });
}

function membersOf(audience, searched) {
  if (audience.ids.length) return audience.ids.map((member) => memberOf(audience, member));
  const waiting = audience.pending.length ? ` ${plural(audience.pending.length, "change")} will be indexed soon.` : "";
  const none = searched ? `${plural(audience.members, "member")}, none matches “${searched}”.` : `No members.${waiting}`;
  return [make("li", { class: "quiet" }, none)];
}

/** A member leads to their profile, and from there back to this page of the audience. */
function memberOf(audience, { id, email, ...extra }) {
  const name = make("span", { class: "name", title: id }, id);
  const isCustom = ["CUSTOM_ID", "custom_ids"].includes(audience.type);
  const line = isCustom ? make("a", leading(["profiles", id]), name) : make("div", {}, name);
  line.className = "item";
  if (email) line.append(make("span", { class: "email", title: email }, email));
  for (const value of Object.values(extra)) line.append(make("code", {}, JSON.stringify(value)));
  return make("li", {}, line);
}
