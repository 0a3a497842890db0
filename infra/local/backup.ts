// `npm run backup -- FOLDER`: everything that PostgreSQL holds, as it is at this moment, into a new folder.
import { copyDatabase } from './copy-database.ts';

await copyDatabase('backup');
