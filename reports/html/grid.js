// The table: only the rows that can be seen exist. The focus stays on the grid, which names its active row.
import { CHANGES, RESULTS, SEVERITIES, age, changeOf, counted, exceptedOf, grouped, resultOf, severityOf } from './words.js';
import { shortName } from './data.js';
import { byId, element, marked, named } from './elements.js';

const ROW = 30;
// Browsers cannot scroll further than some millions of pixels; beyond, scrolling covers several rows at once.
const TALLEST = 8_000_000;
const BEYOND = 6;
const GAP = 10;

// Every column there is, in its order. Until others are chosen the `usual` ones are shown, and beside an opened finding
// those that are `beside`, without those of which this report knows nothing.
export const COLUMNS = [
  { name: 'severity', title: 'Severity', width: '72px', usual: true, beside: true, cell: (data, row) => marked(SEVERITIES[severityOf(data.state[row])]) },
  { name: 'result', title: 'Result', width: '92px', usual: true, cell: (data, row) => marked(RESULTS[resultOf(data.state[row])]) },
  { name: 'control', title: 'Control', width: 'minmax(160px, 4fr)', usual: true, beside: true, cell: (data, row) => titleOf(data.controls[data.control[row]]) },
  { name: 'resource', title: 'Resource', width: 'minmax(110px, 2fr)', usual: true, beside: true, cell: (data, row) => shortName(data.name[data.resource[row]]) },
  { name: 'service', title: 'Service', width: '110px', cell: (data, row) => data.services[data.type[data.resource[row]]] },
  { name: 'account', title: 'Account', width: 'minmax(90px, 1.2fr)', usual: true, beside: true, cell: (data, row) => accountOf(data, row)[1] || accountOf(data, row)[0] },
  { name: 'ou', title: 'Unit', width: 'minmax(110px, 1fr)', cell: (data, row) => accountOf(data, row)[2] },
  { name: 'region', title: 'Region', width: '104px', cell: (data, row) => data.regions[data.region[data.resource[row]]] },
  { name: 'owner', title: 'Owner', width: 'minmax(90px, 1fr)', usual: true, known: (data) => data.owners.length > 1, cell: (data, row) => data.owners[data.owner[row]] },
  {
    name: 'change', title: 'Change', width: '70px', usual: true, known: (data) => data.times.length > 1,
    cell: (data, row) => (changeOf(data.state[row]) === 0 ? '' : marked({ word: CHANGES[changeOf(data.state[row])].word, tone: `change-${CHANGES[changeOf(data.state[row])].key}` })),
  },
  { name: 'age', title: 'Since', width: '64px', usual: true, known: (data) => data.times.length > 1, cell: (data, row) => age(data.ages[data.first[row]]) },
  { name: 'exception', title: 'Exception', width: '92px', cell: (data, row) => (exceptedOf(data.state[row]) ? 'excepted' : '') },
];

export const usualColumns = (data, kind) => COLUMNS.filter((column) => column[kind] && (column.known?.(data) ?? true));

export const titleOf = (control) => (control.title === '' ? control.id : control.title);
export const accountOf = (data, row) => data.accounts[data.account[data.resource[row]]];

export class Grid {
  constructor(data, { onOpen, onSort, onMove }) {
    Object.assign(this, { data, onOpen, onSort, onMove });
    this.grid = byId('grid');
    this.head = element('div', { role: 'row', class: 'row', 'aria-rowindex': '1' });
    this.body = element('div', { role: 'rowgroup', class: 'rows' });
    this.grid.replaceChildren(element('div', { role: 'rowgroup', class: 'head' }, this.head), this.body);
    this.active = 0;
    this.items = new Int32Array(0);
    this.groups = [];
    this.closed = true;
    this.opened = new Set();
    let waiting = false;
    this.grid.addEventListener('scroll', () => {
      if (waiting) return;
      waiting = true;
      requestAnimationFrame(() => {
        waiting = false;
        this.render();
      });
    }, { passive: true });
    this.grid.addEventListener('keydown', (event) => this.key(event));
    this.body.addEventListener('click', (event) => this.click(event));
    new ResizeObserver(() => this.render()).observe(this.grid);
  }

