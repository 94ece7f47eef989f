// The filtered findings as CSV (RFC 4180), with the columns of findings.csv and, last, why a finding is gone. Those that are
// gone have a word of the page's own as their result, so that nobody counts them as results of this run. No cell is a formula.
import { CHANGES, RESULTS, SEVERITIES, VIOLATION, changeOf, remediation, resultOf, severityOf } from './words.js';

const CELLS = [
  'finding_id', 'control', 'title', 'severity', 'compliance', 'account', 'account_name', 'organizational_unit', 'region',
  'resource_type', 'resource', 'evidence', 'gaps', 'remediation', 'exception_id', 'exception_owner', 'exception_expires',
  'frameworks', 'owner', 'owner_source', 'change', 'first_observed_at', 'last_observed_at', 'last_known', 'gone',
];

// https://owasp.org/www-community/attacks/CSV_Injection; full-width signs are formulas in some locales.
export function cell(text) {
  const safe = /^[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

const line = (cells) => `${cells.map(cell).join(',')}\r\n`;

function rowOf(data, row, details) {
  const state = data.state[row];
  const resource = data.resource[row];
  const control = data.controls[data.control[row]];
  const [account, accountName, unit] = data.accounts[data.account[resource]];
  const { exception, evidence } = details;
  const result = resultOf(state);
  return line([
    details.id, control.id, control.title, SEVERITIES[severityOf(state)].key, RESULTS[result].key, account, accountName, unit,
    data.regions[data.region[resource]], data.types[data.type[resource]], data.name[resource],
    evidence === undefined ? '' : JSON.stringify(evidence), (details.gaps ?? []).join('; '),
    result === VIOLATION ? remediation(control.remediation, evidence) : '', exception?.id ?? '', exception?.owner ?? '',
    exception?.expires ?? '', control.frameworks.join(', '), data.owners[data.owner[row]], details.ownerFrom ?? '',
    changeOf(state) === 0 ? '' : CHANGES[changeOf(state)].key, data.times[data.first[row]], data.times[details.lastObserved ?? 0],
    details.lastKnown ?? '', details.gone ?? '',
  ]);
}

// Hands over the rows chunk by chunk, so that the page stays alive; `progress` hears how many are done.
export async function csv(data, rows, progress) {
  // Details are packed in the order of the data: so each chunk is unpacked once.
  const sorted = Uint32Array.from(rows).sort();
  const lines = new Map();
  let around = { end: 0 };
  for (let place = 0; place < sorted.length; place += 1) {
    const row = sorted[place];
    if (row >= around.end) {
      progress(place);
      await new Promise((next) => { setTimeout(next); });
      around = await data.detailsAround(row);
    }
    lines.set(row, rowOf(data, row, around.of(row)));
  }
  // A mark of the byte order makes spreadsheets read UTF-8.
  return new Blob(['\ufeff', line(CELLS), ...Array.from(rows, (row) => lines.get(row))], { type: 'text/csv;charset=utf-8' });
}

export function download(blob, name) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
