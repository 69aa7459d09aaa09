import { html } from './markup.ts';
import { figure } from './modelCard.ts';
import { type Markup, scrolling, type Section, table } from './page.ts';
import { percent } from './tables.ts';

/** Labels of a matrix that can still be read. */
const MOST_LABELS = 50;
/** Up to here there is room for shares beside the counts. */
const FEW_LABELS = 12;
/** From here on the matrix is set small. */
const MANY_LABELS = 20;
/** From here on the names of columns stand upright. */
const UPRIGHT_FROM = 6;
/** Below 1, so that a small share can be told from none. */
const SHADE_EXPONENT = 0.6;
/** Confusions that are listed. */
const LISTED = 12;

/**
 * Which labels are taken for which: a matrix with shades, where there are few enough, and the most frequent confusions.
 *
 * @param confusion `confusion[i][j]`: documents of label i that got label j
 */
export function confusionSection(labels: readonly string[], confusion: readonly (readonly number[])[]): Section {
  return {
    id: 'confusion',
    title: 'Confusion',
    body: [
      labels.length <= MOST_LABELS
        ? matrix(labels, confusion)
        : html`<p>${figure(labels.length)} labels are too many for a matrix; these are the confusions that come most often.</p>`,
      ...(labels.length > 2 ? [mostFrequent(labels, confusion)] : []),
    ],
  };
}

function matrix(labels: readonly string[], confusion: readonly (readonly number[])[]): Markup {
  const looks = ['confusion', labels.length >= UPRIGHT_FROM && 'upright', labels.length > MANY_LABELS && 'dense'].filter(Boolean).join(' ');
  const caption =
    'Rows: the label that documents have. Columns: the label they were given. The deeper the shade, the greater the share of the row.';
  const showShare = labels.length <= FEW_LABELS;
  return scrolling(
    'Confusion matrix',
    html`<table class="${looks}">
      <caption>
        ${caption}
      </caption>
      <thead>
        <tr>
          <th scope="col">has \\ given</th>
          ${labels.map((label) => html`<th scope="col">${label}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${confusion.map((row, index) => matrixRow(labels, row, index, showShare))}
      </tbody>
    </table>`,
  );
}

function matrixRow(labels: readonly string[], row: readonly number[], index: number, showShare: boolean): Markup {
  const total = row.reduce((sum, count) => sum + count, 0);
  const own = labels[index] ?? '';
  return html`<tr>
    <th scope="row">${own}</th>
    ${row.map((count, column) => {
      const share = total === 0 ? 0 : count / total;
      if (count === 0) return html`<td class="none" style="--share:0">${showShare ? '0' : ''}</td>`;
      const title = `${own} → ${labels[column] ?? ''}: ${percent(share)} of ${total}`;
      const shown = showShare ? html`<small>${percent(share)}</small>` : '';
      return html`<td
        class="${column === index ? 'right' : 'other'}"
        style="--share:${(share ** SHADE_EXPONENT).toFixed(3)}"
        title="${title}"
      >
        ${count}${shown}
      </td>`;
    })}
  </tr> `;
}

function mostFrequent(labels: readonly string[], confusion: readonly (readonly number[])[]): Markup {
  const pairs = confusion.flatMap((row, wanted) => {
    const total = row.reduce((sum, count) => sum + count, 0);
    return row
      .map((count, given) => ({ wanted, given, count, share: count / total }))
      .filter(({ given, count }) => given !== wanted && count > 0);
  });
  const listed = pairs.toSorted((a, b) => b.count - a.count).slice(0, LISTED);
  if (listed.length === 0) return html`<p>No label was taken for another.</p>`;
  return table(
    'Most frequent confusions',
    [{ name: 'has' }, { name: 'was given' }, { name: 'documents', isNumber: true }, { name: 'of the label’s', isNumber: true }],
    listed.map(({ wanted, given, count, share }) => [labels[wanted] ?? '', labels[given] ?? '', figure(count), percent(share)]),
  );
}
