/** Measures how long no write is answered during an action and after it. */
const LOOK_MS = 5;
const GIVE_UP_MS = 60_000;
/** The number of further answers after which writes count as resumed. */
const ENOUGH = 20;

/** @param acknowledged returns the number of writes answered so far */
export async function longestSilence(acknowledged: () => number, during: () => Promise<void>): Promise<number> {
  let longest = 0;
  let known = acknowledged();
  let since = performance.now();
  const look = (): void => {
    const now = performance.now();
    longest = Math.max(longest, now - since);
    if (acknowledged() === known) return;
    known = acknowledged();
    since = now;
  };
  const timer = setInterval(look, LOOK_MS);
  try {
    await during();
    const before = acknowledged();
    const deadline = performance.now() + GIVE_UP_MS;
    while (acknowledged() < before + ENOUGH && performance.now() < deadline) await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  } finally {
    clearInterval(timer);
  }
  return longest;
}
