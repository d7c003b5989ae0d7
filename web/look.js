// Base, full LoRA, now: the same seed three times, side by side or under a wipe.

import { get } from './api.js';
import { onRelease, selectedTag } from './banks.js';
import { el, fill, id, say } from './dom.js';
import { view } from './gallery.js';
import { pictureOf, start } from './job.js';
import { drawing } from './request.js';
import { on, pinSeed, put, set, state } from './state.js';
import { applied, wholeTag, withoutTag } from './tag.js';
import { t } from './words.js';

const SIDES = ['base', 'full', 'now'];
/** A preview takes this share of the steps, and no fewer than these. */
const SHARE = 6;
const LEAST = 3;
/** Pictures that are remembered. */
const KEPT = 48;

const shown = { base: null, full: null, now: null };
const running = new Map();

/** The prompt of each side; without a LoRA there is only one picture. */
function prompts() {
  const text = state.prompt;
  const tag = selectedTag();
  if (!tag) return { now: text };
  return {
    base: withoutTag(text, tag),
    full: applied(text, { start: tag.start, end: tag.end, text: wholeTag(text, tag) }),
    now: text,
  };
}

const keyOf = (prompt) => JSON.stringify(drawing(prompt));

/** Draws what is not there yet: first how it is now, then what it is compared with. */
export function drawAll() {
  pinSeed();
  const wanted = prompts();
  // How it is now must not wait behind what it is compared with.
  const key = keyOf(wanted.now);
  if (!state.drawn[key] && running.get('now')?.key !== key) stopAll();
  const others = ['full', 'base'].filter((side) => side in wanted && !state.drawn[keyOf(wanted[side])]);
  for (const side of ['now', 'full', 'base']) {
    if (side in wanted) drawSide(side, wanted[side], others.length === 0);
    else stop(side);
  }
  paint();
}

/** Stops everything that is being drawn for these pictures. */
export const stopAll = () => SIDES.forEach(stop);

function stop(side) {
  running.get(side)?.cancel();
  running.delete(side);
}

function drawSide(side, prompt, isAlone) {
  const key = keyOf(prompt);
  const there = state.drawn[key];
  if (there) {
    stop(side);
    shown[side] = { ...there, key };
    return;
  }
  if (running.get(side)?.key === key) return;
  // What an earlier gesture asked for is of no use any more.
  stop(side);
  const jobs = [];
  const work = { key, jobs, progress: 0, cancel: () => jobs.forEach((job) => job.cancel()) };
  running.set(side, work);
  const isMine = () => running.get(side) === work;
  const { steps } = state.settings;
  const few = Math.max(LEAST, Math.round(steps / SHARE));
  if (side !== 'now' || !state.look.quick || few >= steps) {
    drawWhole(side, prompt, work, isMine);
    return;
  }
  const show = (url) => {
    if (!isMine() || work.hasFew) return;
    work.hasFew = true;
    shown[side] = { url: pictureOf(url), key: null, steps: few };
    paint();
  };
  const request = drawing(prompt, { steps: few, enable_hr: false, force_task_id: previewId() });
  const preview = start({ kind: 'txt2img', request }, (event) => {
    // The job itself need not be asked where its picture is.
    if (event.kind === 'done' && event.images > 0) show(`/lbw/v1/jobs/${event.job}/images/0.png`);
  });
  jobs.push(preview);
  const looked = preview.ended.then((job) => job?.images.length && show(job.images[0])).catch(() => {});
  // Where nothing else waits, the whole picture begins when a first look is there: it would take the processor from who wants to look.
  if (isAlone) looked.then(() => isMine() && drawWhole(side, prompt, work, isMine));
  else drawWhole(side, prompt, work, isMine);
}

function drawWhole(side, prompt, work, isMine) {
  const whole = start({ kind: 'txt2img', request: drawing(prompt) }, (event) => {
    if (!isMine()) return;
    if (event.kind === 'step') work.progress = event.step / event.steps;
    // A picture of few steps is clearer than what is on the way.
    if (event.kind === 'preview' && event.url && !work.hasFew) shown[side] = { url: pictureOf(event.url), key: null };
    paint();
  });
  work.jobs.push(whole);
  whole.ended.then((job) => {
    if (!isMine()) return;
    running.delete(side);
    if (job?.images.length) {
      shown[side] = { url: pictureOf(job.images[0]), key: work.key, job: job.id, infotext: job.infotexts?.[0] ?? '' };
      remember(work.key, shown[side]);
    }
    paint();
  }).catch((error) => {
    if (!isMine()) return;
    running.delete(side);
    say(error.message, 'error');
    paint();
  });
}

const previewId = () => `preview-${crypto.getRandomValues(new Uint32Array(2)).join('')}`;

function remember(key, { url, job, infotext }) {
  const all = Object.entries({ ...state.drawn, [key]: { url, job, infotext } });
  set({ drawn: Object.fromEntries(all.slice(-KEPT)) });
}

/** After a reload: the server may have forgotten pictures, or be another one that counts its jobs anew. */
export async function recall() {
  const jobs = new Map((await get('lbw/v1/jobs')).jobs.map((job) => [job.id, job]));
  const holds = ({ job, infotext }) => jobs.get(job)?.infotexts?.[0] === infotext;
  set({ drawn: Object.fromEntries(Object.entries(state.drawn).filter(([, picture]) => holds(picture))) });
  for (const [side, prompt] of Object.entries(prompts())) {
    const key = keyOf(prompt);
    if (state.drawn[key]) shown[side] = { ...state.drawn[key], key };
  }
  paint();
}

const figures = {};
let wipe = null;

