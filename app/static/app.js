/**
 * The page: shows the view that the address names after its #. A view is a module with `create()`; it is made when it is
 * first shown and then kept, with everything that was begun in it.
 */

import { asApiError, loadScopes } from "./lib/api.js";
import { focusView, loadStyle } from "./lib/dom.js";
import { getKey, takeKeyFromAddress } from "./lib/key.js";
import { pressOnce } from "./lib/keyboard.js";
import { askForKey } from "./parts/key_dialog.js";
import { outboxStatus } from "./parts/outbox_status.js";

/**
 * @typedef {object} View
 * @property {HTMLElement} element
 * @property {HTMLElement} [notices] begins with what is not stored yet; the element, unless given
 * @property {(params: URLSearchParams, id: string) => void} show
 * @property {() => void} hide
 */

/**
 * @typedef {object} Entry
 * @property {string} title
 * @property {string} link the address of its link in the navigation
 * @property {string} [style]
 * @property {() => Promise<{create: () => View}>} load
 */

/** @typedef {"draw" | "results" | "result" | "review" | "stats"} ViewName */

/** @type {Record<ViewName, Entry>} */
const VIEWS = {
  draw: { title: "Draw", link: "#/draw", load: () => import("./views/draw.js") },
  results: { title: "Results", link: "#/results", style: "static/views/results.css", load: () => import("./views/results.js") },
  result: { title: "Prediction", link: "#/results", style: "static/views/results.css", load: () => import("./views/result.js") },
  review: { title: "Review", link: "#/review", style: "static/views/review.css", load: () => import("./views/review.js") },
  stats: { title: "Stats", link: "#/stats", style: "static/views/stats.css", load: () => import("./views/stats.js") },
};

/** Addresses of version 0.9 and earlier. */
const RENAMED = new Map([["history", "results"], ["numbers", "stats"]]);

const RETRY_MS = 5000;

/** @type {Map<ViewName, View>} */
const views = new Map();
/** @type {View | null} */
let current = null;
let navigations = 0;
/** @type {number | undefined} the next try, while the view of the address could not be loaded */
let retry;
/** @type {number | undefined} */
let scopesRetry;

/**
 * @param {string} id
 * @returns {HTMLElement}
 */
function byId(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error(`index.html has no element with the id ${id}`);
  return element;
}

/** @returns {{name: ViewName, id: string, params: URLSearchParams}} */
function parseAddress() {
  const [path, query] = location.hash.replace(/^#\/?/, "").split("?");
  const [first, id = ""] = path.split("/");
  const params = new URLSearchParams(query ?? "");
  if (first === "results") return { name: id ? "result" : "results", id, params };
  return { name: first === "review" || first === "stats" ? first : "draw", id, params };
}

/** @param {ViewName} name */
async function loadView(name) {
  const known = views.get(name);
  if (known) return known;
  const { load, style } = VIEWS[name];
  const [module] = await Promise.all([load(), style && loadStyle(style)]);
  // Two navigations may have waited for the same module.
  const view = views.get(name) ?? module.create();
  views.set(name, view);
  return view;
}

async function showView() {
  const { name, id, params } = parseAddress();
  const mine = ++navigations;
  clearTimeout(retry);
  const hadFailed = retry !== undefined;
  let view;
  try {
    view = await loadView(name);
  } catch {
    if (mine !== navigations) return;
    // The open view stays, with everything in it. Firefox loads nothing again that has failed, until the page is reloaded.
    setStatus("PixelWise cannot be reached. This view opens when it can. If it does not, reload the page.");
    retry = setTimeout(showView, RETRY_MS);
    return;
  }
  if (mine !== navigations) return;
  if (hadFailed) setStatus("");
  retry = undefined;
  if (current !== view) {
    const isFirst = current === null;
    current?.hide();
    byId("view").replaceChildren(view.element);
    current = view;
    // Moves the focus, and with it screen readers, to what has changed.
    if (!isFirst) focusView();
    window.scrollTo(0, 0);
  }
  (view.notices ?? view.element).prepend(outboxStatus().element);
  document.title = `${VIEWS[name].title} · PixelWise`;
  markLink(VIEWS[name].link);
  view.show(params, id);
}

/** Try again now, if the view of the address could not be loaded. */
function retryNow() {
  if (retry !== undefined) showView();
}

/** @param {string} address */
function markLink(address) {
  for (const link of document.querySelectorAll("nav a")) {
    if (link.getAttribute("href") === address) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

/**
 * Write one line at the foot of the page, which screen readers read out.
 *
 * @param {string} text
 */
function setStatus(text) {
  byId("connection").textContent = text;
}

/** @param {boolean} [isWrong] whether the service has refused the key */
function showKeyState(isWrong = false) {
  const button = byId("key-button");
  const [text, name] = !getKey()
    ? ["Enter key", "Enter the API key"]
    : isWrong
      ? ["Wrong key", "The key is wrong; enter another one"]
      : ["Key\u00a0✓", "The key is set; change or forget it"];
  button.replaceChildren(text);
  button.classList.toggle("primary", isWrong || !getKey());
  button.setAttribute("aria-label", name);
}

async function learnScopes() {
  clearTimeout(scopesRetry);
  try {
    await loadScopes();
  } catch (caught) {
    const { isTemporary, retryAfter } = asApiError(caught);
    // Otherwise the next request says what is wrong.
    if (isTemporary) scopesRetry = setTimeout(learnScopes, retryAfter ? retryAfter * 1000 : RETRY_MS);
  }
}

/** Replace the old address of a view, so that links to it go on working. */
function replaceRenamedAddress() {
  const [, name, rest] = /^#\/?(\w+)(.*)$/.exec(location.hash) ?? [];
  const address = RENAMED.get(name);
  if (address) history.replaceState(null, "", `#/${address}${rest}`);
}

function navigate() {
  takeKeyFromAddress();
  replaceRenamedAddress();
  showView();
}

/** @param {DragEvent} event */
function keepPage(event) {
  // The browser would show the file in place of the page.
  if (event.dataTransfer?.types.includes("Files")) event.preventDefault();
}

function start() {
  // First, so that the key is no change to anybody.
  takeKeyFromAddress();
  replaceRenamedAddress();
  pressOnce();
  byId("key-button").before(outboxStatus().count);
  byId("key-button").addEventListener("click", askForKey);
  window.addEventListener("keychange", () => {
    showKeyState();
    learnScopes();
  });
  window.addEventListener("keyrefused", () => showKeyState(true));
  window.addEventListener("hashchange", navigate);
  // Its address would replace that of the view.
  document.querySelector(".skip")?.addEventListener("click", (event) => {
    event.preventDefault();
    byId("view").focus();
  });
  window.addEventListener("dragover", keepPage);
  window.addEventListener("drop", keepPage);
  window.addEventListener("offline", () => setStatus("You are offline. Nothing that you drew is lost."));
  window.addEventListener("online", () => {
    setStatus("");
    retryNow();
  });
  // A link to the address that is open already changes nothing by itself.
  document.querySelector("nav")?.addEventListener("click", ({ target }) => {
    if (target instanceof HTMLAnchorElement && target.href === location.href) retryNow();
  });
  showKeyState();
  learnScopes();
  if (!location.hash) history.replaceState(null, "", "#/draw");
  showView();
  outboxStatus().start();
}

start();
