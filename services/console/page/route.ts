/** The address of the page: a view and its parameters. */
import { useEffect, useState } from 'preact/hooks';

export interface Address {
  readonly path: string;
  readonly query: URLSearchParams;
}

const read = (): Address => ({ path: location.pathname, query: new URLSearchParams(location.search) });

export function useAddress(): Address {
  const [address, setAddress] = useState(read);
  useEffect(() => {
    const listener = () => setAddress(read());
    addEventListener('popstate', listener);
    return () => removeEventListener('popstate', listener);
  }, []);
  return address;
}

/** Navigates to another address of the page, with a history entry. */
export function go(path: string): void {
  if (path === `${location.pathname}${location.search}`) return;
  history.pushState(null, '', path);
  dispatchEvent(new PopStateEvent('popstate'));
}
