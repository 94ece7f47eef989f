// The page: what the address says is what is shown.
import { SEVERITIES, counted, exceptedOf, grouped, resultOf, severityOf, RESULTS, CHANGES, changeOf, VIOLATION, UNKNOWN, GONE_NOT_SEEN } from './words.js';
import { load, shortName } from './data.js';
import { byId, element, marked, named } from './elements.js';
import { Filter } from './facets.js';
import { Order, grouping, groupings } from './order.js';
import { nothingChosen, read, written } from './address.js';
import { csv, download } from './export.js';
import { FilterPanel } from './filters.js';
import { COLUMNS, Grid, accountOf, titleOf, usualColumns } from './grid.js';
import { DetailPanel } from './detail.js';

const root = document.documentElement;
const PRINTED = 100;
const ELSEWHERE = 'Every finding of this run is a line of findings.csv in its folder; findings.json also has those that are gone.';

class Page {
  constructor(data) {
    this.data = data;
    this.filter = new Filter(data);
    this.order = new Order(data);
    this.groupings = groupings(data);
    this.usual = usualColumns(data, 'usual').map((column) => column.name);
    this.panel = new FilterPanel(this.filter, (name, keys) => this.change({ chosen: { ...this.wanted.chosen, [name]: keys } }));
    this.grid = new Grid(data, {
      onOpen: (row, focus) => this.open(row, focus),
      onMove: (row) => this.detail.isOpen && this.open(row, false),
      onSort: (sort) => this.change({ sort }),
    });
    this.detail = new DetailPanel(data, () => this.close());
    this.controls();
    this.keyboard();
    this.printing();
    this.wanted = read('#findings').wanted;
    this.shownHash = '#findings';
    byId('tools').hidden = false;
    byId('work').hidden = false;
  }

  controls() {
    const search = byId('search');
    let typed = false;
    search.addEventListener('input', () => {
      this.change({ search: search.value }, typed);
      typed = true;
    });
    search.addEventListener('blur', () => {
      typed = false;
    });
    byId('group').addEventListener('change', (event) => {
      this.change({ group: event.target.value });
    });
    byId('reset').addEventListener('click', () => this.change({ ...nothingChosen(), chosen: read('#findings').wanted.chosen, columns: this.wanted.columns }));
    byId('narrow').addEventListener('click', () => this.narrow(!byId('work').classList.contains('narrow')));
    byId('export').addEventListener('click', () => this.exportShown());
    byId('columns').append(...COLUMNS.map((column) => {
      const input = element('input', { type: 'checkbox', value: column.name, change: () => this.chooseColumns() });
      return element('li', {}, element('label', {}, input, element('span', { class: 'word' }, column.title)));
    }));
  }

  // In a narrow window the filters lie over the table.
  narrow(open) {
    byId('work').classList.toggle('narrow', open);
    byId('narrow').setAttribute('aria-expanded', String(open));
    if (open) byId('filters').querySelector('summary').focus();
  }

  chooseColumns() {
    const names = [...byId('columns').querySelectorAll('input:checked')].map((input) => input.value);
    this.change({ columns: names.length === 0 || names.join() === this.usual.join() ? null : names });
  }

  keyboard() {
    document.addEventListener('keydown', (event) => {
      const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
      if (event.key === '/' && !typing && !event.ctrlKey && !event.metaKey) {
        event.preventDefault();
        if (byId('findings').hidden) location.hash = written(this.wanted);
        setTimeout(() => byId('search').focus());
      } else if (event.key === 'Escape') {
        this.narrow(false);
        if (this.detail.isOpen) this.close();
      }
    });
  }

  // Changes what is wanted, and the address with it.
  change(part, replace = false) {
    this.wanted = { ...this.wanted, finding: '', ...part };
    const hash = written(this.wanted);
    if (location.hash === hash) return;
    this.shownHash = hash;
    if (replace) location.replace(hash);
    else location.hash = hash;
    this.show();
  }

