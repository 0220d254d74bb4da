// The requests, newest first, and one of them with what was sent and what was answered.

import { get } from "./shared/api.js";
import { byId, clock, count, duration, list, make, moment, nothing, plural } from "./shared/dom.js";
import { replaceWhenNew, size, write } from "./shared/dom.js";
import { listing, startOf, turn } from "./shared/listing.js";
import { keep, leading, place } from "./shared/place.js";
import * as labels from "./labels.js";

const PAGE = 50;
const ENTRIES = 20;
const view = listing("requests", PAGE);
let chosen = null;
let paused = false;
let total = 0;
let again = () => {};
let shown = "";

/** Wire the controls. */
export function start(refresh) {
  again = refresh;
  view.start(refresh);
  byId("requests-pause").addEventListener("click", (event) => {
    paused = !paused;
    event.currentTarget.setAttribute("aria-pressed", paused);
    write(event.currentTarget, paused ? "Paused" : "Pause");
    refresh();
  });
  byId("requests-problems").addEventListener("change", (event) => {
    keep({ problems: event.currentTarget.checked ? "1" : "", from: "" });
    refresh();
  });
}

/** Take over what the address says. */
export function open(parts) {
  chosen = view.open(parts)?.[0] ?? null;
  byId("requests-problems").checked = place().params.get("problems") === "1";
}

/** Show the list and the request chosen. */
export async function refresh(summary) {
  if (!paused || chosen) await detail();
  if (paused) return;
  const found = await get(`log?${view.query()}`);
  if (found.total < total) shown = "";
  total = found.total;
  write(byId("requests-total"), count(total));
  list(byId("requests-list"), found.requests, (row) => `${row.number} ${row.at}`, build, (element, row) =>
    view.choose(element.querySelector("a"), String(row.number) === chosen),
  );
  byId("requests-empty").hidden = found.requests.length > 0;
  write(byId("requests-empty"), none(found, summary));
  view.turn(found.found);
}

function none({ total, kept, problems }, { null: { on } }) {
  if (on) return "Null mode keeps no requests.";
  if (!total) return `No requests yet. Set api_url to ${location.origin} and run a tap.`;
  if (view.searched()) return `No request matches “${view.searched()}”, of ${count(kept)} that are kept.`;
  const all = plural(total, "request");
  return problems ? `${all}; those with problems are no longer kept.` : `${all}, none with problems.`;
}

function build(row) {
  const path = `${row.method} ${row.path}`;
  const name = make("a", { class: "item", title: path, ...view.leading(String(row.number)) });
  name.append(make("b", {}, labels.call(row.endpoint, row.path)), make("span", { class: "path" }, path));
  const fault = row.fault ? make("span", { class: "badge warn" }, faultOf(row)) : "";
  const cells = [
    make("td", { class: "number quiet wide-only" }, String(row.number)),
    make("td", { class: "quiet", title: moment(row.at) }, clock(row.at)),
    make("td", { class: "call" }, name),
    make("td", {}, badge(row)),
    make("td", { class: "number wide-only" }, row.entries ? count(row.entries) : ""),
    make("td", { class: "number" }, row.partial_errors ? count(row.partial_errors) : ""),
    make("td", { class: "number quiet wide-only" }, row.bytes ? size(row.bytes) : ""),
    make("td", { class: "number quiet wide-only" }, duration(row.seconds)),
    make("td", { class: "wide-only" }, fault),
  ];
  return make("tr", { class: "link", onclick: (event) => event.target.closest("a") || name.click() }, ...cells);
}

function badge(row) {
  const look = row.status >= 200 && row.status < 300 ? (row.partial_errors ? "warn" : "good") : "bad";
  const text = row.status ? String(row.status) : labels.status(0);
  return make("span", { class: `badge ${look}`, title: labels.status(row.status) }, text);
}

const faultOf = (row) => labels.fault(row.fault) + (row.applied ? ", applied" : "");

