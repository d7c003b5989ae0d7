// The settings of a picture: fields that write into the state and are drawn from it.

import { el, fill, id } from './dom.js';
import { names, onNames } from './names.js';
import { DEFAULTS, on, put, set, state } from './state.js';
import { t } from './words.js';

// Each field: name, kind, and what limits it. `choices` are asked when the lists are there.
const FIELDS = [
  ['sd_model_checkpoint', 'choice', { choices: () => ['', ...names().models], wide: true }],
  ['sampler_name', 'choice', { choices: () => names().samplers }],
  ['scheduler', 'choice', { choices: () => names().schedulers }],
  ['steps', 'number', { min: 1, max: 1000, step: 1 }],
  ['cfg_scale', 'number', { min: 0, max: 100, step: 0.5 }],
  ['width', 'number', { min: 0, max: 4096, step: 8, zero: true }],
  ['height', 'number', { min: 0, max: 4096, step: 8, zero: true }],
  ['seed', 'seed', { min: -1, max: Number.MAX_SAFE_INTEGER, step: 1 }],
  ['sd_vae', 'choice', { choices: () => ['', ...names().vaes] }],
  ['enable_hr', 'check', {}],
  ['hr_scale', 'number', { min: 1, max: 4, step: 0.05, hires: true }],
  ['hr_upscaler', 'choice', { choices: () => names().upscalers, hires: true }],
  ['hr_second_pass_steps', 'number', { min: 0, max: 1000, step: 1, hires: true }],
  ['denoising_strength', 'number', { min: 0, max: 1, step: 0.05, hires: true }],
];

export function settings() {
  id('settings').open = matchMedia('(min-width: 1560px)').matches;
  const drawn = FIELDS.map(([name, kind, limits]) => ({ name, kind, limits, ...field(name, kind, limits) }));
  fill(id('fields'), ...drawn.map((f) => f.root));
  const draw = () => {
    for (const { name, kind, limits, root, label, control } of drawn) {
      label.textContent = t(name);
      root.hidden = Boolean(limits.hires) && !state.settings.enable_hr;
      if (kind === 'choice') {
        const value = state.settings[name];
        const all = limits.choices();
        const shown = all.includes(value) ? all : [value, ...all];
        fill(control, ...shown.map((choice) => el('option', { value: choice, selected: choice === value }, choice || t('automatic'))));
      } else if (kind === 'check') control.checked = state.settings[name];
      else if (document.activeElement !== control) {
        const value = state.settings[name];
        control.value = limits.zero && !value ? '' : value;
        control.placeholder = limits.zero ? t('automatic') : '';
      }
    }
    const { sampler_name, steps, cfg_scale, seed, width, height } = state.settings;
    id('settings-summary').textContent = [sampler_name, t('n-steps', { steps }), `CFG ${cfg_scale}`, width && height ? `${width}×${height}` : '',
      seed < 0 ? t('seed-random') : `${t('seed')} ${seed}`].filter(Boolean).join(' · ');
  };
  on('settings language', draw);
  onNames(draw);
  draw();
}

function field(name, kind, { min, max, step, zero, wide }) {
  const inputId = `field-${name}`;
  const label = el('label', { htmlFor: inputId });
  const write = (value) => put('settings', { [name]: value });
  let control;
  if (kind === 'choice') control = el('select', { id: inputId, change: () => write(control.value) });
  else if (kind === 'check') control = el('input', { id: inputId, type: 'checkbox', change: () => write(control.checked) });
  else {
    control = el('input', { id: inputId, type: 'number', min, max, step: kind === 'seed' ? 1 : step, inputMode: 'decimal', change() {
      const value = control.value === '' ? (zero ? 0 : DEFAULTS[name]) : Number(control.value);
      write(Math.min(max, Math.max(min, Number.isFinite(value) ? value : DEFAULTS[name])));
    } });
  }
  const root = el('div', { class: `field ${kind}${wide ? ' wide' : ''}` }, label, control);
  if (kind === 'seed') {
    const dice = el('button', { type: 'button', class: 'quiet', click: () => put('settings', { seed: crypto.getRandomValues(new Uint32Array(1))[0] }) }, '⚄');
    const name2 = () => {
      dice.title = t('new-seed');
      dice.setAttribute('aria-label', t('new-seed'));
    };
    name2();
    on('language', name2);
    root.append(dice);
  }
  return { root, label, control };
}

/** Takes the settings of an infotext. What it does not say is as webui has it, but for the files. */
export function take(fields) {
  const { sd_model_checkpoint, sd_vae } = state.settings;
  const known = Object.fromEntries(Object.entries(fields).filter(([name]) => name in DEFAULTS));
  set({ settings: { ...DEFAULTS, sd_model_checkpoint, sd_vae, ...known } });
}
