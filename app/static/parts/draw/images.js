/** Images in place of drawings: chosen, photographed, pasted or dropped, and shown on the pad. */

import { asApiError, drawingUrl } from "../../lib/api.js";
import { el } from "../../lib/dom.js";

// The service's limit for a request, less what a form adds to a file.
const MAX_BYTES = 8 * 2 ** 20 - 1024;

/**
 * Make the input. `choose()` and `photograph()` ask for an image; `start()` takes pasted and dropped ones, `stop()` ends it.
 *
 * @param {object} handlers
 * @param {(image: File, others: number) => void} handlers.onimage called with the first image, and how many came with it
 * @param {(message: string) => void} handlers.onrefused
 */
export function createImageInput({ onimage, onrefused }) {
  const files = createFileInput({}, take);
  const camera = createFileInput({ capture: "environment" }, take);

  /** @param {File[]} given */
  async function take(given) {
    const [image, ...others] = given.filter(({ type }) => type.startsWith("image/"));
    if (!image) onrefused("That is not an image. Choose a picture, such as a PNG or JPEG file.");
    else if (image.size > MAX_BYTES) onrefused("That image is larger than 8 MiB, which is too large for PixelWise.");
    else {
      // In memory: browsers do not send a file that was changed or deleted in the meantime.
      const bytes = await image.arrayBuffer().catch(() => null);
      if (bytes) onimage(new File([bytes], image.name, { type: image.type }), others.length);
      else onrefused("That file cannot be read.");
    }
  }

  /** @param {ClipboardEvent} event */
  function onpaste({ clipboardData }) {
    const given = [...(clipboardData?.files ?? [])];
    if (given.length && !document.querySelector("dialog[open]")) take(given);
  }

  /** @param {DragEvent} event */
  function ondrop({ dataTransfer }) {
    if (dataTransfer?.files.length) take([...dataTransfer.files]);
  }

  function start() {
    document.addEventListener("paste", onpaste);
    document.addEventListener("drop", ondrop);
  }

  function stop() {
    document.removeEventListener("paste", onpaste);
    document.removeEventListener("drop", ondrop);
  }

  return { elements: [files, camera], choose: () => files.click(), photograph: () => camera.click(), start, stop };
}

/**
 * @param {Record<string, string>} properties
 * @param {(files: File[]) => void} ongiven
 */
function createFileInput(properties, ongiven) {
  const input = el("input", { type: "file", accept: "image/*", hidden: true, ...properties });
  input.addEventListener("change", () => {
    const given = [...(input.files ?? [])];
    // The same file can be chosen again.
    input.value = "";
    if (given.length) ongiven(given);
  });
  return input;
}

/** Make the picture that covers the pad: the image itself until it is stored, then what the network sees. */
export function createPicture() {
  const element = el("img", { class: "picture", alt: "", hidden: true });
  let shown = 0;

  /**
   * @param {string} url
   * @param {string} description
   */
  function showUrl(url, description) {
    hide();
    element.src = url;
    element.alt = description;
    element.hidden = false;
  }

  /** @param {File} image */
  function show(image) {
    showUrl(URL.createObjectURL(image), "Your image");
    element.classList.add("waiting");
  }

  /** @param {number} id of the stored image */
  async function showNormalised(id) {
    const mine = ++shown;
    try {
      const url = await drawingUrl(id, { normalised: true });
      if (mine === shown) showUrl(url, "Your image as the network sees it");
      else URL.revokeObjectURL(url);
    } catch (error) {
      // The image itself stays.
      asApiError(error);
      if (mine === shown) element.classList.remove("waiting");
    }
  }

  function hide() {
    shown++;
    URL.revokeObjectURL(element.src);
    element.removeAttribute("src");
    element.classList.remove("waiting");
    element.hidden = true;
  }

  return { element, show, showNormalised, hide };
}
