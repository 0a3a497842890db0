/** What is fixed in every simulated system. */

export const PARTITIONS = 4;
export const TENANT = 't';
export const SCOPE = 's';
