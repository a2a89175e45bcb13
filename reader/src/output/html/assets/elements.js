'use strict';

/*
 * Makes elements. This is the only place where names from the target meet the document, and they
 * only ever become text nodes and attribute values: nothing here parses HTML.
 */

const SVG_NAMESPACE = 'http://www.w3.org/2000/svg';

/** A new element; properties that begin with `on` are listeners, `styles` are CSS properties. */
function element(tag, properties = {}, ...children) {
  return filled(document.createElement(tag), properties, children);
}

/** The same for a drawing. */
function drawn(tag, properties = {}, ...children) {
  return filled(document.createElementNS(SVG_NAMESPACE, tag), properties, children);
}

function filled(made, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) {
      continue;
    }
    if (name.startsWith('on')) {
      made.addEventListener(name.slice(2), value);
    } else if (name === 'styles') {
      // Through the object model, which the page's policy allows where it forbids style attributes.
      Object.entries(value).forEach(([key, text]) => made.style.setProperty(key, text));
    } else {
      made.setAttribute(name, value === true ? '' : value);
    }
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return made;
}

/** A button that says what it does. */
function button(text, onclick, properties = {}) {
  return element('button', { type: 'button', ...properties, onclick }, text);
}

/** A row of buttons of which one is pressed, for a choice between few. */
function choice(label, options, chosen, onchoose) {
  const group = element('div', { class: 'choice', role: 'group', 'aria-label': label });
  for (const { value, text, title } of options) {
    const pick = () => {
      for (const other of group.children) {
        other.setAttribute('aria-pressed', String(other.value === value));
      }
      onchoose(value);
    };
    group.append(button(text, pick, { value, title, 'aria-pressed': String(value === chosen) }));
  }
  return group;
}

/** A list to choose from, with its label. */
function selection(label, options, chosen, onchoose) {
  const made = element(
    'select',
    { onchange: () => onchoose(made.value) },
    options.map(({ value, text }) =>
      element('option', { value, selected: value === chosen }, text),
    ),
  );
  return element('label', { class: 'field' }, element('span', {}, label), made);
}

/** Tells people who listen what others see. */
function announce(text) {
  document.getElementById('announcer').textContent = text;
}

/** Whether the user is writing, so that letters are no commands. */
function isTyping(event) {
  const { tagName, isContentEditable } = event.target;
  return isContentEditable || ['INPUT', 'SELECT', 'TEXTAREA'].includes(tagName);
}

/** The regular expression that somebody typed, or null; what is invalid shows on the field. */
function expressionIn(field) {
  field.removeAttribute('aria-invalid');
  field.title = '';
  if (field.value === '') {
    return null;
  }
  try {
    return new RegExp(field.value, 'i');
  } catch (error) {
    field.setAttribute('aria-invalid', 'true');
    field.title = error.message;
    return null;
  }
}