  // Shows rows, grouped or not, with these columns, from the top.
  show({ rows, by, grouping, columns, sort }) {
    // The numbers of groups say nothing where findings are grouped by something else.
    if (this.by !== by) this.opened.clear();
    this.by = by;
    this.rows = rows;
    this.grouping = grouping;
    this.sort = sort;
    // Only a tree may have rows that open.
    this.grid.setAttribute('role', grouping === null ? 'grid' : 'treegrid');
    this.layOut();
    this.active = 0;
    this.grid.scrollTop = 0;
    this.choose(columns);
  }

  // Shows these columns of the same rows.
  choose(columns) {
    this.columns = columns;
    this.grid.style.setProperty('--columns', columns.map((column) => column.width).join(' '));
    const least = columns.reduce((sum, { width }) => sum + parseInt(width.replace(/^\D+/, ''), 10) + GAP, GAP);
    this.grid.style.setProperty('--least', `${least}px`);
    this.grid.setAttribute('aria-colcount', String(columns.length));
    const key = `${columns.map((column) => column.name)} ${this.sort}`;
    if (this.headKey !== key) this.head.replaceChildren(...columns.map((column, place) => this.header(column, place)));
    this.headKey = key;
    this.render();
  }

  // Items are rows, or groups as negative numbers.
  layOut() {
    if (this.grouping === null) {
      this.items = this.rows;
    } else {
      const items = [];
      this.grouping.groups.forEach((group, place) => {
        items.push(-place - 1);
        if (this.opened.has(group.number)) for (let at = group.from; at < group.to; at += 1) items.push(this.grouping.sorted[at]);
      });
      this.items = Int32Array.from(items);
    }
    this.active = Math.max(0, Math.min(this.active, this.items.length - 1));
    this.grid.setAttribute('aria-rowcount', String(this.items.length + 1));
    byId('empty').hidden = this.items.length > 0;
  }

  header(column, place) {
    const by = this.sort === column.name ? 'ascending' : this.sort === `-${column.name}` ? 'descending' : 'none';
    const next = by === 'none' ? column.name : by === 'ascending' ? `-${column.name}` : '';
    const arrow = { ascending: ' ↑', descending: ' ↓', none: '' }[by];
    const button = element('button', { type: 'button', click: () => this.onSort(next) }, `${column.title}${arrow}`);
    return element('div', { role: 'columnheader', class: 'cell', 'aria-sort': by, 'aria-colindex': String(place + 1) }, button);
  }

  get height() {
    return Math.max(ROW, this.grid.clientHeight - this.body.offsetTop);
  }

  // How far the rows are scrolled, in pixels of rows; more than what the browser scrolls where there are very many.
  measure() {
    const full = this.items.length * ROW;
    const tall = Math.min(full, TALLEST);
    const ratio = tall < full ? (full - this.height) / (tall - this.height) : 1;
    return { tall, ratio, top: this.grid.scrollTop * ratio };
  }

  render() {
    if (this.columns === undefined) return;
    const { tall, top } = this.measure();
    const first = Math.max(0, Math.floor(top / ROW) - BEYOND);
    const last = Math.min(this.items.length, Math.ceil((top + this.height) / ROW) + BEYOND);
    const offset = this.grid.scrollTop - top;
    const made = [];
    for (let place = first; place < last; place += 1) {
      const item = this.items[place];
      const row = item < 0 ? this.groupRow(this.grouping.groups[-item - 1]) : this.row(item);
      row.id = `row-${place}`;
      row.dataset.place = String(place);
      row.setAttribute('aria-rowindex', String(place + 2));
      if (this.grouping !== null) row.setAttribute('aria-level', item < 0 ? '1' : '2');
      row.style.transform = `translateY(${place * ROW + offset}px)`;
      if (place === this.active) {
        row.classList.add('active');
        row.setAttribute('aria-selected', 'true');
      }
      made.push(row);
    }
    this.body.style.height = `${tall}px`;
    this.body.replaceChildren(...made);
    const seen = this.active >= first && this.active < last;
    if (seen) this.grid.setAttribute('aria-activedescendant', `row-${this.active}`);
    else this.grid.removeAttribute('aria-activedescendant');
  }

