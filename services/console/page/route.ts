/** The address of the page: a view, and what it shows. */
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

/** Goes to another address of the page; the way back works. */
export function go(path: string): void {
  if (path === `${location.pathname}${location.search}`) return;
  history.pushState(null, '', path);
  dispatchEvent(new PopStateEvent('popstate'));
}
