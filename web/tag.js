// LoRA tags inside a prompt: where their block weights stand, and how one weight is changed with every other byte left alone.
// The rules are those of webui and of the extension LoRA Block Weight.

import { LAYOUTS } from './blocks.js';

/**
 * @typedef {{start: number, end: number, text: string}} Piece  a part of the prompt, by UTF-16 offsets
 * @typedef {Piece & {kind: string, name: string, items: Piece[], weights: (Piece & {item: number}) | null}} Tag
 */

/** Comments reach from `#` to the end of the line; a tag inside of one is none. Offsets stay. */
const withoutComments = (text) => text.replace(/#[^\n]*/g, (comment) => ' '.repeat(comment.length));

/**
 * All tags that load LoRAs, in the order of the text.
 * @param {string} text
 * @returns {Tag[]}
 */
export function tags(text) {
  // Without `>` further on nothing can be a tag; a search that ends there stays linear.
  const searched = withoutComments(text).slice(0, text.lastIndexOf('>') + 1);
  const found = [];
  for (const match of searched.matchAll(/<([\p{L}\p{N}_]+):([^>]+)>/gu)) {
    const [whole, kind, args] = match;
    if (kind !== 'lora' && kind !== 'lyco') continue;
    const start = match.index;
    const items = pieces(text, start + kind.length + 2, start + kind.length + 2 + args.length, ':');
    const name = items.find((item) => !isNamed(item.text))?.text ?? '';
    found.push({ start, end: start + whole.length, text: text.slice(start, start + whole.length), kind, name, items,
      weights: findWeights(text, items) });
  }
  return found;
}

/** The parts of `text` from `start` to `end` between the separators. */
function pieces(text, start, end, separator) {
  const all = [];
  for (const part of text.slice(start, end).split(separator)) {
    all.push({ start, end: start + part.length, text: part });
    start += part.length + 1;
  }
  return all;
}

/** webui's named arguments have exactly one `=`. */
const isNamed = (item) => item.split('=').length === 2;

/** The extension takes the first item that contains the key, else the third item if it can be a vector. */
function findWeights(text, items) {
  const valueOf = (at) => {
    const start = items[at].start + items[at].text.indexOf('=') + 1;
    return { start, end: items[at].end, text: text.slice(start, items[at].end), item: at };
  };
  const holding = (key) => items.findIndex((item) => item.text.includes(key));
  const lbw = holding('lbw=');
  if (lbw >= 0) return valueOf(lbw);
  const third = items[2];
  if (third && !third.text.includes('=')) return isVector(third.text) ? { ...third, item: 2 } : null;
  const w = items.findIndex((item) => item.text.startsWith('w='));
  return w >= 0 ? valueOf(w) : null;
}

/** Whether a text has as many entries as a vector of some layout. */
export const isVector = (text) => text.split(',').length in LAYOUTS;

/**
 * The entries of a vector as written, spaces around them apart.
 * @param {string} text
 * @returns {Piece[]}
 */
export function entries(text) {
  return pieces(text, 0, text.length, ',').map((entry) => {
    const start = entry.start + (entry.text.length - entry.text.trimStart().length);
    const trimmed = entry.text.trim();
    return { start: trimmed ? start : entry.start, end: (trimmed ? start : entry.start) + trimmed.length, text: trimmed };
  });
}

/** An entry as a number, or null where it is a letter (`R`, `U`, `X-0.2`) or nothing of the kind. */
export function number(entry) {
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(entry) ? Number(entry) : null;
}

/** A weight as it is written: at most three places, no zeros at the end. */
export function written(weight) {
  const rounded = Math.round(weight * 1000) / 1000;
  return String(rounded === 0 ? 0 : rounded);
}

/**
 * `vector` with some entries changed; the others, and the spaces, stay as they are.
 * @param {string} vector
 * @param {Map<number, number>} changes  weights by entry
 */
export function changed(vector, changes) {
  let result = '';
  let kept = 0;
  entries(vector).forEach((entry, at) => {
    const weight = changes.get(at);
    if (weight === undefined || number(entry.text) === weight) return;
    result += vector.slice(kept, entry.start) + written(weight);
    kept = entry.end;
  });
  return result + vector.slice(kept);
}

/**
 * An edit that gives `tag` these weights (a vector, or a preset's name).
 * @returns {{start: number, end: number, text: string}}
 */
export function withWeights(tag, value) {
  if (tag.weights) return { start: tag.weights.start, end: tag.weights.end, text: value };
  return { start: tag.end - 1, end: tag.end - 1, text: `:lbw=${value}` };
}

/** The prompt with the whole tag taken out. */
export const withoutTag = (text, tag) => text.slice(0, tag.start) + text.slice(tag.end);

/** The tag without its block weights: the whole LoRA. */
export function wholeTag(text, tag) {
  if (!tag.weights) return tag.text;
  const item = tag.items[tag.weights.item];
  return text.slice(tag.start, item.start - 1) + text.slice(item.end, tag.end);
}

/** `text` after an edit. */
export const applied = (text, { start, end, text: inserted }) => text.slice(0, start) + inserted + text.slice(end);

/**
 * What a tag's weights are, with the presets at hand.
 * @param {Tag} tag
 * @param {(name: string) => {value: string} | undefined} preset
 * @param {number} length  entries of a vector where the tag has none
 * @returns {{preset: string | null, vector: string, unknown: boolean}}
 */
export function reading(tag, preset, length) {
  const ones = Array(length).fill('1').join(',');
  const value = tag.weights?.text;
  if (value === undefined) return { preset: null, vector: ones, unknown: false };
  const known = preset(value);
  if (known && isVector(known.value)) return { preset: value, vector: known.value, unknown: false };
  if (isVector(value)) return { preset: null, vector: value, unknown: false };
  return { preset: null, vector: ones, unknown: true };
}
