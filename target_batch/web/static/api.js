// The inspection API.

async function ask(path, options) {
  const response = await fetch(`/_/${path}`, options);
  const content = await response.json();
  if (!response.ok) throw Object.assign(new Error(content.error), { status: response.status });
  return content;
}

/** Read something. */
export const get = (path) => ask(path);

/** Send something. */
export const post = (path, body = {}) =>
  ask(path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });

/** Remove something. */
export const remove = (path) => ask(path, { method: "DELETE" });
