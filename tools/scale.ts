/** `node tools/scale.ts`: prints the tables of docs/scale.md. Constants are in `scale/model.ts`, sizes in `scale/tables.ts`. */
import { scaleTables } from './scale/tables.ts';

console.log(scaleTables());