  // The address has changed: by us, by a link, or by the back button.
  async follow() {
    const { place, wanted } = read(location.hash);
    const isFindings = place === 'findings';
    root.dataset.view = isFindings ? 'findings' : 'overview';
    this.narrow(false);
    byId('findings').hidden = !isFindings;
    byId('overview').hidden = isFindings;
    for (const tab of document.querySelectorAll('.tabs a')) {
      if (tab.hash.startsWith('#findings') === isFindings) tab.setAttribute('aria-current', 'page');
      else tab.removeAttribute('aria-current');
    }
    if (!isFindings) {
      if (place !== '' && place !== 'overview') byId(place)?.scrollIntoView();
      return;
    }
    scrollTo(0, 0);
    if (this.shownHash === location.hash) return;
    this.shownHash = location.hash;
    this.wanted = wanted;
    this.say('');
    this.show();
    if (wanted.finding === '') {
      this.detail.close();
      this.grid.choose(this.columns());
      return;
    }
    const row = await this.data.find(wanted.finding);
    if (this.wanted !== wanted) return;
    if (row < 0) this.say(`This report has no finding ${named(wanted.finding)}.`);
    else {
      await this.detail.show(row, true);
      this.grid.choose(this.columns());
      this.grid.reveal(row);
    }
  }

  show() {
    const started = performance.now();
    const { search, chosen, sort, group } = this.wanted;
    const rows = this.filter.apply(this.order.by(sort), chosen, search);
    this.grid.show({
      rows, sort, columns: this.columns(),
      by: group, grouping: group === '' ? null : grouping(this.data, rows, this.groupings[group]),
    });
    this.panel.show(chosen);
    if (byId('search').value !== search) byId('search').value = search;
    byId('group').value = group;
    for (const input of byId('columns').querySelectorAll('input')) input.checked = (this.wanted.columns ?? this.usual).includes(input.value);
    this.summarize(rows);
    // The tab leads back to what was chosen.
    byId('findings-tab').href = written(this.wanted);
    root.dataset.shown = String(rows.length);
    root.dataset.filterMs = (performance.now() - started).toFixed(1);
  }

  columns() {
    const { columns } = this.wanted;
    const shown = COLUMNS.filter((column) => columns?.includes(column.name));
    return shown.length === 0 ? usualColumns(this.data, this.detail.isOpen ? 'beside' : 'usual') : shown;
  }

  summarize(rows) {
    const severities = [0, 0, 0, 0];
    let [unknown, excepted] = [0, 0];
    for (let place = 0; place < rows.length; place += 1) {
      const state = this.data.state[rows[place]];
      const result = resultOf(state);
      if (result === UNKNOWN || result === GONE_NOT_SEEN) unknown += 1;
      else if (result === VIOLATION && exceptedOf(state)) excepted += 1;
      else if (result === VIOLATION) severities[severityOf(state)] += 1;
    }
    const marks = severities.map((count, place) => (count === 0 ? null : marked({ word: `${grouped(count)} ${SEVERITIES[place].word.toLowerCase()}`, tone: SEVERITIES[place].tone })));
    byId('summary').replaceChildren(
      element('span', {}, element('strong', {}, grouped(rows.length)), ` of ${counted(this.data.count, 'finding')}`), ...marks.filter(Boolean),
      ...(unknown === 0 ? [] : [marked({ word: `${grouped(unknown)} not known`, tone: 'unknown' })]),
      ...(excepted === 0 ? [] : [marked({ word: `${grouped(excepted)} excepted`, tone: 'plain' })]),
    );
  }

  say(text) {
    byId('message').textContent = text;
    byId('message').hidden = text === '';
  }

  async open(row, focus) {
    this.say('');
    const id = await this.detail.show(row, focus);
    if (id === undefined) return;
    this.wanted = { ...this.wanted, finding: id };
    // An opened finding must not change which results are shown, so the address names them.
    const hash = written(this.wanted);
    this.shownHash = hash;
    location.replace(hash);
    this.grid.choose(this.columns());
    this.grid.reveal(row);
  }

