/** This program's version, as package.json has it: written here too, because the edge has no files to read. */
export const VERSION = '0.1.0';
