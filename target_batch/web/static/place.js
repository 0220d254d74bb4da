// The address: which view, what is chosen in it, and what is searched for. It can be kept, sent and reloaded.

function decode(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** Read the address behind `#/`: the parts of its path, and its parameters. */
export function place() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split(/\?(.*)/s);
  return { parts: path.split("/").filter(Boolean).map(decode), params: new URLSearchParams(query) };
}

/** Write an address from parts and parameters; empty parameters are left out. */
export function link(parts, params = {}) {
  const kept = Object.entries(params).filter(([, value]) => value);
  const query = new URLSearchParams(kept).toString();
  return `#/${parts.map(encodeURIComponent).join("/")}${query && `?${query}`}`;
}

/** Change parameters of the address in its place: going back passes them over. */
export function keep(changes) {
  const { parts, params } = place();
  history.replaceState(null, "", link(parts, { ...Object.fromEntries(params), ...changes }));
}

/** Properties of a link that leads on, and knows on arrival from where: `from()` is asked once it is clicked. */
export function leading(parts, from = () => ({ via: location.hash.slice(2) })) {
  const href = () => link(parts, from());
  return { href: href(), onclick: (event) => event.currentTarget.setAttribute("href", href()) };
}
