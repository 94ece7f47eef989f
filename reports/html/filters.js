// The panel of filters: for each value how many findings it would leave.
import { grouped } from './words.js';
import { byId, element, named } from './elements.js';

// A list longer than this shows those with the most findings, and a field to find the others.
const SHORT = 8;
const LONG = 200;

export class FilterPanel {
  constructor(filter, onChange) {
    this.filter = filter;
    this.onChange = onChange;
    this.chosen = {};
    this.parts = filter.facets.map((facet) => this.part(facet));
    // A filter with a single value says nothing.
    const states = [...new Set(filter.data.state)];
    const values = (facet) => (facet.source === 'state' ? new Set(states.flatMap((state) => facet.keysOf[state])).size : facet.values.length);
    byId('filters').append(...this.parts.filter(({ facet }) => ['severity', 'result'].includes(facet.name) || values(facet) > 1).map((part) => part.box));
  }

  part(facet) {
    const list = element('ul', { class: 'values' });
    const badge = element('span', { class: 'badge' });
    const part = { facet, list, badge, find: '', all: false, stale: true };
    const search = facet.values.length <= SHORT || facet.fixed ? null : element('input', {
      type: 'search', class: 'find', placeholder: 'Find…', 'aria-label': `Find in ${facet.title}`,
      input: (event) => {
        part.find = event.target.value.toLowerCase();
        this.fill(part);
      },
    });
    part.box = element('details', {
      class: 'facet', open: facet.open === true, toggle: () => part.box.open && part.stale && this.fill(part),
    }, element('summary', {}, facet.title, badge), search, list);
    return part;
  }

  show(chosen) {
    this.chosen = chosen;
    for (const part of this.parts) {
      const keys = chosen[part.facet.name];
      part.badge.textContent = keys ? String(keys.size) : '';
      part.stale = !part.box.open;
      if (part.box.open) this.fill(part);
    }
  }

  fill(part) {
    const { facet, list } = part;
    const counts = this.filter.counts(facet);
    const keys = this.chosen[facet.name] ?? new Set();
    const isChosen = (value) => keys.has(facet.values[value].key);
    let values = facet.values.map((_, value) => value).filter((value) => isChosen(value) || (!facet.values[value].hidden && (facet.fixed || counts[value] > 0)));
    if (facet.fixed) values = values.filter((value) => counts[value] > 0 || isChosen(value) || ['severity', 'result'].includes(facet.name));
    else values.sort((a, b) => isChosen(b) - isChosen(a) || counts[b] - counts[a] || a - b);
    const found = part.find === '' ? values : values.filter((value) => {
      const { word, also = '' } = facet.values[value];
      return `${word} ${also}`.toLowerCase().includes(part.find);
    });
    const shown = facet.fixed ? found : found.slice(0, part.all || part.find !== '' ? LONG : SHORT);
    const focused = list.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
    list.replaceChildren(...shown.map((value) => this.value(facet, value, counts[value], isChosen(value))));
    if (found.length > shown.length) list.append(this.more(part, found.length - shown.length, shown.length < LONG));
    if (focused !== undefined) [...list.querySelectorAll('input')].find((input) => input.dataset.key === focused)?.focus();
  }

  value(facet, value, count, checked) {
    const { key, word, tone, also } = facet.values[value];
    const input = element('input', { type: 'checkbox', change: () => this.toggle(facet, key, input.checked) });
    input.checked = checked;
    input.dataset.key = key;
    const text = element('span', { class: `word ${tone ? `mark ${tone}` : ''}`, title: also }, named(word));
    return element('li', {}, element('label', { class: count === 0 ? 'none' : '' }, input, text, element('span', { class: 'count' }, grouped(count))));
  }

  more(part, number, canGrow) {
    const text = canGrow ? `${grouped(number)} more` : `${grouped(number)} more: find them by name`;
    if (!canGrow) return element('li', { class: 'quiet' }, text);
    return element('li', {}, element('button', {
      type: 'button', class: 'quiet',
      click: () => {
        part.all = true;
        this.fill(part);
      },
    }, text));
  }

  toggle(facet, key, on) {
    const keys = new Set(this.chosen[facet.name] ?? []);
    if (on) keys.add(key);
    else keys.delete(key);
    this.onChange(facet.name, keys.size === 0 ? null : keys);
  }
}
