// The blocks panel: for each LoRA tag of the prompt its bank of sliders, its presets, and what can be kept of it.

import { bank } from './bank.js';
import { LAYOUTS, lengthOf } from './blocks.js';
import { copy, download, el, fill, id, say, svg } from './dom.js';
import { family, modulesOf, presets } from './names.js';
import { on, pause, set, state, write } from './state.js';
import { applied, changed, entries, isVector, number, reading, tags, withWeights } from './tag.js';
import { t } from './words.js';

/** Presets shown before one asks for all of them. */
const FIRST = 14;

let cards = [];
const released = new Set();

/** Calls `heard()` when a slider, a preset or a mute was let go: the picture should follow. */
export const onRelease = (heard) => released.add(heard);

/** The tag that pictures and the analysis are about. */
export function selectedTag() {
  const all = tags(state.prompt);
  return all[Math.min(state.selected, all.length - 1)] ?? null;
}

const presetOf = (name) => presets().find((preset) => preset.name === name);
const readingOf = (tag) => reading(tag, presetOf, lengthOf(family()));

/** Gives the tag number `at` other weights: a vector, or a preset's name. */
function give(at, value, gesture) {
  const tag = tags(state.prompt)[at];
  if (tag) write(applied(state.prompt, withWeights(tag, value)), gesture);
}

/** Gives the selected tag these weights, and lets go. */
export function giveSelected(value) {
  const all = tags(state.prompt);
  give(Math.min(state.selected, all.length - 1), value, 'give');
  release();
}

function release() {
  pause();
  released.forEach((heard) => heard());
}

export function banks() {
  const draw = () => {
    const all = tags(state.prompt);
    const key = (tag) => `${tag.name}\n${readingOf(tag).vector.split(',').length}`;
    // Cards stay while their LoRA and the length of its vector do, so that a hand on a slider is not disturbed.
    cards = all.map((tag, at) => (cards[at]?.key === key(tag) ? cards[at] : card(at, tag, key(tag))));
    const host = id('banks');
    const wanted = cards.map((c) => c.root);
    if (wanted.length !== host.children.length || wanted.some((root, at) => host.children[at] !== root)) fill(host, ...wanted);
    id('no-tags').hidden = all.length > 0;
    cards.forEach((c, at) => c.draw(all[at]));
  };
  on('prompt names presets', draw);
  on('language', () => {
    cards = [];
    draw();
  });
  on('selected', () => cards.forEach((c, at) => c.root.classList.toggle('selected', at === state.selected && cards.length > 1)));
  on('analysis modules', draw);
  draw();
}

function card(at, first, key) {
  const length = readingOf(first).vector.split(',').length;
  const now = () => tags(state.prompt)[at] ?? first;
  const sliders = bank(length, {
    vector: () => readingOf(now()).vector,
    write: (vector, gesture) => give(at, vector, `${at}-${gesture}`),
    released: release,
    memory: new Map(),
    modules: (block) => modulesOf(first.name, block),
  });
  const title = el('h3', {});
  const reset = el('button', { type: 'button', class: 'quiet', click: () => use(Array(length).fill('1').join(',')) }, t('all-one'));
  const copyTag = el('button', { type: 'button', class: 'quiet', click: () => copy(now().text, t('copied')) }, t('copy-tag'));
  const keep = el('button', { type: 'button', class: 'quiet', 'aria-expanded': 'false', click: () => toggleForm() }, t('save-preset'));
  const note = el('p', { class: 'hint bank-note', role: 'status' });
  const chips = el('div', { class: 'chips', role: 'group', 'aria-label': t('presets') });
  const form = presetForm(() => readingOf(now()).vector, (name) => {
    toggleForm(false);
    use(name);
  });
  const root = el('article', { class: 'tag-card', pointerdown: () => select(), focusin: () => select() },
    el('header', {}, title, el('div', { class: 'row' }, reset, copyTag, keep)), form, sliders.root, note, chips);

  function toggleForm(open = form.hidden) {
    form.hidden = !open;
    keep.setAttribute('aria-expanded', String(open));
    if (open) form.querySelector('input').focus();
  }

  function select() {
    if (state.selected !== at) set({ selected: at });
  }

  function use(value) {
    give(at, value, `use-${at}`);
    release();
  }

  let showAll = false;
  let chipsOf = '';
  function drawChips(chosen) {
    const fitting = presets().filter((preset) => isVector(preset.value));
    const same = fitting.filter((preset) => preset.value.split(',').length === length);
    const others = fitting.filter((preset) => preset.value.split(',').length !== length);
    const list = showAll ? [...same, ...others] : same.slice(0, FIRST);
    const picked = list.some((p) => p.name === chosen) ? [] : fitting.filter((p) => p.name === chosen);
    const key = JSON.stringify([list, picked, chosen]);
    if (key === chipsOf) return;
    chipsOf = key;
    const more = fitting.length > list.length || showAll
      ? [el('button', { type: 'button', class: 'quiet', click: () => { showAll = !showAll; drawChips(chosen); } },
        showAll ? t('fewer') : t('more', { count: fitting.length - list.length }))] : [];
    fill(chips, ...[...picked, ...list].map((preset) => chip(preset, preset.name === chosen, {
      use: () => use(preset.name), show: (on) => sliders.ghost(on ? preset.value : null),
    })), ...more);
  }

  return {
    root, key,
    draw(tag) {
      const { preset, unknown } = readingOf(tag);
      fill(title, tag.name, el('small', {}, tag.kind === 'lyco' ? 'LyCO' : 'LoRA'));
      root.setAttribute('aria-label', tag.name);
      root.classList.toggle('selected', at === state.selected && cards.length > 1);
      root.classList.toggle('unknown', unknown);
      note.textContent = unknown ? t('unknown-weights', { text: tag.weights.text }) : '';
      sliders.draw();
      sliders.meter(meterOf(tag.name));
      drawChips(preset);
    },
    sliders,
  };
}

