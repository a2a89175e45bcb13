// The flame graph alone.

import assert from 'node:assert/strict';

import { details, frameBox, scenario } from './scenario.mjs';

scenario('the flame graph stands alone and works as in the report', async (page) => {
  assert.equal(
    await page.evaluate('getComputedStyle(document.querySelector("#tabs")).display'),
    'none',
  );
  await page.until('memshim.pages.flame().canvas.rects.rows.length > 4');
  const box = await frameBox(page, 'open_database');
  await page.clickAt(box.x, box.y);
  assert.equal((await details(page)).total, '20.0 MiB');
  await page.screenshot('flamegraph-light');
});
