// Sorting and grouping, by counting: the time grows with the findings, not faster.
import { GONE_NOT_SEEN, STATES, UNKNOWN, VIOLATION, exceptedOf, resultOf, severityOf, worstFirst, CHANGES } from './words.js';
import { shortName } from './data.js';

// Rows sorted by `rank`, those of the same rank as they stood before.
function byRank(rows, ranks, rankOf) {
  const starts = new Uint32Array(ranks + 1);
  for (let place = 0; place < rows.length; place += 1) starts[rankOf(rows[place]) + 1] += 1;
  for (let rank = 0; rank < ranks; rank += 1) starts[rank + 1] += starts[rank];
  const sorted = new Uint32Array(rows.length);
  for (let place = 0; place < rows.length; place += 1) {
    const rank = rankOf(rows[place]);
    sorted[starts[rank]] = rows[place];
    starts[rank] += 1;
  }
  return sorted;
}

// The place of each text among all texts, sorted; equal texts have the same.
function ranksOf(texts) {
  const sorted = [...new Set(texts)].sort();
  const places = new Map(sorted.map((text, place) => [text, place]));
  return { ranks: Math.max(1, sorted.length), of: Uint32Array.from(texts, (text) => places.get(text)) };
}

const lower = (text) => text.toLowerCase();

// What each column is sorted by.
const SORT_KEYS = {
  severity: (data) => ({ ranks: 4, rankOf: (row) => severityOf(data.state[row]) }),
  result: (data) => ({ ranks: 8, rankOf: (row) => resultOf(data.state[row]) }),
  change: (data) => ({ ranks: CHANGES.length + 1, rankOf: (row) => (((data.state[row] >> 5) & 7) + 7) % 8 }),
  exception: (data) => ({ ranks: 2, rankOf: (row) => 1 - exceptedOf(data.state[row]) }),
  control: (data) => through(data.controls.map(({ title, id }) => lower(title === '' ? id : title)), (row) => data.control[row]),
  owner: (data) => through(data.owners.map((owner) => (owner === '' ? '\uffff' : lower(owner))), (row) => data.owner[row]),
  account: (data) => through(data.accounts.map(([id, name]) => lower(name === '' ? id : name)), (row) => data.account[data.resource[row]]),
  ou: (data) => through(data.accounts.map(([, , path]) => lower(path)), (row) => data.account[data.resource[row]]),
  region: (data) => through(data.regions, (row) => data.region[data.resource[row]]),
  service: (data) => through(data.services.map(lower), (row) => data.type[data.resource[row]]),
  resource: (data) => through(data.name.map((name) => lower(shortName(name))), (row) => data.resource[row]),
  age: (data) => {
    const texts = data.ages.map((age) => String(1_000_000 + age));
    return through(texts, (row) => data.first[row]);
  },
};

function through(texts, numberOf) {
  const { ranks, of } = ranksOf(texts);
  return { ranks, rankOf: (row) => of[numberOf(row)] };
}

export const SORTABLE = Object.keys(SORT_KEYS);

// All rows in the order that is asked for: `''` is the worst first, `account` and `-account` by a column.
export class Order {
  constructor(data) {
    this.data = data;
    const all = Uint32Array.from({ length: data.count }, (_, row) => row);
    const ranks = Uint16Array.from({ length: STATES }, (_, state) => worstFirst(state));
    const byControl = byRank(all, Math.max(1, data.controls.length), (row) => data.control[row]);
    this.worst = byRank(byControl, 256, (row) => ranks[data.state[row]]);
    this.made = new Map([['', this.worst]]);
    this.keys = new Map();
  }

  by(sort) {
    if (!this.made.has(sort)) {
      const column = sort.replace(/^-/, '');
      if (!this.keys.has(column)) this.keys.set(column, SORT_KEYS[column](this.data));
      const { ranks, rankOf } = this.keys.get(column);
      const rank = sort === column ? rankOf : (row) => ranks - 1 - rankOf(row);
      this.made.set(sort, byRank(this.worst, ranks, rank));
    }
    return this.made.get(sort);
  }
}

// What findings can be put together by: the number of the group of a row, and the names of all groups.
export function groupings(data) {
  let resources;
  const accounts = data.accounts.map(([id, name]) => (name === '' ? id : `${name} (${id})`));
  const units = numbered(data.accounts.map(([, , path]) => (path === '' ? 'not known' : path)));
  const services = numbered(data.services);
  const controls = data.controls.map(({ id, title }) => (title === '' ? id : title));
  const owners = data.owners.map((owner) => (owner === '' ? 'nobody is known' : owner));
  return {
    control: { title: 'Control', names: controls, of: (row) => data.control[row] },
    account: { title: 'Account', names: accounts, of: (row) => data.account[data.resource[row]] },
    ou: { title: 'Organizational unit', names: units.names, of: (row) => units.of[data.account[data.resource[row]]] },
    owner: { title: 'Owner', names: owners, of: (row) => data.owner[row] },
    service: { title: 'Service', names: services.names, of: (row) => services.of[data.type[data.resource[row]]] },
    // There may be as many as findings, so they are numbered when somebody asks. A resource that two chunks share stands in
    // both, and is one.
    get resource() {
      if (resources === undefined) {
        const { names, of } = numbered(data.name);
        resources = { title: 'Resource', names: names.map(shortName), of: (row) => of[data.resource[row]] };
      }
      return resources;
    },
  };
}

function numbered(texts) {
  const names = [...new Set(texts)];
  const places = new Map(names.map((name, place) => [name, place]));
  return { names, of: Uint32Array.from(texts, (text) => places.get(text)) };
}

// The groups of some rows, the worst first; each has its rows in the order in which they came.
export function grouping(data, rows, by) {
  const { names, of } = by;
  const size = Math.max(1, names.length);
  const sorted = byRank(rows, size, of);
  const groups = [];
  for (let place = 0; place < sorted.length; place += 1) {
    const number = of(sorted[place]);
    let group = groups.at(-1);
    if (group === undefined || group.number !== number) {
      group = { number, name: names[number], from: place, to: place, severities: [0, 0, 0, 0], unknown: 0 };
      groups.push(group);
    }
    group.to = place + 1;
    const state = data.state[sorted[place]];
    const result = resultOf(state);
    if (result === VIOLATION && exceptedOf(state) === 0) group.severities[severityOf(state)] += 1;
    if (result === UNKNOWN || result === GONE_NOT_SEEN) group.unknown += 1;
  }
  const worse = (a, b) => {
    for (let place = 0; place < 4; place += 1) if (a.severities[place] !== b.severities[place]) return b.severities[place] - a.severities[place];
    return b.unknown - a.unknown || (a.name < b.name ? -1 : a.name > b.name ? 1 : a.number - b.number);
  };
  return { sorted, groups: groups.sort(worse) };
}
