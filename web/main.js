// The page. Each panel is a module over one state; this file opens them in the order in which they need each other.

import { analyze } from './analyze.js';
import { connect, get } from './api.js';
import { banks } from './banks.js';
import { batch } from './batch.js';
import { fill, id, el, say } from './dom.js';
import { gallery, reloadAll } from './gallery.js';
import { drawAll, look, recall } from './look.js';
import { names, onNames, refresh } from './names.js';
import { paste } from './paste.js';
import { settings } from './settings.js';
import { on, set, state, write } from './state.js';
import { tune } from './tune.js';
import { LANGUAGES, speak, t, language } from './words.js';

/** The built-in model's story: a sun that is wanted, colours that are not. */
const EXAMPLE = {
  prompt: 'yellow star, blue background, thick outline <lora:overcooked:1>',
  settings: { sampler_name: 'Euler a', cfg_scale: 4, steps: 20, seed: 1 },
};

function translate() {
  document.documentElement.lang = language();
  for (const element of document.querySelectorAll('[data-t]')) element.textContent = t(element.dataset.t);
  for (const attribute of ['aria-label', 'placeholder', 'title']) {
    for (const element of document.querySelectorAll(`[data-t-${attribute}]`)) {
      element.setAttribute(attribute, t(element.getAttribute(`data-t-${attribute}`)));
    }
  }
  document.title = t('title');
}

function chooseLanguage() {
  const wanted = state.language || (navigator.languages.find((l) => LANGUAGES.includes(l.slice(0, 2))) ?? 'en').slice(0, 2);
  speak(wanted);
  translate();
  const button = id('language');
  const other = LANGUAGES.find((l) => l !== language());
  button.textContent = { en: 'English', ja: '日本語' }[other];
  button.lang = other;
  button.onclick = () => {
    state.language = other;
    chooseLanguage();
    set({ language: other });
  };
}

const THEMES = ['auto', 'light', 'dark'];

function chooseTheme() {
  const apply = () => {
    document.documentElement.dataset.theme = state.theme;
    const name = t(`theme-${state.theme}`);
    id('theme').title = name;
    id('theme').setAttribute('aria-label', name);
    id('theme').textContent = { auto: '◐', light: '○', dark: '●' }[state.theme];
  };
  id('theme').addEventListener('click', () => set({ theme: THEMES[(THEMES.indexOf(state.theme) + 1) % THEMES.length] }));
  on('theme language', apply);
  apply();
}

/** LoRAs to insert, for those who do not type. */
function loraMenu() {
  const menu = id('insert-lora');
  const draw = () => {
    fill(menu, el('option', { value: '' }, t('insert-lora')), ...names().loras.map((lora) => el('option', { value: lora.name }, lora.name)));
  };
  menu.addEventListener('change', () => {
    if (menu.value) write(`${state.prompt}${/\s$|^$/.test(state.prompt) ? '' : ' '}<lora:${menu.value}:1>`, 'insert');
    menu.value = '';
  });
  onNames(draw);
  on('language', draw);
  draw();
}

function example() {
  const draw = () => {
    id('example').hidden = state.prompt !== '';
  };
  id('example').addEventListener('click', () => {
    set({ settings: { ...state.settings, ...EXAMPLE.settings } });
    write(EXAMPLE.prompt, 'example');
  });
  on('prompt', draw);
  draw();
}

function keys() {
  addEventListener('keydown', (event) => {
    if (event.key !== 'Enter' || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    drawAll();
  });
}

async function status() {
  try {
    const { model, version } = await get('lbw/v1/status');
    id('model').textContent = model;
    id('version').textContent = version;
  } catch (error) {
    say(error.message, 'error');
  }
}

chooseLanguage();
chooseTheme();
settings();
paste();
loraMenu();
banks();
look();
analyze();
tune();
gallery();
batch();
example();
keys();
connect((isUp) => {
  id('offline').hidden = isUp;
  if (!isUp) return;
  refresh();
  reloadAll();
});
// Busy until then.
Promise.allSettled([status(), refresh(), recall(), reloadAll()]).then(() => {
  document.body.ariaBusy = 'false';
});
