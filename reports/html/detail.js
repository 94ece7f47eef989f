// One finding, with everything that is known of it.
import { CHANGES, GONE_NOT_SEEN, RESULTS, SEVERITIES, UNKNOWN, VIOLATION, age, changeOf, factWords, minute, remediation, resultOf, severityOf, spoken } from './words.js';
import { shortName } from './data.js';
import { byId, copyButton, element, marked, named } from './elements.js';
import { consoleLink } from './console.js';
import { accountOf, titleOf } from './grid.js';

const section = (title, ...content) => element('section', {}, element('h4', {}, title), ...content);

// A list of names and what belongs to them; what is empty is left out.
function pairs(entries) {
  const known = entries.filter(([, value]) => value !== '' && value !== null && value !== undefined);
  return element('dl', {}, ...known.flatMap(([name, value]) => [
    element('dt', {}, name),
    element('dd', {}, ...(Array.isArray(value) ? value : [typeof value === 'string' ? named(value) : value])),
  ]));
}

// A value of a fact: sets as lists, long ones cut where nobody reads on.
function factValue(value) {
  if (value === true) return 'yes';
  if (value === false) return 'no';
  if (value === '' || (Array.isArray(value) && value.length === 0)) return 'none';
  if (!Array.isArray(value)) return named(spoken(value));
  const items = value.slice(0, 50).map((item) => element('li', {}, named(spoken(item))));
  if (value.length > 50) items.push(element('li', { class: 'quiet' }, `and ${value.length - 50} more`));
  return element('ul', {}, ...items);
}

function evidenceOf(evidence) {
  const rows = Object.entries(evidence).map(([fact, value]) => element('tr', {},
    element('th', { scope: 'row', title: fact }, factWords(fact)), element('td', {}, factValue(value))));
  return element('table', { class: 'facts' }, element('tbody', {}, ...rows));
}

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

function commandOf(text, label) {
  const code = element('code', {}, named(text));
  return element('div', { class: 'command' }, code, copyButton(text, label, () => code));
}

export class DetailPanel {
  constructor(data, onClose) {
    this.data = data;
    this.panel = byId('detail');
    this.onClose = onClose;
    this.shown = -1;
    this.asked = 0;
  }

  get isOpen() {
    return !this.panel.hidden;
  }

  close() {
    this.asked += 1;
    this.shown = -1;
    this.panel.hidden = true;
    this.panel.replaceChildren();
  }

  // Shows a row; gives its id, or nothing where another row was asked for meanwhile.
  async show(row, focus) {
    this.asked += 1;
    const asked = this.asked;
    const details = await this.data.details(row);
    if (asked !== this.asked) return undefined;
    this.shown = row;
    this.panel.hidden = false;
    this.panel.replaceChildren(...this.content(row, details));
    this.panel.scrollTop = 0;
    if (focus) this.panel.querySelector('h3').focus();
    return details.id;
  }

  content(row, details) {
    const { data } = this;
    const state = data.state[row];
    const control = data.controls[data.control[row]];
    const title = element('h3', { tabindex: '-1' }, named(titleOf(control)));
    const close = element('button', { type: 'button', class: 'quiet close', 'aria-label': 'Close (Esc)', click: () => this.onClose() }, '✕');
    return [
      element('div', { class: 'bar' }, marked(SEVERITIES[severityOf(state)]), marked(RESULTS[resultOf(state)]), close),
      title,
      element('p', { class: 'said' }, this.verdict(state, details)),
      ...this.why(state, details),
      ...this.mend(state, control, details),
      this.place(row),
      ...this.answers(row, details),
      this.history(row, state, details),
      this.control(row, control, details),
    ];
  }

  verdict(state, details) {
    const result = resultOf(state);
    const excepted = details.exception && result === VIOLATION;
    const last = details.lastKnown === undefined ? '' : ` It was last seen as ${this.word(details.lastKnown)}.`;
    const seen = result === UNKNOWN || result >= 4 ? last : '';
    return `${RESULTS[result].said}${excepted ? ' An exception covers it, so it counts for no exit code.' : ''}${seen}`;
  }

  word(key) {
    return RESULTS.find((result) => result.key === key)?.word.toLowerCase() ?? key;
  }

