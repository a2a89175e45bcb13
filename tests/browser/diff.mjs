// A comparison: what grew and shrank is told by signs and numbers, and not by colour alone.

import assert from 'node:assert/strict';

import { details, frameBox, scenario } from './scenario.mjs';

scenario('frames have the sign of their change and the details both sides', async (page) => {
  await page.click('[role=tab]', 'Flame graph');
  await page.until('memshim.pages.flame().canvas.rects.rows.length > 4');
  const labels = await page.evaluate(`(() => {
    const { canvas } = memshim.pages.flame();
    return canvas.rects.row(2).map(({ node }) => canvas.labelOf(node));
  })()`);
  assert.deepEqual(labels, ['+ serve', '= open_database', '= load_config', '− run_job']);
  const box = await frameBox(page, 'load_tile');
  await page.clickAt(box.x, box.y);
  const found = await details(page);
  assert.equal(found.change, 'about +30.0 MiB 35.0 MiB → 65.0 MiB');
  for (const theme of ['light', 'dark']) {
    await page.screenshot(`diff-flame-${theme}`);
    await page.click('button', 'light or dark');
  }
});

scenario('the table has the same changes with their verdicts', async (page) => {
  await page.click('[role=tab]', 'Diff');
  const rows = await page.texts('#view-diff tbody tr');
  assert.match(rows[0], /10\.0 MiB[^]*40\.0 MiB[^]*\+30\.0 MiB[^]*grew/u);
  assert.match(rows[6], /-6\.0 MiB[^]*shrank/u);
  await page.screenshot('diff-table-light');
});
