// Elements made and kept up to date. All text goes through textContent: names and IDs may be hostile.

/** Find an element by its id. */
export const byId = (id) => document.getElementById(id);

/** Make an element with properties, `class`, attributes and children (elements or texts). */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== undefined && value !== null) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/** Change a text only when it differs, so that a selection in it survives. */
export function write(element, text) {
  const wanted = String(text);
  if (element.textContent !== wanted) element.textContent = wanted;
}

/** Set or remove an attribute only when it differs. */
export function mark(element, name, value) {
  if (value === null || value === undefined || value === false) element.removeAttribute(name);
  else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
}

/**
 * Show items as children of a parent: elements are kept by key, so that focus and selection survive.
 * `build(item)` makes an element, `update(element, item)` brings it up to date.
 */
export function list(parent, items, key, build, update) {
  const known = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  let place = parent.firstElementChild;
  for (const item of items) {
    const name = String(key(item));
    let element = known.get(name);
    if (!element) {
      element = build(item);
      element.dataset.key = name;
    }
    known.delete(name);
    update?.(element, item);
    if (element === place) place = place.nextElementSibling;
    else parent.insertBefore(element, place);
  }
  for (const leftover of known.values()) leftover.remove();
}

const prints = new WeakMap();

/** Show content as a whole again, but only when it is not what stands there. */
export function replaceWhenNew(parent, content, build) {
  const print = JSON.stringify(content);
  if (prints.get(parent) === print) return;
  prints.set(parent, print);
  parent.replaceChildren(...build(content));
}

const numbers = new Intl.NumberFormat("en");
const millions = new Intl.NumberFormat("en", { notation: "compact", minimumFractionDigits: 2, maximumFractionDigits: 2 });
/** Write a number for people. */
export const count = (number) => numbers.format(number);

/** Write how many there are of something. */
export const plural = (number, word, words = `${word}s`) => `${count(number)} ${number === 1 ? word : words}`;

/** Write a size. */
export function size(bytes) {
  if (bytes < 1000) return `${bytes} B`;
  return bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

/** Write a duration. */
export function duration(seconds) {
  return seconds < 1 ? `${Math.max(1, Math.round(seconds * 1000))} ms` : `${seconds.toFixed(1)} s`;
}

/** Show numbers at the top: label, number, whether it is an alert, and what it means. */
export function tiles(parent, shown) {
  const build = ([label, , , meaning]) => make("div", { class: "tile", title: meaning }, make("dt", {}, label), make("dd"));
  list(parent, shown, ([label]) => label, build, (element, [, number, alert]) => {
    write(element.lastElementChild, number < 1e6 ? count(number) : millions.format(number));
    element.lastElementChild.title = count(number);
    element.classList.toggle("alert", Boolean(alert));
  });
}

/** Say that there is nothing, and why. */
export const nothing = (text) => make("p", { class: "empty" }, text);

/** Make a table with heads, and rows of cells. */
export function table(heads, rows) {
  const head = make("tr", {}, ...heads.map((text) => make("th", { scope: "col" }, text)));
  return make("table", {}, make("thead", {}, head), make("tbody", {}, ...rows));
}

/** Write a Unix time as local time of day. */
export const clock = (seconds) => new Date(seconds * 1000).toLocaleTimeString("en-GB");

/** Write a Unix time as local date and time. */
export const moment = (seconds) => new Date(seconds * 1000).toLocaleString("en-GB");
