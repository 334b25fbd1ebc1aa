/* What fits is known to a browser alone: fit.tsx is built and shown in Chromium.  Without one the test
 * is skipped. */
import react from '@vitejs/plugin-react';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';
import { afterAll, describe, expect, it } from 'vitest';
import { themeVariables } from '../../build/theme-variables.ts';

const src = fileURLToPath(new URL('..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'wardscribe-fit-'));
const browser = ['chromium', 'chromium-browser', 'google-chrome'].find(
  (name) => spawnSync(name, ['--version']).status === 0,
);
const FLAGS = ['--headless', '--no-sandbox', '--disable-gpu', '--virtual-time-budget=20000', '--dump-dom'];

async function buildPage(): Promise<string> {
  await build({
    configFile: false,
    root: folder,
    publicDir: false,
    logLevel: 'error',
    plugins: [react(), themeVariables()],
    resolve: { alias: { '@': src } },
    /* vitest's own NODE_ENV makes React's plugin write for development. */
    define: { 'process.env.NODE_ENV': '"development"' },
    build: {
      target: 'es2022',
      outDir: folder,
      emptyOutDir: false,
      lib: { entry: join(src, 'testing/fit.tsx'), formats: ['es'], fileName: () => 'fit.js', cssFileName: 'fit' },
    },
  });
  const page = join(folder, 'index.html');
  writeFileSync(
    page,
    '<!doctype html><html lang="en" data-mantine-color-scheme="dark"><link rel="stylesheet" href="fit.css">' +
      '<body><script type="module" src="fit.js"></script></body></html>',
  );
  return page;
}

function show(page: string): { cards: number; faults: string[] } {
  const profile = `--user-data-dir=${join(folder, 'profile')}`;
  const html = execFileSync(browser!, [...FLAGS, '--allow-file-access-from-files', profile, `file://${page}`], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
    timeout: 60_000,
  });
  const text = /<output>(.*)<\/output>/.exec(html)?.[1];
  if (!text) throw new Error(`the page says nothing: ${html.slice(0, 300)}`);
  return JSON.parse(text.replaceAll('&gt;', '>').replaceAll('&lt;', '<').replaceAll('&amp;', '&'));
}

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.skipIf(!browser)('a card in Chromium', { timeout: 120_000 }, () => {
  it('cuts nothing and keeps numbers apart, in every alarm state and at every density', async () => {
    const { cards, faults } = show(await buildPage());
    expect(cards).toBe(108);
    expect(faults).toEqual([]);
  });
});
