// A view with a list, a search above it, and beside it the details of what is chosen.

import { byId, mark } from "./dom.js";
import { pager } from "./pager.js";
import { keep, leading, place } from "./place.js";

const NARROW = matchMedia("(max-width: 52rem)");
const OF_LIST = ["search", "from", "problems"];

/** Keep one parameter of the address in step with a search box. */
export function searchBox(box, name, first, again) {
  box.addEventListener("input", () => {
    keep({ [name]: box.value, [first]: "" });
    again();
  });
}

/** Show in a search box what the address searches for, unless someone is typing there. */
export function fillBox(box, value) {
  if (document.activeElement !== box) box.value = value ?? "";
}

/** Read a place in a list from a parameter of the address. */
export const startOf = (name) => Math.max(0, Number.parseInt(place().params.get(name) ?? "0", 10) || 0);

/** Keep a pager in step with a parameter of the address. */
export function turn(parent, name, limit, total, again) {
  if (startOf(name) > 0 && startOf(name) >= total) {
    keep({ [name]: "" });
    again();
  }
  pager(parent, { from: startOf(name), limit, total }, (start) => {
    keep({ [name]: start || "" });
    again();
  });
}

/** Make the list side of a view: `view` names its section, its search box and its pager. */
export function listing(view, limit) {
  const section = byId(`view-${view}`);
  const box = byId(`${view}-search`);
  let again = () => {};
  let before = "";

  /** The parameters of the list alone, without those of the details. */
  const ofList = () => Object.fromEntries(OF_LIST.map((name) => [name, place().params.get(name)]));

  return {
    start(refresh) {
      again = refresh;
      searchBox(box, "search", "from", refresh);
    },
    /** Take over what the address says; returns the parts chosen, or null. */
    open(parts) {
      fillBox(box, place().params.get("search"));
      section.classList.toggle("chosen", parts.length > 0);
      const now = parts.join("/");
      if (now && now !== before && NARROW.matches) {
        scrollTo(0, 0);
        section.querySelector(".detail").focus({ preventScroll: true });
      }
      before = now;
      return parts.length ? parts : null;
    },
    query: (more = {}) => {
      const { search, from, problems } = ofList();
      const asked = { search: search ?? "", from: from ?? 0, limit, ...(problems ? { problems } : {}), ...more };
      return new URLSearchParams(asked).toString();
    },
    searched: () => place().params.get("search") ?? "",
    turn: (total) => turn(byId(`${view}-pager`), "from", limit, total, again),
    /** Properties of an item's link: it leads on with the list as it stands. */
    leading: (...parts) => leading([view, ...parts], ofList),
    /** Mark the item that is chosen. */
    choose: (element, isChosen) => mark(element, "aria-current", isChosen ? "true" : null),
  };
}
