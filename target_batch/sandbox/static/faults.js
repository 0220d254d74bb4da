// Scripted faults switched on and off, and how the local Batch behaves.

import { get, post, remove } from "./shared/api.js";
import { byId, list, make, mark, plural, write } from "./shared/dom.js";
import * as labels from "./labels.js";

let again = () => {};
let settled = "";

/** Wire the forms and buttons. */
export function start(refresh) {
  again = refresh;
  byId("faults-clear").addEventListener("click", () => act(() => remove("faults")));
  byId("fault-form").addEventListener("submit", (event) => {
    event.preventDefault();
    add(byId("fault-rule").value);
  });
  byId("settings").addEventListener("submit", (event) => {
    event.preventDefault();
    apply();
  });
  byId("reset").addEventListener("click", () => byId("confirm").showModal());
  byId("confirm").addEventListener("close", (event) => {
    if (event.target.returnValue === "yes") act(() => post("reset"));
    event.target.returnValue = "";
  });
}

/** Show on the tab how many faults are in force. */
export function badge({ faults }) {
  const on = faults.filter((fault) => fault.enabled).length;
  byId("faults-on").hidden = on === 0;
  write(byId("faults-on"), on);
}

/** Show the faults and the behaviour. */
export async function refresh(summary) {
  const { faults, ready } = await get("faults");
  byId("faults-empty").hidden = faults.length > 0;
  byId("faults-clear").disabled = faults.length === 0;
  list(byId("faults-list"), faults, (fault) => fault.id, build, update);
  list(byId("faults-ready"), ready, (rule) => rule.name, (rule) =>
    make("button", { class: "plain", type: "button", onclick: () => add(rule) }, rule.name),
  );
  fill(summary.settings);
}

/** Show the settings, unless someone is changing them. */
function fill(settings) {
  const print = JSON.stringify(settings);
  if (print === settled) return;
  settled = print;
  byId("setting-rates").checked = settings.rates;
  byId("setting-latency").value = settings.latency;
  byId("setting-index").value = settings.index_seconds;
}

function build(fault) {
  const toggle = make("button", {
    class: "switch",
    type: "button",
    role: "switch",
    "aria-label": `Fault ${fault.id}: ${fault.name}`,
    onclick: () =>
      act(() => post(`faults/${fault.id}`, { enabled: toggle.getAttribute("aria-checked") !== "true" })),
  });
  const away = make(
    "button",
    {
      class: "plain",
      type: "button",
      "aria-label": `Remove fault ${fault.id}: ${fault.name}`,
      onclick: (event) => {
        leave(event.currentTarget.closest("li"));
        act(() => remove(`faults/${fault.id}`));
      },
    },
    "Remove",
  );
  const { name, ...rule } = fault.rule;
  return make(
    "li",
    {},
    toggle,
    make("span", { class: "name" }, labels.fault(fault.name)),
    make("span", { class: "quiet" }),
    away,
    make("code", {}, JSON.stringify(rule)),
  );
}

/** Move the focus to a neighbour of a line that goes away. */
function leave(line) {
  const neighbour = line.nextElementSibling ?? line.previousElementSibling;
  (neighbour?.querySelector("button") ?? byId("tab-faults")).focus();
}

function update(element, fault) {
  mark(element.children[0], "aria-checked", String(fault.enabled));
  write(element.children[2], `${plural(fault.hits, "hit")} of ${fault.seen}`);
}

async function add(rule) {
  write(byId("fault-message"), "");
  try {
    await post("faults", rule);
  } catch (error) {
    write(byId("fault-message"), error.message);
  }
  again();
}

async function apply() {
  await act(() =>
    post("settings", {
      rates: byId("setting-rates").checked,
      latency: Number(byId("setting-latency").value),
      index_seconds: Number(byId("setting-index").value),
    }),
  );
  write(byId("settings-message"), "Applied");
  setTimeout(() => write(byId("settings-message"), ""), 2000);
}

async function act(action) {
  await action();
  again();
}
