/**
 * The API key: kept for this tab alone. It arrives after the # of a link, which browsers never send to a server, or by
 * hand. `window` gets the event "keychange" when there is another one.
 */

const NAME = "pixelwise-key";
let key = read();

function read() {
  try {
    return sessionStorage.getItem(NAME) ?? "";
  } catch {
    // Where the browser forbids storage the key lives as long as the page.
    return "";
  }
}

/** Return the key, or an empty text. */
export function getKey() {
  return key;
}

/** Keep another key, or none when it is empty. */
export function setKey(value) {
  key = value.trim();
  try {
    if (key) sessionStorage.setItem(NAME, key);
    else sessionStorage.removeItem(NAME);
  } catch {
    // See read().
  }
  window.dispatchEvent(new Event("keychange"));
}

/** Take the key out of the address (#key=…), so that neither a bookmark nor a shared link carries it. */
export function takeKeyFromAddress() {
  const found = /^#key=([^&]*)/.exec(location.hash);
  if (!found) return;
  history.replaceState(null, "", location.pathname + location.search + "#/draw");
  try {
    setKey(decodeURIComponent(found[1]));
  } catch {
    setKey(found[1]);
  }
}
