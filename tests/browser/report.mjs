// The whole report of the invented map server: every view, by mouse and by keyboard.

import assert from 'node:assert/strict';

import { details, frameBox, scenario } from './scenario.mjs';

const openFlame = async (page) => {
  await page.click('[role=tab]', 'Flame graph');
  await page.until('memshim.pages.flame().canvas.rects.rows.length > 4');
};

scenario('the heading says whom the report is about and what was lost', async (page) => {
  assert.match(await page.text('h1'), /^mapserver/u);
  assert.match(await page.text('.command'), /--tiles '\/srv\/map tiles'/u);
  const facts = await page.text('.short-facts');
  for (const part of ['4242', 'running', '2026-11-22 07:10:33 UTC', '1.5 h', '512 KiB', '0.4 %']) {
    assert.ok(facts.includes(part), `${part} is not in ${facts}`);
  }
  assert.match(await page.text('.losses'), /1,024 events overwritten before they were read/u);
});

scenario('the overview has the figures of the heap with their intervals', async (page) => {
  const tiles = await page.texts('.tile');
  const live = tiles.find((tile) => tile.startsWith('live\n'));
  assert.match(live, /100\.0 MiB/u);
  assert.match(live, /\[80\.0 \.\. 120\.0\]/u);
  assert.match(live, /10,400 objects/u);
  const peak = tiles.find((tile) => tile.startsWith('live at peak'));
  assert.match(peak, /149\.0 MiB[^]*2026-11-22 07:55:33 UTC/u);
  assert.match(await page.text('[data-section=leaks-top]'), /leak[^]*40\.0 MiB[^]*pixel_buffer/u);
});

scenario('every view can be reached by its tab and by its number', async (page) => {
  const tabs = await page.texts('[role=tab]');
  assert.deepEqual(tabs.slice(0, 4), ['Overview', 'Flame graph', 'Sites', 'Leaks']);
  for (const [index, tab] of tabs.entries()) {
    await page.press(String(index + 1));
    assert.equal(await page.text('[role=tab][aria-selected=true]'), tab);
    await page.until(
      'document.querySelector("[role=tabpanel]:not([hidden])").childElementCount > 0',
    );
  }
  await page.click('[role=tab]', 'Sites');
  assert.equal(await page.text('[role=tab][aria-selected=true]'), 'Sites');
  assert.equal(await page.evaluate('location.hash'), '#sites');
  await page.evaluate('history.back()');
  await page.until('location.hash !== "#sites" && document.querySelector("#view-sites").hidden');
});

scenario('arrows move between the tabs', async (page) => {
  await page.evaluate('document.querySelector("[role=tab]").focus()');
  await page.press('ArrowRight', 'ArrowRight');
  assert.equal(await page.text('[role=tab][aria-selected=true]'), 'Sites');
  assert.equal(await page.evaluate('document.activeElement.innerText'), 'Sites');
});

scenario('a click zooms into a frame and the details say what is in it', async (page) => {
  await openFlame(page);
  assert.match((await details(page)).total, /100\.0 MiB/u);
  const before = await frameBox(page, 'load_tile');
  await page.clickAt(before.x, before.y);
  const found = await details(page);
  assert.equal(found.name, 'load_tile');
  assert.equal(found.total, 'about 65.0 MiB');
  assert.equal(found['of all'], '65.0 %');
  assert.equal(found.self, '0 B');
  assert.equal(found['call stacks'], '2');
  assert.match(found.place, /part_2\.c:210 and 1 more$/u);
  assert.ok((await frameBox(page, 'load_tile')).width > before.width * 1.4);
  assert.deepEqual(await page.texts('.crumbs button'), [
    'all',
    'main',
    'serve',
    'handle_request',
    'load_tile',
  ]);
  await page.click('.crumbs button', 'all');
  assert.equal((await frameBox(page, 'load_tile')).width, before.width);
});

