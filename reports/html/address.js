// What is shown, as the part of the address behind `#`: it can be shared, and the browser's back button works.
//
// `#findings?severity=CRITICAL,HIGH&ou=%2FWorkloads&q=checkout&sort=-age&group=owner&columns=…&finding=ID`. Without
// `result` the table has what needs attention (a chosen change has all results); `result=*` is everything.
import { OPEN_RESULTS } from './words.js';
import { SORTABLE } from './order.js';

export const FACETS = ['result', 'severity', 'change', 'known', 'excepted', 'ou', 'account', 'service', 'owner', 'control', 'framework', 'region'];
const GROUPS = ['control', 'account', 'ou', 'owner', 'service', 'resource'];

export const nothingChosen = () => ({ search: '', chosen: {}, sort: '', group: '', columns: null, finding: '' });

const defaultResults = (chosen, finding) => (chosen.change || finding !== '' ? null : new Set(OPEN_RESULTS));

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export function read(hash) {
  const [place, query] = parted(hash.replace(/^#/, ''), '?');
  const wanted = nothingChosen();
  let everything = false;
  for (const part of query.split('&').filter((text) => text !== '')) {
    const [name, value] = parted(part, '=');
    if (name === 'q') wanted.search = decoded(value);
    else if (name === 'finding') wanted.finding = decoded(value);
    else if (name === 'sort' && SORTABLE.includes(value.replace(/^-/, ''))) wanted.sort = value;
    else if (name === 'group' && GROUPS.includes(value)) wanted.group = value;
    else if (name === 'columns') wanted.columns = value.split(',').map(decoded);
    else if (name === 'result' && value === '*') everything = true;
    else if (FACETS.includes(name)) wanted.chosen[name] = new Set(value.split(',').map(decoded));
  }
  if (!wanted.chosen.result && !everything) wanted.chosen.result = defaultResults(wanted.chosen, wanted.finding);
  return { place: decoded(place), wanted };
}

export function written({ search, chosen, sort, group, columns, finding }) {
  const parts = [];
  const usual = [...(defaultResults(chosen, finding) ?? [])].join();
  for (const name of FACETS) {
    const keys = [...(chosen[name] ?? [])];
    const text = keys.map((key) => encodeURIComponent(key)).join(',');
    if (name === 'result' && keys.join() === usual) continue;
    if (name === 'result' && keys.length === 0) parts.push('result=*');
    else if (keys.length > 0) parts.push(`${name}=${text}`);
  }
  if (search !== '') parts.push(`q=${encodeURIComponent(search)}`);
  if (sort !== '') parts.push(`sort=${sort}`);
  if (group !== '') parts.push(`group=${group}`);
  if (columns !== null) parts.push(`columns=${columns.map(encodeURIComponent).join(',')}`);
  if (finding !== '') parts.push(`finding=${encodeURIComponent(finding)}`);
  return parts.length === 0 ? '#findings' : `#findings?${parts.join('&')}`;
}

function parted(text, by) {
  const place = text.indexOf(by);
  return place < 0 ? [text, ''] : [text.slice(0, place), text.slice(place + by.length)];
}
