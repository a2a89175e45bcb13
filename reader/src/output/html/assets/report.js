'use strict';

/*
 * The report as the page holds it. The form of the data, `memshim.page/1`, is written down where
 * it is made: reader/src/output/html/data.rs.
 */

class Report {
  constructor(data) {
    if (data.schema !== 'memshim.page/1') {
      throw new Error(`this page cannot read ${data.schema}`);
    }
    this.name = data.report;
    this.texts = data.texts;
    this.frames = data.frames;
    this.stacks = callersOf(data.stacks);
    this.target = data.target.map((fact) => new Fact(fact, this));
    this.losses = data.losses.map((fact) => new Fact(fact, this));
    this.sections = data.sections.map((section) => new Section(section, this));
  }

  section(name) {
    return this.sections.find((section) => section.name === name);
  }

  /** What is known about the target under a key, or null. */
  about(name) {
    return this.target.find((fact) => fact.name === name)?.at() ?? null;
  }

  /** A fact of any section under a key, the first that has it. */
  fact(name) {
    const facts = this.sections.flatMap((section) => section.facts ?? []);
    return facts.find((fact) => fact.name === name) ?? null;
  }

  /** The frames of a stack, leaf first, as numbers. */
  framesOf(stack) {
    const frames = [];
    for (let node = stack; node >= 0; node = this.stacks.caller[node]) {
      frames.push(this.stacks.frame[node]);
    }
    return frames;
  }

  frame(number) {
    const { name, file, line, module, build_id: buildId, offset, inlined } = this.frames;
    return {
      name: this.texts[name[number]],
      file: this.texts[file[number]],
      line: line[number],
      module: this.texts[module[number]],
      buildId: this.texts[buildId[number]],
      offset: offset[number],
      isInlined: inlined[number] === 1,
      // What is no code has neither: "[callers unknown]".
      isMarker: module[number] === 0 && file[number] === 0,
    };
  }
}

/** The tree of callers with the caller's own number in place of the distance to it, or -1. */
function callersOf({ caller, frame }) {
  const distances = Int32Array.from(caller);
  const callers = distances.map((distance, node) => (distance === 0 ? -1 : node - distance));
  return { caller: callers, frame: Int32Array.from(frame) };
}

class Section {
  constructor(data, report) {
    this.report = report;
    this.kind = data.kind;
    this.name = data.name;
    this.title = data.title;
    this.note = data.note;
    this.measure = data.measure;
    this.facts = data.facts?.map((fact) => new Fact(fact, report));
    this.rowCount = data.row_count ?? 0;
    this.columns = (data.columns ?? []).map((column) => new Column(column, report));
  }

  column(key) {
    return this.columns.find((column) => column.key === key);
  }

  /** The column with the call stacks, if there is one. */
  get stacks() {
    return this.columns.find((column) => column.unit === 'stack');
  }
}

/** A column of values: `at(row)` gives one with its unit and interval. */
class Column {
  constructor({ key, title, change, derived, values }, report) {
    this.report = report;
    this.key = key;
    this.title = title;
    this.isChange = change;
    this.isDerived = derived;
    this.unit = values.unit;
    this.value = values.value;
    this.low = values.low ?? null;
    this.high = values.high ?? null;
    this.isNumber = !['text', 'id', 'stack'].includes(values.unit);
  }

  at(row) {
    const value = this.value[row];
    return {
      unit: this.unit,
      value: this.unit === 'text' && value !== null ? this.report.texts[value] : value,
      low: this.low === null ? null : this.low[row],
      high: this.high === null ? null : this.high[row],
    };
  }

  /** Whether sampling left the value open. */
  isOpen(row) {
    return this.low !== null && this.low[row] !== null;
  }
}

/** One named value. */
class Fact {
  constructor({ name, title, values }, report) {
    this.name = name;
    this.title = title;
    this.values = new Column({ key: name, title, change: false, derived: false, values }, report);
  }

  at() {
    return this.values.at(0);
  }

  get isZero() {
    return this.at().value === 0;
  }
}

/** The file's name and what stands before it, as much as people need: `bits/vector.tcc:439`. */
function placeText({ file, line }) {
  if (file === '') {
    return '';
  }
  const parts = file.split('/');
  const short = parts.length > 3 ? `…/${parts.slice(-2).join('/')}` : file;
  return line > 0 ? `${short}:${line}` : short;
}

/** The whole of it, for those who look closer. */
function fullPlaceText({ file, line, offset }) {
  if (file !== '') {
    return line > 0 ? `${file}:${line}` : file;
  }
  return offset === null ? '' : `offset 0x${offset.toString(16)}`;
}

/** The last part of a path. */
function baseName(path) {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** Where the report is: in the page, or at an address that the page names. */
async function loadReport() {
  const holder = document.getElementById('report-data');
  const address = holder.getAttribute('data-source');
  if (address === null) {
    const text = holder.textContent;
    // A second copy of a large report is not needed.
    holder.textContent = '';
    return new Report(JSON.parse(text));
  }
  // A token in the page's own address is good for its data too.
  const response = await fetch(address + location.search);
  if (!response.ok) {
    throw new Error(`the report could not be fetched: ${response.status}`);
  }
  return new Report(await response.json());
}
