// Filtering, and counting how many findings each value of each filter would leave.
//
// Every filter is one bit. Filters read one of four things: the state of a finding, its control, its owner or its
// resource; so each of these gets a table of the filters that it fails, and a finding costs four look-ups. What fails in
// exactly one filter is counted for that filter alone: so many there would be if another value of it were chosen.
import { CHANGES, KNOWN, RESULTS, SEVERITIES, STATES, changeOf, exceptedOf, knownOf, resultOf, severityOf } from './words.js';

const NO_OWNER = 'nobody is known';

// Filters in the order of the panel. `keysOf` gives the values that a source value has, as places in `values`.
export function facetsOf(data) {
  const frameworks = multiple(data.controls.map((control) => control.frameworks.flatMap((mapped) => {
    const id = mapped.split('(')[0];
    const of = data.frameworks.find((framework) => Object.hasOwn(framework.requirements, id));
    return of === undefined ? [id] : [of.id, id];
  })));
  const known = new Map(data.frameworks.map((framework) => [framework.id, framework.name]));
  const paths = multiple(data.accounts.map(([, , path]) => unitsOf(path)));
  const services = multiple(data.services.map((service) => [service]));
  const words = (entries, of) => ({
    values: entries.map(({ key, word, tone }) => ({ key, word, tone })),
    keysOf: Array.from({ length: STATES }, (_, state) => [of(state)]),
  });
  return [
    { name: 'result', title: 'Result', source: 'state', open: true, fixed: true, ...words(RESULTS, resultOf) },
    { name: 'severity', title: 'Severity', source: 'state', open: true, fixed: true, ...words(SEVERITIES, severityOf) },
    { name: 'change', title: 'Since the run before', source: 'state', open: true, fixed: true, ...words(CHANGES, changeOf) },
    { name: 'known', title: 'When last seen', source: 'state', fixed: true, ...words(KNOWN, knownOf) },
    {
      name: 'excepted', title: 'Exception', source: 'state', open: true, fixed: true,
      ...words([{ key: 'no', word: 'None' }, { key: 'yes', word: 'Under an exception' }], exceptedOf),
    },
    { name: 'ou', title: 'Organizational unit', source: 'resource', column: data.account, open: true, ...paths },
    {
      name: 'account', title: 'Account', source: 'resource', column: data.account,
      values: data.accounts.map(([id, name]) => ({ key: id, word: name === '' ? id : `${name} (${id})` })),
    },
    { name: 'service', title: 'Service', source: 'resource', column: data.type, open: true, ...services },
    {
      name: 'owner', title: 'Owner', source: 'owner', open: data.owners.length > 1,
      values: data.owners.map((owner) => ({ key: owner, word: owner === '' ? NO_OWNER : owner })),
    },
    {
      name: 'control', title: 'Control', source: 'control',
      values: data.controls.map(({ id, title }) => ({ key: id, word: title === '' ? id : title, also: id })),
    },
    {
      name: 'framework', title: 'Framework', source: 'control', keysOf: frameworks.keysOf,
      values: frameworks.values.map(({ key }) => ({ key, word: known.get(key) ?? key, hidden: !known.has(key) })),
    },
    { name: 'region', title: 'Region', source: 'resource', column: data.region, values: data.regions.map((name) => ({ key: name, word: name })) },
  ].map((facet, place) => ({
    ...facet, bit: 1 << place, keysOf: facet.keysOf ?? facet.values.map((_, value) => [value]),
    places: new Map(facet.values.map(({ key }, value) => [facet.name === 'service' ? key.toLowerCase() : key, value])),
  }));
}

// `/Workloads/Prod` stands below `/Workloads`.
function unitsOf(path) {
  const parts = path.split('/').filter((part) => part !== '');
  return parts.length === 0 ? [path === '' ? '' : '/'] : parts.map((_, place) => `/${parts.slice(0, place + 1).join('/')}`);
}

function multiple(lists) {
  const places = new Map();
  const keysOf = lists.map((list) => [...new Set(list)].map((key) => {
    if (!places.has(key)) places.set(key, places.size);
    return places.get(key);
  }));
  return { keysOf, values: [...places.keys()].map((key) => ({ key, word: key === '' ? 'not known' : key })) };
}

const SEARCH_WORDS = 30;
const WORDS_KEPT = 40;

export class Filter {
  constructor(data) {
    this.data = data;
    this.facets = facetsOf(data);
    this.view = new Uint32Array(data.count);
    this.sizes = { state: STATES, control: data.controls.length, owner: data.owners.length, resource: data.resourceCount };
    this.failed = Object.fromEntries(Object.entries(this.sizes).map(([source, size]) => [source, new Uint16Array(size)]));
    this.all = Object.fromEntries(Object.entries(this.sizes).map(([source, size]) => [source, new Uint32Array(size)]));
    this.only = this.facets.map((facet) => new Uint32Array(this.sizes[facet.source]));
    this.texts = null;
    this.words = new Map();
    this.sought = null;
  }

