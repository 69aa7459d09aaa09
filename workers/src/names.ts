/** Names that the Worker and whoever deploys it agree on. */

/** The folder of the playground's files, among the static assets. */
export const PLAYGROUND_ASSETS = 'playground';

/** The asset that lists the model's files. A deployment that has it gives its model to whoever may ask. */
export const DOWNLOADS_FILE = 'downloads.json';

/** The queue of dead letters has the name of the queue itself, and this behind it. */
export const DEAD_LETTERS_SUFFIX = '-dead';

/** Which deployed version answered, so that whoever has just deployed can tell. */
export const VERSION_HEADER = 'x-deployed-version';
