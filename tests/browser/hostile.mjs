// Names that try to be markup stay names, in every view.

import assert from 'node:assert/strict';

import { details, scenario } from './scenario.mjs';

scenario('no name becomes an element, runs, or asks for anything', async (page) => {
  for (const view of await page.evaluate('memshim.views.views.map(({ name }) => name)')) {
    await page.evaluate(`memshim.views.open(${JSON.stringify(view)})`);
    await page.until(
      'document.querySelector("[role=tabpanel]:not([hidden])").childElementCount > 0',
    );
  }
  assert.equal(
    await page.evaluate('document.querySelectorAll("main img, main script, main b").length'),
    0,
  );
  assert.doesNotMatch(await page.evaluate('document.title'), /^broken/u);
  assert.match(await page.text('h1'), /script>/u);
});

scenario('names are shown as they are, but without controls and turned letters', async (page) => {
  await page.evaluate('memshim.views.open("sites")');
  const names = await page.texts('#view-sites .stack li:first-child .function');
  assert.equal(names[0], "</script><script>document.title='broken'</script>");
  assert.equal(names[4], ']]>&lt;b&gt;&amp;\\u003cb\\u003e');
  assert.equal(names[6], '🦀 operator""_名前 עברית');
  assert.equal(names[7], 'reversed gnp.exe');
  assert.equal(names[8], 'clearedscreen next lineend');
  assert.equal(names[12].length, 10_000);
  await page.screenshot('hostile-sites-light');
});

scenario('a name of ten thousand letters leaves room for the others', async (page) => {
  await page.evaluate('memshim.views.open("sites")');
  const height = await page.evaluate(
    'Math.max(...[...document.querySelectorAll("#view-sites tr")].map((row) => row.offsetHeight))',
  );
  assert.ok(height < 400, `a row is ${height} pixels high`);
  const isWide = await page.evaluate('document.documentElement.scrollWidth > innerWidth');
  assert.ok(!isWide, 'the page is wider than the window');
});

scenario(
  'the flame graph takes every name',
  async (page) => {
    await page.evaluate('memshim.views.open("flame")');
    await page.until('memshim.pages.flame().canvas.rects.rows.length > 2');
    await page.evaluate('document.querySelector("canvas").focus()');
    await page.press('ArrowDown', 'ArrowDown');
    for (let count = 0; count < 13; count += 1) {
      await page.press('ArrowRight');
    }
    assert.equal((await details(page))['of all'], '7.7 %');
    await page.press('Enter');
    await page.screenshot('hostile-flame-dark');
  },
  { isDark: true },
);
