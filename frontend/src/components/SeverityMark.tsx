/* SeverityMark.tsx - a severity as a shape of its own, for who cannot tell the colours apart.
 *   critical octagon !!!   warning triangle !!   technical square !   silent crossed circle   normal tick */
import type { Category } from '@/lib/alarms';

export const CATEGORY_WORDS: Record<Category, string> = {
  critical: 'Critical',
  warning: 'Warning',
  technical: 'Technical',
  silent: 'No data',
  normal: 'Normal',
};

const SHAPES: Record<Category, React.ReactNode> = {
  critical: (
    <>
      <path d="M9 2h14l8 8v12l-8 8H9l-8-8V10z" />
      <path d="M9 8v10M9 22v2M16 8v10M16 22v2M23 8v10M23 22v2" className="ink" />
    </>
  ),
  warning: (
    <>
      <path d="M16 2 31 29H1z" />
      <path d="M12.5 13v8M12.5 24v2M19.5 13v8M19.5 24v2" className="ink" />
    </>
  ),
  technical: (
    <>
      <path d="M3 3h26v26H3z" />
      <path d="M16 8v11M16 23v2" className="ink" />
    </>
  ),
  silent: (
    <>
      <circle cx="16" cy="16" r="14" />
      <path d="M7 7l18 18" className="ink" />
    </>
  ),
  normal: <path d="M4 17l8 8L28 8" className="tick" />,
};

export function SeverityMark({ category, size = '1em' }: { category: Category; size?: string }) {
  return (
    <svg className="severity-mark" viewBox="0 0 32 32" width={size} height={size} aria-hidden="true" focusable="false">
      {SHAPES[category]}
    </svg>
  );
}
