/** Promises with a time-out. */

/** The promise's value, or `otherwise` after `ms` milliseconds. A rejection is passed on. */
export function within<Value>(promise: Promise<Value>, ms: number, otherwise: Value): Promise<Value> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => resolve(otherwise), ms);
    promise.then(
      (value) => {
        clearTimeout(timer);
        resolve(value);
      },
      (error: unknown) => {
        clearTimeout(timer);
        reject(error);
      },
    );
  });
}
