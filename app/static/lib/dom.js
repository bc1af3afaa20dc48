/** Makes elements. Text only ever enters the page as text, so what strangers stored cannot become markup. */

const SVG = "http://www.w3.org/2000/svg";

function fill(node, properties, children) {
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== undefined && child !== null && child !== false));
  return node;
}

/**
 * Make an HTML element: `el("button", {class: "primary", onclick: save}, "Save")`.
 * `on…` is a listener, any other property an attribute; `true` sets it, `false`, `null` and `undefined` leave it out.
 */
export function el(tag, properties, ...children) {
  return fill(document.createElement(tag), properties, children);
}

/** Make an SVG element, in the same way. */
export function svg(tag, properties, ...children) {
  return fill(document.createElementNS(SVG, tag), properties, children);
}

/** Load the style sheet of a view that most visits never open. Without it the view is plain, and works. */
export function loadStyle(href) {
  return new Promise((done) => {
    document.head.append(el("link", { rel: "stylesheet", href, onload: done, onerror: done }));
  });
}
