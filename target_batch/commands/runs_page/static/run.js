// One run: how it ended and why, the counts of each stream, and what was refused with what to do about it.

import { get } from "./shared/api.js";
import { byId, count, make, nothing, plural, replaceWhenNew } from "./shared/dom.js";
import { startOf, turn } from "./shared/listing.js";
import { badge, moment, took } from "./outcome.js";

const STREAMS = 25;
const COUNTS = ["read", "delivered", "merged", "unchanged", "ignored", "rejected", "undelivered", "added", "removed"];
const ALWAYS = ["read", "delivered", "rejected"];
const MEANINGS = {
  merged: "Delivered records that shared another one's update",
  unchanged: "Not sent again, because Batch has them",
  ignored: "Records that ask for nothing",
  undelivered: "Read, but neither confirmed nor rejected: the next run repeats them",
};
const COSTS = {
  record: "costs the record",
  attribute: "costs one attribute",
  either: "costs what Batch names",
  ignored: "costs nothing",
};
const DRY = "A dry run: nothing was sent.";

/** Show the run chosen, or nothing. */
export async function show(chosen, view, again) {
  const sheet = byId("run");
  if (chosen === null) {
    replaceWhenNew(sheet, null, () => []);
    return;
  }
  const found = await asked(chosen);
  replaceWhenNew(sheet, [chosen, found, startOf("streams")], () => [
    make("a", { class: "back", ...view.leading() }, "All runs"),
    ...(found ? parts(found) : [nothing(`Run “${chosen}” not found.`)]),
  ]);
  const pages = sheet.querySelector(".pager");
  if (pages) turn(pages, "streams", STREAMS, found.found, again);
}

async function asked(chosen) {
  try {
    return await get(`runs/${encodeURIComponent(chosen)}?from=${startOf("streams")}&limit=${STREAMS}`);
  } catch (error) {
    if (error.status !== 404 && error.status !== 503) throw error;
    return null;
  }
}

function parts(run) {
  const made = [make("h2", {}, moment(run)), facts(run)];
  if (run.cause) made.push(make("p", { class: run.outcome === "stopped" ? "problem" : "problem bad" }, run.cause));
  if (run.dry_run) made.push(quiet(DRY));
  if (run.merged || run.unchanged) made.push(make("p", { class: "spared" }, spared(run)));
  made.push(make("h3", {}, "Streams"));
  if (!run.streams.length) made.push(quiet(run.ended ? "No records." : "Its counts are written at its end."));
  return [...made, ...run.streams.map((one) => stream(one, run.dry_run)), make("div", { class: "pager" }), ...replays(run)];
}

const quiet = (text) => make("p", { class: "quiet" }, text);

function facts(run) {
  const texts = [`run ${run.run}`];
  if (run.ended) {
    texts.push(`exit code ${run.exit}`, `took ${took(run)}`, plural(run.requests, "request"));
    if (run.retries) texts.push(`${count(run.retries)} sent again`);
    if (run.throttled) texts.push(`${count(run.throttled)} throttled (429)`);
    if (run.possibly_twice) texts.push(`${count(run.possibly_twice)} possibly sent twice`);
  }
  return make("p", { class: "facts" }, badge(run), ...texts.map((text) => make("span", { class: "full" }, text)));
}

function spared(run) {
  const made = [];
  if (run.merged) made.push(`merging saved ${plural(run.merged, "update")}`);
  const were = run.unchanged === 1 ? "was" : "were";
  if (run.unchanged) made.push(`${plural(run.unchanged, "unchanged record")} ${were} not sent`);
  return `Spared quota: ${made.join(", ")}.`;
}

function stream(one, dry) {
  const shown = COUNTS.filter((name) => ALWAYS.includes(name) || one[name]);
  const totals = make("dl", { class: "counts" }, ...shown.map((name) => counted(name, one[name] ?? 0, dry)));
  const head = make("h4", { class: "full" }, one.name);
  const known = one.counted ? totals : quiet("Its counts are not known.");
  return make("section", { class: "stream", "aria-label": one.name }, head, known, ...one.reasons.map(reason));
}

function counted(name, number, dry) {
  const parts = [make("dt", {}, dry && name === "delivered" ? "would be sent" : name), make("dd", {}, count(number))];
  return make("div", { title: MEANINGS[name], class: look(name, number) }, ...parts);
}

const look = (name, number) => (number && ["rejected", "undelivered"].includes(name) ? "alert" : "");

function reason(one) {
  const head = make("summary", {}, make("span", { class: "name", title: one.code }, one.label));
  const names = one.properties.join(", ");
  if (names) head.append(make("span", { class: "quiet names", title: names }, names));
  head.append(make("span", { class: `badge ${one.costs === "ignored" ? "" : "warn"}` }, count(one.count)));
  const made = make("details", {}, head, make("p", {}, ...withCode(one.advice)), quiet(detailsOf(one)));
  const said = one.messages.map((text) => make("li", {}, text));
  if (said.length) made.append(make("ul", { class: "said" }, ...said));
  if (one.examples.length) made.append(examples(one));
  return made;
}

/** Texts with code between backticks, as elements. */
const withCode = (text) => text.split("`").map((part, at) => (at % 2 ? make("code", {}, part) : part));

function detailsOf(one) {
  const parts = [one.code, COSTS[one.costs] ?? ""];
  if (one.final) parts.push(`${count(one.final)} must not be sent again`);
  return parts.filter(Boolean).join(" · ");
}

function examples(one) {
  const lines = one.examples.map((example) => {
    const what = [example.property, example.attribute && `→ ${example.attribute}`].filter(Boolean).join(" ");
    const where = example.line === null ? "" : `line ${count(example.line)} of the input, `;
    const text = `${where}line ${count(example.position)} of the rejects`;
    const named = make("code", {}, what || "the record");
    return make("li", { title: example.file }, named, make("span", { class: "quiet" }, ` ${text}`));
  });
  return make("ul", { class: "examples" }, ...lines);
}

function replays(run) {
  if (!run.files.length) return [];
  const files = run.files.map((file) => make("li", { class: "mono full" }, file));
  const made = [make("h3", {}, "Rejects"), make("ul", {}, ...files)];
  if (!run.replay.length) return made;
  const text = "Once the cause is gone, this delivers exactly what was refused:";
  return [...made, make("p", { class: "after" }, text), make("pre", { class: "block" }, run.replay.join("\n"))];
}
