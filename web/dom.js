// Elements without HTML: whatever comes from outside is only ever set as text.

const SVG = 'http://www.w3.org/2000/svg';

/**
 * An element. `class`, `data-…`, `aria-…` and the like are attributes, functions are listeners, everything else a property.
 * @param {string} tag
 * @param {Record<string, any>} [props]
 * @param {...(Node | string | null | undefined | false)} children  strings become text nodes
 */
export function el(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (typeof value === 'function') element.addEventListener(key, value);
    else if (key === 'class') element.className = value;
    else if (key in element && !key.includes('-') && key !== 'role' && key !== 'list') element[key] = value;
    else element.setAttribute(key, value === true ? '' : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** An SVG element; attributes only. */
export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

/** The element of this id in the page. */
export const id = (name) => document.getElementById(name);

/** Puts `children` in the place of what is in `element`. */
export const fill = (element, ...children) => element.replaceChildren(...children.filter(Boolean));

/** Calls `work` once, `wait` milliseconds after the last call. */
export function later(wait, work) {
  let timer = 0;
  return (...args) => {
    clearTimeout(timer);
    timer = setTimeout(() => work(...args), wait);
  };
}

/** Gives a text to the user as a file. */
export function download(name, content, type = 'text/plain') {
  const url = URL.createObjectURL(new Blob([content], { type }));
  const link = el('a', { href: url, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** Says something to whoever listens with a screen reader, and shows it for a moment. */
export function say(text, kind = 'note') {
  const toast = el('p', { class: `toast ${kind}` }, text);
  id('toasts').append(toast);
  setTimeout(() => toast.remove(), kind === 'error' ? 9000 : 3500);
}

/** Copies a text; says so. */
export async function copy(text, said) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Without permission, or on plain http beyond this machine, there is only the old way.
    const field = el('textarea', { value: text, class: 'offscreen' });
    document.body.append(field);
    field.select();
    document.execCommand('copy');
    field.remove();
  }
  say(said);
}
