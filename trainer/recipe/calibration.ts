/** The temperatures that are looked through: beyond them a model's confidence means nothing, or the data do not say. */
export const TEMPERATURE_BOUNDS = [0.1, 10] as const;

const MOST_ITERATIONS = 100;
const TOLERANCE = 1e-10;

/** Slope and curvature of the total loss as a function of 1 / temperature. */
interface Derivatives {
  readonly slope: number;
  readonly curvature: number;
}

/**
 * Temperature scaling (Guo et al. 2017, section 4.2) of a classifier that gives one label: the temperature T for which the mean
 * cross-entropy of softmax(logits / T) on held-out documents is least. It changes no label, only how sure the classifier says it is.
 *
 * The loss is convex in 1 / T, so the answer is the only one. Where all documents are told apart (the loss falls for ever as T does) or
 * the logits are worse than none, there is no least loss, and the answer is an end of {@link TEMPERATURE_BOUNDS}.
 *
 * @param logits one array a document, undivided
 * @param classes the right class of each document
 * @example
 * fitTemperature([Float32Array.of(2, 0), Float32Array.of(2, 0), Float32Array.of(0, 2)], [0, 1, 1]); // 2.885…: right two times in three
 */
export function fitTemperature(logits: readonly Float32Array[], classes: readonly number[]): number {
  const rows = logits.map((row) => {
    const highest = Math.max(...row);
    return row.map((logit) => logit - highest); // the same probabilities, and no exponential overflows
  });
  return leastLoss((inverse) => {
    let slope = 0;
    let curvature = 0;
    for (const [index, row] of rows.entries()) {
      let [total, first, second] = [0, 0, 0];
      for (const logit of row) {
        const weight = Math.exp(inverse * logit);
        total += weight;
        first += weight * logit;
        second += weight * logit * logit;
      }
      const expected = first / total;
      slope += expected - (row[classes[index] ?? 0] ?? 0);
      curvature += second / total - expected * expected;
    }
    return { slope, curvature };
  });
}

/**
 * The same for a classifier that gives any number of labels: one temperature for all of them, for which the mean binary cross-entropy of
 * sigmoid(logits / T) is least.
 *
 * @param targets one array a document, 1 where it has the label
 */
export function fitMultiLabelTemperature(logits: readonly Float32Array[], targets: readonly Float32Array[]): number {
  return leastLoss((inverse) => {
    let slope = 0;
    let curvature = 0;
    for (const [index, row] of logits.entries()) {
      for (const [label, logit] of row.entries()) {
        const probability = 1 / (1 + Math.exp(-inverse * logit));
        slope += (probability - (targets[index]?.[label] ?? 0)) * logit;
        curvature += probability * (1 - probability) * logit * logit;
      }
    }
    return { slope, curvature };
  });
}

/** Newton's method on the slope, kept between two ends that close in on its zero; returns the temperature. */
function leastLoss(derivatives: (inverse: number) => Derivatives): number {
  let [low, high] = [1 / TEMPERATURE_BOUNDS[1], 1 / TEMPERATURE_BOUNDS[0]];
  if (derivatives(high).slope <= 0) return TEMPERATURE_BOUNDS[0];
  if (derivatives(low).slope >= 0) return TEMPERATURE_BOUNDS[1];
  let inverse = 1;
  for (let iteration = 0; iteration < MOST_ITERATIONS && high - low > TOLERANCE * high; iteration++) {
    const { slope, curvature } = derivatives(inverse);
    if (slope === 0) break;
    if (slope < 0) low = inverse;
    else high = inverse;
    const next = inverse - slope / curvature;
    const step = next > low && next < high ? next : Math.sqrt(low * high);
    if (Math.abs(step - inverse) <= TOLERANCE * inverse) return 1 / step;
    inverse = step;
  }
  return 1 / inverse;
}

/** Probabilities of logits at a temperature: softmax for one label, a sigmoid each for several. */
export function probabilitiesAt(
  task: 'singleLabel' | 'multiLabel',
  logits: readonly Float32Array[],
  temperature: number,
): Float32Array<ArrayBuffer>[] {
  if (task === 'multiLabel') return logits.map((row) => Float32Array.from(row, (logit) => 1 / (1 + Math.exp(-logit / temperature))));
  return logits.map((row) => {
    const highest = Math.max(...row);
    const weights = Array.from(row, (logit) => Math.exp((logit - highest) / temperature));
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    return Float32Array.from(weights, (weight) => weight / total);
  });
}

/** Float32 tells probabilities apart from 0 and 1 down to about here. */
const LEAST_PROBABILITY = 1e-7;

/**
 * Logits that have these probabilities; of one label's, up to a constant that makes no difference. Where the answers of several models were
 * averaged, there are no others.
 */
export function logitsOf(task: 'singleLabel' | 'multiLabel', probabilities: readonly Float32Array[]): Float32Array<ArrayBuffer>[] {
  if (task === 'singleLabel') return probabilities.map((row) => row.map((probability) => Math.log(Math.max(probability, 1e-37))));
  return probabilities.map((row) =>
    row.map((probability) => {
      const inside = Math.min(Math.max(probability, LEAST_PROBABILITY), 1 - LEAST_PROBABILITY);
      return Math.log(inside / (1 - inside));
    }),
  );
}