  row(number) {
    const cells = this.columns.map((column, place) => {
      const content = column.cell(this.data, number);
      const text = typeof content === 'string' ? named(content) : content;
      const title = typeof content === 'string' ? text : undefined;
      return element('div', { role: 'gridcell', class: 'cell', 'aria-colindex': String(place + 1), title }, text);
    });
    const state = this.data.state[number];
    return element('div', { role: 'row', class: `row${exceptedOf(state) || resultOf(state) === 4 ? ' dim' : ''}` }, ...cells);
  }

  groupRow(group) {
    const open = this.opened.has(group.number);
    const worst = group.severities.map((count, place) => (count === 0 ? null : marked({ word: `${grouped(count)} ${SEVERITIES[place].word.toLowerCase()}`, tone: SEVERITIES[place].tone })));
    const unknown = group.unknown === 0 ? null : marked({ word: `${grouped(group.unknown)} not known`, tone: 'unknown' });
    const cell = element('div', { role: 'gridcell', class: 'cell', 'aria-colindex': '1', 'aria-colspan': String(this.columns.length) },
      element('span', { class: 'twist', 'aria-hidden': 'true' }, open ? '▾' : '▸'), element('strong', {}, named(group.name)),
      element('span', { class: 'quiet' }, counted(group.to - group.from, 'finding')), ...worst, unknown);
    return element('div', { role: 'row', class: 'row group', 'aria-expanded': String(open) }, cell);
  }

  click(event) {
    const row = event.target.closest('.row');
    if (row === null) return;
    this.active = Number(row.dataset.place);
    this.grid.focus({ preventScroll: true });
    this.open(false);
  }

  // Opens the active row; the focus goes with it where the keyboard asked.
  open(focus) {
    const item = this.items[this.active];
    if (item === undefined) return;
    if (item < 0) this.toggle(this.grouping.groups[-item - 1].number);
    else this.onOpen(item, focus);
    this.render();
  }

  toggle(number, on = !this.opened.has(number)) {
    if (on) this.opened.add(number);
    else this.opened.delete(number);
    this.layOut();
    this.render();
  }

  // Goes to a row that may be out of sight.
  reveal(row) {
    const place = this.items.indexOf(row);
    if (place >= 0) this.move(place, false);
  }

  move(place, tell = true) {
    this.active = Math.max(0, Math.min(place, this.items.length - 1));
    const { ratio, top } = this.measure();
    const from = this.active * ROW;
    if (from < top) this.grid.scrollTop = from / ratio;
    else if (from + ROW > top + this.height) this.grid.scrollTop = (from + ROW - this.height) / ratio;
    this.render();
    const item = this.items[this.active];
    if (tell && item >= 0) this.onMove(item);
  }

  key(event) {
    if (event.target !== this.grid || event.ctrlKey || event.altKey || event.metaKey) return;
    const page = Math.max(1, Math.floor(this.height / ROW) - 1);
    const group = this.items[this.active] < 0 ? this.grouping.groups[-this.items[this.active] - 1] : null;
    const keys = {
      ArrowDown: () => this.move(this.active + 1),
      ArrowUp: () => this.move(this.active - 1),
      PageDown: () => this.move(this.active + page),
      PageUp: () => this.move(this.active - page),
      Home: () => this.move(0),
      End: () => this.move(this.items.length - 1),
      Enter: () => this.open(true),
      ' ': () => this.open(false),
      ArrowRight: () => group && this.toggle(group.number, true),
      ArrowLeft: () => group && this.toggle(group.number, false),
    };
    if (!Object.hasOwn(keys, event.key)) return;
    event.preventDefault();
    keys[event.key]();
  }
}