scenario(
  'a frame with one call stack has its interval, one that is known has none',
  async (page) => {
    await openFlame(page);
    const sampled = await frameBox(page, 'cache_insert');
    await page.clickAt(sampled.x, sampled.y);
    assert.equal((await details(page)).total, '25.0 MiB [20.0 .. 30.0]');
    await page.press('Escape');
    const known = await frameBox(page, 'pcache1Alloc');
    await page.clickAt(known.x, known.y);
    assert.equal((await details(page)).total, '20.0 MiB');
  },
);

scenario('the keyboard walks, zooms and comes back', async (page) => {
  await openFlame(page);
  await page.evaluate('document.querySelector("canvas").focus()');
  await page.press('ArrowDown', 'ArrowDown', 'ArrowRight');
  assert.equal((await details(page)).name, 'open_database');
  await page.press('Enter');
  assert.equal((await page.texts('.crumbs button')).at(-1), 'open_database');
  assert.match(
    await page.text('#announcer'),
    /^open_database: 20\.0 MiB, 20\.0 % of all, level 2$/u,
  );
  await page.press('ArrowDown', 'ArrowDown', 'Enter', 'Escape', 'Escape');
  assert.deepEqual(await page.texts('.crumbs button'), ['all']);
});

scenario('a search says how much passes through what it matches', async (page) => {
  await openFlame(page);
  await page.press('/');
  await page.type('json_value|cache_');
  assert.match(await page.text('output'), /^30\.0 MiB, 30\.0 % in 4 frames$/u);
  await page.screenshot('flame-search-light');
  await page.press('Enter');
  assert.match((await details(page)).name, /^(json_value|cache_insert)$/u);
  await page.press('Escape');
  assert.equal(await page.text('output'), '');
  await page.press('/');
  await page.type('(');
  assert.equal(await page.text('output'), 'not a regular expression');
});

scenario('the graph is turned over, and its first row are those who allocate', async (page) => {
  await openFlame(page);
  await page.click('.choice button', 'allocators on top');
  const rows =
    'memshim.pages.flame().canvas.rects.row(1).map(({ node }) => memshim.pages.flame().tree.label(node))';
  assert.deepEqual((await page.evaluate(rows)).slice(0, 4), [
    'pixel_buffer',
    'cache_insert',
    'pcache1Alloc',
    'read_file',
  ]);
  await page.screenshot('flame-inverted-light');
  const leaf = await frameBox(page, 'array_push');
  await page.clickAt(leaf.x, leaf.y);
  assert.equal((await details(page)).total, '4.5 MiB [3.6 .. 5.4]');
});

scenario('measures, objects and recursion can be chosen', async (page) => {
  await openFlame(page);
  await page.click('.choice button', 'temporary');
  assert.match(await page.text('.flame > .note'), /^temporary bytes: about 767\.0 MiB/u);
  await page.click('.choice button', 'objects');
  assert.match((await details(page)).total, /^about 76,700$/u);
  const depth = 'Math.max(...memshim.pages.flame().tree.depth)';
  const before = await page.evaluate(depth);
  await page.click('input[type=checkbox]');
  assert.equal(await page.evaluate(depth), before - 1);
});

scenario('the tree of text says what the graph shows', async (page) => {
  await openFlame(page);
  await page.click('summary', 'the same as a tree of text');
  await page.until('document.querySelectorAll("[role=treeitem]").length === 2');
  await page.evaluate('document.querySelector("[role=treeitem]").focus()');
  await page.press('ArrowDown', 'ArrowRight', 'ArrowDown');
  const line = await page.evaluate('document.activeElement.innerText');
  assert.match(line, /about 70\.0 MiB\s+70\.0 %\s+serve/u);
  await page.press('Enter');
  assert.equal((await page.texts('.crumbs button')).at(-1), 'serve');
});

