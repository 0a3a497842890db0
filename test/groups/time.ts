/** Milliseconds of the monotonic clock that all processes of the machine share. */
export const now = (): number => Number(process.hrtime.bigint() / 1000n) / 1000;
export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
