/** A user name as it is compared: two names with the same key are one name, regardless of case. */
export const usernameKey = (username: string): string => username.normalize('NFKC').toLowerCase();
