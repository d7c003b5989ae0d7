// The search for weights, and what other prompts and seeds say of what was found.

import { ghost, giveSelected, selectedTag, shape } from './banks.js';
import { el, fill, id } from './dom.js';
import { pictureOf } from './job.js';
import { drawing } from './request.js';
import { on, pinSeed, state } from './state.js';
import { exports, study } from './study.js';
import { t } from './words.js';

/** In whole pictures. */
const BUDGET = 40;
const GOALS = ['colors', 'lines', 'style', 'composition'];

const tuning = study('tuning', 'lbw/v1/tune', { heard, slim: ({ report: { trials, ...shown } }) => shown, draw: progress });

const boxes = Object.fromEntries(GOALS.map((goal, at) => [goal, el('input', { type: 'checkbox', checked: at < 2, change: () => draw() })]));

export function tune() {
  id('tune').addEventListener('click', run);
  id('tune-stop').addEventListener('click', tuning.stop);
  on('language', words);
  on('prompt selected language tuning', draw);
  words();
  draw();
  tuning.resume();
}

function words() {
  const kept = id('keep').value || 'motif';
  fill(id('should-go'), el('legend', {}, t('should-go')), ...GOALS.map((goal) => el('label', { class: 'check' }, boxes[goal], ' ', t(goal))));
  fill(id('keep'), ...['motif', ...GOALS].map((goal) => el('option', { value: goal, selected: goal === kept }, t(goal))));
}

const wanted = () => GOALS.filter((goal) => boxes[goal].checked).map((goal) => `base-${goal}`);

function run() {
  const tag = selectedTag();
  if (!tag) return;
  pinSeed();
  const how = { lora: tag.name, toward: wanted(), keep: id('keep').value, budget: BUDGET };
  tuning.start({ request: drawing(state.prompt), ...how }, { lora: tag.name });
}

/** A picture was tried: what it took of the budget is known by its steps. */
function heard(event, work) {
  if (event.kind !== 'trial') return;
  work.done += 1;
  work.part = 0;
  work.spent = (work.spent ?? 0) + event.steps;
  work.name = event.name.replace(/^\d+-/, '');
}

function draw() {
  const tag = selectedTag();
  id('tune').disabled = !tag || tuning.isRunning() || wanted().length === 0;
  id('tune').textContent = tag ? t('tune-lora', { name: tag.name }) : t('tune');
  id('tune-stop').hidden = !tuning.isRunning();
  progress(tuning.work());
  const found = state.tuning;
  const isDone = Boolean(found?.job && found.lora === tag?.name);
  id('tuning').hidden = !isDone;
  if (!isDone) return;
  id('tuning-words').textContent = found.sentence;
  fill(id('tuned'), ...found.variants.map((variant) => button(variant, variant.strength === found.suggested)));
  fill(id('tuned-scenes'), ...scenes(found));
  fill(id('tuned-blocks'), ...found.blocks.map((block) => el('li', { class: found.guilty.includes(block.id) ? 'guilty' : '' },
    el('b', {}, block.id), el('span', { class: 'measure' },
      el('span', {}, t('does', { percent: Math.round(block.does * 100) })), el('span', {}, t('keeps', { percent: Math.round(block.keeps * 100) }))))));
  const told = (all) => all.map(([prompt, seed]) => `${prompt} (${seed})`).join('; ');
  id('tuned-with').textContent = t('tuned-with', { search: told(found.search), verification: told(found.verification) || '–', pictures: found.pictures.toFixed(1) });
  fill(id('tuned-export'), ...exports(found));
}

function progress(work) {
  const bar = id('tune-progress');
  bar.hidden = !work;
  id('tune-status').textContent = !work ? '' : work.name ? t('tuning', { done: work.done, weights: work.name }) : t('drawing');
  if (work) bar.value = Math.min(1, (work.spent ?? 0) / (BUDGET * state.settings.steps));
}

function button({ strength, vector, verified, holds }, isSuggested) {
  const { gone, kept } = verified;
  const percent = (share) => Math.round(share.mean * 100);
  // What changes over the steps is on no slider.
  const level = strength !== 'timed';
  const show = (on) => level && ghost(on ? vector : null);
  return el('button', {
    type: 'button', class: `suggestion ${isSuggested ? 'best' : ''}`, click: () => giveSelected(vector), title: `lbw=${vector}`,
    pointerenter: () => show(true), pointerleave: () => show(false), focus: () => show(true), blur: () => show(false),
  }, el('b', {}, t(`strength-${strength}`)), level ? shape(vector) : null,
  el('small', {}, t('gone-kept', { gone: percent(gone), kept: percent(kept) })), holds ? null : el('small', {}, t('does-not-hold')));
}

function scenes({ variants, suggested }) {
  const shown = variants.find((variant) => variant.strength === suggested) ?? variants[variants.length - 1];
  return (shown?.pictures ?? []).map(({ prompt, seed, base, full, tuned }) => el('figure', { class: 'scene' },
    el('div', { class: 'pair three' }, ...[[base, t('base')], [full, t('full')], [tuned, t(`strength-${shown.strength}`)]].map(([file, words]) =>
      el('figure', {}, el('img', { src: pictureOf(file), alt: words, loading: 'lazy' }), el('figcaption', {}, words)))),
    el('figcaption', { class: 'hint' }, `${prompt} (${seed})`)));
}
