/** Makes elements. Text only ever enters the page as text, so stored text cannot become markup. */

/** @typedef {Node | string | number | false | null | undefined} Leaf */
/** @typedef {Leaf | Leaf[]} Child */
/** @typedef {string | number | boolean | null | undefined | ((event: any) => unknown)} Property */
/** @typedef {Record<string, Property>} Properties */

const SVG = "http://www.w3.org/2000/svg";

/** @type {Map<string, Promise<void>>} */
const styles = new Map();

/**
 * @template {Element} Made
 * @param {Made} node
 * @param {Properties} properties
 * @param {Child[]} children
 * @returns {Made}
 */
function fill(node, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (typeof value === "function") node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  for (const child of children.flat()) {
    if (child !== undefined && child !== null && child !== false) node.append(child instanceof Node ? child : String(child));
  }
  return node;
}

/**
 * Make an HTML element: `el("button", {class: "primary", onclick: save}, "Save")`. `on…` adds a listener, `true` an
 * attribute without a value; `false`, `null` and `undefined` are left out.
 *
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Properties} [properties]
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function el(tag, properties = {}, ...children) {
  return fill(document.createElement(tag), properties, children);
}

/**
 * Make an SVG element, in the same way.
 *
 * @template {keyof SVGElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Properties} [properties]
 * @param {...Child} children
 * @returns {SVGElementTagNameMap[Tag]}
 */
export function svg(tag, properties = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), properties, children);
}

/**
 * Make a button that submits nothing.
 *
 * @param {string} text
 * @param {(event: MouseEvent) => unknown} onclick
 * @param {Properties} [properties]
 */
export function button(text, onclick, properties = {}) {
  return el("button", { type: "button", onclick, ...properties }, text);
}

/** Return whether there is room for what a phone folds away. */
export function isRoomy() {
  return matchMedia("(min-width: 47.51em) and (min-height: 35em)").matches;
}

/** Give the focus to the view: what had it is gone. */
export function focusView() {
  document.getElementById("view")?.focus({ preventScroll: true });
}

/**
 * Load a view's style sheet once. It never fails: without its style a view is plain, and works.
 *
 * @param {string} href
 * @returns {Promise<void>}
 */
export function loadStyle(href) {
  const loading =
    styles.get(href) ??
    /** @type {Promise<void>} */ (
      new Promise((resolve) => {
        document.head.append(el("link", { rel: "stylesheet", href, onload: () => resolve(), onerror: () => resolve() }));
      })
    );
  styles.set(href, loading);
  return loading;
}
