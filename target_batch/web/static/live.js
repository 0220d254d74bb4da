// Keeping what is seen up to date, and saying whether the server answers.

import { byId, write } from "./dom.js";

/**
 * Call `refresh` now and then, and whenever the function returned is called: one call at a time, and one
 * more when it was asked for meanwhile. `refresh` returns what the page's state is in a word.
 */
export function live(refresh, milliseconds) {
  let busy = false;
  let wanted = false;

  async function again() {
    wanted = true;
    if (busy) return;
    busy = true;
    while (wanted) {
      wanted = false;
      try {
        pulse(await refresh(), false);
      } catch (error) {
        console.error(error);
        pulse("Does not answer", true);
      }
    }
    busy = false;
  }

  document.addEventListener("visibilitychange", () => document.hidden || again());
  setInterval(() => document.hidden || again(), milliseconds);
  return again;
}

function pulse(text, lost) {
  byId("pulse").classList.toggle("lost", lost);
  write(byId("pulse-text"), text);
}
