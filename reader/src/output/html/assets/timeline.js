'use strict';

/*
 * A quantity over time as a line, with its interval as a band and its largest value marked.
 */

const TIMELINE = { height: 240, left: 76, right: 20, top: 26, bottom: 30 };

class Timeline {
  /** `times` and `column` are columns of the same section. */
  constructor(section, times, column) {
    this.times = times;
    this.column = column;
    this.clock = times.key === 'unix_ns' ? times : section.column('unix_ns');
    this.points = sortedPoints(times, column);
    this.cursor = null;
    this.readout = element('p', { class: 'readout', role: 'status' });
    this.svg = drawn('svg', {
      class: 'timeline',
      tabindex: '0',
      role: 'img',
      height: TIMELINE.height,
      onpointermove: (event) => this.pointAt(event),
      onpointerleave: () => this.moveTo(null),
      onkeydown: (event) => this.onkey(event),
    });
    this.plot = element('div', {}, this.svg);
    this.root = element(
      'figure',
      {},
      element('figcaption', {}, column.title, this.readout),
      this.plot,
    );
    this.describe();
    new ResizeObserver(() => this.draw()).observe(this.plot);
  }

  describe() {
    const { points, column } = this;
    if (points.length === 0) {
      this.summary = 'no points';
    } else {
      const peak = points[this.peakIndex()];
      const last = points[points.length - 1];
      this.summary =
        `peak ${numberText(peak.value, column.unit)} at ${numberText(peak.time, this.times.unit)}, ` +
        `last ${numberText(last.value, column.unit)}`;
    }
    this.svg.setAttribute(
      'aria-label',
      `${column.title} over time: ${this.summary}; arrow keys read single points`,
    );
    this.readout.textContent = this.summary;
  }

  peakIndex() {
    const { points } = this;
    return points.reduce(
      (best, point, index) => (point.value > points[best].value ? index : best),
      0,
    );
  }

  /** The scales from values to pixels, for the width that there is. */
  frame() {
    const { points } = this;
    const width = Math.max(240, this.plot.clientWidth);
    const times = points.map((point) => point.time);
    const [start, end] = [times[0], times[times.length - 1]];
    const top = points.reduce((most, point) => Math.max(most, point.value), 0);
    // A band that towers over the line would flatten it; it may leave the chart instead.
    const ceiling =
      Math.min(
        top * 1.6,
        points.reduce((most, { value, high }) => Math.max(most, high ?? value), 0),
      ) * 1.05 || 1;
    const floor = points.reduce((least, point) => Math.min(least, point.value), 0);
    const innerWidth = width - TIMELINE.left - TIMELINE.right;
    const innerHeight = TIMELINE.height - TIMELINE.top - TIMELINE.bottom;
    return {
      width,
      start,
      end,
      floor,
      ceiling,
      x: (time) =>
        TIMELINE.left + (end > start ? (time - start) / (end - start) : 0.5) * innerWidth,
      y: (value) =>
        TIMELINE.top + (1 - (Math.min(value, ceiling) - floor) / (ceiling - floor)) * innerHeight,
    };
  }

  draw() {
    const { svg, points } = this;
    svg.replaceChildren();
    if (points.length === 0) {
      return;
    }
    const frame = this.frame();
    svg.setAttribute('width', frame.width);
    this.drawn = frame;
    svg.append(this.axes(frame), this.band(frame), ...this.line(frame), this.peakMark(frame));
    this.cursorMark = drawn('g', { class: 'cursor' });
    svg.append(this.cursorMark);
    this.moveTo(this.cursor);
  }

  axes(frame) {
    const { column, times } = this;
    const group = drawn('g', { class: 'axes' });
    for (const { value, text } of ticksBetween(frame.floor, frame.ceiling, column.unit, 6)) {
      const y = frame.y(value);
      group.append(
        drawn('line', { x1: TIMELINE.left, x2: frame.width - TIMELINE.right, y1: y, y2: y }),
        drawn('text', { x: TIMELINE.left - 8, y: y + 4, 'text-anchor': 'end' }, text),
      );
    }
    const base = times.unit === 'unix_ns' ? frame.start : 0;
    for (const { value, text } of ticksBetween(
      frame.start - base,
      frame.end - base,
      'duration_ns',
      frame.width / 110,
    )) {
      const x = frame.x(value + base);
      const label = times.unit === 'unix_ns' ? timeText(value + base).slice(11, 19) : text;
      const anchor = x > frame.width - TIMELINE.right - 24 ? 'end' : 'middle';
      group.append(drawn('text', { x, y: TIMELINE.height - 8, 'text-anchor': anchor }, label));
    }
    return group;
  }

  /** The line and the area under it. */
  line(frame) {
    const path = pathThrough(thinned(this.points, frame), frame, (point) => point.value);
    const [first, last] = [frame.x(frame.start), frame.x(frame.end)];
    const ground = frame.y(Math.max(0, frame.floor));
    return [
      drawn('path', { class: 'area', d: `${path} L${last} ${ground} L${first} ${ground} Z` }),
      drawn('path', { class: 'line', d: path }),
    ];
  }