/** Show the request chosen; what it held never changes, so it is asked for once. */
async function detail() {
  const sheet = byId("request");
  const { params } = place();
  const refused = params.get("refused") ?? "";
  const key = JSON.stringify([chosen, startOf("entries"), refused]);
  if (key === shown) return;
  if (!chosen) {
    replaceWhenNew(sheet, null, () => []);
    shown = key;
    return;
  }
  const found = await asked(refused);
  const gone = nothing(`Request ${chosen} is not here: it is not kept any more, or it never came.`);
  replaceWhenNew(sheet, [key, found], () => [back(), ...(found ? parts(found) : [gone])]);
  if (found) shown = key;
}

async function asked(refused) {
  try {
    const page = `from=${startOf("entries")}&limit=${ENTRIES}&refused=${refused}`;
    return await get(`requests/${encodeURIComponent(chosen)}?${page}`);
  } catch (error) {
    if (error.status !== 404) throw error;
    return null;
  }
}

const back = () => make("a", { class: "back", ...view.leading() }, "All requests");

function parts({ row, kept, query, body, answer }) {
  const number = make("span", { class: "quiet" }, ` No. ${count(row.number)}`);
  const title = make("h2", {}, labels.call(row.endpoint, row.path), number);
  const path = `${row.method} ${row.path}${query ? `?${query}` : ""}`;
  const made = [title, make("p", { class: "mono quiet full" }, path), facts(row)];
  if (!kept) return [...made, nothing("Its body and answer are not kept any more: the most recent 32 MiB are.")];
  made.push(make("h3", {}, `Answer, ${size(answer.bytes)}`), text(answer.text, "The answer had no body."));
  if (body.entries) return [...made, ...entries(body)];
  return [...made, make("h3", {}, `Body, ${size(body.bytes)}`), text(body.text, "The request had no body.")];
}

function facts(row) {
  const status = make("span", {}, badge(row), ` ${labels.status(row.status)}`);
  const made = [status, make("span", {}, moment(row.at)), make("span", {}, `took ${duration(row.seconds)}`)];
  if (row.entries) made.push(make("span", {}, plural(row.entries, "entry", "entries")));
  if (row.partial_errors) made.push(make("span", {}, plural(row.partial_errors, "partial error")));
  if (row.fault) made.push(make("span", { class: "badge warn" }, faultOf(row)));
  return make("p", { class: "facts" }, ...made);
}

const text = (content, none) => (content ? make("pre", { class: "block" }, content) : make("p", { class: "quiet" }, none));

function entries(body) {
  const title = `Body, ${size(body.bytes)}, ${plural(body.total, "entry", "entries")}`;
  const bar = make("div", { class: "bar" }, make("h3", {}, title));
  if (body.refused) bar.append(onlyRefused(body));
  const made = make("div", { class: "entries", id: "request-entries" }, ...body.entries.map((entry) => entryOf(entry, body)));
  const pages = make("div", { class: "pager" });
  turn(pages, "entries", ENTRIES, body.found, again);
  const around = body.around ? [make("pre", { class: "block" }, body.around)] : [];
  return [bar, ...around, made, pages];
}

function onlyRefused(body) {
  const box = make("input", { type: "checkbox", id: "request-refused" });
  box.checked = place().params.get("refused") === "1";
  box.addEventListener("change", () => {
    keep({ refused: box.checked ? "1" : "", entries: "" });
    again();
  });
  return make("label", { class: "check" }, box, `With partial errors only (${count(body.refused)})`);
}

function entryOf({ index, id, text, errors }, body) {
  const errorsOf = errors.map((error) => make("span", { class: "problem" }, reason(error)));
  const place = make("span", { class: "quiet number" }, `${count(index + 1)}`);
  const head = make("summary", {}, place, make("span", { class: "name", title: id ?? "" }, id ?? "no ID"));
  if (errors.length) head.append(make("span", { class: "badge warn" }, plural(errors.length, "partial error")));
  const profile = id && make("a", leading(["profiles", id]), "Open the profile");
  const made = make("details", {}, head, ...errorsOf, make("pre", { class: "block" }, text), profile || "");
  made.open = errors.length > 0 || body.found <= 3;
  return made;
}

function reason(error) {
  if (typeof error !== "object" || error === null) return JSON.stringify(error);
  const named = error.attribute === undefined ? "" : `${labels.attribute(String(error.attribute))}: `;
  return `${error.category ?? ""} — ${named}${error.reason ?? JSON.stringify(error)}`.replace(/^ — /, "");
}
