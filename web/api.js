// The server: requests, errors as they are told, and the one stream of events.

import { t, language } from './words.js';

/** An address of the server, wherever the page lies below. */
export const at = (path) => new URL(path, document.baseURI).href;

/** What the server refused, in its own words. */
export class Refusal extends Error {
  constructor(status, message, help = '') {
    super(message);
    this.status = status;
    this.help = help;
  }
}

/** The words of an answer that is an error: webui's two forms, OpenAI's, and none at all. */
function refusal(status, answer, text) {
  const detail = answer?.detail;
  if (Array.isArray(detail)) return new Refusal(status, detail.map((d) => `${(d.loc ?? []).join('.')}: ${d.msg}`).join('\n'));
  const said = [answer?.errors, answer?.error?.message, detail, answer?.error].find((s) => typeof s === 'string' && s);
  return new Refusal(status, said ?? (text || t('failed', { status })));
}

/** Sends a request; gives the JSON of the answer. */
export async function ask(method, path, body, signal) {
  const init = { method, signal, headers: { 'Accept-Language': language() } };
  if (body !== undefined) {
    init.body = JSON.stringify(body);
    init.headers['Content-Type'] = 'application/json';
  }
  let answer;
  try {
    answer = await fetch(at(path), init);
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new Refusal(0, t('no-server'));
  }
  const text = await answer.text();
  let json = null;
  try {
    json = text ? JSON.parse(text) : null;
  } catch {
    if (answer.ok) throw new Refusal(answer.status, t('failed', { status: answer.status }));
  }
  if (!answer.ok) throw refusal(answer.status, json, text.slice(0, 300));
  return json;
}

export const get = (path, signal) => ask('GET', path, undefined, signal);
export const post = (path, body, signal) => ask('POST', path, body, signal);

// One stream for everything; who listens to a job hears its events from the beginning, even if they came before the answer that
// told its number.
const EVENTS = ['queued', 'started', 'step', 'preview', 'block', 'picture', 'trial', 'done', 'failed', 'cancelled'];
const listeners = new Set();
const early = new Map();
let source = null;
let up = true;

/** Opens the stream. `changed(isUp)` hears when the server goes and comes back. */
export function connect(changed) {
  source = new EventSource(at('lbw/v1/events'));
  source.onopen = () => tell(true, changed);
  source.onerror = () => tell(false, changed);
  for (const kind of EVENTS) {
    source.addEventListener(kind, (event) => {
      const told = JSON.parse(event.data);
      const before = early.get(told.job) ?? [];
      early.set(told.job, [...before, { ...told, kind }].slice(-64));
      if (early.size > 32) early.delete(early.keys().next().value);
      for (const listener of [...listeners]) listener({ ...told, kind });
    });
  }
  addEventListener('pagehide', () => source.close());
}

function tell(isUp, changed) {
  if (isUp !== up) changed(isUp);
  up = isUp;
}

/** Hears all events. Gives the function that stops it. */
export function listen(heard) {
  listeners.add(heard);
  return () => listeners.delete(heard);
}

/** What was told about a job before anybody listened. */
export const missed = (job) => early.get(job) ?? [];