  close() {
    this.detail.close();
    this.wanted = { ...this.wanted, finding: '' };
    this.shownHash = written(this.wanted);
    location.replace(this.shownHash);
    this.grid.choose(this.columns());
    byId('grid').focus({ preventScroll: true });
  }

  async exportShown() {
    const rows = Uint32Array.from(this.filter.shown);
    byId('export').disabled = true;
    try {
      const blob = await csv(this.data, rows, (done) => this.say(`${grouped(done)} of ${counted(rows.length, 'finding')} …`));
      download(blob, `pipewarden-${this.data.run.runId}-findings.csv`);
      this.say(`${counted(rows.length, 'finding')} exported.`);
      root.dataset.exported = String(blob.size);
    } catch (error) {
      this.say(`The export failed: ${error.message.replace(/\.$/, '')}. ${ELSEWHERE}`);
    } finally {
      byId('export').disabled = false;
    }
  }

  // Paper has no scrolling: it gets the first rows, and says where the others are.
  printing() {
    addEventListener('beforeprint', () => {
      const { data } = this;
      const rows = Array.from(this.filter.shown.subarray(0, PRINTED));
      const head = ['Severity', 'Result', 'Control', 'Resource', 'Account', 'Owner', 'Change'];
      const line = (row) => [
        SEVERITIES[severityOf(data.state[row])].word, RESULTS[resultOf(data.state[row])].word, titleOf(data.controls[data.control[row]]),
        shortName(data.name[data.resource[row]]), accountOf(data, row)[1] || accountOf(data, row)[0], data.owners[data.owner[row]],
        changeOf(data.state[row]) === 0 ? '' : CHANGES[changeOf(data.state[row])].word,
      ];
      byId('paper').replaceChildren(
        element('h2', {}, 'Findings'),
        element('p', {}, `The first ${grouped(rows.length)} of ${counted(this.filter.shown.length, 'finding')} that were shown. ${ELSEWHERE}`),
        element('table', {}, element('thead', {}, element('tr', {}, ...head.map((title) => element('th', { scope: 'col' }, title)))),
          element('tbody', {}, ...rows.map((row) => element('tr', {}, ...line(row).map((text) => element('td', {}, named(text))))))),
      );
    });
    addEventListener('afterprint', () => byId('paper').replaceChildren());
  }
}

const THEMES = ['', 'light', 'dark'];

// The browser remembers the choice, where it may.
function themes() {
  const button = byId('theme');
  const remembered = (text) => {
    try {
      if (text !== undefined) localStorage.setItem('pipewarden-theme', text);
      return localStorage.getItem('pipewarden-theme') ?? '';
    } catch {
      return text ?? '';
    }
  };
  const use = (theme) => {
    if (theme === '') delete root.dataset.theme;
    else root.dataset.theme = theme;
    button.textContent = `Theme: ${theme === '' ? 'system' : theme}`;
    button.dataset.current = theme;
  };
  use(THEMES.includes(remembered()) ? remembered() : '');
  button.hidden = false;
  button.addEventListener('click', () => {
    const next = THEMES[(THEMES.indexOf(button.dataset.current) + 1) % THEMES.length];
    remembered(next);
    use(next);
  });
}

async function start() {
  themes();
  if (typeof DecompressionStream !== 'function') throw new Error('this browser is too old to unpack them (no DecompressionStream)');
  const page = new Page(await load());
  addEventListener('hashchange', () => page.follow());
  page.show();
  await page.follow();
  root.dataset.findings = String(page.data.count);
  root.dataset.readyMs = performance.now().toFixed(1);
}

start().catch((error) => {
  byId('failure').textContent = `The findings cannot be shown: ${error.message}. ${ELSEWHERE}`;
  byId('failure').hidden = false;
  root.dataset.failed = error.message;
});
