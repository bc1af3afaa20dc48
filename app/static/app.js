/**
 * The page: which view is shown, by what stands after the # of the address. Each view is a module with
 * `create(): {element, show(params, id), hide()}`; it is made when it is first shown and then kept, with whatever a person
 * has begun in it.
 */

import { getKey, takeKeyFromAddress } from "./lib/key.js";
import { askForKey } from "./parts/key_dialog.js";

const VIEWS = {
  draw: { title: "Draw", load: () => import("./views/draw.js") },
  history: { title: "History", load: () => import("./views/results.js") },
  results: { title: "Prediction", load: () => import("./views/result.js"), under: "history" },
  review: { title: "Review", load: () => import("./views/review.js") },
  numbers: { title: "Numbers", load: () => import("./views/stats.js") },
};

const main = document.getElementById("view");
const made = new Map();
let current = null;
let turn = 0;

function parseAddress() {
  const [path, query] = location.hash.replace(/^#\/?/, "").split("?");
  const [name, id] = path.split("/");
  return { name: VIEWS[name] ? name : "draw", id, params: new URLSearchParams(query ?? "") };
}

async function viewOf(name) {
  if (!made.has(name)) made.set(name, (await VIEWS[name].load()).create());
  return made.get(name);
}

async function show() {
  const { name, id, params } = parseAddress();
  const mine = ++turn;
  let view;
  try {
    view = await viewOf(name);
  } catch {
    // The files of this view could not be fetched; what is open stays, with whatever was drawn in it.
    say("PixelWise cannot be reached; this view opens when it can.");
    return;
  }
  if (mine !== turn) return;
  if (current !== view) {
    current?.hide?.();
    main.replaceChildren(view.element);
    const first = current === null;
    current = view;
    // Whoever cannot see that the page has changed is taken to where it did.
    if (!first) main.focus({ preventScroll: true });
    window.scrollTo(0, 0);
  }
  document.title = `${VIEWS[name].title} · PixelWise`;
  for (const link of document.querySelectorAll("nav a")) {
    const active = link.hash === `#/${VIEWS[name].under ?? name}`;
    if (active) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  view.show(params, id);
}

/** Write one line at the foot of the page, which screen readers read out. */
function say(text) {
  document.getElementById("connection").textContent = text;
}

function showKeyState() {
  const button = document.getElementById("key-button");
  button.replaceChildren(getKey() ? "Key ✓" : "Enter key");
  button.classList.toggle("primary", !getKey());
  button.setAttribute("aria-label", getKey() ? "The key is set; change or forget it" : "Enter the API key");
}

takeKeyFromAddress();
document.getElementById("key-button").addEventListener("click", askForKey);
window.addEventListener("keychange", showKeyState);
window.addEventListener("hashchange", () => {
  takeKeyFromAddress();
  // A skip link is no view.
  if (location.hash !== "#view") show();
});
window.addEventListener("offline", () => say("You are offline. Nothing that you drew is lost."));
window.addEventListener("online", () => {
  say("");
  if (current === null) show();
});
showKeyState();
if (!location.hash) history.replaceState(null, "", "#/draw");
show();
