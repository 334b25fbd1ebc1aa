import js from '@eslint/js';
import hooks from 'eslint-plugin-react-hooks';
import tseslint from 'typescript-eslint';

/* The tree is the architecture: app → features → components → lib; features never see each other. */
const forbid = (...patterns) => ({
  'no-restricted-imports': [
    'error',
    {
      patterns: patterns.map((group) => ({
        group: [group],
        message: 'Wrong direction: app → features → components → lib.',
      })),
    },
  ],
});

export default tseslint.config(
  { ignores: ['dist', 'node_modules', 'src/lib/api/schema.d.ts', 'test-results', 'playwright-report'] },
  js.configs.recommended,
  ...tseslint.configs.recommended,
  hooks.configs.flat.recommended,
  {
    rules: {
      eqeqeq: 'error',
      'no-restricted-properties': ['error', { property: 'dangerouslySetInnerHTML', message: 'Text only.' }],
      'no-restricted-syntax': [
        'error',
        { selector: 'JSXAttribute[name.name="dangerouslySetInnerHTML"]', message: 'Text only.' },
        { selector: 'NewExpression[callee.name="WebSocket"]', message: 'The socket lives in lib/live.ts.' },
      ],
      '@typescript-eslint/no-explicit-any': 'error',
      'max-lines': ['error', 400],
    },
  },
  { files: ['src/features/**'], rules: forbid('@/features/**', '@/app/**', '../**') },
  { files: ['src/components/**'], rules: forbid('@/features/**', '@/app/**', '../**') },
  { files: ['src/lib/**'], rules: forbid('@/features/**', '@/app/**', '@/components/**') },
  { files: ['src/lib/live.ts'], rules: { 'no-restricted-syntax': 'off' } },
);