  // Rows of `order` that pass, and the counts of every facet. `chosen` has sets of keys; no set chooses all.
  apply(order, chosen, search) {
    this.markFailures(chosen);
    this.seek(search);
    const { state, control, owner, resource } = this.data;
    const { failed, all, only, view, sought } = this;
    for (const counts of [...Object.values(all), ...only]) counts.fill(0);
    const columns = this.facets.map((facet) => this.data[facet.source]);
    let length = 0;
    for (let place = 0; place < order.length; place += 1) {
      const row = order[place];
      const s = state[row];
      const c = control[row];
      const o = owner[row];
      const r = resource[row];
      if (sought !== null && (sought.control[c] | sought.owner[o] | sought.resource[r]) !== sought.wanted) continue;
      const mask = failed.state[s] | failed.control[c] | failed.owner[o] | failed.resource[r];
      if (mask === 0) {
        view[length] = row;
        length += 1;
        all.state[s] += 1;
        all.control[c] += 1;
        all.owner[o] += 1;
        all.resource[r] += 1;
      } else if ((mask & (mask - 1)) === 0) {
        const facet = 31 - Math.clz32(mask);
        only[facet][columns[facet][row]] += 1;
      }
    }
    this.shown = view.subarray(0, length);
    return this.shown;
  }

  markFailures(chosen) {
    for (const table of Object.values(this.failed)) table.fill(0);
    for (const facet of this.facets) {
      const keys = chosen[facet.name];
      if (keys === null || keys === undefined) continue;
      const passes = new Uint8Array(facet.values.length);
      for (const key of keys) {
        const place = facet.places.get(facet.name === 'service' ? key.toLowerCase() : key);
        if (place !== undefined) passes[place] = 1;
      }
      const fails = facet.keysOf.map((places) => (places.some((place) => passes[place] === 1) ? 0 : facet.bit));
      const table = this.failed[facet.source];
      for (let value = 0; value < table.length; value += 1) table[value] |= fails[facet.column === undefined ? value : facet.column[value]];
    }
  }

  // Which words of the search each control, owner and resource has; a finding has to have them all.
  seek(search) {
    const words = search.toLowerCase().split(/\s+/).filter((word) => word !== '').slice(0, SEARCH_WORDS);
    if (words.length === 0) {
      this.sought = null;
      return;
    }
    const { control, owner, resource } = this.sizes;
    const sought = { wanted: 0, control: new Int32Array(control), owner: new Int32Array(owner), resource: new Int32Array(resource) };
    words.forEach((word, place) => {
      const bit = 1 << place;
      sought.wanted |= bit;
      const found = this.found(word);
      for (const source of ['control', 'owner', 'resource']) {
        const [bits, has] = [sought[source], found[source]];
        for (let value = 0; value < bits.length; value += 1) if (has[value] === 1) bits[value] |= bit;
      }
    });
    this.sought = sought;
  }

  // What has a word. Somebody who types a word has asked for its beginning before: only what had that is looked at again.
  found(word) {
    const known = this.words.get(word);
    if (known !== undefined) return known;
    let before;
    for (const [beginning, found] of this.words) if (word.startsWith(beginning)) before = found;
    const { control, owner, account, type, region, name } = this.searchTexts();
    const { data } = this;
    const has = (texts) => Uint8Array.from(texts, (text) => (text.includes(word) ? 1 : 0));
    const [ofAccounts, ofTypes, ofRegions] = [has(account), has(type), has(region)];
    const resource = new Uint8Array(data.resourceCount);
    for (let place = 0; place < resource.length; place += 1) {
      if (before !== undefined && before.resource[place] === 0) continue;
      const around = ofAccounts[data.account[place]] | ofTypes[data.type[place]] | ofRegions[data.region[place]];
      resource[place] = around === 1 || name[place].includes(word) ? 1 : 0;
    }
    const found = { control: has(control), owner: has(owner), resource };
    this.words.set(word, found);
    if (this.words.size > WORDS_KEPT) this.words.delete(this.words.keys().next().value);
    return found;
  }

  searchTexts() {
    const { data } = this;
    const lower = (text) => text.toLowerCase();
    this.texts ??= {
      control: data.controls.map(({ id, title, frameworks }) => lower(`${id} ${title} ${frameworks.join(' ')}`)),
      owner: data.owners.map(lower),
      account: data.accounts.map((parts) => lower(parts.join(' '))),
      type: data.types.map(lower),
      region: data.regions,
      name: data.name.map(lower),
    };
    return this.texts;
  }

  // How many findings each value of a facet would leave.
  counts(facet) {
    const { column, keysOf } = facet;
    const [all, only] = [this.all[facet.source], this.only[this.facets.indexOf(facet)]];
    const sums = new Uint32Array(keysOf.length);
    for (let value = 0; value < all.length; value += 1) sums[column === undefined ? value : column[value]] += all[value] + only[value];
    const counts = new Uint32Array(facet.values.length);
    for (let value = 0; value < sums.length; value += 1) if (sums[value] > 0) for (const place of keysOf[value]) counts[place] += sums[value];
    return counts;
  }
}
