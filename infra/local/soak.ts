// `npm run soak -- NAME [--seconds N] [--seed N]`: runs a test until time is up (test/soak/NAME.ts).
import { runNamed } from './run-named.ts';

runNamed('test/soak', 'npm run soak -- NAME [--seconds N] [--seed N]');
