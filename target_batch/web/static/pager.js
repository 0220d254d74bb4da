// Going from page to page of a list.

import { count, make, write } from "./dom.js";

/** Keep a pager up to date; `go` is called with the first place of the page wanted. */
export function pager(parent, { from, limit, total }, go) {
  parent.hidden = total <= limit && from === 0;
  if (!parent.childElementCount) {
    parent.append(
      make("button", { class: "plain", type: "button", onclick: () => parent.go(-1) }, "Previous"),
      make("span"),
      make("button", { class: "plain", type: "button", onclick: () => parent.go(1) }, "Next"),
    );
  }
  parent.go = (step) => go(Math.max(0, from + step * limit));
  const [previous, text, next] = parent.children;
  previous.disabled = from === 0;
  next.disabled = from + limit >= total;
  const last = Math.min(from + limit, total);
  write(text, total ? `${count(Math.min(from + 1, total))}–${count(last)} of ${count(total)}` : "");
}
