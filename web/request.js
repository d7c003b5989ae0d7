// Requests as the server takes them, made from the state.

import { state } from './state.js';
import { tags } from './tag.js';

/** Presets that were kept in this browser, as the extension takes them from a request. */
const own = () => state.presets.map((preset) => `${preset.name}:${preset.value}`).join('\n');

/** The prompt with the weights themselves in the place of such presets: nobody else knows them, and infotexts go to others. */
export function spelledOut(prompt) {
  const values = new Map(state.presets.map((preset) => [preset.name, preset.value]));
  let [text, kept] = ['', 0];
  for (const { weights } of tags(prompt)) {
    if (!weights || !values.has(weights.text)) continue;
    text += prompt.slice(kept, weights.start) + values.get(weights.text);
    kept = weights.end;
  }
  return text + prompt.slice(kept);
}

/** What is drawn for a prompt. */
export const drawing = (prompt, more = {}) => ({ ...fields(spelledOut(prompt)), ...more });

/** What is checked: the prompt as it stands, so that places are those of the text. */
export const checking = (prompt) =>
  ({ ...fields(prompt), ...(state.presets.length > 0 && { alwayson_scripts: { 'LoRA Block Weight': { args: [own()] } } }) });

function fields(prompt) {
  const { sampler_name, scheduler, steps, cfg_scale, seed, width, height, enable_hr, sd_model_checkpoint, sd_vae } = state.settings;
  const all = { prompt, negative_prompt: state.negative, sampler_name, scheduler, steps, cfg_scale, seed };
  if (width && height) Object.assign(all, { width, height });
  if (enable_hr) {
    const { hr_scale, hr_upscaler, hr_second_pass_steps, denoising_strength } = state.settings;
    Object.assign(all, { enable_hr, hr_scale, hr_upscaler, hr_second_pass_steps, denoising_strength });
  }
  const options = { ...state.rest?.options };
  if (sd_model_checkpoint) options.sd_model_checkpoint = sd_model_checkpoint;
  if (sd_vae) options.sd_vae = sd_vae;
  if (Object.keys(options).length > 0) all.override_settings = options;
  return { ...state.rest?.fields, ...all };
}
