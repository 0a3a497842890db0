/** The descriptions of each edge with a REST part, by name. */
import type { Description } from './document.ts';
import { hiro } from './hiro.ts';
import { saga } from './saga.ts';
import { space } from './space.ts';

export const descriptions: Readonly<Record<string, Description>> = { hiro, saga, space };
