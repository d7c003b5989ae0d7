// The bank of sliders of one tag. It writes into the text and is drawn from it: there is no second truth.

import { LAYOUTS, groups, parts } from './blocks.js';
import { el, fill } from './dom.js';
import { fader, typeNumber } from './fader.js';
import { changed, entries, number, written } from './tag.js';
import { t } from './words.js';

const LOW = 0;
const HIGH = 1.5;

/**
 * @param {number} length  entries of the vector
 * @param {{
 *   vector: () => string, write: (vector: string, gesture: string) => void, released: (what: string) => void,
 *   memory: Map<number, number>, modules: (name: string) => number | null
 * }} options  `memory` keeps what muted blocks had
 */
export function bank(length, options) {
  const names = LAYOUTS[length];
  const columns = [];
  const heads = [];
  let frozen = null;

  const texts = () => entries(options.vector()).map((entry) => entry.text);
  const weights = () => texts().map((text) => number(text) ?? 1);
  const range = () => frozen ?? reach(texts());
  const change = (changes, gesture) => {
    // While one drags the scale must not move under the hand.
    frozen ??= range();
    options.write(changed(options.vector(), new Map(changes)), gesture);
  };
  const release = (what) => {
    frozen = null;
    draw();
    options.released(what);
  };
  const shared = { texts, weights, range, change, release, ...options };

  const root = el('div', { class: 'bank', role: 'group', 'aria-label': t('bank') });
  root.dataset.length = length;
  for (const group of groups(length)) {
    const inside = group.entries.map((at) => column(at, names[at], shared));
    columns.push(...inside);
    const members = el('div', { class: 'members' }, ...inside.map((c) => c.root));
    const part = el('div', { class: 'block-group' }, members);
    part.dataset.level = group.level;
    part.style.setProperty('--members', group.entries.length);
    const head = groupHead(group, names, members, shared);
    heads.push(head);
    part.prepend(head.root);
    root.append(part);
  }

  function draw() {
    const [low, high] = range();
    const now = texts();
    root.style.setProperty('--one', `${((1 - low) / (high - low)) * 100}%`);
    columns.forEach((c) => c.draw(now[c.at] ?? '', low, high));
    heads.forEach((h) => h.draw());
  }
  draw();

  return {
    root,
    draw,
    /** Shows another vector behind the sliders, as marks; null takes them away. */
    ghost(vector) {
      const [low, high] = range();
      const ghosts = vector ? entries(vector).map((e) => number(e.text)) : [];
      const fits = ghosts.length === length;
      columns.forEach((c) => c.ghost(fits ? ghosts[c.at] : null, low, high));
    },
    /** Fills the meters from an analysis. */
    meter: (of) => columns.forEach((c) => c.meter(of(c.name))),
  };
}

/** From 0 to 1.5, unless the vector goes beyond. */
function reach(texts) {
  const all = texts.map(number).filter((weight) => weight !== null);
  return [Math.min(LOW, ...all.map(Math.floor)), Math.max(HIGH, ...all.map((w) => Math.ceil(w * 2) / 2))];
}

const share = (weight, low, high) => `${((Math.min(high, Math.max(low, weight)) - low) / (high - low)) * 100}%`;

