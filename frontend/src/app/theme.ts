/* theme.ts - Mantine's theme.  Own palette: with the default blue, white text on a filled button
 * has a contrast of 3.55:1, and WCAG AA asks for 4.5.  Alarm colours are in styles/tokens.css; no
 * control uses them, so that red and yellow always mean an alarm. */
import { createTheme, type MantineColorsTuple } from '@mantine/core';

/* Teal: not red, yellow or cyan, which are taken by alarms.  White on shade 8: 5.3:1. */
const teal: MantineColorsTuple = [
  '#e3f7f4', '#c4ece5', '#96dccf', '#5cc8b8', '#33b3a1', '#1f9c8b', '#158776', '#0f7a6a', '#0b6f60', '#075247',
];
/* The night: surfaces of the dark scheme from text (0) to the page (7-9). */
const dark: MantineColorsTuple = [
  '#f2f5f8', '#c3ccd5', '#a3afbb', '#8b98a5', '#3a4653', '#2b3540', '#1b232c', '#12181f', '#0b0f14', '#06090c',
];

export const theme = createTheme({
  fontFamily: "'Inter Variable', system-ui, sans-serif",
  fontFamilyMonospace: 'ui-monospace, monospace',
  colors: { teal, dark },
  primaryColor: 'teal',
  primaryShade: { light: 8, dark: 8 },
  autoContrast: true,
  defaultRadius: 'sm',
  black: '#0e141a',
  cursorType: 'pointer',
  respectReducedMotion: true,
});
