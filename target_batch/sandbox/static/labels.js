// Words for what Batch and the local Batch call by a machine's name.

const CALLS = {
  "profiles/update": "Update profiles",
  "profiles/mass-update": "Mass update profiles",
  "profiles/export": "Ask for an export",
  "exports/view": "View export",
  "exports/download": "Download export",
  "audiences/create": "Create audience",
  "audiences/update": "Change audience",
  "audiences/replace": "Replace audience",
  "audiences/remove": "Delete audience",
  "audiences/list": "List audiences",
  "audiences/view": "View audience",
  "app/list": "List app audiences",
  "app/create": "Create app audience",
  "app/update": "Change app audience",
  "app/replace": "Replace app audience",
  "app/remove": "Delete app audience",
  "app/view": "View app audience",
  "app/erase": "Ask for an erasure",
  "app/erasure": "View erasure",
  default: "Everything else",
  "": "Unknown route",
};
const STATES = { APPLIED: "Indexed", IN_PROGRESS: "Indexing", REPLACED: "Replaced" };
const ID_TYPES = {
  CUSTOM_ID: "custom user IDs",
  custom_ids: "custom user IDs",
  install_ids: "installation IDs",
  advertising_ids: "advertising IDs",
};
const CHANGES = { create: "creation", update: "change", replace: "replacement" };
const NATIVES = {
  $email_address: "E-mail address",
  $email_marketing: "E-mail marketing",
  $phone_number: "Phone number",
  $sms_marketing: "SMS marketing",
  $language: "Language",
  $region: "Region",
  $timezone: "Time zone",
  $topic_preferences: "Topic preferences",
};
const FAULTS = {
  answer: "Scripted answer",
  accept_then: "Accepted, then failed",
  reset: "Connection reset",
  close: "Connection closed",
  delay: "Delayed",
  trickle: "Trickling answer",
  trickle_headers: "Trickling headers",
  huge: "Huge answer",
  gzip_bomb: "Gzip bomb",
  redirect: "Redirect",
  partial_errors: "Scripted partial errors",
  retry_after: "Retry-After",
  refuse_ids: "IDs refused",
  max_body: "Body too large",
};
const STATUSES = {
  0: "No answer",
  200: "OK",
  201: "Created",
  202: "Accepted",
  307: "Temporary Redirect",
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  409: "Conflict",
  413: "Payload Too Large",
  415: "Unsupported Media Type",
  429: "Too Many Requests",
  500: "Internal Server Error",
  503: "Service Unavailable",
};

const of = (words) => (name) => (Object.hasOwn(words, name) ? words[name] : name);

/** What a call asks for, or asked for by its path where a fault came before anything was read. */
export const call = (endpoint, path = "") => {
  const asked = path.replace(/^\/[\d.]+\//, "");
  return of(CALLS)(endpoint || (Object.hasOwn(CALLS, asked) ? asked : ""));
};
/** The state of an audience's index. */
export const state = of(STATES);
/** What the IDs of an audience are. */
export const idType = of(ID_TYPES);
/** What a change of an audience does. */
export const change = of(CHANGES);
/** What a native attribute is; a custom one keeps its name. */
export const attribute = of(NATIVES);
/** What a scripted fault did. */
export const fault = of(FAULTS);
/** What an HTTP status means. */
export const status = (number) => (Object.hasOwn(STATUSES, number) ? STATUSES[number] : "");
/** Where an audience lies. */
export const platform = (name) => (name === "project" ? "Project" : name.replace(/^app-/, "App "));
