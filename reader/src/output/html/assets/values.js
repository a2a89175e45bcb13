'use strict';

/*
 * Single values as elements: numbers with their intervals, verdicts, call stacks.
 */

/** Frames of a stack that are shown before somebody asks for more. */
const FRAMES_SHOWN = 4;

/** Letters of a name that fit every place that there is for names. */
const LONG_NAME = 200;

/** A value with its interval, whatever it is. */
function valueElement(value, { isChange = false, isVerdict = false, report = null } = {}) {
  if (value.unit === 'stack') {
    return stackElement(report, value.value);
  }
  if (value.unit === 'text') {
    return isVerdict && value.value !== null
      ? verdictElement(value.value)
      : textElement(value.value ?? '-');
  }
  const { main, interval } = estimateTexts(value, isChange);
  return element(
    'span',
    { class: value.value === null ? 'number is-unknown' : 'number' },
    main,
    interval === '' ? null : [' ', element('span', { class: 'interval' }, interval)],
  );
}

/** A few words stay on one line; a sentence may take more. */
function textElement(text) {
  return nameElement(text.length <= 20 ? 'text is-short' : 'text', text);
}

/** A name, which scrolls where it is too long for its place; keys must then be able to reach it. */
function nameElement(className, text, title = null) {
  return element(
    'span',
    { class: className, title, tabindex: text.length > LONG_NAME ? '0' : null },
    text,
  );
}

/** What a verdict means for the one who reads it; the word itself always stands beside it. */
const VERDICT_TONES = [
  ['bad', /^(leak|broken|grew|grown|new|regress)/u],
  ['warn', /^(growing|uncertain|still-live|suspect|too little|unknown)/u],
  ['good', /^(ok|shrank|gone|bounded|start-?up)/u],
];

/** The marks tell the tones apart without colour. */
const TONE_MARKS = { bad: '▲', warn: '◆', good: '●', plain: '○' };

function toneOf(verdict) {
  return VERDICT_TONES.find(([, pattern]) => pattern.test(verdict))?.[0] ?? 'plain';
}

function verdictElement(verdict) {
  const tone = toneOf(verdict);
  const mark = element('span', { 'aria-hidden': 'true' }, TONE_MARKS[tone]);
  return element('span', { class: `verdict is-${tone}` }, mark, ` ${verdict}`);
}

/** A call stack, leaf first, with the rest behind a button; `action` stands beside that. */
function stackElement(report, stack, action = null) {
  if (stack === null) {
    return element('span', { class: 'is-unknown' }, '-');
  }
  const frames = report.framesOf(stack);
  const list = element('ol', { class: 'stack' });
  const show = (from, to) =>
    frames.slice(from, to).forEach((frame) => {
      list.append(frameElement(report.frame(frame)));
    });
  // One frame more costs no more room than the button that would stand for it.
  const isShort = frames.length <= FRAMES_SHOWN + 1;
  show(0, isShort ? frames.length : FRAMES_SHOWN);
  const more = isShort
    ? null
    : button(
        `${GROUPED.format(frames.length - FRAMES_SHOWN)} more frames`,
        () => {
          more.remove();
          show(FRAMES_SHOWN, frames.length);
        },
        { class: 'quiet' },
      );
  return element('div', {}, list, element('div', { class: 'stack-actions' }, more, action));
}

function frameElement(frame) {
  const place = placeText(frame);
  return element(
    'li',
    { class: frame.isMarker ? 'is-marker' : null },
    nameElement('function', frame.name),
    frame.isInlined ? [' ', element('span', { class: 'faint' }, 'inlined')] : null,
    place === '' ? null : [' ', nameElement('place', place, fullPlaceText(frame))],
    frame.module === '' ? null : [' ', nameElement('faint', baseName(frame.module), frame.module)],
  );
}

/** Named values under each other. */
function factList(facts, report) {
  return element(
    'dl',
    { class: 'facts' },
    facts.map((fact) =>
      element(
        'div',
        {},
        element('dt', {}, fact.title),
        element('dd', {}, valueElement(fact.at(), { report })),
      ),
    ),
  );
}

/** A section's heading with its sentence of explanation. */
function sectionElement(section, ...children) {
  return element(
    'section',
    { class: 'section', 'data-section': section.name },
    element('h2', {}, section.title),
    section.note === '' ? null : element('p', { class: 'note' }, section.note),
    children,
  );
}
