/* Mantine writes its theme's CSS variables into a <style> element when the page runs, which a
 * Content-Security-Policy without 'unsafe-inline' refuses.  They are known when the page is built,
 * so they become a static file: `import 'virtual:theme-variables.css'`. */
import {
  convertCssVariables,
  DEFAULT_THEME,
  defaultCssVariablesResolver,
  mergeMantineTheme,
} from '@mantine/core';
import type { Plugin } from 'vite';
import { theme } from '../src/app/theme.ts';

const ID = 'virtual:theme-variables.css';

/* What Mantine's own default-css-variables.css does not already say. */
function different(ours: Record<string, string>, defaults: Record<string, string>): Record<`--${string}`, string> {
  return Object.fromEntries(Object.entries(ours).filter(([name, value]) => defaults[name] !== value));
}

export function themeCss(): string {
  const ours = defaultCssVariablesResolver(mergeMantineTheme(DEFAULT_THEME, theme));
  const defaults = defaultCssVariablesResolver(DEFAULT_THEME);
  return convertCssVariables(
    {
      variables: different(ours.variables, defaults.variables),
      dark: different(ours.dark, defaults.dark),
      light: different(ours.light, defaults.light),
    },
    ':root',
  );
}

export function themeVariables(): Plugin {
  return {
    name: 'theme-variables',
    resolveId: (id) => (id === ID ? `\0${ID}` : undefined),
    load: (id) => (id === `\0${ID}` ? themeCss() : undefined),
  };
}