export function look() {
  for (const side of SIDES) figures[side] = figure(side);
  fill(id('sides'), ...SIDES.map((side) => figures[side].root));
  wipe = wiper();
  id('wipe').append(wipe.root);
  for (const mode of ['side', 'wipe']) {
    id(`look-${mode}`).addEventListener('click', () => put('look', { mode }));
  }
  for (const option of ['auto', 'quick']) {
    const box = id(`look-${option}`);
    box.checked = state.look[option];
    box.addEventListener('change', () => put('look', { [option]: box.checked }));
  }
  id('draw').addEventListener('click', drawAll);
  id('stop').addEventListener('click', stopAllAndPaint);
  onRelease(() => state.look.auto && drawAll());
  on('prompt negative settings selected presets', settle);
  on('look language', paint);
  paint();
}

function stopAllAndPaint() {
  stopAll();
  paint();
}

/** What is there already is shown at once, without asking anybody. */
function settle() {
  for (const [side, prompt] of Object.entries(prompts())) {
    const key = keyOf(prompt);
    if (state.drawn[key] && !running.has(side)) shown[side] = { ...state.drawn[key], key };
  }
  paint();
}

function figure(side) {
  const picture = el('img', { alt: '', decoding: 'async', draggable: false });
  const bar = el('progress', { max: 1, value: 0, hidden: true });
  const caption = el('figcaption', {});
  const blank = el('div', { class: 'blank' });
  const large = el('button', { type: 'button', class: 'thumb', click: () => enlarge(side) }, picture);
  const root = el('figure', { class: 'side' }, el('div', { class: 'frame' }, large, blank, bar), caption);
  root.dataset.side = side;
  return {
    root, picture,
    paint(wanted) {
      const has = shown[side];
      const work = running.get(side);
      root.hidden = wanted === undefined;
      large.hidden = !has;
      large.setAttribute('aria-label', t('enlarge', { name: t(side) }));
      blank.hidden = Boolean(has);
      if (has && picture.getAttribute('src') !== has.url) picture.src = has.url;
      const isOld = Boolean(has) && !work && has.key !== keyOf(wanted ?? '');
      root.classList.toggle('old', isOld);
      root.classList.toggle('working', Boolean(work));
      bar.hidden = !work;
      bar.value = work?.progress ?? 0;
      bar.setAttribute('aria-label', t('drawing'));
      const note = work ? (has?.steps ? t('preview', { steps: has.steps }) : t('drawing')) : isOld ? t('old') : '';
      fill(caption, el('b', {}, t(side)), el('small', {}, note));
    },
  };
}

function enlarge(side) {
  const { url, infotext = '' } = shown[side];
  view({ key: side, url, infotext, name: `lbw-${side}.png` });
}

function paint() {
  const wanted = prompts();
  for (const side of SIDES) figures[side].paint(wanted[side]);
  const isWipe = state.look.mode === 'wipe' && 'base' in wanted;
  id('sides').hidden = isWipe;
  id('wipe').hidden = !isWipe;
  id('look-side').setAttribute('aria-pressed', String(!isWipe));
  id('look-wipe').setAttribute('aria-pressed', String(isWipe));
  id('look-wipe').disabled = !('base' in wanted);
  id('sides').dataset.count = Object.keys(wanted).length;
  id('stop').hidden = running.size === 0;
  if (isWipe) wipe.paint();
}

/** Two of the three over each other, and a line that is moved between them. */
function wiper() {
  const under = el('img', { alt: '', draggable: false });
  const over = el('img', { alt: '', draggable: false });
  const line = el('div', { class: 'wipe-line', role: 'slider', tabIndex: 0, 'aria-valuemin': 0, 'aria-valuemax': 100 });
  const frame = el('div', { class: 'frame wipe-frame' }, under, over, line);
  const pick = (which) => el('select', { change: (event) => put('look', { [which]: event.target.value }) });
  const [left, right] = [pick('left'), pick('right')];
  const move = (at) => {
    put('look', { at: Math.min(100, Math.max(0, at)) });
  };
  frame.addEventListener('pointerdown', (event) => {
    frame.setPointerCapture(event.pointerId);
    const follow = (next) => {
      const box = frame.getBoundingClientRect();
      move(((next.clientX - box.left) / box.width) * 100);
    };
    follow(event);
    frame.addEventListener('pointermove', follow);
    frame.addEventListener('lostpointercapture', () => frame.removeEventListener('pointermove', follow), { once: true });
    event.preventDefault();
    line.focus({ preventScroll: true });
  });
  line.addEventListener('keydown', (event) => {
    const by = { ArrowLeft: -2, ArrowRight: 2, ArrowDown: -2, ArrowUp: 2, PageUp: 20, PageDown: -20, Home: -100, End: 100 }[event.key];
    if (by === undefined) return;
    event.preventDefault();
    move(state.look.at + by);
  });
  return {
    root: el('div', { class: 'wiper' }, frame, el('div', { class: 'row spread' }, left, right)),
    paint() {
      const { at, left: l, right: r } = state.look;
      for (const [select, chosen, label] of [[left, l, 'wipe-left'], [right, r, 'wipe-right']]) {
        fill(select, ...SIDES.map((side) => el('option', { value: side, selected: side === chosen }, t(side))));
        select.setAttribute('aria-label', t(label));
      }
      for (const [image, side] of [[over, l], [under, r]]) {
        const url = shown[side]?.url ?? '';
        image.hidden = !url;
        if (url && image.getAttribute('src') !== url) image.src = url;
        image.alt = t(`${side}-alt`);
      }
      frame.style.setProperty('--wipe', `${at}%`);
      frame.classList.toggle('working', running.has(l) || running.has(r));
      line.setAttribute('aria-label', t('wipe-line'));
      line.setAttribute('aria-valuenow', Math.round(at));
    },
  };
}
