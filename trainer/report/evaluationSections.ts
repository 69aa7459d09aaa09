import type { Axis, Figure, Series } from './chart.ts';
import { confusionSection } from './confusionSection.ts';
import type {
  Evaluation,
  LanguageModelEvaluation,
  RegressionEvaluation,
  Reliability,
  WrongLabel,
  WrongLabels,
  WrongNumber,
} from './evaluation.ts';
import type { LabelMetrics } from './metrics.ts';
import { html } from './markup.ts';
import { figure } from './modelCard.ts';
import { type Markup, picture, type Section, table } from './page.ts';
import { percent } from './tables.ts';

/** Labels in a table at most: those with the lowest F1 are shown of more. */
const MOST_LABELS = 200;

/** The figures of an evaluation that a reader looks for first. */
export function evaluationFigures(evaluation: Evaluation): (readonly [name: string, value: string])[] {
  switch (evaluation.task) {
    case 'singleLabel': {
      const { n, accuracy, macroF1, loss, calibrationError } = evaluation.metrics;
      return [
        ['documents', figure(n)],
        ['accuracy', percent(accuracy)],
        ['macro F1', percent(macroF1)],
        ['loss', loss.toFixed(4)],
        ['calibration error', percent(calibrationError)],
      ];
    }
    case 'multiLabel': {
      const { n, microF1, macroF1, exactMatch, loss, calibrationError } = evaluation.metrics;
      return [
        ['documents', figure(n)],
        ['micro F1', percent(microF1)],
        ['macro F1', percent(macroF1)],
        ['all labels right', percent(exactMatch)],
        ['loss', loss.toFixed(4)],
        ['calibration error', percent(calibrationError)],
      ];
    }
    case 'regression': {
      const { n, rootMeanSquaredError, meanAbsoluteError, r2, pearson } = evaluation.metrics;
      return [
        ['documents', figure(n)],
        ['root mean squared error', figure(rootMeanSquaredError)],
        ['mean absolute error', figure(meanAbsoluteError)],
        ['R²', r2.toFixed(4)],
        ['correlation', pearson.toFixed(4)],
      ];
    }
    case 'languageModel':
      return evaluation.members.map(({ direction, metrics }) => [
        evaluation.members.length === 1 ? 'perplexity' : `perplexity, ${direction}`,
        metrics.perplexity.toFixed(2),
      ]);
  }
}

/** What an evaluation has to show. */
export async function evaluationSections(evaluation: Evaluation): Promise<Section[]> {
  switch (evaluation.task) {
    case 'singleLabel':
      return [
        confusionSection(evaluation.labels, evaluation.metrics.confusion),
        labelsSection(evaluation.metrics.labels),
        await reliabilitySection(evaluation.reliability, 'of the likeliest label', 'were right'),
        wrongSection(
          evaluation.mostWrong.map(wrongLabel),
          'that got another label than their own, those first whose own label seemed least likely',
        ),
      ];
    case 'multiLabel':
      return [
        labelsSection(evaluation.metrics.labels),
        await reliabilitySection(evaluation.reliability, 'of each label', 'had the label'),
        wrongSection(evaluation.mostWrong.map(wrongLabels), 'that got a label too many or too few, the surest mistakes first'),
      ];
    case 'regression':
      return [await pointsSection(evaluation), wrongSection(evaluation.mostWrong.map(wrongNumber), 'whose number was missed by most')];
    case 'languageModel':
      return [textSection(evaluation)];
  }
}

function labelsSection(metrics: Readonly<Record<string, LabelMetrics>>): Section {
  const all = Object.entries(metrics);
  const shown = all.length <= MOST_LABELS ? all : all.toSorted(([, a], [, b]) => a.f1 - b.f1).slice(0, MOST_LABELS);
  const bar = (share: number) => ({ text: percent(share), share });
  const caption =
    'Precision: share of the documents given the label that have it. Recall: share of those that have it which were given it. F1: their harmonic mean.' +
    (shown.length < all.length ? ` The ${MOST_LABELS} of ${all.length} labels with the lowest F1.` : '');
  return {
    id: 'labels',
    title: 'Labels',
    body: table(
      caption,
      [
        { name: 'label' },
        { name: 'documents', isNumber: true },
        ...['precision', 'recall', 'F1'].map((name) => ({ name, isNumber: true })),
      ],
      shown.map(([label, { n, precision, recall, f1 }]) => [label, figure(n), bar(precision), bar(recall), bar(f1)]),
    ),
  };
}

/**
 * @param what whose probability is meant
 * @param right when an answer is right
 */
async function reliabilitySection(reliability: readonly Reliability[], what: string, right: string): Promise<Section> {
  const { lines, bars } = reliabilityFigures(reliability);
  return {
    id: 'calibration',
    title: 'Calibration',
    body: [
      html`<div class="charts">
        ${[
          await picture(lines, {
            title: 'Reliability',
            explanation:
              `Answers in ten bins by probability ${what}, and how many of each bin ${right}. On the dashed line a probability can be taken at ` +
              'its word; below it the model is too sure.',
          }),
          await picture(bars, { title: 'Confidence', explanation: 'How often each probability is given, as the model answers.' }),
        ]}
      </div>`,
      table(
        'Calibration error: mean distance of probability from the share of right answers, over the ten bins (Guo et al. 2017). Temperature: what logits are divided by; the best one is that of the least loss on these documents.',
        [
          { name: 'answers' },
          { name: 'temperature', isNumber: true },
          { name: 'calibration error', isNumber: true },
          { name: 'loss', isNumber: true },
        ],
        reliability.map((each) => [
          NAMES[each.answers],
          each.temperature?.toFixed(3) ?? '–',
          percent(each.calibrationError),
          each.loss.toFixed(4),
        ]),
      ),
      html`<p class="note">
        A temperature changes no label, only how sure the model says it is. <code>ulmfit calibrate</code> gives a model the one that suits
        held-out documents best.
      </p>`,
    ],
  };
}

