// A browser under test: Chromium without a window, driven over two pipes.
//
// The DevTools protocol is messages of JSON that end in a zero byte; Chromium reads them from its
// descriptor 3 and writes them to 4. That needs no package, no port and no network.

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, mkdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const ARGUMENTS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--disable-extensions',
  '--disable-default-apps',
  '--mute-audio',
  '--hide-scrollbars',
  '--remote-debugging-pipe',
];

const TIME_LIMIT_MS = 60_000;

/** The keys that tests press, as the protocol wants them. */
const KEYS = {
  ArrowUp: 38,
  ArrowDown: 40,
  ArrowLeft: 37,
  ArrowRight: 39,
  Enter: 13,
  Escape: 27,
  Home: 36,
  End: 35,
  Tab: 9,
};

export class Browser {
  static async launch() {
    const browser = new Browser();
    await browser.open();
    return browser;
  }

  async open() {
    this.profile = mkdtempSync(join(tmpdir(), 'memshim-browser-'));
    const executable = process.env.MEMSHIM_TEST_CHROMIUM ?? '/usr/bin/chromium';
    this.child = spawn(
      executable,
      [...ARGUMENTS, `--user-data-dir=${this.profile}`, 'about:blank'],
      {
        stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'],
        // A process group of its own, so that all of its processes end with it.
        detached: true,
      },
    );
    this.gone = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.once('error', (error) => this.failAll(error));
    this.gone.then(() => this.failAll(new Error('the browser has ended')));
    this.waiting = new Map();
    this.listeners = [];
    this.nextId = 1;
    this.rest = '';
    this.child.stdio[4].setEncoding('utf8').on('data', (text) => this.receive(text));
    this.child.stdio[3].on('error', () => {});
    const { targetInfos } = await this.send('Target.getTargets');
    const { targetId } = targetInfos.find(({ type }) => type === 'page');
    ({ sessionId: this.session } = await this.send('Target.attachToTarget', {
      targetId,
      flatten: true,
    }));
  }

  receive(text) {
    const messages = (this.rest + text).split('\0');
    this.rest = messages.pop();
    for (const message of messages.map((json) => JSON.parse(json))) {
      const waiting = this.waiting.get(message.id);
      this.waiting.delete(message.id);
      if (waiting === undefined) {
        this.listeners.forEach((listener) => listener(message));
      } else if (message.error) {
        waiting.reject(new Error(`${waiting.method}: ${message.error.message}`));
      } else {
        waiting.resolve(message.result);
      }
    }
  }

  failAll(error) {
    this.waiting.forEach(({ reject }) => reject(error));
    this.waiting.clear();
  }

  send(method, params = {}, sessionId = this.session) {
    const id = this.nextId;
    this.nextId += 1;
    const answer = new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject, method });
    });
    this.child.stdio[3].write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    return answer;
  }

  async close() {
    process.kill(-this.child.pid, 'SIGKILL');
    await this.gone;
    rmSync(this.profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  }
}

/** One page in the browser, with all that it asked for and complained about. */
export class Page {
  /** Opens a file and waits until the page has put itself together. */
  static async open(browser, path, { width = 1280, height = 900, isDark = false, hash = '' } = {}) {
    const page = new Page(browser);
    await page.prepare({ width, height, isDark });
    // Either what the reader wrote, or what it serves.
    page.address = path.startsWith('http://') ? path : pathToFileURL(path).href;
    await page.navigate(page.address + hash);
    return page;
  }

  constructor(browser) {
    this.browser = browser;
    this.requests = [];
    this.complaints = [];
  }

  async prepare({ width, height, isDark }) {
    const { browser } = this;
    // What an earlier page said is not about this one.
    browser.listeners = [(message) => this.listen(message)];
    for (const domain of ['Page', 'Runtime', 'Network', 'Log']) {
      await browser.send(`${domain}.enable`);
    }
    await browser.send('Network.setCacheDisabled', { cacheDisabled: true });
    await browser.send('Emulation.setDeviceMetricsOverride', {
      width,
      height,
      deviceScaleFactor: 1,
      mobile: false,
    });
    await this.setDark(isDark);
  }

  setDark(isDark) {
    const features = [
      { name: 'prefers-color-scheme', value: isDark ? 'dark' : 'light' },
      { name: 'prefers-reduced-motion', value: 'reduce' },
    ];
    return this.browser.send('Emulation.setEmulatedMedia', { features });
  }

