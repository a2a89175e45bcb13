// The pages of a server: the table of processes leads to a report that follows its process.

import assert from 'node:assert/strict';

import { scenario } from './scenario.mjs';

const LIVE_OBJECTS = 'memshim.report.fact("live_objects").at().value';

scenario(
  'a process is found, looked at and followed',
  async (page) => {
    await page.until('document.querySelector("#processes tbody tr")');
    await page.screenshot('live-processes');
    assert.match(await page.text('#processes tbody tr'), /growth_steps/u);
    assert.match(await page.text('#views .note'), /^1 running, .* live, 0 leaking$/u);
    await page.evaluate('document.querySelectorAll("#processes th button")[1].click()');
    const sorted = '[...document.querySelectorAll("#processes thead th")].map((th) => th.ariaSort)';
    assert.equal((await page.evaluate(sorted))[1], 'ascending');
    // The page draws itself anew when there is something to tell.
    await page.evaluate('document.querySelector("#processes tbody").dataset.old = "yes"');
    await page.until('document.querySelector("#processes tbody").dataset.old === undefined');

    await page.evaluate('document.querySelector("#processes a").click()');
    await page.until('location.pathname.startsWith("/process/") && globalThis.memshim?.report');
    const before = await page.evaluate(LIVE_OBJECTS);
    assert.ok(before >= 300, `${before} blocks are live`);
    await page.evaluate('memshim.views.open("flame")');
    const { selected, section } = await page.evaluate(
      '({ selected: memshim.pages.flame().selected, section: memshim.pages.flame().section.name })',
    );
    assert.equal(section, 'sites');
    // The test that runs beside this one lets the program keep fifty more blocks now.
    console.log('the page looks on');
    await page.until(`${LIVE_OBJECTS} === ${before + 50}`);
    assert.equal(await page.evaluate('memshim.pages.flame().selected'), selected);
    const labels = await page.evaluate('memshim.pages.flame().tree.groups.labels');
    assert.ok(labels.includes('kept'), labels.join(', '));
    await page.evaluate('memshim.views.open("overview")');
    await page.screenshot('live-process');

    await page.evaluate('memshim.views.open("sites")');
    await page.evaluate('document.querySelector("#view-sites table").dataset.mine = "yes"');
    const asOf = await page.evaluate('memshim.report.about("as_of_unix_ns").value');
    await page.until(`memshim.report.about("as_of_unix_ns").value > ${asOf}`);
    assert.equal(
      await page.evaluate('document.querySelector("#view-sites table").dataset.mine'),
      'yes',
      'a table that somebody reads is left alone',
    );
  },
);