/** Short, because a legend has little room. */
const NAMES: Readonly<Record<Reliability['answers'], string>> = {
  given: 'as answered',
  unscaled: 'without temperature',
  fitted: 'best temperature',
};

function reliabilityFigures(reliability: readonly Reliability[]): { lines: Figure; bars: Figure } {
  const percents = { range: [0, 100], ticks: [0, 20, 40, 60, 80, 100] } as const;
  const x = { label: 'probability, %', ...percents };
  const perfect = { name: 'perfect', look: 'dashed', points: [0, 100].map((end) => ({ x: end, y: end })) } as const;
  const lines = reliability.map((each) => ({
    name: NAMES[each.answers],
    points: each.bins.flatMap(({ n, confidence, right }) => (n === 0 ? [] : [{ x: 100 * confidence, y: 100 * right }])),
  }));
  const given = reliability[0]?.bins ?? [];
  const total = given.reduce((sum, { n }) => sum + n, 0);
  const width = 100 / given.length;
  const bars = given.map(({ n }, index) => ({ x: width * index, until: width * (index + 1), y: (100 * n) / total }));
  const chart = (y: Axis, series: readonly Series[]) => ({ title: '', charts: [{ title: '', x, y, series }], width: 400, height: 280 });
  return {
    lines: chart({ label: 'right, %', ...percents }, [perfect, ...lines]),
    bars: chart({ label: 'of all answers, %' }, [{ name: 'answers', look: 'bars', points: bars }]),
  };
}

function wrongSection(documents: readonly Markup[], which: string): Section {
  return {
    id: 'wrong',
    title: 'Most wrong',
    body:
      documents.length === 0
        ? html`<p>No document was wrong.</p>`
        : [
            html`<p>Documents ${which}: hard ones, and often wrongly labelled ones.</p>`,
            html`<ol class="wrong">
              ${documents}
            </ol>`,
          ],
  };
}

function wrongLabel({ text, wanted, given, probability, wantedProbability }: WrongLabel): Markup {
  return html`<li>
    <p>given <strong>${given}</strong> (${percent(probability)}), is <strong>${wanted}</strong> (${percent(wantedProbability)})</p>
    <blockquote>${text}</blockquote>
  </li> `;
}

function wrongLabels({ text, wanted, wrong }: WrongLabels): Markup {
  const has = new Set(wanted);
  const of = (missing: boolean) =>
    wrong.filter(({ label }) => has.has(label) === missing).map(({ label, probability }) => `${label} (${percent(probability)})`);
  const parts = [
    { what: 'given wrongly', labels: of(false) },
    { what: 'missed', labels: of(true) },
  ].filter(({ labels }) => labels.length > 0);
  return html`<li>
    <p>
      ${parts.map(({ what, labels }) => html`${what}: <strong>${labels.join(', ')}</strong>. `)}Has: ${wanted.join(', ') || 'no label'}.
    </p>
    <blockquote>${text}</blockquote>
  </li> `;
}

function wrongNumber({ text, wanted, given }: WrongNumber): Markup {
  return html`<li>
    <p>given <strong>${figure(given)}</strong>, is <strong>${figure(wanted)}</strong></p>
    <blockquote>${text}</blockquote>
  </li> `;
}

async function pointsSection({ points, metrics }: RegressionEvaluation): Promise<Section> {
  const numbers = points.flat();
  const [least, greatest] = [Math.min(...numbers), Math.max(...numbers)];
  const series = [
    { name: 'documents', look: 'points', points: points.map(([x, y]) => ({ x, y })) },
    { name: 'perfect', look: 'dashed', points: [least, greatest].map((end) => ({ x: end, y: end })) },
  ] as const;
  const chart = { title: '', x: { label: 'wanted' }, y: { label: 'given', fromZero: false }, series };
  const shown = points.length < metrics.n ? ` ${figure(points.length)} of ${figure(metrics.n)} are shown.` : '';
  const explanation = `A point for each document; on the dashed line the number given is the one wanted.${shown}`;
  return {
    id: 'numbers',
    title: 'Wanted and given numbers',
    body: await picture({ title: '', charts: [chart], width: 460, height: 400 }, { title: 'Given against wanted', explanation }),
  };
}

function textSection({ members }: LanguageModelEvaluation): Section {
  return {
    id: 'text',
    title: 'Text',
    body: table(
      'Loss: mean cross-entropy, nats a token; perplexity is its exponential. Unknown: share of the tokens that are not in the vocabulary.',
      [
        { name: 'direction' },
        { name: 'tokens', isNumber: true },
        { name: 'loss', isNumber: true },
        { name: 'perplexity', isNumber: true },
        { name: 'unknown', isNumber: true },
      ],
      members.map(({ direction, metrics: { n, loss, perplexity, unknownRate } }) => [
        direction,
        figure(n),
        loss.toFixed(4),
        perplexity.toFixed(2),
        percent(unknownRate),
      ]),
    ),
  };
}
