/** Static assets beside the bundle's files. */

/** The folder of the playground's files. */
export const PLAYGROUND_ASSETS = 'playground';

/** The list of the model's files. A deployment that has it gives its model to whoever may ask. */
export const DOWNLOADS_FILE = 'downloads.json';