/** A preset: its name and its shape; pressed where the tag has it. */
function chip(preset, isPressed, { use, show }) {
  const button = el('button', {
    type: 'button', class: 'chip', 'aria-pressed': String(isPressed), title: `${preset.name} = ${preset.value}\n${preset.origin ?? ''}`,
    click: use, pointerenter: () => show(true), pointerleave: () => show(false), focus: () => show(true), blur: () => show(false),
  }, shape(preset.value), el('span', {}, preset.name));
  if (!preset.own) return button;
  const remove = el('button', {
    type: 'button', class: 'remove', 'aria-label': t('forget', { name: preset.name }), title: t('forget', { name: preset.name }),
    click: () => set({ presets: state.presets.filter((own) => own.name !== preset.name) }),
  }, '×');
  return el('span', { class: 'chip-pair' }, button, remove);
}

/** A vector as a row of little bars. */
export function shape(vector) {
  const weights = entries(vector).map((entry) => number(entry.text) ?? 0.5);
  const most = Math.max(1, ...weights);
  const picture = svg('svg', { viewBox: `0 0 ${weights.length * 3} 14`, class: 'shape', 'aria-hidden': 'true', preserveAspectRatio: 'none' });
  weights.forEach((weight, at) => {
    const height = Math.max(1, (Math.max(0, weight) / most) * 13);
    picture.append(svg('rect', { x: at * 3, y: 14 - height, width: 2, height, class: weight > 0 ? 'on' : 'off' }));
  });
  return picture;
}

/** Keeps the weights under a name: for this page at once, and as YAML for everything else. */
function presetForm(vector, done) {
  const name = el('input', { required: true, maxLength: 60, autocomplete: 'off', 'aria-label': t('preset-name'), placeholder: t('preset-name') });
  const form = el('form', { class: 'row preset-form', hidden: true, submit(event) {
    event.preventDefault();
    const wanted = name.value.trim();
    // The characters that end an argument of a tag, or a line of a preset file.
    if (!wanted || /[:<>,=@\n]/.test(wanted)) return say(t('bad-preset-name'), 'error');
    const value = vector();
    set({ presets: [...state.presets.filter((own) => own.name !== wanted), { name: wanted, value }] });
    say(t('preset-saved', { name: wanted }));
    return done(wanted);
  } }, name, el('button', {}, t('save')), el('button', { type: 'button', class: 'quiet', click: () => exportPresets() }, t('yaml')));
  return form;
}

/** The page's own presets as a file for `--presets`. */
export function yaml(own) {
  const plain = (name) => (/^[A-Za-z][\w.-]*$/.test(name) && !/^(true|false|null|yes|no|on|off|y|n)$/i.test(name) ? name : JSON.stringify(name));
  return ['presets:', ...own.map(({ name, value }) => `  ${plain(name)}: "${value}"`), ''].join('\n');
}

function exportPresets() {
  if (state.presets.length === 0) return say(t('no-presets'));
  return download('lbw-presets.yaml', yaml(state.presets), 'application/yaml');
}

/** What the last analysis says of this LoRA's blocks. */
function meterOf(lora) {
  const { analysis } = state;
  if (!analysis || analysis.lora !== lora) return () => null;
  const most = Math.max(1e-9, ...analysis.blocks.map((block) => block.percent));
  return (name) => {
    const block = analysis.blocks.find((b) => b.id === name);
    if (!block) return null;
    return {
      share: block.percent / most,
      guilty: analysis.guilty?.[0] === name && block.guilt > 0.1,
      title: block.sentence ?? t('changes', { percent: block.percent.toFixed(1) }),
    };
  };
}

/** Shows a vector behind the selected tag's sliders. */
export const ghost = (vector) => cards[Math.min(state.selected, cards.length - 1)]?.sliders.ghost(vector);

/** A vector over all of a layout's names from weights by block; what is not named is 1. */
export const vectorOf = (length, weights) =>
  changed(Array(length).fill('1').join(','), new Map(LAYOUTS[length].map((name, at) => [at, weights[name] ?? 1])));
