// How a run ended, and when it was, in words.

import { duration, make, moment as written } from "./shared/dom.js";

const OUTCOMES = {
  succeeded: ["good", "Succeeded", "The whole input is delivered"],
  rejecting: ["warn", "Rejects", "The whole input is delivered, or on disk in the rejects"],
  stopped: ["warn", "Stopped", "Stopped by a signal; everything that was read is confirmed"],
  failed: ["bad", "Failed", "It stopped, and the state is held: run it again"],
  did_not_end: ["bad", "Did not end", "Killed, or still at work"],
};

/** How a run ended. */
export function badge({ outcome, exit, dry_run }) {
  const [look, text, meaning] = OUTCOMES[outcome] ?? ["", outcome, ""];
  const title = outcome === "did_not_end" ? meaning : `${meaning} (exit code ${exit})`;
  return make("span", { class: `badge ${look}`, title }, dry_run ? `${text}, dry` : text);
}

/** When a run began, in this machine's time. */
export function moment({ started }) {
  const seconds = Date.parse(started) / 1000;
  return Number.isNaN(seconds) ? started : written(seconds);
}

/** The same as short as a list has room for. */
export function shortly({ started }) {
  const at = new Date(started);
  const form = { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" };
  return Number.isNaN(at.getTime()) ? started : at.toLocaleString("en-GB", form);
}

/** How long a run took. */
export function took({ ended, seconds }) {
  if (!ended) return "";
  const minutes = Math.floor(seconds / 60);
  if (minutes < 1) return duration(seconds);
  const hours = Math.floor(minutes / 60);
  return hours ? `${hours} h ${minutes % 60} min` : `${minutes} min ${Math.floor(seconds % 60)} s`;
}
