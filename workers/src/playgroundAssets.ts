/** The folder of the static assets in which the playground's files lie, beside the bundle's. */
export const PLAYGROUND_ASSETS = 'playground';
