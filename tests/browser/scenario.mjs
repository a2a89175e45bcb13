// What every test of a page begins and ends with.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Browser, Page } from './browser.mjs';

/** The page under test. */
export const path = process.argv[2];

let browser = null;

before(async () => {
  browser = await Browser.launch();
});

after(() => browser?.close());

/** Opens the page, does what the test says, and wants it to have been silent and alone. */
export function scenario(name, run, options = {}) {
  test(name, async () => {
    const page = await Page.open(browser, path, options);
    await run(page);
    assert.deepEqual(page.complaints, [], 'the browser has something to complain about');
    assert.deepEqual(page.foreignRequests(), [], 'the page asked for something else');
  });
}

/** The amounts and names that the panel beside the flame graph shows, by their titles. */
export async function details(page) {
  const titles = await page.texts('.flame-details dt');
  const values = await page.texts('.flame-details dd');
  const entries = titles.map((title, index) => [title, values[index]]);
  return { name: await page.text('.frame-name'), ...Object.fromEntries(entries) };
}

/** The place of a frame on the canvas, by its label; the middle of what is drawn of it. */
export function frameBox(page, label) {
  return page.evaluate(`(() => {
    const { canvas, tree } = memshim.pages.flame();
    const rects = canvas.rects.rows.flat();
    const rect = rects.find(({ node }) => node >= 0 && tree.label(node) === ${JSON.stringify(label)});
    const box = canvas.canvas.getBoundingClientRect();
    return rect ? { x: box.x + rect.x + rect.width / 2, y: box.y + (rect.depth + 0.5) * 20, width: rect.width } : null;
  })()`);
}
