// What is pasted or dropped: an infotext or a picture becomes the text and the settings of the page.

import { post } from './api.js';
import { say } from './dom.js';
import { pause, set, state, write, DEFAULTS } from './state.js';
import { take as takeSettings } from './settings.js';
import { t } from './words.js';

/** Whether a text is an infotext and not only a prompt. */
export const isInfotext = (text) => /(^|\n)\s*(Steps:\s*\d|Negative prompt:)/.test(text);

/** Reads an infotext and takes all of it. */
export async function take(infotext) {
  try {
    const { request, diagnostics } = await post('lbw/v1/read', { infotext });
    const { prompt = '', negative_prompt: negative = '', override_settings: options = {}, ...fields } = request;
    const mine = (name) => name in DEFAULTS;
    const { sd_model_checkpoint, sd_vae, ...others } = options;
    takeSettings({ ...fields, ...(sd_model_checkpoint && { sd_model_checkpoint }), ...(sd_vae && { sd_vae }) });
    const rest = { fields: Object.fromEntries(Object.entries(fields).filter(([name]) => !mine(name))), options: others };
    set({ negative, rest: Object.keys(rest.fields).length + Object.keys(others).length > 0 ? rest : null, selected: 0 });
    write(prompt, 'read');
    pause();
    say(diagnostics?.length ? diagnostics.map((found) => found.message).join('\n') : t('read'), diagnostics?.length ? 'warning' : 'note');
    return true;
  } catch (error) {
    say(error.message, 'error');
    return false;
  }
}

/** Reads a file that was dropped or chosen: a picture, or a text. */
export async function takeFile(file) {
  if (!file.type.startsWith('image/')) {
    const text = await file.text();
    if (isInfotext(text)) return take(text);
    write(text, 'read');
    return true;
  }
  const bytes = new Uint8Array(await file.arrayBuffer());
  let binary = '';
  for (let at = 0; at < bytes.length; at += 32768) binary += String.fromCharCode(...bytes.subarray(at, at + 32768));
  try {
    const { info } = await post('sdapi/v1/png-info', { image: btoa(binary) });
    if (info) return take(info);
    say(t('no-infotext', { name: file.name }), 'error');
  } catch (error) {
    say(error.message, 'error');
  }
  return false;
}

/** Forgets a setting that only an infotext brought. */
export function forget(part, name) {
  const { [name]: _, ...others } = state.rest[part];
  const rest = { ...state.rest, [part]: others };
  set({ rest: Object.keys(rest.fields).length + Object.keys(rest.options).length > 0 ? rest : null });
}
