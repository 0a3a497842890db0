import { verify } from '@node-rs/bcrypt';

/** Whether a hex text, as SOCKET_AUTH takes it, is the hash of a secret. */
export const isHashOf = (secret: string, hex: string): Promise<boolean> => verify(secret, Buffer.from(hex, 'hex').toString());
