'use strict';

/*
 * Numbers as people want to read them: the same text as the reader's text form writes, so that
 * one can search in one for what the other says.
 */

const SCALES = {
  bytes: [
    [1, ' B'],
    [2 ** 10, ' KiB'],
    [2 ** 20, ' MiB'],
    [2 ** 30, ' GiB'],
    [2 ** 40, ' TiB'],
    [2 ** 50, ' PiB'],
    [2 ** 60, ' EiB'],
  ],
  bytes_per_second: [
    [1, ' B/s'],
    [2 ** 10, ' KiB/s'],
    [2 ** 20, ' MiB/s'],
    [2 ** 30, ' GiB/s'],
    [2 ** 40, ' TiB/s'],
  ],
  duration_ns: [
    [1, ' ns'],
    [1e3, ' us'],
    [1e6, ' ms'],
    [1e9, ' s'],
    [60e9, ' min'],
    [3600e9, ' h'],
    [86400e9, ' d'],
  ],
  percent: [
    [0, ''],
    [1, ' %'],
  ],
  count_per_second: [
    [0, ''],
    [1, ' /s'],
  ],
};

const GROUPED = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });

/** How numbers of about the magnitude of `leading` are written in a unit. */
function formOf(unit, leading) {
  const scale = SCALES[unit];
  if (!scale) {
    return { size: 1, suffix: '', decimals: 0 };
  }
  if (scale[0][0] === 0) {
    return { size: 1, suffix: scale[1][1], decimals: 1 };
  }
  let chosen = 0;
  while (chosen + 1 < scale.length) {
    const precision = chosen === 0 ? 1 : 10;
    const rounded = Math.round((Math.abs(leading) / scale[chosen][0]) * precision) / precision;
    // The rounded number decides: 1023.99 KiB is 1.0 MiB.
    if (rounded < scale[chosen + 1][0] / scale[chosen][0]) {
      break;
    }
    chosen += 1;
  }
  return { size: scale[chosen][0], suffix: scale[chosen][1], decimals: chosen > 0 ? 1 : 0 };
}

function digits(number, form) {
  return form.decimals > 0 ? (number / form.size).toFixed(form.decimals) : GROUPED.format(number);
}

/** One number with its unit: `12.3 MiB`, `1,234`, `2026-11-22 07:10:33 UTC`. */
function numberText(number, unit) {
  if (number === null || number === undefined) {
    return '-';
  }
  if (unit === 'unix_ns') {
    return timeText(number);
  }
  if (unit === 'id') {
    return String(number);
  }
  const form = formOf(unit, number);
  return digits(number, form) + form.suffix;
}

/** A moment in UTC, to the second. */
function timeText(unixNs) {
  const moment = new Date(unixNs / 1e6);
  if (Number.isNaN(moment.getTime())) {
    return '-';
  }
  return `${moment.toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}

/** A share of a whole: `12.3 %`. */
function shareText(part, whole) {
  return whole > 0 ? `${((part / whole) * 100).toFixed(1)} %` : '-';
}

/** A number with a sign even where it is positive. */
function changeText(number, unit) {
  return (number > 0 ? '+' : '') + numberText(number, unit);
}

/**
 * A quantity and its interval in one unit, so that the three compare at a glance; the interval is
 * empty where nothing was left to chance.
 */
function estimateTexts({ value, low, high, unit }, isChange = false) {
  if (value === null || low === null || unit === 'unix_ns') {
    return {
      main: isChange && value !== null ? changeText(value, unit) : numberText(value, unit),
      interval: '',
    };
  }
  // Of "0 B, at most 1.8 MiB" the interval is what matters, and it decides the unit.
  const form = formOf(unit, value === 0 ? (high ?? 0) : value);
  const sign = isChange && value > 0 ? '+' : '';
  return {
    main: sign + digits(value, form) + form.suffix,
    // An end that is not known is beyond every number.
    interval: `[${digits(low, form)} .. ${high === null ? '∞' : digits(high, form)}]`,
  };
}

/** Round numbers between two bounds with their texts, for an axis of about `countMax` of them. */
function ticksBetween(low, high, unit, countMax) {
  const step = roundStep((high - low) / Math.max(countMax, 1), unit);
  const form = formOf(unit, step);
  // All ticks are in the unit of the step, so that they compare: 50 min, 60 min, 70 min.
  const isWhole = Number.isInteger(step / form.size);
  const ticks = [];
  for (let place = Math.ceil(low / step); place * step <= high; place += 1) {
    const value = place * step;
    const number = isWhole ? GROUPED.format(value / form.size) : (value / form.size).toFixed(1);
    ticks.push({ value, text: value === 0 ? '0' : number + form.suffix });
  }
  return ticks;
}

function roundStep(least, unit) {
  if (least <= 0 || !Number.isFinite(least)) {
    return 1;
  }
  if (unit === 'bytes' || unit === 'bytes_per_second') {
    return 2 ** Math.ceil(Math.log2(least));
  }
  if (unit === 'duration_ns' && least >= 1e9) {
    const seconds = [
      1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200,
    ];
    const found = seconds.find((candidate) => candidate * 1e9 >= least);
    return (found ?? Math.ceil(least / 86400e9) * 86400) * 1e9;
  }
  const power = 10 ** Math.floor(Math.log10(least));
  return power * [1, 2, 5, 10].find((candidate) => candidate * power >= least * 0.999);
}
