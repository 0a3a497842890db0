// An application's page with SPACE's React client: shows what the token of a user says of one feature. `react-page.ts` bundles and serves it.
import { createElement as element } from 'react';
import { createRoot } from 'react-dom/client';
import { Default, ErrorFallback, Feature, On, SpaceProvider, useSpaceClient } from 'space-react-client';

function Application() {
  const client = useSpaceClient();
  window.load = (user) => {
    client.setUserId(user).catch((error) => {
      document.title = String(error);
    });
  };
  return element(
    Feature,
    { id: 'gantry-calendar' },
    element(On, null, element('p', { id: 'shown' }, 'your calendar')),
    element(Default, null, element('p', { id: 'shown' }, 'no calendar in your plan')),
    element(ErrorFallback, null, element('p', { id: 'shown' }, 'nobody is here')),
  );
}

const { url, apiKey } = window.configuration;
createRoot(document.getElementById('root')).render(
  element(SpaceProvider, { config: { url, apiKey, allowConnectionWithSpace: true } }, element(Application)),
);
