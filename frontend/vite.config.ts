import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';
import { fileURLToPath } from 'node:url';
import { precompress } from './build/precompress.ts';
import { themeVariables } from './build/theme-variables.ts';

/* Where `npm run dev` finds a running `wardscribe serve`. */
const backend = process.env.WARDSCRIBE_URL ?? 'http://127.0.0.1:3000';

export default defineConfig({
  plugins: [react(), themeVariables(), precompress()],
  resolve: { alias: { '@': fileURLToPath(new URL('./src', import.meta.url)) } },
  build: {
    target: 'es2022',
    sourcemap: false,
    /* One file: a screen that runs for weeks must not ask for a part that an upgrade took away. */
    chunkSizeWarningLimit: 700,
    /* data: URIs would need room in the Content-Security-Policy. */
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  server: {
    proxy: {
      '/api': { target: backend },
      '/health': { target: backend },
      '/ws': { target: backend, ws: true },
    },
  },
  test: {
    environment: 'node' /* files that draw ask for jsdom in their first line */,
    include: ['src/**/*.test.{ts,tsx}', 'build/**/*.test.ts'],
    restoreMocks: true,
  },
});
