/** How well a bundle answers as its model does, in words. */

/** The figures of the parity gate: of probabilities, or of a number. */
type Agreement =
  | { readonly documents: number; readonly maxProbabilityDifference: number; readonly labelDisagreements: number }
  | { readonly documents: number; readonly maxRelativeDifference: number };

/** @example agreementOf({ documents: 69, maxProbabilityDifference: 4.2e-7, labelDisagreements: 0 }); // "69 documents, probabilities within 4.2e-7 of the trainer's, 0 labels differ" */
export function agreementOf(parity: Agreement): string {
  const documents = `${parity.documents} documents`;
  if ('maxRelativeDifference' in parity) {
    return `${documents}, values within ${parity.maxRelativeDifference.toPrecision(2)} of the trainer's, as a share of their range or of themselves`;
  }
  const { maxProbabilityDifference, labelDisagreements } = parity;
  return `${documents}, probabilities within ${maxProbabilityDifference.toPrecision(2)} of the trainer's, ${labelDisagreements} labels differ`;
}
