// `npm run restore -- FOLDER`: restores a backup into an empty database; see docs/operations.md.
import { copyDatabase } from './copy-database.ts';

await copyDatabase('restore');