function column(at, name, { texts, weights, range, change, release, memory, modules }) {
  const track = el('div', { class: 'track' }, el('div', { class: 'travel' }), el('div', { class: 'cap' }));
  const meter = el('div', { class: 'meter', hidden: true }, el('i', {}));
  const ghost = el('div', { class: 'ghost', hidden: true });
  const slot = el('div', { class: 'slot' }, track, meter, ghost);
  const value = el('button', { class: 'value', type: 'button', tabIndex: -1, click: () => type('') });
  const mute = el('button', { class: 'mute', type: 'button', click: () => toggle() }, 'M');
  const solo = el('button', { class: 'solo', type: 'button', click: () => alone() }, 'S');
  const { number: short } = parts(name);
  const root = el('div', { class: 'column' }, el('span', { class: 'name', 'aria-hidden': 'true' }, short || '\u00a0'), slot, value,
    el('div', { class: 'switches' }, mute, solo));
  root.dataset.block = name;

  const get = () => weights()[at] ?? 1;
  const isMuted = () => get() === 0 && memory.has(at);
  const others = () => weights().map((_, other) => other).filter((other) => other !== at);
  const isAlone = () => memory.size > 0 && get() !== 0 && others().every((other) => weights()[other] === 0);

  function toggle() {
    if (isMuted()) change([[at, memory.get(at)]], `mute-${name}`);
    else if (get() !== 0) {
      memory.set(at, get());
      change([[at, 0]], `mute-${name}`);
    } else change([[at, 1]], `mute-${name}`);
    release(name);
  }

  function alone() {
    if (isAlone()) change(others().map((other) => [other, memory.get(other) ?? 0]), `solo-${name}`);
    else {
      const now = weights();
      // A block that is silent already keeps what it had before.
      others().forEach((other) => now[other] !== 0 && memory.set(other, now[other]));
      change([...others().map((other) => [other, 0]), [at, get() || memory.get(at) || 1]], `solo-${name}`);
    }
    release(name);
  }

  function type(start) {
    typeNumber(value, {
      label: name, start: start || written(get()), selected: !start,
      done(weight) {
        slider.focus();
        if (weight === null) return;
        change([[at, weight]], `typed-${name}`);
        release(name);
      },
    });
  }

  const slider = slot;
  const handle = fader({
    name, label: () => name, get, range,
    moved: (weight, gesture) => {
      memory.delete(at);
      change([[at, weight]], gesture);
    },
    released: () => release(name),
    command(key) {
      if (key === 'm' || key === 'M') toggle();
      else if (key === 's' || key === 'S') alone();
      else if (key === 'Enter') type('');
      else if (/^[0-9.]$/.test(key)) type(key);
      else return false;
      return true;
    },
  }, slider, track);

  return {
    root, at, name,
    draw(text, low, high) {
      const weight = number(text);
      const count = modules(name);
      track.style.setProperty('--at', share(weight ?? 1, low, high));
      track.style.setProperty('--zero', share(0, low, high));
      root.classList.toggle('letter', weight === null);
      root.classList.toggle('muted', isMuted());
      root.classList.toggle('empty', count === 0);
      root.title = count === 0 ? t('no-modules', { name }) : '';
      value.textContent = weight === null ? text || '?' : written(weight);
      value.setAttribute('aria-label', t('type-weight', { name, weight: value.textContent }));
      mute.setAttribute('aria-pressed', String(isMuted()));
      mute.setAttribute('aria-label', t('mute', { name }));
      mute.title = t('mute', { name });
      solo.setAttribute('aria-pressed', String(isAlone()));
      solo.setAttribute('aria-label', t('solo', { name }));
      solo.title = t('solo', { name });
      handle.tell(weight === null ? text : count === 0 ? `${written(weight)}, ${t('no-modules', { name })}` : '');
    },
    ghost(weight, low, high) {
      ghost.hidden = weight === null || weight === undefined;
      if (!ghost.hidden) ghost.style.setProperty('--at', share(weight, low, high));
    },
    meter(measure) {
      meter.hidden = !measure;
      if (!measure) return;
      meter.style.setProperty('--share', `${Math.round(measure.share * 100)}%`);
      meter.classList.toggle('guilty', measure.guilty);
      meter.title = measure.title;
    },
  };
}

/** The head of a group: its name, and the handle that moves all its blocks together. */
function groupHead(group, names, members, { weights, range, change, release, memory }) {
  const own = group.entries.map((at) => names[at]);
  const { half, number: single } = parts(own[0]);
  const root = el('div', { class: 'group-head' });
  const title = own.length > 1 || single ? half : own[0];
  const all = own.join(', ');
  fill(root, el('span', {}, title));
  if (own.length === 1) return { root, draw() { root.title = t(`level-${group.level}`); } };

  const grip = el('div', { class: 'grip' }, el('span', { class: 'bars', 'aria-hidden': 'true' }));
  root.append(grip);
  const mean = () => group.entries.reduce((sum, at) => sum + (weights()[at] ?? 1), 0) / group.entries.length;
  const handle = fader({
    name: `group-${own[0]}`, label: () => t('group', { names: all }), get: mean, range, coarse: true,
    moved(weight, gesture) {
      // All go the same way, and none beyond the end, so that what lies between them stays.
      const now = weights();
      const [low, high] = range();
      const mine = group.entries.map((at) => now[at] ?? 1);
      const by = Math.max(low - Math.min(...mine), Math.min(high - Math.max(...mine), weight - mean()));
      group.entries.forEach((at) => memory.delete(at));
      change(group.entries.map((at) => [at, Math.round((now[at] + by) * 100) / 100]), gesture);
    },
    released: () => release(all),
  }, grip, members);
  // One double click makes all of them 1, whatever lay between.
  grip.addEventListener('dblclick', () => {
    change(group.entries.map((at) => [at, 1]), `group-${own[0]}-one`);
    release(all);
  });
  return {
    root,
    draw() {
      root.title = `${t(`level-${group.level}`)} · ${t('group-hint')}`;
      handle.tell();
    },
  };
}
