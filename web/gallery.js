// The queue and what came of it: what runs, what waits, and every picture with its infotext.

import { ask, get, listen } from './api.js';
import { copy, el, fill, id, later, say } from './dom.js';
import { pictureOf } from './job.js';
import { take } from './read.js';
import { on } from './state.js';
import { t } from './words.js';

// In the order in which they came; Maps keep it.
let jobs = new Map();
let chosen = null;
let compared = [];

const isPreview = (job) => job.task_id.startsWith('preview-');
const isOpen = (job) => job.status === 'queued' || job.status === 'running';

export function gallery() {
  const soon = later(60, draw);
  const reload = async ({ job }) => {
    try {
      jobs.set(job, await get(`lbw/v1/jobs/${job}`));
    } catch {
      jobs.delete(job);
    }
    soon();
  };
  listen((event) => {
    if (event.kind === 'step') progress(event);
    else if (['queued', 'started', 'done', 'failed', 'cancelled'].includes(event.kind)) reload(event);
  });
  on('language', draw);
  id('viewer-close').addEventListener('click', () => id('viewer').close());
}

/** All jobs as the server knows them: at the beginning, and when it is back. */
export async function reloadAll() {
  const all = (await get('lbw/v1/jobs').catch(() => ({ jobs: [] }))).jobs;
  jobs = new Map(all.map((job) => [job.id, job]));
  draw();
}

function progress({ job: number, step, steps }) {
  const job = jobs.get(number);
  if (!job) return;
  Object.assign(job, { status: 'running', step, steps });
  const bar = id('queue').querySelector(`[data-job="${CSS.escape(number)}"] progress`);
  if (bar) bar.value = step / steps;
  pill();
}

function pill() {
  const open = [...jobs.values()].filter(isOpen);
  const running = open.find((job) => job.status === 'running');
  const { step, steps } = running ?? {};
  const text = steps ? t('running', { step, steps, waiting: open.length - 1 }) : t(running ? 'drawing' : 'idle');
  id('pill').textContent = text;
  id('pill').classList.toggle('busy', open.length > 0);
}

function draw() {
  pill();
  const all = [...jobs.values()];
  const open = all.filter(isOpen);
  id('queue-empty').hidden = open.length > 0;
  fill(id('queue'), ...open.map((job, at) => row(job, at)));
  const finished = all.filter((job) => /2img$/.test(job.kind) && job.images.length > 0 && !isPreview(job)).reverse();
  const failed = all.filter((job) => job.status === 'failed').slice(-3);
  fill(id('failures'), ...failed.map((job) => el('li', {}, job.error)));
  id('gallery-empty').hidden = finished.length > 0;
  fill(id('pictures'), ...finished.flatMap((job) => job.images.map((url, at) => thumbnail(job, url, at))));
}

function row(job, position) {
  const what = job.kind === 'analyze' ? t('analysis') : job.kind === 'batch' ? t('batch') : isPreview(job) ? t('preview-job') : t('picture');
  return el('li', { 'data-job': String(job.id) },
    el('span', {}, what),
    job.status === 'running'
      ? el('progress', { max: 1, value: job.steps ? job.step / job.steps : 0, 'aria-label': t('drawing') })
      : el('small', {}, t('waiting', { position })),
    el('button', { type: 'button', class: 'quiet', click: () => ask('DELETE', `lbw/v1/jobs/${job.id}`).catch((e) => say(e.message, 'error')) }, t('cancel')));
}

function thumbnail(job, url, at) {
  const infotext = job.infotexts?.[at] ?? '';
  const key = `${job.id}-${at}`;
  const picture = { key, url: pictureOf(url), infotext, name: `lbw-${job.seeds?.[at] ?? job.id}.png` };
  const name = firstLine(infotext);
  const box = el('input', { type: 'checkbox', checked: compared.some((c) => c.key === key), 'aria-label': t('compare-this', { name }), change: () => compare(picture, box.checked) });
  return el('li', { class: chosen === key ? 'chosen' : '' },
    el('button', { type: 'button', class: 'thumb', click: () => view(picture), 'aria-label': t('show', { name }) },
      el('img', { src: picture.url, alt: '', loading: 'lazy', decoding: 'async' })),
    el('label', { class: 'pick', title: name }, box, el('span', {}, name)));
}

const firstLine = (infotext) => infotext.split('\n')[0].slice(0, 200);

/** One picture, large, with what it was drawn from. */
export function view(picture) {
  chosen = picture.key;
  fill(id('viewer-body'),
    el('img', { src: picture.url, alt: firstLine(picture.infotext) }),
    picture.infotext && el('pre', { class: 'infotext', tabIndex: 0, 'aria-label': 'infotext' }, picture.infotext),
    el('div', { class: 'row' },
      picture.infotext && el('button', { type: 'button', click: () => { take(picture.infotext); id('viewer').close(); } }, t('use-again')),
      picture.infotext && el('button', { type: 'button', class: 'quiet', click: () => copy(picture.infotext, t('copied')) }, t('copy-infotext')),
      el('a', { class: 'button quiet', href: picture.url, download: picture.name }, t('download'))));
  id('viewer').showModal();
}

/** The last two that were ticked, side by side. */
function compare(picture, isTicked) {
  compared = compared.filter((c) => c.key !== picture.key);
  if (isTicked) compared.push(picture);
  compared = compared.slice(-2);
  draw();
  if (compared.length < 2 || !isTicked) return;
  fill(id('viewer-body'), el('div', { class: 'pair' }, ...compared.map((c) => el('figure', {},
    el('img', { src: c.url, alt: firstLine(c.infotext) }), el('figcaption', {}, firstLine(c.infotext)))),
  ), el('pre', { class: 'infotext', tabIndex: 0, 'aria-label': t('differences') }, differences(...compared.map((c) => c.infotext))));
  id('viewer').showModal();
}

/** Lines of two infotexts that are not the same; the last line field by field. */
export function differences(a, b) {
  const split = (text) => text.split('\n').flatMap((line) => (/^Steps: /.test(line) ? line.split(/, (?=[A-Z][\w ]*: )/) : [line]));
  const [left, right] = [split(a), split(b)];
  const only = (these, others, sign) => these.filter((line) => !others.includes(line)).map((line) => `${sign} ${line}`);
  return [...only(left, right, '−'), ...only(right, left, '+')].join('\n') || t('no-difference');
}

