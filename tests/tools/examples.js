// What the rules for JavaScript find: each line with the name of a rule, and no other. Nothing runs this file.
export function show(element, text) {
  element.textContent = text;
  element.innerHTML = text; // found: text-as-html
  element.insertAdjacentHTML("beforeend", text); // found: text-as-html
}

export async function talk() {
  window.addEventListener("message", show); // found: message-from-another-page
  window.addEventListener("pointerup", show);
  await fetch("https://example.org/results"); // found: other-host-in-page
  await fetch("results");
}
