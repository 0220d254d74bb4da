// The stream of requests.

import { get } from "./api.js";
import { byId, clock, count, duration, list, make, mark, size, write } from "./dom.js";

const SHOWN = 200;
let paused = false;

/** Wire the controls. */
export function start(refresh) {
  byId("requests-pause").addEventListener("click", (event) => {
    paused = !paused;
    event.currentTarget.setAttribute("aria-pressed", paused);
    write(event.currentTarget, paused ? "Paused" : "Pause");
    refresh();
  });
  byId("requests-problems").addEventListener("change", refresh);
}

/** Show the most recent requests, the newest first. */
export async function refresh() {
  if (paused) return;
  const found = await get(`requests?limit=${SHOWN}`);
  const only = byId("requests-problems").checked;
  const rows = found.requests.reverse().filter((row) => !only || isProblem(row));
  write(byId("requests-total"), count(found.total));
  byId("requests-empty").hidden = rows.length > 0;
  list(byId("requests-rows"), rows, (row) => row.number, build);
}

function isProblem(row) {
  return row.status < 200 || row.status > 299 || row.partial_errors > 0 || row.fault !== "";
}

function build(row) {
  const path = make("td", { class: "path", title: row.path }, make("b", {}, row.method), row.path);
  return make(
    "tr",
    {},
    cell(row.number, "number quiet"),
    cell(clock(row.at)),
    path,
    make("td", {}, status(row)),
    cell(row.entries ? count(row.entries) : "", "number"),
    cell(row.partial_errors ? count(row.partial_errors) : "", "number"),
    cell(row.bytes ? size(row.bytes) : "", "number"),
    cell(duration(row.seconds), "number"),
    make("td", {}, row.fault ? make("span", { class: "badge warn" }, fault(row)) : ""),
  );
}

function cell(text, look) {
  const made = make("td", {}, String(text));
  mark(made, "class", look);
  return made;
}

function status(row) {
  const look = row.status >= 200 && row.status < 300 ? (row.partial_errors ? "warn" : "good") : "bad";
  return make("span", { class: `badge ${look}` }, row.status ? String(row.status) : "no answer");
}

const fault = (row) => (row.applied ? `${row.fault}, applied` : row.fault);
