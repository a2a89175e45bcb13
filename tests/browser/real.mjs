// The report of a program that really ran: every view opens without a complaint.

import assert from 'node:assert/strict';

import { scenario } from './scenario.mjs';

scenario(
  'every view of a real report opens, and the flame graph has its functions',
  async (page) => {
    for (const view of await page.evaluate('memshim.views.views.map(({ name }) => name)')) {
      await page.evaluate(`memshim.views.open(${JSON.stringify(view)})`);
      await page.until(
        'document.querySelector("[role=tabpanel]:not([hidden])").childElementCount > 0',
      );
      await page.screenshot(`real-${view}-light`);
    }
    await page.evaluate('memshim.views.open("flame")');
    const labels = await page.evaluate('memshim.pages.flame().tree.groups.labels');
    assert.ok(labels.includes('fifo_allocate'), labels.join(', '));
    assert.match(await page.text('.no-losses'), /nothing lost/u);
  },
);
