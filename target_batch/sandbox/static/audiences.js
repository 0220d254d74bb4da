// Audiences: the list, and one of them with its members and the state of its index.

import { get } from "./api.js";
import { byId, count, list, make, mark, moment, plural, replaceWhenNew, write } from "./dom.js";
import { pager } from "./pager.js";

const PAGE = 50;
const STATES = { APPLIED: "good", IN_PROGRESS: "warn" };
let chosen = null;
let from = 0;
let again = () => {};

/** Remember how to refresh. */
export function start(refresh) {
  again = refresh;
}

/** Choose an audience. */
export function open([platform, name]) {
  const next = platform && name ? `${platform}/${encodeURIComponent(name)}` : null;
  if (next !== chosen) from = 0;
  chosen = next;
}

const path = (audience) => `${audience.platform}/${encodeURIComponent(audience.name)}`;

/** Show the list and the audience chosen. */
export async function refresh() {
  const { audiences } = await get("audiences");
  write(byId("audiences-total"), count(audiences.length));
  byId("audiences-empty").hidden = audiences.length > 0;
  list(byId("audiences-list"), audiences, path, pick, (element, audience) => {
    const [, members, badge] = element.firstElementChild.children;
    mark(element.firstElementChild, "aria-current", path(audience) === chosen ? "true" : null);
    write(members, count(audience.members));
    state(badge, audience.indexing_state);
  });
  await detail();
}

function pick(audience) {
  const name = audience.platform === "project" ? audience.name : `${audience.name} · ${audience.platform}`;
  const link = make("a", { href: `#/audiences/${path(audience)}`, title: audience.name });
  link.append(make("span", { class: "name" }, name), make("span", { class: "quiet" }), make("span"));
  return make("li", {}, link);
}

function state(badge, value) {
  mark(badge, "class", `badge ${STATES[value] ?? ""}`);
  write(badge, value);
}

async function detail() {
  const sheet = byId("audience");
  let audience = null;
  try {
    audience = chosen && (await get(`audiences/${chosen}?from=${from}&limit=${PAGE}`));
  } catch (error) {
    if (error.status !== 404) throw error;
  }
  if (!audience) {
    const none = chosen ? "Audience not found." : "Choose an audience.";
    replaceWhenNew(sheet, none, () => [make("p", { class: "empty" }, none)]);
    return;
  }
  replaceWhenNew(sheet, chosen, () => frame(audience));
  const [head, facts, pending, , members, pages] = sheet.children;
  write(head.firstElementChild, audience.label || audience.name);
  state(head.lastElementChild, audience.indexing_state);
  replaceWhenNew(facts, [audience.members, audience.updated], () => factsOf(audience));
  replaceWhenNew(pending, audience.pending, pendingOf);
  replaceWhenNew(members, audience.ids, membersOf);
  pager(pages, { from, limit: PAGE, total: audience.members }, (start) => {
    from = start;
    again();
  });
}

function frame() {
  return [
    make("div", { class: "bar" }, make("h2"), make("span", { class: "badge" })),
    make("p", { class: "facts" }),
    make("ul", { class: "events" }),
    make("h3", {}, "Members indexed"),
    make("ul", { class: "events" }),
    make("div", { class: "pager" }),
  ];
}

function factsOf(audience) {
  const facts = [
    `name ${audience.name}`,
    `type ${audience.type}`,
    `on ${audience.platform}`,
    plural(audience.members, "member"),
    `last change ${moment(audience.updated)}`,
  ];
  return facts.map((fact) => make("span", {}, fact));
}

function pendingOf(changes) {
  return changes.map((change) => {
    const left = Math.max(0, Math.ceil(change.seconds_left));
    const line = make("div", { class: "line" });
    line.append(
      make("span", {}, `Waiting for the index: ${change.action}, ${plural(change.members, "member")}`),
      make("span", { class: "quiet" }, `${left} s left`),
    );
    return make("li", {}, line);
  });
}

function membersOf(members) {
  if (!members.length) return [make("li", { class: "quiet" }, "No members.")];
  return members.map(({ id, ...extra }) => {
    const made = make("li", { class: "member" }, make("span", {}, id));
    for (const value of Object.values(extra)) made.append(make("code", {}, JSON.stringify(value)));
    return made;
  });
}
