import { join } from 'node:path';
import { isModel, PAIR, readMembers, readModel, type StoredModel } from '../checkpoint/modelFolder.ts';
import { locateModel } from '../shippedModels.ts';
import { UserError } from '../../text/errors.ts';
import type { Directions } from './run.ts';

/** Where to start from. */
export interface LanguageModelChoice {
  /** Folder of a language model or of a pair, or the name of one that came with this program. */
  readonly from: string;
  readonly direction?: Directions | undefined;
}

/**
 * The language models to start from, the forward one first: those of the direction that is wanted, otherwise what `from` has. A forward model's folder
 * may hold its counterpart in `backward`; that one is taken only where it is asked for.
 *
 * @throws UserError where there is none, or not of that direction
 */
export async function languageModelsOf({ from, direction }: LanguageModelChoice): Promise<StoredModel[]> {
  const models = await readMembers(from, 'languageModel');
  if (direction === undefined) return models;
  const folder = await locateModel(from);
  return Promise.all(
    PAIR.filter((each) => direction === 'both' || direction === each).map(async (wanted) => {
      const found = models.find((model) => model.description.direction === wanted);
      if (found !== undefined) return found;
      const inside = join(folder, wanted);
      if (await isModel(inside)) return readModel(inside, 'languageModel');
      const others = models.map((model) => model.description.direction).join(' and a ');
      throw new UserError(`${from} holds a ${others} language model, not a ${wanted} one. Leave out --direction, or name another model.`);
    }),
  );
}
