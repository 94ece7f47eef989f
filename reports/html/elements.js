// Elements with text. Text is only ever set as text, so a name can be no markup.
import { visible } from './words.js';

// `element('span', { class: 'quiet' }, 'text', child)`; functions are listeners.
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') made.addEventListener(name, value);
    else if (value === true) made.setAttribute(name, '');
    else if (value !== false && value !== undefined && value !== null) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined && child !== ''));
  return made;
}

export const byId = (id) => document.getElementById(id);

// A name that somebody else has chosen.
export const named = (text) => visible(String(text));

// A mark with a colour, and the word that says the same.
export const marked = (entry) => element('span', { class: `mark ${entry.tone ?? 'plain'}` }, entry.word);

// A button that copies a text, or selects it where the browser does not let it copy.
export function copyButton(text, label, source) {
  const button = element('button', { type: 'button', class: 'quiet copy', 'aria-label': label }, 'Copy');
  button.addEventListener('click', async () => {
    let said = 'Copied';
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      getSelection().selectAllChildren(source());
      said = 'Selected';
    }
    button.textContent = said;
    setTimeout(() => {
      button.textContent = 'Copy';
    }, 1500);
  });
  return button;
}
