// `npm run backup -- FOLDER`: copies everything in PostgreSQL, as of this moment, into a new folder.
import { copyDatabase } from './copy-database.ts';

await copyDatabase('backup');