scenario('sites are sorted and filtered', async (page) => {
  await page.press('3');
  const leaves = () => page.texts('#view-sites .stack li:first-child .function');
  assert.equal((await leaves())[0], 'pixel_buffer');
  await page.click('#view-sites .sort', 'allocated');
  assert.match((await leaves())[0], /_M_append/u);
  await page.click('#view-sites .sort', 'allocated');
  assert.equal((await leaves())[0], 'read_file');
  await page.press('/');
  await page.type('sqlite');
  assert.deepEqual(await leaves(), ['pcache1Alloc']);
  assert.equal(await page.text('#view-sites .count'), '1 of 7 rows');
  await page.click('#view-sites button', 'in the graph');
  assert.equal((await page.texts('.crumbs button')).at(-1), 'pcache1Alloc');
});

scenario('a stack opens to its last frame', async (page) => {
  await page.press('3');
  await page.click('#view-sites .stack-actions button', '3 more frames');
  const frames = await page.texts('#view-sites tbody tr:first-child .function');
  assert.deepEqual([frames[0], frames.at(-1), frames.length], ['pixel_buffer', 'main', 7]);
});

scenario('leaks have their verdicts and evidence', async (page) => {
  await page.press('4');
  assert.deepEqual(await page.texts('#view-leaks .verdict'), [
    '▲ leak',
    '◆ growing container',
    '● bounded cache',
    '◆ too little data',
  ]);
  assert.match(
    await page.text('#view-leaks tbody tr'),
    /92\.0 %[^]*7\.6 KiB\/s\s+\[5\.2 \.\. 11\.1\]/u,
  );
});

scenario('histograms are tables with bars', async (page) => {
  await page.click('[role=tab]', 'Histograms');
  const row = '[data-section=sizes] tbody tr:nth-child(3)';
  assert.match(await page.text(row), /32 B – 64 B\s+90,000 \[72,000 \.\. 108,000\]/u);
  assert.equal(await page.evaluate(`document.querySelector('${row} .bar').style.width`), '83.33%');
});

scenario('the heap over time has its peak marked and can be read point by point', async (page) => {
  await page.click('[role=tab]', 'Over time');
  await page.until('document.querySelector("#view-time .peak text")');
  assert.equal(await page.text('#view-time .readout'), 'peak 149.8 MiB at 44.0 min, last 95.1 MiB');
  await page.evaluate('document.querySelector("#view-time svg").focus()');
  await page.press('Home');
  assert.match(
    await page.text('#view-time .readout'),
    /^0 ns \(2026-11-22 07:10:33 UTC\): 20\.0 MiB \[16\.0 \.\. 24\.0\]$/u,
  );
});

scenario('the theme is that of the system until somebody switches it', async (page) => {
  const ground = () => page.evaluate('getComputedStyle(document.body).backgroundColor');
  const light = await ground();
  await page.setDark(true);
  await page.until(`getComputedStyle(document.body).backgroundColor !== "${light}"`);
  await page.click('button', 'light or dark');
  assert.equal(await ground(), light);
});

scenario('a report can be fetched instead of embedded', async (page) => {
  const name = await page.evaluate(`(async () => {
    const data = { schema: 'memshim.page/1', report: 'fetched', target: [], losses: [], sections: [], texts: [''],
      frames: { name: [], file: [], line: [], module: [], build_id: [], offset: [], inlined: [] }, stacks: { caller: [], frame: [] } };
    document.getElementById('report-data').setAttribute('data-source', '/report');
    globalThis.fetch = async (address) => ({ ok: address === '/report', json: async () => data });
    return (await loadReport()).name;
  })()`);
  assert.equal(name, 'fetched');
});

scenario('the keys are listed on demand', async (page) => {
  await page.press('?');
  assert.match(await page.text('dialog[open]'), /Escape\s+back to where you were/u);
});

for (const isDark of [false, true]) {
  scenario(
    `pictures of all views in ${isDark ? 'dark' : 'light'}`,
    async (page) => {
      for (const view of await page.evaluate('memshim.views.views.map(({ name }) => name)')) {
        await page.evaluate(`memshim.views.open(${JSON.stringify(view)})`);
        await page.screenshot(`${view}-${isDark ? 'dark' : 'light'}`);
      }
    },
    { isDark },
  );
}