  listen({ method, params }) {
    if (method === 'Network.requestWillBeSent') {
      this.requests.push(params.request.url);
    } else if (method === 'Runtime.exceptionThrown') {
      this.complaints.push(
        params.exceptionDetails.exception?.description ?? params.exceptionDetails.text,
      );
    } else if (
      method === 'Runtime.consoleAPICalled' &&
      ['error', 'warning', 'assert'].includes(params.type)
    ) {
      this.complaints.push(
        params.args.map(({ value, description }) => value ?? description).join(' '),
      );
    } else if (method === 'Log.entryAdded' && ['error', 'warning'].includes(params.entry.level)) {
      this.complaints.push(params.entry.text);
    }
  }

  async navigate(address) {
    // From an empty page, since a changed hash alone would load nothing.
    await this.browser.send('Page.navigate', { url: 'about:blank' });
    this.requests.length = 0;
    await this.browser.send('Page.navigate', { url: address });
    await this.until(
      'document.readyState === "complete" && (globalThis.memshim || document.querySelector("[role=alert], .empty")) && location.protocol !== "about:"',
    );
  }

  /** The value of an expression in the page. */
  async evaluate(expression) {
    const { result, exceptionDetails } = await this.browser.send('Runtime.evaluate', {
      expression,
      returnByValue: true,
      awaitPromise: true,
    });
    if (exceptionDetails) {
      throw new Error(
        `${exceptionDetails.exception?.description ?? exceptionDetails.text} in ${expression}`,
      );
    }
    return result.value;
  }

  /** Waits until an expression is true. */
  async until(condition) {
    const deadline = Date.now() + TIME_LIMIT_MS;
    while (!(await this.evaluate(`Boolean(${condition})`))) {
      if (Date.now() > deadline) {
        throw new Error(
          `never true: ${condition}; the page said ${this.complaints.join('; ') || 'nothing'}`,
        );
      }
      await this.evaluate('new Promise((resolve) => requestAnimationFrame(resolve))');
    }
  }

  text(selector) {
    return this.evaluate(`document.querySelector(${JSON.stringify(selector)})?.innerText ?? null`);
  }

  texts(selector) {
    return this.evaluate(
      `[...document.querySelectorAll(${JSON.stringify(selector)})].map((found) => found.innerText)`,
    );
  }

  /** Clicks what a selector finds, where its text is `text` if that is given. */
  async click(selector, text = null) {
    const box = await this.evaluate(`(() => {
      const all = [...document.querySelectorAll(${JSON.stringify(selector)})];
      const found = all.find((one) => ${text === null} || one.innerText.trim() === ${JSON.stringify(text)});
      found?.scrollIntoView({ block: 'center' });
      const box = found?.getBoundingClientRect();
      return box ? { x: box.x + box.width / 2, y: box.y + box.height / 2 } : null;
    })()`);
    if (box === null) {
      throw new Error(`nothing to click: ${selector} ${text ?? ''}`);
    }
    await this.clickAt(box.x, box.y);
  }

  async clickAt(x, y) {
    for (const type of ['mouseMoved', 'mousePressed', 'mouseReleased']) {
      await this.browser.send('Input.dispatchMouseEvent', {
        type,
        x,
        y,
        button: type === 'mouseMoved' ? 'none' : 'left',
        clickCount: 1,
      });
    }
  }

  async move(x, y) {
    await this.browser.send('Input.dispatchMouseEvent', {
      type: 'mouseMoved',
      x,
      y,
      button: 'none',
    });
  }

  /** Presses keys, one after the other. */
  async press(...keys) {
    for (const key of keys) {
      const code = KEYS[key];
      const event =
        code === undefined
          ? { key, text: key, windowsVirtualKeyCode: key.toUpperCase().charCodeAt(0) }
          : {
              key,
              code: key,
              windowsVirtualKeyCode: code,
              ...(key === 'Enter' ? { text: '\r' } : {}),
            };
      await this.browser.send('Input.dispatchKeyEvent', { type: 'keyDown', ...event });
      await this.browser.send('Input.dispatchKeyEvent', { type: 'keyUp', ...event });
    }
  }

  /** Writes into the field that has the focus. */
  type(text) {
    return this.browser.send('Input.insertText', { text });
  }

  /** Keeps a picture of the page where somebody wants to look at it. */
  async screenshot(name) {
    const directory = process.env.MEMSHIM_TEST_SCREENSHOTS;
    if (!directory) {
      return;
    }
    // Two frames, so that what was asked for has been drawn.
    await this.evaluate(
      'new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))',
    );
    const { data } = await this.browser.send('Page.captureScreenshot', { format: 'png' });
    mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, `${name}.png`), Buffer.from(data, 'base64'));
  }

  /** Addresses that were asked for beside the page itself. */
  foreignRequests() {
    return this.requests.filter((url) => !url.startsWith(this.address) && !url.startsWith('data:'));
  }
}
