// `npm run bench -- NAME`: runs a measurement against its baseline (bench/NAME.ts).
import { runNamed } from './run-named.ts';

runNamed('bench', 'npm run bench -- NAME');