  band(frame) {
    const points = thinned(this.points, frame);
    if (!points.some((point) => point.high !== null)) {
      return '';
    }
    const upper = pathThrough(points, frame, (point) => point.high ?? point.value);
    const lower = pathThrough([...points].reverse(), frame, (point) => point.low ?? point.value);
    return drawn('path', { class: 'band', d: `${upper} ${lower.replace('M', 'L')} Z` });
  }

  peakMark(frame) {
    const peak = this.points[this.peakIndex()];
    const [x, y] = [frame.x(peak.time), frame.y(peak.value)];
    // Above the band, where nothing runs through the words.
    const textY = Math.max(12, frame.y(peak.high ?? peak.value) - 8);
    const anchor = x > frame.width * 0.75 ? 'end' : x < frame.width * 0.25 ? 'start' : 'middle';
    return drawn(
      'g',
      { class: 'peak' },
      drawn('circle', { cx: x, cy: y, r: 4 }),
      drawn(
        'text',
        { x, y: textY, 'text-anchor': anchor },
        `peak ${numberText(peak.value, this.column.unit)}`,
      ),
    );
  }

  pointAt(event) {
    const x = event.clientX - this.svg.getBoundingClientRect().left;
    const { start, end } = this.drawn ?? { start: 0, end: 0 };
    const inner = (this.drawn?.width ?? 1) - TIMELINE.left - TIMELINE.right;
    const time = start + ((x - TIMELINE.left) / inner) * (end - start);
    this.moveTo(nearest(this.points, time));
  }

  onkey(event) {
    const steps = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10 };
    const last = this.points.length - 1;
    if (event.key in steps) {
      const from = this.cursor ?? this.peakIndex();
      this.moveTo(
        Math.min(last, Math.max(0, this.cursor === null ? from : from + steps[event.key])),
      );
    } else if (event.key === 'Home' || event.key === 'End') {
      this.moveTo(event.key === 'Home' ? 0 : last);
    } else if (event.key === 'Escape') {
      this.moveTo(null);
    } else {
      return;
    }
    event.preventDefault();
  }

  /** Reads the point of this index out, or the summary where there is none. */
  moveTo(index) {
    this.cursor = index;
    const point = this.points[index];
    if (!point || !this.drawn) {
      this.cursorMark?.replaceChildren();
      this.readout.textContent = this.summary;
      return;
    }
    const x = this.drawn.x(point.time);
    this.cursorMark.replaceChildren(
      drawn('line', { x1: x, x2: x, y1: TIMELINE.top, y2: TIMELINE.height - TIMELINE.bottom }),
      drawn('circle', { cx: x, cy: this.drawn.y(point.value), r: 4 }),
    );
    const { main, interval } = estimateTexts({ ...point, unit: this.column.unit });
    const moment =
      this.clock && this.clock !== this.times
        ? ` (${numberText(this.clock.value[point.row], 'unix_ns')})`
        : '';
    const time = numberText(point.time, this.times.unit);
    this.readout.textContent = `${time}${moment}: ${main} ${interval}`;
  }
}

/** The known points by rising time. */
function sortedPoints(times, column) {
  const points = [];
  for (let row = 0; row < times.value.length; row += 1) {
    const { value, low, high } = column.at(row);
    if (times.value[row] !== null && value !== null) {
      points.push({ row, time: times.value[row], value, low, high });
    }
  }
  return points.sort((left, right) => left.time - right.time);
}

/** At most the lowest and the highest point of each pixel: more cannot be seen. */
function thinned(points, frame) {
  if (points.length <= frame.width * 2) {
    return points;
  }
  const columns = new Map();
  for (const point of points) {
    const column = Math.round(frame.x(point.time));
    const known = columns.get(column);
    columns.set(
      column,
      known
        ? {
            least: point.value < known.least.value ? point : known.least,
            most: point.value > known.most.value ? point : known.most,
          }
        : { least: point, most: point },
    );
  }
  const kept = [...columns.values()].flatMap(({ least, most }) =>
    least === most ? [most] : [least, most],
  );
  return kept.sort((left, right) => left.time - right.time);
}

function pathThrough(points, frame, valueOf) {
  return points
    .map(
      (point, index) =>
        `${index === 0 ? 'M' : 'L'}${frame.x(point.time).toFixed(1)} ${frame.y(valueOf(point)).toFixed(1)}`,
    )
    .join(' ');
}

/** The index of the point whose time is nearest. */
function nearest(points, time) {
  let [low, high] = [0, points.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (points[middle].time < time) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low > 0 && time - points[low - 1].time < points[low].time - time ? low - 1 : low;
}

/** Every quantity of a series as a chart of its own, and all of them as a table. */
function seriesElement(section) {
  const age = section.column('age_ns');
  const times = age && age.value.some((value) => value !== null) ? age : section.columns[0];
  const isTime = (column) => ['unix_ns', 'duration_ns'].includes(column.unit);
  const quantities = section.columns.filter(
    (column) => column.isNumber && !column.isDerived && column !== times && !isTime(column),
  );
  const charts = quantities.map((column) => new Timeline(section, times, column).root);
  const details = element('details', {}, element('summary', {}, 'as a table'));
  // A table of a thousand points is built when somebody wants it.
  details.addEventListener('toggle', () => details.append(new TableView(section).root), {
    once: true,
  });
  return element('div', {}, charts, details);
}