  why(state, { evidence, gaps, gone, exception }) {
    const parts = [];
    if (gone) parts.push(section(resultOf(state) === GONE_NOT_SEEN ? 'Why it is not here' : 'Why it is gone', element('p', {}, named(gone))));
    if (gaps) parts.push(section('What could not be seen', element('ul', { class: 'gaps' }, ...gaps.map((gap) => element('li', {}, named(gap))))));
    if (evidence) parts.push(section('Evidence', evidenceOf(evidence)));
    if (exception) {
      parts.push(section('Exception', pairs([
        ['reason', exception.reason], ['owner', exception.owner], ['ticket', exception.ticket], ['holds until', exception.expires], ['id', exception.id],
      ])));
    }
    return parts;
  }

  mend(state, control, { evidence }) {
    if (resultOf(state) !== VIOLATION || control.remediation === '') return [];
    const text = remediation(control.remediation, evidence);
    const said = element('p', { class: 'remedy' }, named(text));
    return [section('What to do', said, copyButton(text, 'Copy what to do', () => said))];
  }

  place(row) {
    const { data } = this;
    const resource = data.resource[row];
    const uid = data.name[resource];
    const [account, name, unit] = accountOf(data, row);
    const link = consoleLink(uid);
    const anchor = link === '' ? null : element('a', { href: link, target: '_blank', rel: 'noopener noreferrer' }, 'Open in the AWS console ↗');
    return section('Resource', element('p', { class: 'name' }, named(shortName(uid))), commandOf(uid, 'Copy the ARN'), anchor, pairs([
      ['type', data.types[data.type[resource]]], ['account', name === '' ? account : `${name} (${account})`], ['unit', unit],
      ['Region', data.regions[data.region[resource]]],
    ]));
  }

  answers(row, { ownerFrom }) {
    const owner = this.data.owners[this.data.owner[row]];
    const text = owner === '' ? 'Nobody is known to answer for it: no tag that was seen and no line of an owners file names somebody.' : owner;
    return [section('Owner', element('p', {}, named(text), ownerFrom ? element('span', { class: 'quiet' }, ` from ${named(ownerFrom)}`) : ''))];
  }

  history(row, state, details) {
    const { data } = this;
    const change = changeOf(state);
    if (change === 0) return section('History', element('p', {}, 'This run was not compared with another.'));
    const first = data.times[data.first[row]];
    const isNever = details.lastObserved === undefined;
    return section('History', pairs([
      ['since the run before', CHANGES[change].word], ['before', this.before(details)],
      [isNever ? 'unknown since' : 'first observed', first === '' ? '' : `${minute(first)} UTC, ${age(data.ages[data.first[row]])}${data.ages[data.first[row]] > 0 ? ' ago' : ''}`],
      ['last observed', isNever ? 'never: no run could look' : `${minute(data.times[details.lastObserved])} UTC`],
      ['last known', details.lastKnown === undefined ? '' : this.word(details.lastKnown)],
    ]));
  }

  // What a violation that is worse or better now was in the run before.
  before({ was }) {
    if (was === undefined) return '';
    return was.exception === undefined ? `${was.severity}, under no exception` : `${was.severity}, under exception ${was.exception}`;
  }

  control(row, control, details) {
    const { data } = this;
    const requirements = control.frameworks.map((mapped) => {
      const id = mapped.split('(')[0];
      const of = data.frameworks.find((framework) => Object.hasOwn(framework.requirements, id));
      return element('li', {}, element('code', {}, named(mapped)), of === undefined ? '' : ` ${named(of.requirements[id])}`);
    });
    const explain = `pipewarden controls explain --control ${quoted(control.id)} --resource ${quoted(data.name[data.resource[row]])}`;
    return section('Control', element('p', {}, element('code', {}, named(control.id))), element('p', { class: 'quiet' }, 'Every clause and fact behind the verdict:'),
      commandOf(explain, 'Copy the command'), requirements.length === 0 ? null : element('ul', { class: 'requirements' }, ...requirements),
      element('p', { class: 'quiet' }, 'Finding ', element('code', {}, named(details.id))));
  }
}
