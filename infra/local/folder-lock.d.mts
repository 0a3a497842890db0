export function lockFolder(
  file: string,
  options?: { readonly waitMs?: number; readonly onWait?: (holder: number) => void },
): Promise<(() => void) | undefined>;
