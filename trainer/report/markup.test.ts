import { expect, it } from 'vitest';

import { html, raw } from './markup.ts';

it('escapes values, takes markup as it is, and leaves out what stands for nothing', async () => {
  const inner = html`<i>${'<&">'}</i>`;
  expect(String(await html`<b title="${`"'`}">${inner} ${[1, '2', raw('<br>')]} ${false}${undefined}</b>`)).toBe(
    '<b title="&quot;&#39;"><i>&lt;&amp;&quot;&gt;</i> 12<br> </b>',
  );
});

it('leaves out the indentation of templates, not that of values', async () => {
  const made = html`<ul>
    <li>${'  a\n\n  b'}</li>
  </ul>`;
  expect(String(await made)).toBe('<ul>\n<li>  a\n\n  b</li>\n</ul>');
});
