// The keyboard: `/` searches, arrows move in a list, Escape leaves what is open.

const BOX = 'input[type="search"]';
const TYPING = "input:not([type=checkbox]), textarea, select";

const seen = (selector) => [...document.querySelectorAll(selector)].find((element) => element.checkVisibility());

/** Listen to the keys of the whole page. */
export function listen() {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    const box = event.target.closest(BOX);
    if (event.key === "/" && !event.target.closest(TYPING)) search(event);
    else if (event.key === "Escape") (box && box.value ? empty : leave)(event, box);
    else if (["ArrowDown", "ArrowUp"].includes(event.key)) move(event, box);
  });
}

function search(event) {
  event.preventDefault();
  const box = seen(BOX);
  if (box) focus(box);
  else {
    addEventListener("hashchange", () => focus(seen(BOX)), { once: true });
    seen("a.back")?.click();
  }
}

function focus(box) {
  box?.focus();
  box?.select();
}

function empty(event, box) {
  event.preventDefault();
  box.value = "";
  box.dispatchEvent(new Event("input", { bubbles: true }));
}

/** Close the details, and go back to what they were chosen from. */
function leave(event, box) {
  const away = seen("a.back");
  if (box || !away || event.target.closest(TYPING)) {
    event.target.blur();
    return;
  }
  const from = away.closest("[data-view]")?.querySelector("[aria-current]");
  addEventListener("hashchange", () => from?.focus(), { once: true });
  away.click();
}

function move(event, box) {
  const afresh = event.target === document.body && event.key === "ArrowDown";
  const list = event.target.closest("[data-list]") ?? (box ? listOf(box) : afresh && seen("[data-list]"));
  const items = list ? [...list.querySelectorAll("a.item")] : [];
  const at = items.indexOf(afresh && list ? list.querySelector("[aria-current]") : document.activeElement);
  const next = items[event.key === "ArrowDown" ? at + 1 : at - 1];
  if (at === 0 && event.key === "ArrowUp") searchOf(list)?.focus();
  else next?.focus();
  if (items.length) event.preventDefault();
}

const listOf = (box) => document.getElementById(box.getAttribute("aria-controls"));
const searchOf = (list) => document.querySelector(`input[aria-controls="${list.id}"]`);
