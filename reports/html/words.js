// Words and order of what a finding can be. The numbers are those that the report's blocks hold.

export const SEVERITIES = [
  { key: 'CRITICAL', word: 'Critical', tone: 'critical' },
  { key: 'HIGH', word: 'High', tone: 'high' },
  { key: 'MEDIUM', word: 'Medium', tone: 'medium' },
  { key: 'LOW', word: 'Low', tone: 'low' },
];

export const RESULTS = [
  { key: 'NonCompliant', word: 'Violation', tone: 'violation', said: 'Looked at, and not good.' },
  { key: 'InsufficientData', word: 'Not known', tone: 'unknown', said: 'It could not be seen, so nobody knows. This is no pass.' },
  { key: 'Compliant', word: 'Good', tone: 'good', said: 'Looked at, and good.' },
  { key: 'NotApplicable', word: 'Does not apply', tone: 'plain', said: 'The control says nothing about this resource.' },
  { key: 'Gone', word: 'Gone', tone: 'plain', said: 'The run before had this finding; this run looked, and it is there no more.' },
  { key: 'GoneNotSeen', word: 'Gone from sight', tone: 'unknown', said: 'The run before had this finding; this run could not look, so nobody knows. It is not resolved.' },
];

export const VIOLATION = 0;
export const UNKNOWN = 1;
export const GONE_NOT_SEEN = 5;

// What needs somebody's attention; the rest is there when asked for.
export const OPEN_RESULTS = ['NonCompliant', 'InsufficientData', 'GoneNotSeen'];

export const CHANGES = [
  { key: 'None', word: 'Not compared' },
  { key: 'New', word: 'New' },
  { key: 'Worsened', word: 'Worse' },
  { key: 'Improved', word: 'Better' },
  { key: 'Unchanged', word: 'Known' },
  { key: 'Resolved', word: 'Resolved' },
  { key: 'NotSeen', word: 'Not seen this time' },
];

// What the newest run that could look saw.
export const KNOWN = [{ key: 'Other', word: 'No violation, or nothing' }, { key: 'NonCompliant', word: 'A violation' }];

export const STATES = 1024;
export const severityOf = (state) => state & 3;
export const resultOf = (state) => (state >> 2) & 7;
export const changeOf = (state) => (state >> 5) & 7;
export const exceptedOf = (state) => (state >> 8) & 1;
export const knownOf = (state) => (state >> 9) & 1;

// Open violations, then what nobody knows, then accepted risks, then what is over, then what is good.
const CLASSES = [0, 1, 5, 6, 4, 2];
const CHANGE_RANK = [3, 0, 1, 2, 3, 4, 2];

// How early a finding stands when the worst comes first.
export function worstFirst(state) {
  const result = resultOf(state);
  const standing = result === VIOLATION && exceptedOf(state) ? 3 : CLASSES[result] ?? 7;
  return (standing * 4 + severityOf(state)) * 5 + (CHANGE_RANK[changeOf(state)] ?? 4);
}

const NUMBERS = new Intl.NumberFormat('en-US');

export const grouped = (number) => NUMBERS.format(number);
export const counted = (number, noun) => `${grouped(number)} ${noun}${number === 1 ? '' : 's'}`;

const HIDDEN = /[\p{Cc}\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]/gu;

// A name in which nothing hides or reorders text.
export function visible(text) {
  return text.replace(HIDDEN, (hidden) => `\\u{${hidden.codePointAt(0).toString(16)}}`);
}

// `unapprovedProductionActions` → `unapproved production actions`
export const factWords = (fact) => visible(fact).replace(/([a-z0-9])([A-Z])/g, '$1 $2').toLowerCase();

// A fact's value as the other reports write it.
export function spoken(value) {
  if (typeof value === 'string') return value;
  if (!Array.isArray(value)) return JSON.stringify(value);
  return value.length === 0 ? 'none' : value.map(spoken).join(', ');
}

// The remediation with every `{fact}` replaced by its value.
export function remediation(text, evidence) {
  return Object.entries(evidence ?? {}).reduce((said, [fact, value]) => said.replaceAll(`{${fact}}`, () => spoken(value)), text);
}

// `2026-11-21T02:00:00Z` → `2026-11-21 02:00`
export const minute = (time) => (/^\d{4}-\d\d-\d\dT\d\d:\d\d/.test(time) ? time.slice(0, 16).replace('T', ' ') : visible(time));

// Whole days from one RFC 3339 time to another, or -1 where one is not known.
export function days(from, to) {
  const length = Date.parse(to) - Date.parse(from);
  return Number.isNaN(length) ? -1 : Math.max(0, Math.floor(length / 86_400_000));
}

export const age = (count) => (count < 0 ? '' : count === 0 ? 'today' : count === 1 ? '1 day' : `${grouped(count)} days`);
