// What the page knows: the text, the settings, and what was chosen. It survives a reload, in this browser alone.

const KEY = 'lbw';

/** webui's own defaults; the built-in model's story comes with the example. */
export const DEFAULTS = {
  sampler_name: 'DPM++ 2M', scheduler: 'Automatic', steps: 20, cfg_scale: 7, seed: -1, width: 0, height: 0,
  enable_hr: false, hr_scale: 1.5, hr_upscaler: 'Latent', hr_second_pass_steps: 0, denoising_strength: 0.7,
  sd_model_checkpoint: '', sd_vae: '',
};

const EMPTY = {
  prompt: '', negative: '', settings: DEFAULTS, rest: null, selected: 0, presets: [],
  look: { mode: 'side', left: 'full', right: 'now', at: 50, quick: true, auto: true },
  theme: 'auto', language: '', drawn: {}, analysis: null, tuning: null, batch: null,
};

const listeners = new Map();

/** The state. Change it with `set`, so that everybody hears of it. */
export const state = { ...structuredClone(EMPTY), ...stored() };
state.settings = { ...DEFAULTS, ...state.settings };
state.look = { ...EMPTY.look, ...state.look };

function stored() {
  try {
    return JSON.parse(localStorage.getItem(KEY)) ?? {};
  } catch {
    return {};
  }
}

let saving = 0;

function save() {
  clearTimeout(saving);
  saving = setTimeout(saveNow, 300);
}

function saveNow() {
  try {
    localStorage.setItem(KEY, JSON.stringify(state));
  } catch {
    // Private windows and full disks: the page works on, it only forgets.
  }
}

addEventListener('pagehide', saveNow);

/** Calls `heard(origin)` whenever one of `keys` is set. */
export function on(keys, heard) {
  for (const key of keys.split(' ')) listeners.set(key, [...(listeners.get(key) ?? []), heard]);
}

/** Sets parts of the state. `origin` lets a listener know its own change. */
export function set(parts, origin = '') {
  Object.assign(state, parts);
  save();
  const heard = new Set(Object.keys(parts).flatMap((key) => listeners.get(key) ?? []));
  for (const listener of heard) listener(origin);
}

/** Sets parts of an object inside the state. */
export const put = (key, parts, origin) => set({ [key]: { ...state[key], ...parts } }, origin);

/** What is compared has one seed: an open one is drawn here. */
export function pinSeed() {
  if (state.settings.seed < 0) put('settings', { seed: crypto.getRandomValues(new Uint32Array(1))[0] }, 'seed');
}

// The text has a history of its own: what sliders write is no part of the browser's.
const past = [];
const future = [];
let lastOrigin = '';

/** Gives the prompt another text. Changes of one gesture (`origin`) are one step back. */
export function write(prompt, origin) {
  if (prompt === state.prompt) return;
  if (origin !== lastOrigin) {
    past.push(state.prompt);
    if (past.length > 200) past.shift();
  }
  lastOrigin = origin;
  future.length = 0;
  set({ prompt }, origin);
}

/** What comes next is a step of its own. */
export const pause = () => (lastOrigin = '');

/** Takes back the last change of the text, or makes it again. */
export function undo(forward = false) {
  const [from, to] = forward ? [future, past] : [past, future];
  const text = from.pop();
  if (text === undefined) return false;
  to.push(state.prompt);
  lastOrigin = '';
  set({ prompt: text }, forward ? 'redo' : 'undo');
  return true;
}
