// All findings as columns. A row is a number; what it shows is looked up in the columns and the dictionary.
import { block, textOf } from './blocks.js';
import { days } from './words.js';

const SHAPE = 1;

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));
const hex = (bytes) => Array.from(bytes, (byte) => HEX[byte]).join('');

class Columns {
  constructor(dictionary) {
    Object.assign(this, dictionary);
    const sum = (name) => this.chunks.reduce((total, chunk) => total + chunk[name], 0);
    this.count = sum('findings');
    this.resourceCount = sum('resources');
    for (const name of ['control', 'owner', 'first', 'resource']) this[name] = new Uint32Array(this.count);
    for (const name of ['type', 'account', 'region']) this[name] = new Uint32Array(this.resourceCount);
    this.state = new Uint16Array(this.count);
    this.name = new Array(this.resourceCount);
    this.ages = this.times.map((time) => days(time, this.run.startedAt));
    this.services = this.types.map((type) => type.split('::')[type.startsWith('AWS::') ? 1 : 0]);
    let row = 0;
    this.firstRows = this.chunks.map((chunk) => {
      const first = row;
      row += chunk.findings;
      return first;
    });
    this.unpacked = new Map();
  }

  // Copies one chunk behind those before it.
  take(bytes, firstRow, firstResource) {
    const [count, resources] = new Uint32Array(bytes.buffer, 0, 2);
    let place = 8;
    const next = (length) => {
      const numbers = new Uint32Array(bytes.buffer, place, length);
      place += 4 * length;
      return numbers;
    };
    for (const name of ['control', 'owner', 'first']) this[name].set(next(count), firstRow);
    const own = next(count);
    for (let at = 0; at < count; at += 1) this.resource[firstRow + at] = firstResource + own[at];
    for (const name of ['type', 'account', 'region']) this[name].set(next(resources), firstResource);
    this.state.set(new Uint16Array(bytes.buffer, place, count), firstRow);
    JSON.parse(textOf(bytes.subarray(place + 2 * count))).forEach((name, at) => {
      this.name[firstResource + at] = name;
    });
  }

  chunkOf(row) {
    let low = 0;
    let high = this.firstRows.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.firstRows[middle] <= row) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  // A block of a chunk; the last few stay unpacked.
  part(kind, chunk) {
    const id = `${kind}-${chunk}`;
    const known = this.unpacked.get(id) ?? block(id, false);
    this.unpacked.delete(id);
    this.unpacked.set(id, known);
    if (this.unpacked.size > 6) this.unpacked.delete(this.unpacked.keys().next().value);
    return known;
  }

  // Evidence, gaps, exception and the like, which are unpacked only when somebody asks: a function from the rows of the
  // chunk of this row.
  async detailsAround(row) {
    const chunk = this.chunkOf(row);
    const [bytes, ids] = await Promise.all([this.part('details', chunk), this.part('ids', chunk)]);
    const [count] = new Uint32Array(bytes.buffer, 0, 1);
    const ends = new Uint32Array(bytes.buffer, 4, count);
    const base = 4 + 4 * count;
    const from = this.firstRows[chunk];
    const of = (one) => {
      const at = one - from;
      const json = textOf(bytes.subarray(base + (at === 0 ? 0 : ends[at - 1]), base + ends[at]));
      return { id: hex(ids.subarray(16 * at, 16 * at + 16)), ...JSON.parse(json) };
    };
    return { of, end: from + count };
  }

  async details(row) {
    const { of } = await this.detailsAround(row);
    return of(row);
  }

  // The row of a finding, or -1. An id of another form than usual stands in the details.
  async find(id) {
    const usual = /^[0-9a-f]{32}$/.test(id) && !/^0*$/.test(id);
    for (let chunk = 0; chunk < this.chunks.length; chunk += 1) {
      const ids = await block(`ids-${chunk}`, false);
      const from = this.firstRows[chunk];
      for (let at = 0; at < ids.length; at += 16) {
        const found = hex(ids.subarray(at, at + 16));
        if (usual ? found === id : /^0*$/.test(found) && (await this.details(from + at / 16)).id === id) return from + at / 16;
      }
    }
    return -1;
  }
}

export async function load() {
  const data = new Columns(JSON.parse(textOf(await block('dictionary', true))));
  if (data.shape !== SHAPE) throw new Error(`the page's data has shape ${data.shape}, its script reads ${SHAPE}`);
  let resource = 0;
  await Promise.all(data.chunks.map(async (chunk, number) => {
    const first = resource;
    resource += chunk.resources;
    data.take(await block(`light-${number}`, true), data.firstRows[number], first);
  }));
  return data;
}

// What is left of an ARN without what other columns say.
export function shortName(uid) {
  const parts = uid.split(':');
  if (parts.length < 6 || parts[0] !== 'arn') return uid;
  const rest = parts.slice(5).join(':');
  return rest === '*' ? 'all of them (not listed)' : rest.replace(/^(application|deploymentgroup|deploymentconfig|alarm|secret):|^(project|report-group|trail|repository|role|key)\//, '') || uid;
}
